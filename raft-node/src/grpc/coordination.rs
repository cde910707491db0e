//! Renewals, and reads that may wait, each as one gRPC call, for other languages and for tools.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use prost::Message;
use quorate_proto::v1::coordination_server::Coordination;
use quorate_proto::v1::{self as proto, reply};
use tonic::{Request, Response, Status, Streaming};

use super::api::Api;
use super::kv::unary_call;
use super::{error, leases};

/// The coordination service.
pub struct CoordinationService(pub Arc<Api>);

#[tonic::async_trait]
impl Coordination for CoordinationService {
    type KeepAliveStream = Pin<Box<dyn Stream<Item = Result<proto::KeepAliveResponse, Status>> + Send>>;

    async fn keep_alive(
        &self,
        request: Request<Streaming<proto::KeepAliveRequest>>,
    ) -> Result<Response<Self::KeepAliveStream>, Status> {
        let api = Arc::clone(&self.0);
        let renewals = request.into_inner().then(move |message| {
            let api = Arc::clone(&api);
            async move {
                match leases::keep_alive(&api, message?).await {
                    reply::Response::KeepAlive(answer) => Ok(answer),
                    reply::Response::Error(refused) => Err(error::status(refused)),
                    _ => Err(Status::internal("the reply is not of the call's kind")),
                }
            }
        });
        Ok(Response::new(Box::pin(renewals)))
    }

    async fn query(&self, request: Request<proto::QueryRequest>) -> Result<Response<proto::QueryResponse>, Status> {
        unary_call!(self, request, Query)
    }
}
