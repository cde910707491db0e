//! A log of segment files: preallocated, checksummed, appended to, never changed.
//!
//! A segment is a head, then records, then zeroes. Files are named by their number, `00000001.log` upward. A group of
//! records is one write and one sync, but for zeroes that are now and then written behind it; a segment that is full is synced before the next one is made, and head and name
//! of the next one are synced before anything is written behind them.
//!
//! # The end of the log, or damage?
//!
//! After a crash the last group may be there in any part: cut short, or with holes where pages did not arrive. Reading
//! stops at the first record that is not whole and next in sequence. What follows decides:
//!
//! * In a segment that is not the last one everything was synced, so anything but zeroes to the end is damage.
//! * In the last segment every record says up to which sequence the log was durable when it was written. If any whole
//!   record further on says that the missing one was durable, it is damage. Otherwise what is missing was never
//!   acknowledged, and the rest is cleared: a torn tail.
//!
//! Damage is [`LogError::Corrupt`](super::LogError::Corrupt), and the files stay as they are. What this rule cannot see
//! is rot in the very last group before anything was written after it; a clean shutdown therefore writes one more
//! record behind it.
//!
//! # Reclaiming
//!
//! A purge deletes segments, oldest first, that hold no entry past the purged one, after the purge itself is durable.
//! The head of every segment carries the vote, the committed and the purged position, so nothing else in an old segment
//! is needed. The directory is synced after each deletion: what is left is always a run of numbers without a gap.

mod index;
mod log;
mod reader;
mod recover;
mod replay;
mod scan;

pub use log::SegmentLog;

/// `00000001.log`.
fn file_name(number: u32) -> String {
    format!("{number:08x}.log")
}

/// The number in a file name.
fn file_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16)
        .ok()
        .filter(|number| file_name(*number) == name)
}
