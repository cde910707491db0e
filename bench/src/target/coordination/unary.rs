//! Quorate with one gRPC call per operation.
//!
//! As for keys, the calls carry no client stamp. Who has to wait for a lock asks for the acquisition's state, which is
//! answered when it changes.

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::coordination_client::CoordinationClient;
use quorate_proto::v1::kv_client::KvClient;
use quorate_proto::v1::lease_operation::Operation as LeaseOperation;
use quorate_proto::v1::lease_result::Result as LeaseResult;
use quorate_proto::v1::lock_acquisition::State;
use quorate_proto::v1::lock_operation::Operation as LockOperation;
use quorate_proto::v1::lock_result::Result as LockResult;
use quorate_proto::v1::operation::Operation;
use quorate_proto::v1::operation_result::Result as OperationResult;
use quorate_proto::v1::queue_operation::Operation as QueueOperation;
use quorate_proto::v1::queue_result::Result as QueueResult;
use tonic::transport::Channel;

use super::super::describe;
use super::renewals::Renewals;
use super::{HOLDER_TTL, LEASE_IS_GONE, LEASE_TTL, NO_LEASE, NOTHING_TO_CLAIM, QUEUE, Verb};

/// One question about an acquisition waits so long.
const QUESTION_WAIT_MS: u64 = 5_000;

/// One client.
#[derive(Debug)]
pub struct UnaryVerbs {
    kv: KvClient<Channel>,
    coordination: CoordinationClient<Channel>,
    lease: Option<u64>,
    /// Names the lease's acquisitions.
    request: u64,
    renewals: Renewals<v1::KeepAliveRequest, v1::KeepAliveResponse>,
}

impl UnaryVerbs {
    pub(super) async fn open(channel: Channel, number: usize, verb: Verb) -> Result<UnaryVerbs, String> {
        let mut verbs = UnaryVerbs {
            kv: KvClient::new(channel.clone()),
            coordination: CoordinationClient::new(channel),
            lease: None,
            request: 0,
            renewals: Renewals::default(),
        };
        match verb {
            Verb::Lock => verbs.lease = Some(verbs.grant(HOLDER_TTL.as_millis()).await?),
            Verb::Queue if number == 0 => {
                let queue = QUEUE.to_owned();
                let create = QueueOperation::Create(v1::QueueCreate { queue, config: None });
                verbs.queue(create).await?;
            }
            Verb::Lease | Verb::Queue => {}
        }
        Ok(verbs)
    }

    pub(super) async fn lock_and_unlock(&mut self, name: &str) -> Result<(), String> {
        let lease = self.lease.ok_or(NO_LEASE)?;
        self.request += 1;
        let acquire = LockOperation::Acquire(v1::LockAcquire {
            lease,
            request: self.request,
            names: vec![name.to_owned()],
            wait: true,
            ..Default::default()
        });
        let holds = match self.lock(acquire).await? {
            LockResult::Granted(granted) => granted.holds,
            LockResult::Queued(_) => self.granted(lease).await?,
            other => return Err(format!("acquire was answered with {other:?}")),
        };
        let hold = holds.into_iter().next().ok_or("a grant without a hold")?;
        let release = LockOperation::Release(v1::LockHold {
            lock: hold.lock,
            lease,
            token: hold.token,
            request: self.request,
        });
        self.lock(release).await?;
        Ok(())
    }

    /// Waits for the acquisition that was made last.
    async fn granted(&mut self, lease: u64) -> Result<Vec<v1::LockGrant>, String> {
        let get = v1::LockAcquisitionGet {
            lease,
            request: self.request,
        };
        let query = v1::lock_query::Query::Acquisition(get);
        let request = v1::QueryRequest {
            query: Some(v1::query_request::Query::Lock(v1::LockQuery { query: Some(query) })),
            wait_ms: QUESTION_WAIT_MS,
            ..Default::default()
        };
        loop {
            let answer = self.coordination.query(request.clone()).await;
            let answer = answer.map_err(|status| describe(&status))?.into_inner().answer;
            let Some(v1::query_response::Answer::Lock(v1::LockAnswer {
                acquisition: Some(acquisition),
                ..
            })) = answer
            else {
                return Err("a question about an acquisition was answered without one".to_owned());
            };
            match acquisition.state() {
                State::Granted => return Ok(acquisition.holds),
                State::Queued => {}
                State::Absent | State::Unspecified => return Err("an acquisition is gone".to_owned()),
            }
        }
    }

