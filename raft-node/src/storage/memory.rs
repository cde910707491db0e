//! The engine in memory.
/// In memory; can lose what was not synced.
pub struct MemoryEngine;
