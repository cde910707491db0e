//! Clients that do one kind of work, and the check of what they were told.
//!
//! A [`Workload`] is played by clients of the SDK on a [`Ground`], beside other workloads and while faults happen; every
//! call of theirs goes into the journal. Afterwards its operations are held against the truth, which is what the log of a
//! member says. The keys, locks and queues of a workload begin with its name.
//!
//! Invariants: a check is a function of the journal and nothing else. Each workload has a history that its check refuses.

mod append;
pub mod assignments;
mod caches;
pub mod coordination;
mod counter;
mod crew;
mod eventual;
#[cfg(test)]
mod fake;
mod ground;
pub mod holds;
pub mod leases;
pub mod locks;
mod order;
pub mod queues;
mod register;
mod registered;
mod retries;
pub mod semaphores;
mod set;
mod slots;
mod timeline;
mod watches;
mod workload;

pub use append::{Append, AppendAnswer, AppendCall, List, Step, transactions};
pub use caches::{CachedKey, Caches, CachesAnswer, CachesCall};
pub use counter::{Count, Counter, CounterAnswer, CounterCall};
pub use eventual::{Eventual, EventualAnswer, EventualCall};
pub use ground::{Endpoints, Ground, Turns};
pub use register::{Register, RegisterAnswer, RegisterCall, RegisterRecord, registers};
pub use registered::{Checked, Registered, all, named};
pub use retries::{Retries, RetryAnswer, RetryCall};
pub use set::{Set, SetAnswer, SetCall};
pub use watches::{Watches, WatchesAnswer, WatchesCall};
pub use workload::{Facts, Workload};
