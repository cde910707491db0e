//! The eventual tier: writes at one member that go to the others in the background.
//!
//! A write is answered when one member has it, so a rate alone says too little: every run of [`batch`] also waits until the
//! others have everything, and gives the rate with that time in it.

// Command line.
pub mod cli;
// Writes in requests of many, over raw streams or the SDK's batch.
pub mod batch;
// Three processes of a member each.
mod nodes;
// A member that cannot be reached, and one that lost what it had, while the others are written to.
pub mod partition;
// One stream of requests, some under way.
mod pipe;
// Conflicts.
pub mod resolve;
// The store alone, in this process.
pub mod store;
