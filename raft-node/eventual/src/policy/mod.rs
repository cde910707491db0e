//! Which entries go first when memory is short.
//!
//! A shard does not keep its entries in an order of use: it draws some [`SAMPLE_SIZE`] of them at random and asks which of
//! these goes, as Redis does. What an entry remembers of its use is one word, so a read costs one store and no list is
//! relinked. The price is that what goes is among the best to go, not the best.
//!
//! ```text
//! policies.rs     which policies there are
//! eviction.rs     the state of one, for the entries of a domain in a shard: on insert, on use, who goes
//! usage.rs, frequency.rs, adaptive.rs, ghosts.rs     what it remembers
//! trace.rs, simulate.rs, recommend.rs     what a policy would have done with a trace of requests
//! ```
//!
//! *Invariant*: no clock and no randomness: ticks and random words are handed in.

mod adaptive;
mod eviction;
mod frequency;
mod ghosts;
mod policies;
mod recommend;
mod simulate;
mod trace;
mod usage;
mod words;

pub use eviction::{Eviction, SAMPLE_SIZE, Sampled};
pub use policies::{Policy, UnknownPolicy};
pub use recommend::{Recommendation, recommend};
pub use simulate::{Outcome, simulate, simulate_exact_lru};
pub use trace::{REQUESTS_MAX, Request, Trace, TraceTooLong};
pub use usage::{Tick, Usage};
pub use words::Words;
