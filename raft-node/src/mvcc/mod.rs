//! Revisions, records, history.

mod operations;
mod record;
mod selector;

pub use operations::{Delete, DeleteReply, Put, PutReply, Range, RangeReply, SortTarget};
pub use record::{KeyRecord, Record};
pub use selector::Selector;
