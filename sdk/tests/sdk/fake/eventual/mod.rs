//! The eventual tier of a fake member: a map in memory, replicated when a test says so.

mod service;
mod store;

pub use service::EventualPart;
pub use store::EventualStore;
