//! What is sent to those who watch.

pub mod coordination;
