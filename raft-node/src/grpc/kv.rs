//! One gRPC call per operation, for other languages and for tools.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use quorate_proto::v1::kv_server::Kv;
use quorate_proto::v1::session_server::Session;
use quorate_proto::v1::{self as proto, call, reply};
use tonic::{Request, Response, Status};

use super::api::Api;
use super::work::Work;
use super::{request, validate};
use crate::request::Passage;

/// The key-value service.
pub struct KvService(pub Arc<Api>);

/// The session service.
pub struct SessionService(pub Arc<Api>);

/// One call from its request to its reply.
pub(super) async fn unary(
    api: &Api,
    timeout: Duration,
    bytes: usize,
    call: call::Request,
) -> Result<reply::Response, Status> {
    let followed = api.books.alone(&call);
    let refused = |refused| followed.refused_alone(&api.books, refused, Passage::AtOnce);
    let permit = api.admission.admit(bytes).map_err(refused)?;
    validate::request_size(&api.limits, bytes).map_err(refused)?;
    let work = request::work(&api.limits, api.store.domains(), call).map_err(refused)?;
    let _permit = match &work {
        Work::Await { .. } => permit.into_waiting(&api.waits).map_err(refused)?,
        _ => permit,
    };
    let (answer, passage) = api.perform(work, timeout).await;
    followed.answered_alone(&api.books, answer, passage)
}

/// Declares the method bodies that differ in nothing but their types.
macro_rules! unary_call {
    ($self:ident, $request:ident, $variant:ident) => {{
        let bytes = $request.get_ref().encoded_len();
        let (metadata, extensions, message) = $request.into_parts();
        let call = quorate_proto::v1::call::Request::$variant(message);
        let request = Request::from_parts(metadata, extensions, ());
        match $crate::grpc::kv::unary(&$self.0, $crate::grpc::work::TIMEOUT_DEFAULT, bytes, call).await? {
            reply::Response::$variant(answer) => Ok($crate::grpc::leaving::answer(&$self.0.unread, &request, answer)),
            _ => Err(Status::internal("the reply is not of the call's kind")),
        }
    }};
}
pub(super) use unary_call;

#[tonic::async_trait]
impl Kv for KvService {
    async fn get(&self, request: Request<proto::GetRequest>) -> Result<Response<proto::GetResponse>, Status> {
        unary_call!(self, request, Get)
    }

    async fn put(&self, request: Request<proto::PutRequest>) -> Result<Response<proto::PutResponse>, Status> {
        unary_call!(self, request, Put)
    }

    async fn delete(&self, request: Request<proto::DeleteRequest>) -> Result<Response<proto::DeleteResponse>, Status> {
        unary_call!(self, request, Delete)
    }

    async fn range(&self, request: Request<proto::RangeRequest>) -> Result<Response<proto::RangeResponse>, Status> {
        unary_call!(self, request, Range)
    }

    async fn txn(&self, request: Request<proto::TxnRequest>) -> Result<Response<proto::TxnResponse>, Status> {
        unary_call!(self, request, Txn)
    }

    async fn compact(
        &self,
        request: Request<proto::CompactRequest>,
    ) -> Result<Response<proto::CompactResponse>, Status> {
        unary_call!(self, request, Compact)
    }
}

#[tonic::async_trait]
impl Session for SessionService {
    async fn register_client(
        &self,
        request: Request<proto::RegisterClientRequest>,
    ) -> Result<Response<proto::RegisterClientResponse>, Status> {
        unary_call!(self, request, RegisterClient)
    }
}
