//! A disk that loses what was not synced.
//!
//! The file system of a [`Disk`] lives in an image in memory. Written pages stay in the kernel's cache until something
//! syncs them, so that the image alone is what would survive a loss of power. [`Disk::freeze`] copies it at that moment;
//! [`Disk::power_cycle`] mounts the copy in place of the old one. The journal commits by itself only every 300 s, far
//! beyond a round.
//!
//! Needs root, loop devices and `mkfs.ext4`; [`Disk::unavailable_because`] says what is missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{HarnessError, wait};

/// Sparse: only what is written takes memory.
const IMAGE_BYTES: u64 = 1 << 30;

/// Memory, so that the image itself needs no sync.
const IMAGES_IN: &str = "/dev/shm";

/// A killed process takes a moment to let go of its files.
const UNMOUNT_DEADLINE: Duration = Duration::from_secs(10);

/// An ext4 file system in memory, mounted at a directory.
#[derive(Debug)]
pub struct Disk {
    mount_point: PathBuf,
    image: PathBuf,
    generation: u64,
    mounted: bool,
}

/// What was on a disk when the power went.
#[derive(Debug)]
pub struct Frozen(PathBuf);

/// A disk that makes its writers wait. It must be dropped before the disk is.
#[derive(Debug)]
#[must_use = "the disk goes on when this is dropped"]
pub struct Stalled(PathBuf);

impl Disk {
    /// Why this machine cannot have such a disk; nothing if it can.
    pub fn unavailable_because() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("mounting a disk image needs root".to_owned());
        }
        if !Path::new("/dev/loop-control").exists() {
            return Some("there are no loop devices (/dev/loop-control)".to_owned());
        }
        if !Path::new(IMAGES_IN).is_dir() {
            return Some(format!("{IMAGES_IN} is not a directory"));
        }
        let directory = match tempfile::tempdir() {
            Ok(directory) => directory,
            Err(error) => return Some(format!("no temporary directory: {error}")),
        };
        // Containers may refuse the mount although everything is there: try one.
        match Disk::format(&directory.path().join("probe")) {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    /// Makes an empty file system and mounts it at `mount_point`, which is created.
    pub fn format(mount_point: &Path) -> Result<Disk, HarnessError> {
        std::fs::create_dir_all(mount_point).map_err(HarnessError::io(format!("create {}", mount_point.display())))?;
        let name = format!("quorate-{}-{:016x}", std::process::id(), rand::random::<u64>());
        let mut disk = Disk {
            mount_point: mount_point.to_owned(),
            image: Path::new(IMAGES_IN).join(name),
            generation: 0,
            mounted: false,
        };
        let file = std::fs::File::create(&disk.image).map_err(HarnessError::io("create a disk image"))?;
        file.set_len(IMAGE_BYTES)
            .map_err(HarnessError::io("size a disk image"))?;
        drop(file);
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-E", "lazy_itable_init=1"])
            .arg(&disk.image))?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn mount_point(&self) -> &Path {
        &self.mount_point
    }

    /// The state that would survive if the power went now. Whoever writes to the disk must be stopped (SIGSTOP) first,
    /// so that nothing is acknowledged between the copy and its death.
    pub fn freeze(&self) -> Result<Frozen, HarnessError> {
        let mut name = self.image.clone().into_os_string();
        name.push(format!(".{}", self.generation + 1));
        let frozen = Frozen(PathBuf::from(name));
        run(Command::new("cp")
            .arg("--sparse=always")
            .arg(&self.image)
            .arg(&frozen.0))?;
        Ok(frozen)
    }

    /// From now on whoever writes or syncs waits, until the guard is dropped.
    pub fn stall(&self) -> Result<Stalled, HarnessError> {
        run(Command::new("fsfreeze").arg("--freeze").arg(&self.mount_point))?;
        Ok(Stalled(self.mount_point.clone()))
    }

    /// The power comes back: the disk is what it was when it was frozen. Nobody may have files open on it.
    pub async fn power_cycle(&mut self, mut frozen: Frozen) -> Result<(), HarnessError> {
        let condition = format!("{} to be released", self.mount_point.display());
        wait::until(&condition, UNMOUNT_DEADLINE, async || self.unmount()).await?;
        std::fs::rename(&frozen.0, &self.image).map_err(HarnessError::io("put the frozen image in place"))?;
        frozen.0 = PathBuf::new();
        self.generation += 1;
        self.mount()
    }

    fn mount(&mut self) -> Result<(), HarnessError> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", "loop,commit=300,noatime"]);
        run(mount.arg(&self.image).arg(&self.mount_point))?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), HarnessError> {
        if self.mounted {
            run(Command::new("umount").arg(&self.mount_point))?;
            self.mounted = false;
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.unmount().is_err() {
            // Somebody still has a file open: let the mount go when they are done.
            let _ = run(Command::new("umount").arg("--lazy").arg(&self.mount_point));
        }
        let _ = std::fs::remove_file(&self.image);
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("fsfreeze").arg("--unfreeze").arg(&self.0)) {
            eprintln!("a stalled disk cannot go on: {error}");
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

fn run(command: &mut Command) -> Result<(), HarnessError> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(HarnessError::io(shown.clone()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(HarnessError::Command {
            command: shown,
            output: format!("{} {}", output.status, String::from_utf8_lossy(&output.stderr).trim()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn what_was_synced_survives_and_what_was_not_is_gone() {
        if let Some(reason) = Disk::unavailable_because() {
            eprintln!("skipped: {reason}");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let mut disk = Disk::format(&directory.path().join("n1")).unwrap();
        let path = disk.mount_point().join("file");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"synced").unwrap();
        file.sync_all().unwrap();
        std::fs::File::open(disk.mount_point()).unwrap().sync_all().unwrap();
        file.write_all(b", not synced").unwrap();
        std::fs::write(disk.mount_point().join("other"), b"not synced").unwrap();
        drop(file);
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"synced, not synced",
            "the cache shows all"
        );

        let frozen = disk.freeze().unwrap();
        disk.power_cycle(frozen).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"synced");
        assert!(!disk.mount_point().join("other").exists());
    }
}
