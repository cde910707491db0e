//! What it means to hold much: filling a store, serving again after a start, and plots of how Quorate grows.
//!
//! Each is one step of what `bench/compare` does in its row of many keys and `bench/grow` at each of its points; they start the
//! members, and look at their memory.

// Command line.
pub mod cli;
// Every key once.
pub mod fill;
// Plots of how it grows.
pub mod plot;
// When a member serves a read.
pub mod served;
