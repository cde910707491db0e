//! What a member says about itself in numbers.
//!
//! `table.rs` names every metric. What happens often is counted where it happens, in atomics that cost some nanoseconds
//! ([`Histogram`], [`Count`]); everything else is read when somebody asks, by the collector in `http/scrape/`, which puts it
//! on a [`Page`].
//!
//! Invariants
//! * Nothing is shown that is not in the table, and what is in the table is shown with its labels, no others.
//! * A histogram and a count take the same memory whatever is recorded; labels that users choose are bounded, see
//!   [`Names`].
//! * Nothing here is part of the replicated state, and nothing decides anything.
//!
//! Deliberately absent: a recorder of the process. Tests and `quorate demo` run several members in one process, and each
//! answers for itself; and the recorder of `metrics-exporter-prometheus` keeps every sample until somebody scrapes, and what
//! is gone until somebody forgets it. Its rules of the text format are used.

mod by_name;
mod count;
mod door;
mod histogram;
mod names;
mod open;
mod page;
mod rpc;
mod table;
mod tls;

pub use by_name::{ByName, NAMES_MAX};
pub use count::Count;
pub use door::DoorCounts;
pub use histogram::{Histogram, Timed};
pub use names::Names;
pub use open::{Open, OpenOne};
pub use page::{CONTENT_TYPE, Page};
pub use rpc::{Method, RpcCounts, code_name};
pub use table::*;
pub use tls::{BothTlsCounts, TlsCounts};
