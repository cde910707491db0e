//! Acquisitions and registrations without the SDK, which would renew their leases and wait in their stead.

use std::time::Duration;

use prost::Message;
use quorate_proto::v1;
use quorate_proto::v1::coordination_client::CoordinationClient;
use quorate_proto::v1::kv_client::KvClient;
use quorate_proto::v1::lock_operation::Operation as LockOperation;
use quorate_proto::v1::lock_query::Query as LockQuery;
use quorate_proto::v1::lock_result::Result as LockResult;
use quorate_proto::v1::operation::Operation;
use quorate_proto::v1::operation_result::Result as OperationResult;
use quorate_proto::v1::worker_operation::Operation as WorkerOperation;
use quorate_proto::v1::worker_result::Result as WorkerResult;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::workloads::Endpoints;

/// A member that is cut off is given up after this.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The store refuses it.
    Refused(v1::ErrorCode),
    /// Nobody was there to do it, and nothing was done.
    NotDone,
    /// Nobody knows.
    Unknown,
}

/// Makes calls to whoever leads. It keeps the connection to that member.
#[derive(Debug)]
pub struct Direct {
    endpoints: Endpoints,
    leader: Option<Channel>,
}

impl Direct {
    /// To these members.
    pub fn new(endpoints: Endpoints) -> Direct {
        Direct {
            endpoints,
            leader: None,
        }
    }

    /// One operation on locks, which must be one that may be repeated. Also the revision of the store once it was done.
    pub async fn lock(&mut self, operation: LockOperation) -> Result<(LockResult, u64), NoAnswer> {
        let operation = Some(operation);
        let result = self.operate(Operation::Lock(v1::LockOperation { operation })).await?;
        match result {
            (OperationResult::Lock(v1::LockResult { result: Some(result) }), revision) => Ok((result, revision)),
            _ => Err(NoAnswer::Unknown),
        }
    }

    /// Registers a worker, which may be repeated. Answers at which revision it was registered.
    pub async fn register(&mut self, register: v1::WorkerRegister) -> Result<u64, NoAnswer> {
        let operation = Some(WorkerOperation::Register(register));
        let result = self
            .operate(Operation::Worker(v1::WorkerOperation { operation }))
            .await?;
        match result.0 {
            OperationResult::Worker(v1::WorkerResult {
                result: Some(WorkerResult::Registered(registered)),
            }) => Ok(registered.registered_revision),
            _ => Err(NoAnswer::Unknown),
        }
    }

    /// A transaction of one operation, without a stamp.
    async fn operate(&mut self, operation: Operation) -> Result<(OperationResult, u64), NoAnswer> {
        let request = v1::TxnRequest {
            then: vec![v1::Operation {
                operation: Some(operation),
            }],
            ..v1::TxnRequest::default()
        };
        let call = |channel| {
            let request = with_timeout(request.clone());
            async move { KvClient::new(channel).txn(request).await }
        };
        let reply = self.ask(call).await?;
        let revision = reply.header.unwrap_or_default().revision;
        let result = reply.results.into_iter().next().and_then(|result| result.result);
        Ok((result.ok_or(NoAnswer::Unknown)?, revision))
    }

    /// What has become of an acquisition, once that has changed or this time is over.
    pub async fn acquisition(
        &mut self,
        lease: u64,
        request: u64,
        wait: Duration,
    ) -> Result<v1::LockAcquisition, NoAnswer> {
        let query = LockQuery::Acquisition(v1::LockAcquisitionGet { lease, request });
        let request = v1::QueryRequest {
            query: Some(v1::query_request::Query::Lock(v1::LockQuery { query: Some(query) })),
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            ..v1::QueryRequest::default()
        };
        let call = |channel| {
            let request = with_timeout(request.clone());
            async move { CoordinationClient::new(channel).query(request).await }
        };
        match self.ask(call).await?.answer {
            Some(v1::query_response::Answer::Lock(v1::LockAnswer {
                acquisition: Some(acquisition),
                ..
            })) => Ok(acquisition),
            _ => Err(NoAnswer::NotDone),
        }
    }

    /// Asks the leader that is known, or each member until one leads.
    async fn ask<T, F>(&mut self, call: impl Fn(Channel) -> F) -> Result<T, NoAnswer>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        if let Some(leader) = self.leader.take()
            && let Some(answer) = self.ask_one(leader, &call).await
        {
            return answer;
        }
        for member in self.endpoints.all() {
            let Some(channel) = connect(&member).await else {
                continue;
            };
            if let Some(answer) = self.ask_one(channel, &call).await {
                return answer;
            }
        }
        Err(NoAnswer::NotDone)
    }

    /// None if this member does not lead.
    async fn ask_one<T, F>(&mut self, channel: Channel, call: &impl Fn(Channel) -> F) -> Option<Result<T, NoAnswer>>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let status = match call(channel.clone()).await {
            Ok(response) => {
                self.leader = Some(channel);
                return Some(Ok(response.into_inner()));
            }
            Err(status) => status,
        };
        let refused = refusal(&status).unwrap_or_default();
        match refused.code() {
            v1::ErrorCode::NotLeader => None,
            code if is_final(code) => {
                self.leader = Some(channel);
                Some(Err(NoAnswer::Refused(code)))
            }
            _ if refused.outcome() == v1::Outcome::NotApplied => Some(Err(NoAnswer::NotDone)),
            _ => Some(Err(NoAnswer::Unknown)),
        }
    }
}

/// None if nobody is there.
async fn connect(member: &str) -> Option<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{member}")).ok()?;
    endpoint.connect_timeout(CONNECT_TIMEOUT).connect().await.ok()
}

fn with_timeout<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

fn refusal(status: &Status) -> Option<v1::Error> {
    let details = status.details();
    (!details.is_empty()).then(|| v1::Error::decode(details).ok()).flatten()
}

/// The store has looked, and says no.
fn is_final(code: v1::ErrorCode) -> bool {
    matches!(
        code,
        v1::ErrorCode::UnknownLease
            | v1::ErrorCode::Fenced
            | v1::ErrorCode::LockConflict
            | v1::ErrorCode::LimitReached
            | v1::ErrorCode::WorkerExists
            | v1::ErrorCode::NoCapacity
            | v1::ErrorCode::Conflict
    )
}
