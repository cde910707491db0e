//! A cluster without consensus: members share one store, and a script says how each next call goes wrong.

mod admin;
mod caches;
mod eventual;
mod member;
mod store;
mod watch;

pub use member::{Behaviour, FakeCluster, error};
use store::Store;
pub use watch::{WatchScript, refusal};
