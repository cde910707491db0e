//! How values that were written concurrently become one.
//!
//! A register holds candidates: values that stand beside each other, each with the strategy of who wrote it. Everything
//! here is a pure function of bytes: members that hold the same candidates read the same value, whatever order those came
//! in, and nobody writes because of a merge. Only a client's write puts one value in the place of several: [`replace`].
//!
//! ```text
//! check.rs        what a value has to look like for a strategy
//! replace.rs      what a write puts in the place of what is there
//! resolution.rs   what a read sees of several candidates
//! union.rs, merge.rs, extreme.rs, number.rs      the strategies, and the exact order of JSON numbers
//! json.rs         JSON that is looked at and not kept
//! counter.rs      the share of one process in a counter
//! ```
//!
//! # What holds
//!
//! Candidates are ordered by (hybrid logical clock, actor, number), and the newest decides the strategy. With `r(X)` for
//! the resolution of the set `X`:
//!
//! * **Always**: `r` depends on the set alone. Order and repetition do not matter.
//! * **Last write, union, max, min**: if all candidates have one strategy, `r(X + Y)` is `r({r(X)} + Y)`, with `r(X)`
//!   stamped as the newest of `X`. Resolving early, late, or twice makes no difference. For union, max and min the stamp
//!   does not matter either.
//! * **Merge**: the set is folded from the oldest to the newest, field by field. `r(X + Y)` is `r({r(X)} + Y)` if
//!   everything in `X` is older than everything in `Y`. It is so for any run of neighbours in the order, if no field is
//!   an object in one candidate and something else in another. It is not so for an `X` with something of `Y` between its
//!   stamps: a merged value has one stamp for all of its fields, so a field that was old becomes as new as the write that
//!   it was merged into. That is what a client asks for that writes a merged value, and members agree on it. Which fields
//!   there are does not depend on it (again, if no field is an object here and something else there), only which of
//!   several values a field has.
//! * **Siblings**: the newest stands for all; none is discarded.
//!
//! Union and merge only grow: what is removed from an array or an object comes back from a concurrent copy that has it.
//! Collections whose parts can be removed are sets and maps.

mod candidate;
mod check;
pub mod counter;
mod extreme;
mod json;
mod merge;
mod number;
mod replace;
mod resolution;
mod union;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod oracle;

pub use candidate::Candidate;
pub use check::{BadValue, check};
pub use merge::MERGE_DEPTH_MAX;
pub use replace::{Replacement, replace};
pub use resolution::{Resolution, resolve};
