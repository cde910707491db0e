//! The bottom layer: one newtype a file, each with its invariant. Imports nothing of the crate.

mod ids;
mod log_time;
mod rejection;
mod revision;
mod tier;

pub use ids::{ClientId, DirectoryId, DomainId, LeaseId, MemberId};
pub use log_time::LogTimeMs;
pub use rejection::Rejection;
pub use revision::Revision;
pub use tier::Tier;
