//! Which entries go first when memory is short.
