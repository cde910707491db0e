//! Domains: one gRPC call per operation; the stream carries the same calls.

mod answer;
mod request;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use prost::Message;
use quorate_proto::v1::domains_server::Domains;
use quorate_proto::v1::{self as proto, reply};
use tonic::{Request, Response, Status};

pub(super) use self::answer::{changed, query};
pub(super) use self::request::{change, create, drop, get, list};
use super::api::Api;
use super::kv::unary_call;

/// The service for domains.
pub struct DomainsService(pub Arc<Api>);

#[tonic::async_trait]
impl Domains for DomainsService {
    async fn create(
        &self,
        request: Request<proto::DomainCreateRequest>,
    ) -> Result<Response<proto::DomainCreateResponse>, Status> {
        unary_call!(self, request, DomainCreate)
    }

    async fn list(
        &self,
        request: Request<proto::DomainListRequest>,
    ) -> Result<Response<proto::DomainListResponse>, Status> {
        unary_call!(self, request, DomainList)
    }

    async fn get(
        &self,
        request: Request<proto::DomainGetRequest>,
    ) -> Result<Response<proto::DomainGetResponse>, Status> {
        unary_call!(self, request, DomainGet)
    }

    async fn change(
        &self,
        request: Request<proto::DomainChangeRequest>,
    ) -> Result<Response<proto::DomainChangeResponse>, Status> {
        unary_call!(self, request, DomainChange)
    }

    async fn drop(
        &self,
        request: Request<proto::DomainDropRequest>,
    ) -> Result<Response<proto::DomainDropResponse>, Status> {
        unary_call!(self, request, DomainDrop)
    }
}
