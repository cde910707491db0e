//! Turns a command into a committed log entry, and makes reads linearizable.

mod types;

pub use types::{Entry, LogId, Member, StoredMembership, TypeConfig, Vote};
