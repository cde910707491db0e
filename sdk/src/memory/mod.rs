//! The memory that a fleet of workers shares: states, progress, locks, workers, agents, a queue, metrics and events, under
//! one prefix of keys.
//!
//! It is thin: every call is one of the SDK's, or a few. What it adds is a place for each thing ([`table`]), JSON, a batch
//! for what is written all the time, a resolver for what agents write at the same time, and that everything ends well.
//!
//! Invariants: a key is in the tier that the table says, and in no other; what a batch has taken is sent or reported; what
//! a resolver or a callback does wrong stays with it; after `shutdown` nothing is renewed, held or listened to.

// The handle, and how it is made.
mod builder;
mod handle;

// What a program calls: one group of calls a file.
mod agents;
mod assignments;
mod cache;
mod lifecycle;
mod locks;
mod metrics_sync;
mod queue;
mod read;
mod search;
mod subscription;
mod tasks;
mod workers;
mod write;

// What calls are made of.
mod conflict;
mod events;
mod metrics;
mod value;
mod vector_clock;

// What they share.
mod contexts;
mod gate;
mod registration;
mod table;

pub use assignments::MemoryAssignments;
pub use builder::MemoryBuilder;
pub use conflict::{ConflictEntry, Resolution, resolvers};
pub use events::{MemoryEvent, MemoryEvents};
pub use handle::Memory;
pub use locks::TaskLock;
pub use metrics::{MemoryCacheMetrics, MemoryClock, MemoryLockMetrics, MemoryMetrics};
pub use metrics_sync::{SharedMetrics, SyncMetrics};
pub use queue::QueueState;
pub use read::MemoryRead;
pub use search::FoundKey;
pub use subscription::{MemoryChange, MemoryChangeKind, Subscribe, SubscriptionId};
pub use tasks::TaskProgress;
pub use value::MemoryValue;
pub use vector_clock::{ClockOrder, VectorClock};
pub use workers::Heartbeat;
pub use write::{MemoryWrite, MemoryWritten};
