//! The calls and operations of workers and assignments.

mod field;
mod operation;
mod query;
mod refusal;

#[cfg(test)]
mod tests;

pub(super) use operation::{operation, result};
pub(super) use query::{check, query, settled, topic};
pub(super) use refusal::refusal;
