//! The client of Quorate, a replicated coordination store.
//!
//! ```no_run
//! use std::time::Duration;
//! use quorate::{Client, Compare, Consistency, Keys, Op};
//!
//! # async fn example() -> quorate::Result<()> {
//! let client = Client::builder().endpoints(["127.0.0.1:7401", "127.0.0.1:7402"]).name("worker-1").connect().await?;
//!
//! let written = client.put("jobs/1", "ready").ttl(Duration::from_secs(60)).await?;
//! let read = client.get("jobs/1").await?;
//! assert_eq!(read.record.map(|record| record.mod_revision), Some(written.revision));
//!
//! // Any member may answer this one, with a value at most 100 ms old.
//! let recent = client.get("jobs/1").consistency(Consistency::BoundedStale(Duration::from_millis(100))).await?;
//! println!("{:?}, {:?} old, from member {}", recent.record, recent.staleness, recent.member);
//!
//! let claimed = client
//!     .txn()
//!     .when(Compare::value("jobs/1").equals("ready"))
//!     .then(Op::put("jobs/1", "taken"))
//!     .otherwise(Op::get("jobs/1"))
//!     .await?;
//! println!("claimed: {}", claimed.succeeded);
//!
//! for record in client.range(Keys::prefix("jobs/")).all(10_000).await? {
//!     println!("{:?}", record.key);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! * **Every call ends**, with an answer or a typed [`Error`], by its deadline (10 s unless set otherwise).
//! * **A mutation applies at most once**, however often it is retried: all attempts carry the same client id and
//!   sequence. An error says through [`Error::outcome`] whether it may have been applied.
//! * **Calls of many tasks share one stream.** Whatever waits is sent as one message; there is no timer, and nothing to
//!   tune. Calls have no mutual order: await one before you make another that depends on it. Large ones, and lists, have a
//!   connection of their own: small ones do not wait behind them.
//! * **A watch tells every change once, in order**, from any revision that is kept, and across the loss of members; see
//!   [`Watch`].
//! * **The eventual tier is never older than what this client has seen of it**, at whatever member, and an increment counts
//!   once; see [`Eventual`].
//! * **The cache proves what it answers**, in staleness and in revision, or does not answer; see [`Cache`].
//! * **Everything is bounded**: calls outstanding on a connection (4,096), mutations outstanding (1,000), retries, the
//!   size of a message, what a watch has fetched. A caller beyond a bound waits, within its deadline.
//!
//! Dropping the future of a call stops waiting for it. A mutation dropped like that may still be applied.
//!
//! [`Memory`] is all of it for a fleet of workers: tasks, locks, workers, agents, a queue and metrics, each in its place.

#![allow(
    clippy::disallowed_methods,
    reason = "deadlines and back-off run in real time, in the client's process; nothing here is replicated"
)]
#![deny(missing_docs)]

// The handle, and how it is made.
mod builder;
mod client;

// What a program calls: one kind of call a file.
mod cache;
mod cluster;
mod domain;
mod eventual;
mod json;
mod kv;
mod lease;
mod lock;
mod memory;
mod queue;
mod range;
mod snapshot;
mod swap;
mod tls;
mod txn;
mod watch;
mod worker;

// What calls are made of.
mod consistency;
mod error;
mod record;

// The way of a call: its attempts, its stamp, its endpoint, its connection.
mod breaker;
mod bulk;
mod call;
mod connection;
mod connector;
mod core;
mod endpoint;
mod followed;
mod identity;
mod instruments;
mod members;
mod pipeline;
mod retry;
mod routing;
mod seen;
mod sequences;
mod session;
mod slots;
mod wire;

