//! Claims items, and waits for them.
//!
//! A claim that finds nothing is followed by a read that the leader answers when something can be claimed, and then by
//! another claim: waiting is never part of the log.

use std::time::Duration;

use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::queue_answer::Answer;
use quorate_proto::v1::queue_operation::Operation as QueueOperation;
use quorate_proto::v1::queue_query::Query;
use tokio::time::Instant;

use super::call::Queue;
use super::claimed::Claimed;
use super::op::{QueueOp, QueueOpReply};
use super::query::misread;
use crate::consistency::whole_ms;
use crate::error::Result;
use crate::lease::Session;

/// The longest wait of one round. A waiter that vanished takes the signal that was meant for it with it: another one
/// notices within a round.
const ROUND_MAX: Duration = Duration::from_secs(10);

/// A claim of items.
///
/// If its future is dropped, items may have been claimed nevertheless: they come back when the claim runs out, or at once
/// when the session ends that was given.
#[must_use = "a call is made when it is awaited"]
pub struct ClaimItems<'a> {
    queue: &'a Queue,
    request: v1::QueueClaim,
    wait: Duration,
}

impl<'a> ClaimItems<'a> {
    pub(super) fn new(queue: &'a Queue, count: u32) -> Self {
        let request = v1::QueueClaim {
            queue: queue.name.clone(),
            count,
            ..Default::default()
        };
        Self {
            queue,
            request,
            wait: Duration::ZERO,
        }
    }

    /// Waits so long for an item to come. Default: not at all.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// How long the claims last, from 100 ms to a week. Default, and for zero: as long as the queue says.
    pub fn visibility(mut self, visibility: Duration) -> Self {
        self.request.visibility_ms = whole_ms(visibility);
        self
    }

    /// The claims end with this session: if this process dies, its items come back after the session's time to live.
    /// Default: with none.
    pub fn session(self, session: &Session) -> Self {
        self.lease(session.id())
    }

    /// The claims end with this lease. Default, and for 0: with none.
    pub fn lease(mut self, lease: u64) -> Self {
        self.request.lease = lease;
        self
    }

    /// Who claims, for people, at most 256 bytes. Default: empty.
    pub fn worker(mut self, worker: impl Into<String>) -> Self {
        self.request.worker = worker.into();
        self
    }

    /// The claim, for a transaction. It does not wait.
    pub fn into_op(self) -> QueueOp {
        QueueOp::of(QueueOperation::Claim(self.request))
    }

    async fn send(self) -> Result<Vec<Claimed>> {
        let give_up = Instant::now().checked_add(self.wait);
        loop {
            let claimed = self.claim_now().await?;
            if !claimed.is_empty() || self.wait.is_zero() {
                return Ok(claimed);
            }
            loop {
                let left = left(give_up);
                if left.is_zero() {
                    return Ok(Vec::new());
                }
                // Others may be faster, again and again.
                if self.queue.wait_until_ready(left.min(ROUND_MAX)).await? {
                    break;
                }
            }
        }
    }

    async fn claim_now(&self) -> Result<Vec<Claimed>> {
        let sent = Instant::now();
        let claim = QueueOperation::Claim(self.request.clone());
        match self.queue.operate("claim", claim).await? {
            QueueOpReply::Claimed { items, visibility } => Ok(items
                .into_iter()
                .map(|item| Claimed::new(self.queue.clone(), item, visibility, sent))
                .collect()),
            other => Err(self.queue.not_expected("claim", other)),
        }
    }
}

fn left(give_up: Option<Instant>) -> Duration {
    give_up.map_or(ROUND_MAX, |at| at.saturating_duration_since(Instant::now()))
}

impl Queue {
    /// Waits until something can be claimed, at most so long. True too when there is no such queue: then a claim says so.
    async fn wait_until_ready(&self, wait: Duration) -> Result<bool> {
        let queue = self.name.clone();
        match self.query(Query::Ready(v1::QueueGetReady { queue }), wait).await? {
            Answer::Ready(ready) => Ok(!ready.exists || ready.claimable > 0),
            other => Err(misread("ready", &other)),
        }
    }
}

impl<'a> IntoFuture for ClaimItems<'a> {
    type Output = Result<Vec<Claimed>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
