//! Clients that do one kind of work, and the check of what they were told.
//!
//! A [`Workload`] is played by clients of the SDK on a [`Ground`], beside other workloads and while faults happen; every
//! call of theirs goes into the journal. Afterwards its operations are held against the truth, which is what the log of a
//! member says. The keys, locks and queues of a workload begin with its name.
//!
//! Invariants: a check is a function of the journal and nothing else. Each workload has a history that its check refuses.

pub mod assignments;
pub mod coordination;
mod ground;
pub mod holds;
pub mod leases;
pub mod locks;
pub mod queues;
mod registered;
pub mod semaphores;
mod workload;

pub use ground::{Endpoints, Ground, Turns};
pub use registered::{Checked, Registered, all, named};
pub use workload::{Facts, Workload};
