//! Domains: keyspaces with a tier, limits, and what calls mean that do not say it themselves.

mod change;
mod create;
mod handle;
mod record;

pub use change::ChangeDomain;
pub use create::CreateDomain;
pub use handle::Domains;
pub use record::{Domain, Evict, EvictPolicy, Tier};