pub use builder::ClientBuilder;
pub use cache::{
    Cache, CacheMisses, CachePolicy, CacheSettings, CacheStats, Cached, Coherence, DropCause, Dropped, DroppedItem,
    DroppedStream, Invalidate, Invalidated, Stale, WarmUp, WarmedUp,
};
pub use client::Client;
pub use cluster::{Member, MemberStatus};
pub use consistency::{Consistency, Source};
pub use core::ClientStats;
pub use domain::{ChangeDomain, CreateDomain, Domain, Domains, Evict, EvictPolicy, Tier};
pub use error::{Error, ErrorKind, Outcome, Result};
pub use eventual::{
    BatchWrite, CausalToken, Counter, DomainMemory, Eventual, EventualAdmin, EventualBatch, EventualChange,
    EventualContext, EventualEntry, EventualGet, EventualGetMany, EventualGetManyReply, EventualGetReply, EventualPage,
    EventualPut, EventualResolved, EventualScan, EventualSibling, EventualType, EventualUpdate, EventualUpdateKind,
    EventualWatch, EventualWatchItem, EventualWritten, FailedWrite, Flag, Flushed, HealReport, Map, MemberMemory,
    OpenBatch, OpenEventualWatch, PeerSync, ResolveWith, Set, Strategy, StrategyConflicts, SyncStatus,
};
pub use instruments::{CLIENT_METRICS, ClientMetric};
pub use json::GetJson;
pub use kv::{Delete, DeleteReply, Get, GetReply, Put, PutReply};
pub use lease::{GrantLease, LeaseGranted, LeaseOp, LeaseOpReply, LeaseRecord, Loss, OpenSession, Session};
pub use lock::{
    Election, ForceReleased, Leader, Lock, LockForced, LockGrant, LockGuard, LockHold, LockHolder, LockMode, LockOp,
    LockOpReply, LockRecord, Locks, LocksGuard, LocksPage, Semaphore,
};
pub use memory::{
    ClockOrder, ConflictEntry, FoundKey, Heartbeat, Memory, MemoryAssignments, MemoryBuilder, MemoryCacheMetrics,
    MemoryChange, MemoryChangeKind, MemoryClock, MemoryEvent, MemoryEvents, MemoryLockMetrics, MemoryMetrics,
    MemoryRead, MemoryValue, MemoryWrite, MemoryWritten, QueueState, Resolution, SharedMetrics, Subscribe,
    SubscriptionId, SyncMetrics, TaskLock, TaskProgress, VectorClock, resolvers,
};
pub use queue::{
    ClaimItems, Claimed, ClaimedItem, ItemPlace, ItemState, NackClaimed, NewItem, PeekPage, PushItem, Pushed, Queue,
    QueueConfig, QueueItem, QueueOp, QueueOpReply, QueueSnapshot, QueueStats, QueueSynced, Receipt, Swept, SyncQueue,
};
pub use quorate_proto::RequestId;
pub use range::{Range, RangePage, SortBy};
pub use record::{IntoBytes, Keys, Record};
pub use snapshot::{SNAPSHOT_MANIFEST, SnapshotProgress};
pub use swap::{CasReply, CompareAndSwap};
pub use tls::Tls;
pub use txn::{Compare, CompareNumber, CompareValue, DeleteOp, Op, OpReply, PutOp, RangeOp, Txn, TxnReply};
pub use watch::{
    ClaimEnd, KeyEvent, KeyEventKind, LeaseEvent, LeaseEventKind, LockEvent, LockEventKind, LockFreed, OpenWatch,
    QueueEvent, QueueEventKind, TaskEvent, TaskEventKind, TaskWait, WaitFor, Watch, WatchBatch, WatchEvent, WatchItem,
    Watched, WorkerEvent, WorkerEventKind,
};
pub use worker::{
    Assign, AssignOp, Assignment, AssignmentChanges, Assignments, AssignmentsSnapshot, AssignmentsSynced,
    ListAssignments, ListWorkers, PlacedTask, Plan, PlanApplied, PlanTasks, PlannedMove, RegisterWorker,
    SyncAssignments, TaskAssigned, Worker, WorkerOp, WorkerOpReply, WorkerRecord, WorkerState,
};

/// The pages of the guide: their examples are compiled with the tests.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../raft-node/docs/guide/cache.md")]
    struct Cache;

    #[doc = include_str!("../../raft-node/docs/guide/domains.md")]
    struct Domains;

    #[doc = include_str!("../../raft-node/docs/guide/eventual.md")]
    struct Eventual;

    #[doc = include_str!("../../raft-node/docs/guide/failures.md")]
    struct Failures;

    #[doc = include_str!("../../raft-node/docs/guide/leases.md")]
    struct Leases;

    #[doc = include_str!("../../raft-node/docs/guide/levels.md")]
    struct Levels;

    #[doc = include_str!("../../raft-node/docs/guide/limits.md")]
    struct Limits;

    #[doc = include_str!("../../raft-node/docs/guide/locks.md")]
    struct Locks;

    #[doc = include_str!("../../raft-node/docs/guide/memory.md")]
    struct Memory;

    #[doc = include_str!("../../raft-node/docs/guide/queues.md")]
    struct Queues;

    #[doc = include_str!("../../raft-node/docs/guide/tls.md")]
    struct Tls;

    #[doc = include_str!("../../raft-node/docs/guide/tracing.md")]
    struct Tracing;

    #[doc = include_str!("../../raft-node/docs/guide/watch.md")]
    struct Watch;

    #[doc = include_str!("../../raft-node/docs/guide/workers.md")]
    struct Workers;
}
