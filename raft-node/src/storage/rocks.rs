//! The engine on disk.
/// On disk.
pub struct RocksEngine;
/// Settings.
pub struct RocksOptions;
