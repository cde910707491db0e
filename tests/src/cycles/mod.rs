//! Do transactions over lists depend on one another in a circle?
//!
//! Clients append unique elements to lists, and read whole lists, several at a time in one transaction. A list that was
//! read tells the order of everything that was appended to it, so the order of the transactions can be inferred, by no
//! revision and without a search: as Adya has defined it, and as Elle checks it.
//!
//! First the lists by themselves:
//!
//! | anomaly | what was seen |
//! |---|---|
//! | internal | a transaction read another list than its own earlier reads and appends leave |
//! | unwritten | an element that nobody appended |
//! | G1a | an element of a transaction that was refused |
//! | G1b | a list that ends in the middle of the appends of another transaction |
//! | dirty update | a transaction that stayed appended to what one that was refused had left |
//! | duplicate | an element twice in one list |
//! | incompatible order | two lists of one key of which neither begins with the other |
//! | lost | an element of an acknowledged transaction is in no list, although the key was read after the acknowledgement |
//!
//! Then the circles, of these dependencies: *ww*, one appended after the other; *wr*, one read what the other appended;
//! *rw*, one did not read what the other appended; *process*, one client made one call after the other; *realtime*, one
//! was called after the other had returned. A circle is named after what it needs:
//!
//! | circle | dependencies |
//! |---|---|
//! | G0 | ww |
//! | G1c | ww and wr |
//! | G-single | the same, and one rw: lost updates, inconsistent reads |
//! | G2 | the same, and several rw: write skew |
//!
//! with `-process` or `-realtime` behind it if it needs such a dependency too. A history without any of this is strictly
//! serializable, as far as its lists were read.

mod anomaly;
mod components;
mod graph;
mod infer;
mod internal;
mod lists;
mod shortest;
mod time;
mod transaction;
mod verdict;

#[cfg(test)]
mod tests;

pub use anomaly::{Anomaly, Base, Circle, Kind, Time};
pub use graph::Dependency;
pub use transaction::{Outcome, Step, Transaction};
pub use verdict::{Summary, Verdict, check};
