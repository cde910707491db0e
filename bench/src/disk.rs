//! Whether a disk answers anybody.
//!
//! A store whose members share a disk is silent while that disk stands still, and no store can help it. A probe beside the load
//! writes and syncs a file of its own on the same disk all along, so that what a store adds can be told from that.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two syncs: few enough to be no load.
const PAUSE: Duration = Duration::from_millis(10);
/// A sector: less is not written.
const WRITTEN_BYTES: usize = 512;
/// Shorter ones are everyday, and would only take memory.
const NOTED: Duration = Duration::from_millis(5);

/// From the beginning of a sync to its end.
#[derive(Clone, Copy, Debug)]
pub struct Sync {
    /// When it was asked for.
    pub began: Instant,
    /// When the disk had it.
    pub ended: Instant,
}

impl Sync {
    /// How long it took.
    pub fn took(&self) -> Duration {
        self.ended - self.began
    }

    /// How much of the time from `began` to `ended` it waited.
    pub fn within(&self, began: Instant, ended: Instant) -> Duration {
        self.ended.min(ended).saturating_duration_since(self.began.max(began))
    }
}

/// What a probe has seen.
#[derive(Clone, Debug, Default)]
pub struct Syncs {
    /// How long the longest took.
    pub longest: Duration,
    /// Those that took more than 5 ms, in the order of their time.
    pub long: Vec<Sync>,
}

/// Syncs a file of its own, one after the other.
#[derive(Debug)]
pub struct DiskProbe {
    stop: Sender<()>,
    thread: JoinHandle<io::Result<Syncs>>,
}

impl DiskProbe {
    /// In a file without a name in `directory`, which has to be on the disk in question. What was before `opens` does not count.
    pub fn start(directory: &Path, opens: Instant) -> Result<DiskProbe, String> {
        let problem = |error: io::Error| format!("probe the disk of {}: {error}", directory.display());
        let file = tempfile::tempfile_in(directory).map_err(problem)?;
        // What is written later is on blocks that the file has already, as in the log of a store.
        file.write_all_at(&[1; WRITTEN_BYTES], 0).map_err(problem)?;
        file.sync_all().map_err(problem)?;
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || sync_all_along(&file, opens, &stopped));
        Ok(DiskProbe { stop, thread })
    }

    /// Ends it, and says what it has seen.
    pub fn stop(self) -> Result<Syncs, String> {
        drop(self.stop);
        match self.thread.join() {
            Ok(Ok(syncs)) => Ok(syncs),
            Ok(Err(error)) => Err(format!("probe the disk: {error}")),
            Err(_) => Err("the probe of the disk stopped".to_owned()),
        }
    }
}

fn sync_all_along(file: &File, opens: Instant, stopped: &Receiver<()>) -> io::Result<Syncs> {
    let mut syncs = Syncs::default();
    let mut filler = 0_u8;
    while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        filler = filler.wrapping_add(1);
        let began = Instant::now();
        file.write_all_at(&[filler; WRITTEN_BYTES], 0)?;
        file.sync_data()?;
        let ended = Instant::now();
        if ended <= opens {
            continue;
        }
        let began = began.max(opens);
        let sync = Sync { began, ended };
        syncs.longest = syncs.longest.max(sync.took());
        if sync.took() > NOTED {
            syncs.long.push(sync);
        }
    }
    Ok(syncs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_counts_where_it_and_the_silence_overlap() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let sync = Sync {
            began: at(10),
            ended: at(60),
        };
        assert_eq!(sync.within(at(0), at(100)), Duration::from_millis(50));
        assert_eq!(sync.within(at(20), at(30)), Duration::from_millis(10));
        assert_eq!(sync.within(at(50), at(90)), Duration::from_millis(10));
        assert_eq!(sync.within(at(60), at(90)), Duration::ZERO);
    }

    #[test]
    fn a_probe_ends_when_it_is_told_and_a_directory_that_is_none_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let probe = |opens| DiskProbe::start(directory.path(), opens).unwrap();
        let probing = probe(Instant::now());
        std::thread::sleep(3 * PAUSE);
        let syncs = probing.stop().unwrap();
        assert!(
            syncs
                .long
                .iter()
                .all(|sync| sync.took() > NOTED && sync.took() <= syncs.longest)
        );
        let probing = probe(Instant::now() + Duration::from_secs(3600));
        std::thread::sleep(3 * PAUSE);
        assert_eq!(probing.stop().unwrap().longest, Duration::ZERO, "that was before");
        let nowhere = directory.path().join("nowhere");
        let refused = DiskProbe::start(&nowhere, Instant::now()).unwrap_err();
        assert!(refused.contains("nowhere"), "{refused}");
    }
}
