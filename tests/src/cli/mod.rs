//! Commands with files of their own.

pub mod corruption;
