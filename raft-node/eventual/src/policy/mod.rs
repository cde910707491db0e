//! Which entries go first when memory is short.

/// When and how often an entry was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage(u64);
