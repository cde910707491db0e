//! A disk in memory that keeps only what it was told to keep.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile};

/// Files in memory. [`crash`](Self::crash) yields the disk as it would be after a power failure at this moment, and
/// leaves this one as it is, so that a test can look at any moment of a run without stopping it.
#[derive(Clone, Debug, Default)]
pub struct LossyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Arc<Mutex<Content>>>,
    /// Names after the last sync of the directory.
    durable_files: BTreeMap<String, Arc<Mutex<Content>>>,
    faults: Faults,
}

#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    skip_syncs: bool,
    fail_syncs: bool,
    /// Most bytes that all files together may have.
    bytes_max: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    current: Vec<u8>,
    durable: Vec<u8>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Clear { offset: usize, length: usize },
}

impl LossyDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on a sync says that it succeeded and does nothing: the bug that crash tests must catch.
    pub fn skip_syncs(&self, skip: bool) {
        self.state.lock().faults.skip_syncs = skip;
    }

    /// From now on every sync fails with EIO.
    pub fn fail_syncs(&self, fail: bool) {
        self.state.lock().faults.fail_syncs = fail;
    }

    /// From now on all files together may have this many bytes; more fails with ENOSPC.
    pub fn limit_bytes(&self, bytes_max: Option<u64>) {
        self.state.lock().faults.bytes_max = bytes_max;
    }

    /// The disk after a power failure now: names and bytes that were not synced are gone, except that of each file the
    /// first `torn_bytes` of what was written since its sync were already on their way.
    pub fn crash(&self, torn_bytes: usize) -> LossyDisk {
        let state = self.state.lock();
        let files = state.durable_files.iter();
        let survived = files.map(|(name, file)| {
            let bytes = file.lock().after_crash(torn_bytes);
            (name.clone(), bytes)
        });
        LossyDisk::with_files(survived)
    }

    /// A copy of the disk as a process that starts now would see it, everything durable.
    pub fn copy(&self) -> LossyDisk {
        let state = self.state.lock();
        LossyDisk::with_files(
            state
                .files
                .iter()
                .map(|(name, file)| (name.clone(), file.lock().current.clone())),
        )
    }

    /// Bytes written to `name` since its last sync.
    pub fn unsynced_bytes(&self, name: &str) -> usize {
        let state = self.state.lock();
        let Some(file) = state.files.get(name) else { return 0 };
        let file = file.lock();
        file.unsynced.iter().map(Change::bytes).sum()
    }

    /// Changes bytes behind the back of whoever uses the file, durably, as rot would.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let file = self.file(name)?;
        let mut file = file.lock();
        change(&mut file.current);
        file.durable = file.current.clone();
        file.unsynced.clear();
        Ok(())
    }

    fn with_files(files: impl Iterator<Item = (String, Vec<u8>)>) -> LossyDisk {
        let files: BTreeMap<_, _> = files
            .map(|(name, bytes)| {
                let content = Content {
                    durable: bytes.clone(),
                    current: bytes,
                    unsynced: Vec::new(),
                };
                (name, Arc::new(Mutex::new(content)))
            })
            .collect();
        let state = State {
            durable_files: files.clone(),
            files,
            faults: Faults::default(),
        };
        LossyDisk {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn file(&self, name: &str) -> io::Result<Arc<Mutex<Content>>> {
        let state = self.state.lock();
        state
            .files
            .get(name)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn handle(&self, content: Arc<Mutex<Content>>) -> Arc<dyn DiskFile> {
        Arc::new(LossyFile {
            disk: self.clone(),
            content,
        })
    }

    /// Fails if `growth` more bytes do not fit.
    fn check_space(&self, growth: usize) -> io::Result<()> {
        let state = self.state.lock();
        let Some(bytes_max) = state.faults.bytes_max else {
            return Ok(());
        };
        let taken: usize = state.files.values().map(|file| file.lock().current.len()).sum();
        if (taken + growth) as u64 > bytes_max {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        Ok(())
    }

    /// Whether a sync is to be done.
    fn sync_works(&self) -> io::Result<bool> {
        let faults = self.state.lock().faults;
        if faults.fail_syncs {
            return Err(rustix::io::Errno::IO.into());
        }
        Ok(!faults.skip_syncs)
    }
}

impl Disk for LossyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().files.keys().cloned().collect())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let length = length(bytes)?;
        self.check_space(length)?;
        let mut content = Content::default();
        content.change(Change::Clear { offset: 0, length });
        let content = Arc::new(Mutex::new(content));
        let mut state = self.state.lock();
        if state.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.insert(name.to_owned(), Arc::clone(&content));
        drop(state);
        Ok(self.handle(content))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.handle(self.file(name)?))
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let removed = self.state.lock().files.remove(name);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self) -> io::Result<()> {
        if self.sync_works()? {
            let mut state = self.state.lock();
            state.durable_files = state.files.clone();
        }
        Ok(())
    }
}

struct LossyFile {
    disk: LossyDisk,
    content: Arc<Mutex<Content>>,
}

impl DiskFile for LossyFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.content.lock().current.len() as u64)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = length(offset)?;
        let end = offset.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let growth = end.saturating_sub(self.content.lock().current.len());
        if growth > 0 {
            self.disk.check_space(growth)?;
        }
        let bytes = bytes.to_vec();
        self.content.lock().change(Change::Write { offset, bytes });
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let offset = length(offset)?;
        let content = self.content.lock();
        let wanted = content
            .current
            .get(offset..)
            .and_then(|bytes| bytes.get(..buffer.len()));
        buffer.copy_from_slice(wanted.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn clear_from(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let (offset, length) = (length(offset)?, length(bytes)?);
        self.content.lock().change(Change::Clear { offset, length });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.disk.sync_works()? {
            let mut content = self.content.lock();
            let unsynced = std::mem::take(&mut content.unsynced);
            for change in &unsynced {
                change.apply(usize::MAX, &mut content.durable);
            }
        }
        Ok(())
    }
}

impl Content {
    fn change(&mut self, change: Change) {
        change.apply(usize::MAX, &mut self.current);
        self.unsynced.push(change);
    }

    fn after_crash(&self, torn_bytes: usize) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let mut left = torn_bytes;
        for change in &self.unsynced {
            change.apply(left, &mut bytes);
            left = left.saturating_sub(change.bytes());
            if left == 0 {
                break;
            }
        }
        bytes
    }
}

impl Change {
    fn bytes(&self) -> usize {
        match self {
            Change::Write { bytes, .. } => bytes.len(),
            Change::Clear { .. } => 0,
        }
    }

    /// Does it, but of a write only the first `bytes_max` bytes.
    fn apply(&self, bytes_max: usize, content: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => {
                let bytes = &bytes[..bytes.len().min(bytes_max)];
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Change::Clear { offset, length } => {
                content.truncate(*offset);
                content.resize(*length, 0);
            }
        }
    }
}

fn length(bytes: u64) -> io::Result<usize> {
    usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge.into())
}
