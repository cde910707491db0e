//! Follows single requests: what a request is called, when it was where, which calls were slow, and spans for a collector.
//!
//! A request has one name at the client and at every member ([`quorate_proto::RequestId`]); it is computed where somebody
//! wants it, and stands nowhere on the wire or in the log.
//!
//! Times are taken for each log entry, not for each command: an entry carries the commands of many clients. A call brings
//! two times of its own, which are taken for the metrics anyway.
//!
//! Invariants
//! * Nothing here decides anything, and nothing waits for it: what cannot be kept is dropped, and counted.
//! * Lines and spans name methods, members, indexes and times; never a key or a value.
//! * A call that is neither slow nor asked for by a filter or a sample costs some comparisons and no name.
//!
//! Deliberately absent: a context in the log. A follower knows the name of a mutation from its stamp, and the spans of the
//! others from the name, so that nothing needs to be carried along.

mod entry_times;
mod log_lines;
mod name;
mod passage;
mod requests;
mod slow;
mod span;

pub use entry_times::{EntryTimes, Moments};
pub use name::RequestName;
pub use passage::{Logged, Passage};
pub use requests::{AppliedEntry, Ended, Requests};
pub use span::{Span, SpanCounts, Spans, WaitingSpans};
