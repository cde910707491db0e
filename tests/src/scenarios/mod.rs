//! Faults and workload together, with a verdict.
//!
//! A scenario draws everything it decides from one seed, which it prints. It passes only if every planned fault
//! happened, every kind of operation succeeded, every answer is explained by the witness check, the final reads show all
//! that was acknowledged, and all members have the same state at the same index.

mod cache_rounds;
mod canaries;
mod corruption;
mod eventual_rounds;
mod failpoints;
mod kill_rounds;
mod many_clients;
mod power_loss;
mod promises;
mod queue_rounds;
mod queue_worker;
mod run;
mod watch_rounds;
mod witnessed;

pub use cache_rounds::{CacheReport, CacheRounds};
pub use canaries::{Canaries, CanaryReport, Found};
pub use corruption::{Corruption, CorruptionReport};
pub use eventual_rounds::{EventualFaults, EventualReport, EventualRounds};
pub use failpoints::{FailpointReport, Failpoints};
pub use kill_rounds::KillRounds;
pub use many_clients::{CrowdPart, ManyClients, ManyClientsReport};
pub use power_loss::{PowerLoss, PowerLossEnd};
pub use promises::{Kept, Promise};
pub use queue_rounds::{QueueReport, QueueRounds};
pub use queue_worker::QueueWorker;
pub use run::RunReport;
pub use watch_rounds::{WatchReport, WatchRounds};
