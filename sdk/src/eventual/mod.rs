//! The eventual tier: written at any member, kept in memory, sent to the others in the background.
//!
//! A client stays with one member while that answers, so that what it wrote is there. What it has seen it keeps as marks
//! (`seen`), which go with a call to any member that may not have it yet: its reads go back in time nowhere.
//!
//! It deliberately lacks calls over several keys at once: writes of one request are each on their own.

// What a program calls.
mod admin;
mod batch;
mod get;
mod handle;
mod resolve;
mod scan;
mod sync;
mod token;
mod typed;
mod value;
mod watch;
mod write;

// Calls of the strong tier's builders that name the level `Eventual`.
mod level;

// The way of a call.
mod call;
mod seen;
mod tier;

pub use admin::EventualAdmin;
pub(crate) use batch::BatchObserver;
pub use batch::{BatchWrite, EventualBatch, FailedWrite, Flushed, OpenBatch};
pub use get::{EventualGet, EventualGetMany, EventualGetManyReply, EventualGetReply};
pub use handle::Eventual;
pub(crate) use level::{delete_at_level, get_at_level, put_at_level};
pub use resolve::{EventualResolved, ResolveWith};
pub use scan::{EventualPage, EventualScan};
pub use sync::{DomainMemory, HealReport, MemberMemory, PeerSync, StrategyConflicts, SyncStatus};
pub(crate) use tier::Tier;
pub use token::CausalToken;
pub(crate) use token::{Told, answers_with_a_token};
pub use typed::{Counter, Flag, Map, Set};
pub use value::{EventualContext, EventualEntry, EventualSibling, EventualType, Strategy};
pub use watch::{EventualUpdate, EventualUpdateKind, EventualWatch, EventualWatchItem, OpenEventualWatch};
pub use write::{EventualChange, EventualPut, EventualWritten};
