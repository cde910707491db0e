//! What is known of queues and their items.

use std::time::Duration;

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::queue_answer::Answer;
use quorate_proto::v1::queue_query::Query;
use quorate_proto::v1::reply::Response;

use super::call::Queue;
use super::config::QueueConfig;
use super::item::ItemState;
use crate::client::Client;
use crate::consistency::whole_ms;
use crate::core::unexpected;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::routing::Route;

/// What the store knows of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Its name.
    pub queue: String,
    /// What it promises.
    pub config: QueueConfig,
    /// It hands out nothing.
    pub paused: bool,
    /// Items that wait for a claim.
    pub ready: u64,
    /// Items whose delay is not over.
    pub delayed: u64,
    /// Items that somebody has.
    pub claimed: u64,
    /// Dead letters.
    pub dead: u64,
    /// Of the ready items, those whose groups have as many claims as they may have.
    pub held_back: u64,
    /// Their groups.
    pub groups_waiting: u64,
    /// Items that could be claimed now.
    pub claimable: u64,
    /// How long the first ready item of a group has been ready: the longest of the first 1,000 groups by name. Zero if
    /// nothing is ready, and in a list.
    pub oldest_ready: Duration,
    /// Items pushed since the queue was made.
    pub enqueued: u64,
    /// Dedupe keys remembered.
    pub dedupe_keys: u64,
    /// Revision at which an item was last added, went, or came into another state, or the queue was made, configured,
    /// paused or resumed. Extensions and checkpoints are no changes.
    pub changed_revision: u64,
}

impl QueueStats {
    /// Items in whatever state.
    pub fn depth(&self) -> u64 {
        self.ready + self.delayed + self.claimed + self.dead
    }
}

impl From<v1::QueueStats> for QueueStats {
    fn from(stats: v1::QueueStats) -> Self {
        Self {
            queue: stats.queue,
            config: stats.config.unwrap_or_default().into(),
            paused: stats.paused,
            ready: stats.ready,
            delayed: stats.delayed,
            claimed: stats.claimed,
            dead: stats.dead,
            held_back: stats.held_back,
            groups_waiting: stats.groups_waiting,
            claimable: stats.claimable,
            oldest_ready: Duration::from_millis(stats.oldest_ready_ms),
            enqueued: stats.enqueued,
            dedupe_keys: stats.dedupe_keys,
            changed_revision: stats.changed_revision,
        }
    }
}

/// An item, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueItem {
    /// Its id.
    pub item: u64,
    /// Where it is.
    pub state: ItemState,
    /// Its priority.
    pub priority: u8,
    /// Its group.
    pub group: String,
    /// Its dedupe key; empty: none.
    pub dedupe_key: String,
    /// Claims so far.
    pub attempts: u32,
    /// It has a checkpoint.
    pub checkpoint: bool,
    /// Wall time of the push in milliseconds.
    pub enqueued_at_ms: u64,
    /// For how long it has been ready, or dead.
    pub since: Duration,
    /// How long until it is ready, or until its claim is over.
    pub due_in: Duration,
    /// Of a claimed item, the fencing token.
    pub token: Option<u64>,
    /// Of a claimed item, the lease that the claim ends with.
    pub lease: Option<u64>,
    /// Of a claimed item, who has it.
    pub worker: String,
    /// Of a dead letter, why.
    pub reason: String,
    /// The work.
    pub payload: Bytes,
}

impl QueueItem {
    pub(super) fn from_wire(item: v1::QueueItem) -> Result<Self> {
        Ok(Self {
            item: item.item,
            state: ItemState::from_wire(item.state)?,
            priority: u8::try_from(item.priority).unwrap_or(u8::MAX),
            group: item.group,
            dedupe_key: item.dedupe_key,
            attempts: item.attempts,
            checkpoint: item.checkpoint,
            enqueued_at_ms: item.enqueued_wall_ms,
            since: Duration::from_millis(item.since_ms),
            due_in: Duration::from_millis(item.due_in_ms),
            token: (item.token != 0).then_some(item.token),
            lease: (item.lease != 0).then_some(item.lease),
            worker: item.worker,
            reason: item.reason,
            payload: item.payload,
        })
    }
}

