//! Histories in files that others can judge: who does not trust these checkers need not.
//!
//! * Transactions over lists in the EDN of Jepsen, which Elle reads as `list-append`.
//! * Calls of keys as lines of JSON, each a whole operation with both of its times, for checkers in the manner of
//!   Porcupine.
//!
//! What the fields are is in `tests/README.md`.

mod elle;
mod registers;

#[cfg(test)]
mod tests;

pub use elle::elle;
pub use registers::registers;
