//! Applies committed commands, exactly once and in order.
//!
//! `State` takes entries of the log and turns each call into one batch of the engine below; `Reader` reads a moment
//! of it from any thread; `Cleaner` deletes in the background what compaction has put out of reach.
//!
//! Nothing here reads a clock, a random number or an unordered map: time and ids come with the command.

mod announced;
mod cleaner;
mod client_rows;
mod clients;
mod command;
mod counts;
mod current;
mod domain_command;
mod empty;
mod fatal;
mod hash;
mod head;
mod known_tables;
mod moment;
mod published;
mod raft;
mod reader;
mod recent;
mod reply;
mod resident;
mod restored;
mod snapshot;
mod staged;
mod state;
mod store;
mod transaction;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use announced::Announced;
pub use cleaner::Cleaner;
pub use clients::{ANSWER_BYTES_MAX, CLIENTS_MAX, IDLE_TTL_MS, UNANSWERED_MAX};
pub use command::{
    Command, Compact, Compare, CompareOperand, CompareOperator, ExpireClients, ExpireKeys, ExpireLeases, Group,
    GroupBuilder, GroupHead, Operation, RegisterClient, RunTimers, Stamp, Transaction,
};
pub use counts::{Happened, StateCounts};
pub use domain_command::{ChangeDomain, CreateDomain, DropDomain, RegisterActor, RetireActor};
pub use fatal::Fatal;
pub use head::LogPosition;
pub use moment::{Live, Moment};
pub use published::{Progress, Published};
pub use raft::{SnapshotBuilder, StateMachine};
pub use reader::{ReadHeader, Reader};
pub use reply::{GroupReply, OperationReply, Reply, TransactionReply};
pub use resident::{ROW_KINDS, RowCounts};
pub use restored::{RestoredState, Restoring};
pub use snapshot::{Manifest, ManifestFile, RaftSnapshot, SnapshotFiles, SnapshotStore, measure};
pub use state::{AppliedEntry, EntryPayload, GROUP_COMMANDS_MAX, State};
pub use store::{Applied, EngineUse, HASH_POINT_ENTRIES, HashPoint, OpenEngine, StateStore};
