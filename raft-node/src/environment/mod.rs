//! Two of the four seams along which a simulator can replace the world: clock and randomness. (The other two are the
//! engine, in `storage/`, and the network's connector and listener, in `consensus/network/`.)
//!
//! Everything that needs the time or a random number takes them from here; replicated code takes neither.

mod clock;
mod random;

pub use clock::{Clock, SystemClock};
pub use random::{Random, SystemRandom};
