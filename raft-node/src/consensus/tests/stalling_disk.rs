//! A disk whose syncs can be held up: what is written can be read, but is not durable yet.

use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::log_store::{Disk, DiskFile, LossyDisk};

/// A lossy disk behind a gate for syncs.
#[derive(Clone, Default)]
pub(super) struct StallingDisk {
    disk: LossyDisk,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    stalled: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut stalled = self.stalled.lock();
        while *stalled {
            self.opened.wait(&mut stalled);
        }
    }
}

struct StallingFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl StallingDisk {
    /// Over a disk that exists.
    pub(super) fn over(disk: LossyDisk) -> Self {
        Self {
            disk,
            gate: Arc::default(),
        }
    }

    /// From now on syncs wait.
    pub(super) fn stall(&self) {
        *self.gate.stalled.lock() = true;
    }

    /// Lets waiting syncs, and all later ones, go on.
    pub(super) fn resume(&self) {
        *self.gate.stalled.lock() = false;
        self.gate.opened.notify_all();
    }

    /// What a power failure at this moment would leave.
    pub(super) fn crash(&self) -> LossyDisk {
        self.disk.crash(0)
    }

    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(StallingFile {
            file,
            gate: Arc::clone(&self.gate),
        })
    }
}

impl Disk for StallingDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name, bytes).map(|file| self.wrap(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name).map(|file| self.wrap(file))
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.disk.delete(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.gate.pass();
        self.disk.sync_directory()
    }
}

impl DiskFile for StallingFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buffer)
    }

    fn clear_from(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.file.clear_from(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync()
    }
}
