//! The bottom layer: one newtype a file, each with its invariant. Imports nothing of the crate.

mod actor_refusal;
mod domain_refusal;
mod event;
mod ids;
mod lease_refusal;
mod lock_kind;
mod lock_refusal;
mod log_time;
mod queue_refusal;
mod rejection;
mod revision;
mod share;
mod signal;
mod tier;
mod worker_refusal;

pub use actor_refusal::ActorRefusal;
pub use domain_refusal::{DomainField, DomainRefusal};
pub use event::{
    ClaimEnd, Event, HoldEnd, ItemEvent, LeaseEvent, LockEvent, QueueEvent, Space, TaskEvent, TaskWait, WorkerEvent,
};
pub use ids::{ActorId, ClientId, DirectoryId, DomainId, LeaseId, MemberId};
pub use lease_refusal::LeaseRefusal;
pub use lock_kind::LockKind;
pub use lock_refusal::LockRefusal;
pub use log_time::LogTimeMs;
pub use queue_refusal::QueueRefusal;
pub use rejection::{Refusal, Rejection};
pub use revision::Revision;
pub use share::Share;
pub use signal::Signal;
pub use tier::Tier;
pub use worker_refusal::WorkerRefusal;
