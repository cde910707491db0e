//! Files in one directory, behind a seam: [`FileDisk`] is the real thing, [`LossyDisk`] loses what was not synced.

mod file;
mod lossy;

use std::io;
use std::sync::Arc;

pub use file::FileDisk;
pub use lossy::LossyDisk;

/// A directory of files.
///
/// A name that was created or deleted survives a crash only once the directory was synced; bytes of a file survive only
/// once the file was.
pub trait Disk: Send + Sync + 'static {
    /// Names of the files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes an empty file of `bytes` zeroes, with its space allocated where the medium can.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Removes a file. Handles that are open keep working.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// Makes names durable.
    fn sync_directory(&self) -> io::Result<()>;
}

/// A file. Reads may run beside writes.
pub trait DiskFile: Send + Sync + 'static {
    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Writes all of `bytes` at `offset`; the file grows if it has to.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Fills `buffer` from `offset`; an error of kind `UnexpectedEof` if the file is too short.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Zeroes everything from `offset` on and makes the file `bytes` long.
    fn clear_from(&self, offset: u64, bytes: u64) -> io::Result<()>;

    /// Makes what was written, and the length, durable.
    fn sync(&self) -> io::Result<()>;
}
