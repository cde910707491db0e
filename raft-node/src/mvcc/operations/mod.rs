//! One operation a file. Those that write do so through an [`Edit`](super::stage::Edit), and refuse whatever they
//! refuse before they write.

mod collect;
mod compact;
mod delete;
mod expire;
mod put;
mod range;

pub use compact::{Cleaned, boundary, garbage, readable};
pub use delete::{Delete, DeleteReply, delete, delete_attached};
pub use expire::{expire, next_key_expiry};
pub use put::{Put, PutReply, put};
pub use range::{Range, RangeReply, SortTarget, range};
