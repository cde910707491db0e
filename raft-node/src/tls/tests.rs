//! Settings and files.
