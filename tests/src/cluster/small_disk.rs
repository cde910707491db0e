//! A disk of a member's own that is small, and that something else can fill.
//!
//! It is a file system in memory that only the member has mounted: it goes with the member's namespace of mounts.

use std::path::{Path, PathBuf};

use super::namespace::Namespace;
use crate::HarnessError;

/// What takes the space that the member does not get.
const BALLAST: &str = "ballast";

/// Written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A small file system, mounted for those who are in its namespace.
#[derive(Debug)]
pub(super) struct SmallDisk {
    namespace: Namespace,
    mount_point: PathBuf,
}

impl SmallDisk {
    /// An empty one of so many bytes; `mount_point` is created.
    pub(super) fn new(mount_point: &Path, bytes: u64) -> Result<SmallDisk, HarnessError> {
        std::fs::create_dir_all(mount_point).map_err(HarnessError::io(format!("create {}", mount_point.display())))?;
        let mount = format!("mount -t tmpfs -o size={bytes} tmpfs '{}'", mount_point.display());
        Ok(SmallDisk {
            namespace: Namespace::mounts(&mount)?,
            mount_point: mount_point.to_owned(),
        })
    }

    /// Whether this machine allows it, and if not, why.
    pub(super) fn possible() -> Result<(), HarnessError> {
        let directory = tempfile::tempdir().map_err(HarnessError::io("make a temporary directory"))?;
        SmallDisk::new(&directory.path().join("disk"), 1 << 20).map(drop)
    }

    /// The option of `nsenter` that makes a program see it.
    pub(super) fn option(&self) -> String {
        self.namespace.option()
    }

    /// Where a path on it is for those who have not mounted it.
    pub(super) fn seen_from_outside(&self, inside: &Path) -> PathBuf {
        self.namespace.seen_from_outside(inside)
    }

    /// Takes space until only so many bytes are free, as nearly as blocks allow; returns how many are. What was taken
    /// before is given back if it is too much.
    pub(super) fn leave(&self, bytes: u64) -> Result<u64, HarnessError> {
        let path = self.ballast();
        let problem = || HarnessError::io(format!("fill the disk with {}", path.display()));
        let options = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let mut ballast = options.map_err(problem())?;
        loop {
            let free = self.free_bytes()?;
            let take = usize::try_from(free.saturating_sub(bytes)).unwrap_or(usize::MAX);
            if take == 0 {
                return Ok(free);
            }
            match std::io::Write::write(&mut ballast, &vec![0xba; take.min(CHUNK_BYTES)]) {
                // What was free is taken by somebody else already.
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return self.free_bytes(),
                written => written.map_err(problem())?,
            };
        }
    }

    /// Gives back all that was taken.
    pub(super) fn give_back(&self) -> Result<(), HarnessError> {
        match std::fs::remove_file(self.ballast()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(HarnessError::io("give back what was taken of a disk")),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.seen_from_outside(&self.mount_point.join(BALLAST))
    }

    fn free_bytes(&self) -> Result<u64, HarnessError> {
        let root = self.seen_from_outside(&self.mount_point);
        let stat = rustix::fs::statvfs(&root).map_err(|error| HarnessError::Io {
            doing: format!("look how much is free at {}", root.display()),
            source: error.into(),
        })?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_filled_and_freed_and_gone_with_its_namespace() {
        if let Err(reason) = SmallDisk::possible() {
            eprintln!("skipped: {reason}");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let mount_point = directory.path().join("disk");
        let disk = SmallDisk::new(&mount_point, 4 << 20).unwrap();
        let inside = disk.seen_from_outside(&mount_point.join("file"));
        std::fs::write(&inside, vec![1; 1 << 20]).unwrap();
        assert!(!mount_point.join("file").exists(), "nobody else has it mounted");
        assert!(disk.leave(64 << 10).unwrap() <= 64 << 10);
        assert_eq!(disk.leave(0).unwrap(), 0);
        let refused = std::fs::write(disk.seen_from_outside(&mount_point.join("more")), [1; 8192]);
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        disk.give_back().unwrap();
        std::fs::write(disk.seen_from_outside(&mount_point.join("more")), [1; 8192]).unwrap();

        drop(disk);
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(mount_point.to_str().unwrap()) && !inside.exists());
    }
}
