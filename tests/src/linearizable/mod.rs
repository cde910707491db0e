//! Is there an order at all that explains what clients of a key were told?
//!
//! The [witness check](crate::checker) trusts the revision that an answer carries. This one looks at no revision: it
//! searches for an order of the calls of one key in which each answer is the one of a register, and in which a call that
//! began after another had returned comes after it. The search is that of Wing and Gong with Lowe's memory: states that
//! were seen with the same calls behind them are not entered twice. Keys are independent of one another, so each is
//! searched alone.
//!
//! * A call of unknown outcome may take effect at any later time, or never.
//! * It is exponential in what overlaps, so a long history is cut into windows (`windows`) that share calls. What a
//!   window does not see, calls from before it and the state that they left, it takes to be whatever suits it; a window
//!   never finds fault with a history that is right.
//! * A window that needs more time or memory than its [`Budget`] is no pass.

mod convert;
mod effect;
mod operation;
mod phantom;
mod search;
mod verdict;
mod windows;

#[cfg(test)]
mod tests;

pub use convert::by_key;
pub use operation::{Answer, Call, Expected, KeyOperation};
pub use search::{Budget, Outcome, Stop, search};
pub use verdict::{Illegal, Summary, Verdict, check};
