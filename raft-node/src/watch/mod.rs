//! Watches.

pub mod wire;
