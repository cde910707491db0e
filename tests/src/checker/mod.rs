//! The witness check: is there a sequential history that explains every answer?
//!
//! Searching for one is exponential. It is not needed here, since every answer carries the revision of which it speaks:
//! that order is the only candidate, so it is enough to verify it. Three things must hold, over all keys at once:
//!
//! 1. *Dense*: every revision after the first is one write, known from its acknowledgement or, when its outcome was
//!    unknown to the client, from the unique value that the store or a later read shows.
//! 2. *Sequential*: replayed in that order, the model gives the very answer that each client got.
//! 3. *Real time*: what begins after something returned speaks of no earlier revision; a write of a later one.
//!
//! It costs O(n log n), so it covers every operation of a run. What it cannot show by itself is that the store answers
//! other keys or levels as well.

mod real_time;
mod replay;
mod violation;
mod witness;

#[cfg(test)]
mod tests;

pub use violation::Violation;
pub use witness::{Summary, Verdict, check};
