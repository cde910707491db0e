//! How long this disk takes to keep what it was given, measured in the way the log uses it.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::check::Check;

/// What a group of small writes takes in the log.
const RECORD_BYTES: usize = 4096;
const SYNCS_MAX: usize = 1000;
const TIME_MAX: Duration = Duration::from_secs(3);
const MICROSECONDS_MAX: u64 = 60_000_000;

/// Each write waits for one sync, or for two where it comes just too late.
const SLOW: Duration = Duration::from_millis(10);

/// Appends and syncs in a file of its own in this directory, which is deleted; some 4 MB and 3 seconds at most. A member
/// that runs beside it waits for the same disk. `election_min` is how long followers of a leader that stands still wait.
pub(super) fn sync_times(directory: &Path, election_min: Duration) -> Check {
    match measure(directory) {
        Ok(times) => judge(&times, election_min),
        Err(error) => Check::bad(
            "disk sync",
            format!("{}: {error}", directory.display()),
            "let the user of the server write there, or name another data_directory",
        ),
    }
}

fn measure(directory: &Path) -> io::Result<Histogram<u64>> {
    let mut file = tempfile::Builder::new().prefix(".doctor").tempfile_in(directory)?;
    let record = [0x5a; RECORD_BYTES];
    // The log is made of files that have their full length from the beginning.
    file.as_file().set_len((RECORD_BYTES * SYNCS_MAX) as u64)?;
    file.as_file().sync_all()?;
    let mut times = Histogram::new_with_bounds(1, MICROSECONDS_MAX, 3).map_err(io::Error::other)?;
    let began = Instant::now();
    for _ in 0..SYNCS_MAX {
        let at = Instant::now();
        file.write_all(&record)?;
        file.as_file().sync_data()?;
        times.saturating_record(at.elapsed().as_micros() as u64);
        if began.elapsed() > TIME_MAX {
            break;
        }
    }
    Ok(times)
}

fn judge(times: &Histogram<u64>, election_min: Duration) -> Check {
    let (middle, p99, most) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99), times.max());
    let found = format!(
        "half of {} took {middle} us, p99 {p99} us, the longest {most} us",
        times.len()
    );
    let advice =
        "put data_directory on a local SSD that nothing else writes to; every write waits for a sync at a majority";
    if Duration::from_micros(p99) > election_min {
        return Check::bad(
            "disk sync",
            format!("{found}: longer than an election is waited for"),
            advice,
        );
    }
    if Duration::from_micros(p99) > SLOW {
        return Check::warning("disk sync", found, advice);
    }
    Check::good("disk sync", found)
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    const ELECTION_MIN: Duration = Duration::from_millis(120);

    fn times(microseconds: u64) -> Histogram<u64> {
        let mut times = Histogram::new_with_bounds(1, MICROSECONDS_MAX, 3).unwrap();
        times.record_n(microseconds, 100).unwrap();
        times
    }

    #[test]
    fn a_disk_is_judged_by_its_slow_syncs() {
        assert_eq!(judge(&times(300), ELECTION_MIN).verdict, Verdict::Good);
        assert_eq!(judge(&times(20_000), ELECTION_MIN).verdict, Verdict::Warning);
        assert_eq!(judge(&times(200_000), ELECTION_MIN).verdict, Verdict::Bad);
        let mut seldom = times(300);
        seldom.record_n(20_000, 3).unwrap();
        assert_eq!(judge(&seldom, ELECTION_MIN).verdict, Verdict::Warning);
    }

    #[test]
    fn the_file_that_is_measured_with_is_gone_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let check = sync_times(directory.path(), ELECTION_MIN);
        assert!(check.found.contains("p99"), "{check:?}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let check = sync_times(Path::new("/nowhere/at/all"), ELECTION_MIN);
        assert_eq!(check.verdict, Verdict::Bad);
        assert!(check.found.starts_with("/nowhere/at/all: "), "{check:?}");
    }
}
