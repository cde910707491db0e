//! Leases as the store knows them: which live, and what shares their life.
//!
//! A lease is a promise to somebody who renews it: while it lives, so do the keys, locks, receipts and registrations that
//! are attached to it, and when it ends they all go at one revision. When it was last renewed is not here but in the
//! memory of the leader, so that a renewal costs no log entry; see `lease_keeper`.
//!
//! ```text
//! lease        1 | lease u64                                  -> time to live, name, how much is attached
//! attachment   2 | lease u64 | what it is u8 | its name       -> nothing
//! lease count  3                                              -> how many live
//! attached key group u16 | 3 u8 | lease u64 | domain u32 | key -> nothing      (in the index table)
//! ```
//!
//! Invariants
//! * What is attached names a lease that lives, and the lease's count is the number of its attachments.
//! * At most [`ATTACHED_MAX`] things and [`KEY_BYTES_MAX`] bytes of keys are attached to a lease, so that it can end in one
//!   revision.

mod attachment;
mod row;

#[cfg(test)]
pub(crate) use attachment::attached_key;
pub use attachment::{
    Attachment, attach, attach_key, attached, attached_keys, detach, detach_key, remove_attachment, resize_key,
};
pub use row::{ATTACHED_MAX, KEY_BYTES_MAX, LEASE_ROW, LeaseRow, count, find, remove, require, scan, set_count, write};