/// Some items of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeekPage {
    /// The items.
    pub items: Vec<QueueItem>,
    /// Where the next page begins; none: there are no more.
    pub next: Option<Bytes>,
}

impl Client {
    /// Queues by name: those after `after`, at most `limit` of them; at most 1,000 at a time, which 0 stands for. Also
    /// says whether there are more.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn queues(&self, after: &str, limit: u32) -> Result<(Vec<QueueStats>, bool)> {
        let after = after.to_owned();
        match query(self, Query::List(v1::QueueList { after, limit }), Duration::ZERO).await? {
            Answer::Queues(answer) => Ok((answer.queues.into_iter().map(QueueStats::from).collect(), answer.more)),
            other => Err(misread("list", &other)),
        }
    }
}

impl Queue {
    /// What it promises and how full it is; none if it does not exist.
    ///
    /// # Errors
    ///
    /// What any call may return.
    pub async fn stats(&self) -> Result<Option<QueueStats>> {
        let queue = self.name.clone();
        match self
            .query(Query::Stats(v1::QueueGetStats { queue }), Duration::ZERO)
            .await?
        {
            Answer::Queues(mut answer) => Ok(answer.queues.pop().map(QueueStats::from)),
            other => Err(misread("stats", &other)),
        }
    }

    /// Shows items of a state without claiming them: ready ones by priority, group and id, others by id. At most `limit`
    /// of them; at most 1,000 at a time, which 0 stands for, and some 4 MiB.
    ///
    /// # Errors
    ///
    /// [`UnknownQueue`](ErrorKind::UnknownQueue), and what any call may return.
    pub async fn peek(&self, state: ItemState, limit: u32) -> Result<PeekPage> {
        self.peek_after(state, limit, Bytes::new()).await
    }

    /// The page that begins at the [`next`](PeekPage::next) of another.
    ///
    /// # Errors
    ///
    /// As [`peek`](Self::peek).
    pub async fn peek_after(&self, state: ItemState, limit: u32, after: Bytes) -> Result<PeekPage> {
        let peek = Query::Peek(v1::QueuePeek {
            queue: self.name.clone(),
            state: state.to_wire().into(),
            limit,
            after,
        });
        match self.query(peek, Duration::ZERO).await? {
            Answer::Peek(answer) if answer.exists => {
                let items = answer.items.into_iter().map(QueueItem::from_wire);
                let items = items
                    .collect::<Result<_>>()
                    .map_err(|error| error.with_outcome(Outcome::NotAMutation))?;
                let next = (!answer.next.is_empty()).then_some(answer.next);
                Ok(PeekPage { items, next })
            }
            Answer::Peek(_) => {
                let message = format!("there is no queue {:?}", self.name);
                Err(Error::new(ErrorKind::UnknownQueue, Outcome::NotAMutation, message))
            }
            other => Err(misread("peek", &other)),
        }
    }

    pub(super) async fn query(&self, asked: Query, wait: Duration) -> Result<Answer> {
        query(&self.client, asked, wait).await
    }
}

/// Asks the leader: log time passes there first, and so do signals.
async fn query(client: &Client, query: Query, wait: Duration) -> Result<Answer> {
    let request = Request::Query(v1::QueryRequest {
        query: Some(v1::query_request::Query::Queue(v1::QueueQuery { query: Some(query) })),
        wait_ms: whole_ms(wait),
        ..Default::default()
    });
    let timeout = client.core.call_timeout.saturating_add(wait);
    match client.core.read(request, Route::Leader, Some(timeout)).await? {
        Response::Query(v1::QueryResponse {
            answer: Some(v1::query_response::Answer::Queue(v1::QueueAnswer { answer: Some(answer) })),
            ..
        }) => Ok(answer),
        other => Err(unexpected("Query", &other)),
    }
}

/// A query was answered as another one.
pub(super) fn misread(asked: &str, answer: &Answer) -> Error {
    let got = match answer {
        Answer::Queues(_) => "queues",
        Answer::Peek(_) => "a peek",
        Answer::Ready(_) => "ready",
    };
    let message = format!("{asked} was answered with {got}");
    Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message)
}