    pub(super) async fn grant_renew_revoke(&mut self) -> Result<(), String> {
        let lease = self.grant(LEASE_TTL.as_millis()).await?;
        let question = v1::KeepAliveRequest { leases: vec![lease] };
        let mut coordination = self.coordination.clone();
        let open = |questions| async move { coordination.keep_alive(questions).await };
        let renewed = self.renewals.ask(question, open).await?;
        if renewed.ttl_ms.first().is_none_or(|ttl_ms| *ttl_ms == 0) {
            return Err(LEASE_IS_GONE.to_owned());
        }
        let revoke = LeaseOperation::Revoke(v1::LeaseRevoke { lease });
        self.lease(revoke).await?;
        Ok(())
    }

    pub(super) async fn push_claim_ack(&mut self, payload: Bytes) -> Result<(), String> {
        let item = v1::QueueNewItem {
            payload,
            ..Default::default()
        };
        let queue = || QUEUE.to_owned();
        let push = v1::QueueEnqueue {
            queue: queue(),
            items: vec![item],
        };
        self.queue(QueueOperation::Enqueue(push)).await?;
        let claim = v1::QueueClaim {
            queue: queue(),
            count: 1,
            ..Default::default()
        };
        let QueueResult::Claimed(claimed) = self.queue(QueueOperation::Claim(claim)).await? else {
            return Err("a claim was answered as something else".to_owned());
        };
        let item = claimed.items.into_iter().next().ok_or(NOTHING_TO_CLAIM)?;
        let ack = v1::QueueAck {
            queue: queue(),
            receipt: item.receipt,
        };
        self.queue(QueueOperation::Ack(ack)).await?;
        Ok(())
    }

    async fn grant(&mut self, ttl_ms: u128) -> Result<u64, String> {
        let grant = LeaseOperation::Grant(v1::LeaseGrant {
            ttl_ms: u64::try_from(ttl_ms).map_err(|error| error.to_string())?,
            ..Default::default()
        });
        match self.lease(grant).await? {
            LeaseResult::Granted(granted) => Ok(granted.lease),
            LeaseResult::Revoked(_) => Err("a grant was answered with a revocation".to_owned()),
        }
    }

    async fn lease(&mut self, operation: LeaseOperation) -> Result<LeaseResult, String> {
        let operation = Some(operation);
        match self.txn(Operation::Lease(v1::LeaseOperation { operation })).await? {
            OperationResult::Lease(v1::LeaseResult { result: Some(result) }) => Ok(result),
            other => Err(format!("an operation on a lease was answered with {other:?}")),
        }
    }

    async fn lock(&mut self, operation: LockOperation) -> Result<LockResult, String> {
        let operation = Some(operation);
        match self.txn(Operation::Lock(v1::LockOperation { operation })).await? {
            OperationResult::Lock(v1::LockResult { result: Some(result) }) => Ok(result),
            other => Err(format!("an operation on a lock was answered with {other:?}")),
        }
    }

    async fn queue(&mut self, operation: QueueOperation) -> Result<QueueResult, String> {
        let operation = Some(operation);
        match self.txn(Operation::Queue(v1::QueueOperation { operation })).await? {
            OperationResult::Queue(v1::QueueResult { result: Some(result) }) => Ok(result),
            other => Err(format!("an operation on a queue was answered with {other:?}")),
        }
    }

    /// A transaction of one operation.
    async fn txn(&mut self, operation: Operation) -> Result<OperationResult, String> {
        let operation = v1::Operation {
            operation: Some(operation),
        };
        let request = v1::TxnRequest {
            then: vec![operation],
            ..Default::default()
        };
        let reply = self.kv.txn(request).await.map_err(|status| describe(&status))?;
        let result = reply.into_inner().results.into_iter().next();
        result
            .and_then(|result| result.result)
            .ok_or_else(|| "a transaction without a result".to_owned())
    }
}
