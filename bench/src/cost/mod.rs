//! Fixed pieces of work whose instructions are counted: what they cost does not depend on how busy the machine is.
//!
//! `bench/check-cost` runs each under valgrind, which counts the instructions inside `measured` on the thread that runs
//! it, and compares them with those of `bench/costs.json`. What comes before, the other threads of this process and the
//! kernel are not counted. What is counted looks at no clock, and draws no random number but the seed of a hash table; every piece checks its answers: one
//! that does nothing would look cheap.
//!
//! Invariant: the work of a step is the same however often it was done before, so that the count of one operation is the
//! same for any number of steps.

// Command line.
pub mod cli;

mod cache;
mod log;
mod resolve;
mod shard;
mod state;
mod watch;
mod wire;

use std::hint::black_box;
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// A log entry of 64 puts is written to its segment and read back.
    LogRecord,
    /// A group of 64 puts is encoded and applied to a state machine on RocksDB.
    ApplyPuts,
    /// A key is read from a state machine on RocksDB, whose keys are in a table file.
    MvccGet,
    /// A lock is released and acquired; 32 of each in a group.
    LockUnlock,
    /// An item is pushed, claimed and acknowledged; 64 of each in a group.
    Queue,
    /// Two concurrent numbers become the larger.
    ResolveMax,
    /// Two concurrent JSON objects become one.
    ResolveMerge,
    /// A value is written to the eventual tier's store.
    ShardWrite,
    /// 64 values are written to one shard, and go to a peer in one frame that it applies.
    ShardFrame,
    /// A message of 32 puts is decoded, as it comes from a client.
    DecodeCalls,
    /// A put reaches 100 watchers that share a stream, and the messages are encoded.
    WatchDispatch,
    /// A key is looked up in the SDK's cache; needs a member that keeps it true.
    CacheGet,
}

/// Something to be done over and over.
pub struct Piece {
    /// Operations of a step.
    operations: u32,
    /// Steps before those that count: what is made on first use is there.
    warm: u32,
    /// Steps that count.
    steps: u32,
    /// Does it once and checks what it did.
    step: Box<dyn FnMut() -> Result<(), String>>,
}

/// What was done.
#[derive(Debug, Serialize)]
pub struct CostReport {
    /// The piece.
    pub workload: String,
    /// Operations while instructions were counted.
    pub operations: u64,
}

impl Workload {
    /// As on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What one operation is, in a sentence.
    pub fn operation(self) -> String {
        let value = self.to_possible_value();
        let help = value.and_then(|value| value.get_help().map(ToString::to_string));
        help.unwrap_or_default()
    }

    /// It is asked beside a member, see `cache`.
    pub fn needs_member(self) -> bool {
        self == Workload::CacheGet
    }

    /// Makes everything ready. Data goes below `directory`. One that needs a member is refused.
    pub fn prepare(self, directory: &Path) -> Result<Piece, String> {
        Ok(match self {
            Workload::LogRecord => log::record(directory)?,
            Workload::ApplyPuts => state::apply_puts(directory)?,
            Workload::MvccGet => state::get(directory)?,
            Workload::LockUnlock => state::lock_and_unlock(directory)?,
            Workload::Queue => state::queue(directory)?,
            Workload::ResolveMax => resolve::max(),
            Workload::ResolveMerge => resolve::merge(),
            Workload::ShardWrite => shard::write(),
            Workload::ShardFrame => shard::frame()?,
            Workload::DecodeCalls => wire::decode_calls(),
            Workload::WatchDispatch => watch::dispatch(directory)?,
            Workload::CacheGet => return Err("cache-get needs a member: name it with --endpoints".to_owned()),
        })
    }

    fn count(self, piece: &mut Piece) -> Result<CostReport, String> {
        for _ in 0..piece.warm {
            piece.step()?;
        }
        for _ in 0..piece.steps {
            measured(&mut *piece.step)?;
        }
        Ok(CostReport {
            workload: self.name(),
            operations: u64::from(piece.steps) * u64::from(piece.operations),
        })
    }
}

impl Piece {
    /// Operations of a step.
    pub fn operations(&self) -> u32 {
        self.operations
    }

    /// Does it once. The error: an answer was not what it should be.
    pub fn step(&mut self) -> Result<(), String> {
        (self.step)()
    }
}

/// Instructions are counted from where this is entered until it returns. It must keep its name and stay a function.
#[inline(never)]
fn measured(step: &mut dyn FnMut() -> Result<(), String>) -> Result<(), String> {
    // Looked at afterwards, so that the call is not the last thing and cannot take the place of this function.
    black_box(step())
}

/// Bytes that are the same in every run and do not compress to nothing.
fn value(bytes: usize, seed: u64) -> Vec<u8> {
    let mut word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word.to_le_bytes()[3]
    };
    (0..bytes).map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_that_needs_no_member_does_what_it_says() {
        for workload in Workload::value_variants() {
            if workload.needs_member() {
                continue;
            }
            let directory = tempfile::tempdir().unwrap();
            let mut piece = workload.prepare(directory.path()).unwrap();
            assert!(workload.count(&mut piece).unwrap().operations > 0, "{workload:?}");
            assert!(!workload.operation().is_empty(), "{workload:?}");
        }
    }

    #[test]
    fn a_step_that_fails_ends_the_piece() {
        let mut left = 3;
        let mut piece = Piece {
            operations: 1,
            warm: 2,
            steps: 9,
            step: Box::new(move || {
                left -= 1;
                (left > 0).then_some(()).ok_or_else(|| "over".to_owned())
            }),
        };
        assert_eq!(Workload::ResolveMax.count(&mut piece).unwrap_err(), "over");
    }

    #[test]
    fn a_value_is_the_same_in_every_run() {
        assert_eq!(value(256, 7), value(256, 7));
        assert_ne!(value(256, 7), value(256, 8));
    }
}
