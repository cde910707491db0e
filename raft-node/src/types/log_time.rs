//! Time as the replicated state sees it.

use bincode::{Decode, Encode};

/// Log time in milliseconds: what leaders added, from their monotonic clocks, to the last applied log time. It never
/// runs backwards and never jumps with a wall clock. A command carries it; replicated code reads no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct LogTimeMs(pub u64);

impl LogTimeMs {
    /// The moment `duration_ms` later; the far future where that would overflow.
    pub fn after(self, duration_ms: u64) -> LogTimeMs {
        LogTimeMs(self.0.saturating_add(duration_ms))
    }
}
