//! One operation a file.

mod delete;
mod put;
mod range;

pub use delete::{Delete, DeleteReply};
pub use put::{Put, PutReply};
pub use range::{Range, RangeReply, SortTarget};
