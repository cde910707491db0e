//! What workers share: sessions, locks, queues, assignments. Each verb is an operation of the transaction, so any of them
//! combine with each other and with puts and deletes, at one revision or not at all.
//!
//! Every folder has the same inner shape: `operation.rs` with what can be asked and answered, a file a verb, `rows.rs`
//! with what is stored, `query.rs` with what can be read.
//!
//! Invariants
//! * Nothing here scans: a verb reads and writes a number of rows that depends on what it changes, not on how much there
//!   is. The heads of queues are found in [`Table::Coordination`](crate::storage::Table), which is kept in memory.
//! * Nothing here reads a clock or a random number, or depends on the order of a hash table.
//! * A verb that is refused names its operation, and nothing of its transaction is done.
//! * Whoever changes what clients can see says so: in an [`Event`](crate::types::Event), which is stored, replicated and
//!   watched, and from which the change can be replayed; in a [`Signal`](crate::types::Signal) to those who wait here. What
//!   changes nothing says nothing.

pub mod locks;
pub mod queues;
pub mod sessions;
pub mod workers;
