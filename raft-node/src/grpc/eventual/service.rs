//! The service.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use prost::Message;
use quorate_proto::v1 as proto;
use quorate_proto::v1::eventual_server::Eventual;
use tonic::{Request, Response, Status, Streaming};

use super::asked::WriteAsked;
use super::stream;
use crate::grpc::admission::Permit;
use crate::grpc::api::Api;
use crate::grpc::followed::Caller;
use crate::grpc::unread::line_of;
use crate::grpc::{error, leaving, validate};

/// The eventual tier's service.
pub struct EventualService(pub Arc<Api>);

#[tonic::async_trait]
impl Eventual for EventualService {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<proto::EventualReplies, Status>> + Send>>;

    async fn write(
        &self,
        request: Request<proto::EventualWriteRequest>,
    ) -> Result<Response<proto::EventualWriteResponse>, Status> {
        let permit = self.admit(request.get_ref())?;
        // Before it is done, so that a refusal says that nothing was.
        let _permit = self.to_wait(permit, request.get_ref().acks > 1)?;
        let asked = WriteAsked::of(request.get_ref());
        let written = self.0.write(&asked).map_err(error::status)?;
        Ok(Response::new(self.0.acknowledge(written).await))
    }

    async fn read(
        &self,
        request: Request<proto::EventualReadRequest>,
    ) -> Result<Response<proto::EventualReadResponse>, Status> {
        let permit = self.admit(request.get_ref())?;
        let (metadata, extensions, asked) = request.into_parts();
        let read = self.0.check_read(asked).map_err(error::status)?;
        let _permit = self.to_wait(permit, !read.promise.is_plain())?;
        let answer = self.0.read_keys(read).await.map_err(error::status)?;
        let request = Request::from_parts(metadata, extensions, ());
        Ok(leaving::answer(&self.0.unread, &request, answer))
    }

    async fn scan(
        &self,
        request: Request<proto::EventualScanRequest>,
    ) -> Result<Response<proto::EventualScanResponse>, Status> {
        let permit = self.admit(request.get_ref())?;
        let scan = self.0.check_scan(request.get_ref()).map_err(error::status)?;
        let _permit = self.to_wait(permit, !scan.promise.is_plain())?;
        let answer = self.0.scan(scan).await.map_err(error::status)?;
        Ok(leaving::answer(&self.0.unread, &request, answer))
    }

    async fn open(
        &self,
        request: Request<Streaming<proto::EventualCalls>>,
    ) -> Result<Response<Self::OpenStream>, Status> {
        let unread = self.0.unread.on(line_of(&request));
        let caller = Caller::of(request.metadata());
        Ok(Response::new(Box::pin(stream::open(
            Arc::clone(&self.0),
            caller,
            request.into_inner(),
            unread,
        ))))
    }

    async fn sync_status(
        &self,
        _request: Request<proto::SyncStatusRequest>,
    ) -> Result<Response<proto::SyncStatusResponse>, Status> {
        Ok(Response::new(self.0.sync_status()))
    }

    async fn sync_force(
        &self,
        request: Request<proto::SyncForceRequest>,
    ) -> Result<Response<proto::SyncForceResponse>, Status> {
        let _permit = self.0.waits.admit(0).map_err(error::status)?;
        let forced = self.0.sync_force(request.into_inner().timeout_ms).await;
        forced.map(Response::new).map_err(error::status)
    }

    async fn memory(&self, request: Request<proto::MemoryRequest>) -> Result<Response<proto::MemoryResponse>, Status> {
        let _permit = self.0.waits.admit(0).map_err(error::status)?;
        Ok(Response::new(self.0.memory(request.into_inner().cluster).await))
    }
}

impl EventualService {
    fn admit(&self, request: &impl Message) -> Result<Permit, Status> {
        let bytes = request.encoded_len();
        let permit = self.0.admission.admit(bytes).map_err(error::status)?;
        validate::request_size(&self.0.limits, bytes).map_err(error::status)?;
        Ok(permit)
    }

    /// A call that waits gives its place among those that work to another.
    fn to_wait(&self, permit: Permit, waits: bool) -> Result<Permit, Status> {
        match waits {
            true => permit.into_waiting(&self.0.waits).map_err(error::status),
            false => Ok(permit),
        }
    }
}
