//! The open loop: a call begins when it is its time, whether earlier ones have been answered or not.
//!
//! The closed loop waits with a store that stalls, and so hardly sees it: the calls that would have been made meanwhile are
//! never made, and never late. Here a latency counts from the moment at which the call was due, so whoever would have had to
//! wait is counted (Schroeder, Wierman, Harchol-Balter: "Open Versus Closed: A Cautionary Tale", NSDI 2006). The gaps between
//! calls are exponential, as those of many independent clients are.
//!
//! Beside latencies it measures stalls: times in which calls waited and none was answered, and, where a disk is probed, how
//! much of them that disk answered nobody.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use crate::disk::{DiskProbe, Syncs};
use crate::figures::Tally;
use crate::load::Window;
use crate::work::KeyWork;

/// Calls under way at a time: of a store that is slower than the rate, a generator without a bound measures its own memory.
const WAITING_MAX: usize = 10_000;

/// How often calls begin, and what counts as a stall.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Calls a second.
    pub rate: u32,
    /// A stall is a time without an answer that is longer, while calls wait.
    pub stall: Duration,
    /// A directory on the disk that is probed meanwhile.
    pub probed: Option<PathBuf>,
}

/// What an open loop says beside the figures of every run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OpenFigures {
    /// Calls a second that were due.
    pub rate: u32,
    /// Times without an answer that were longer than `stall_ms`.
    pub stalls: u64,
    /// What counts as a stall, in milliseconds.
    pub stall_ms: f64,
    /// The longest time in which calls waited and none was answered, in milliseconds.
    pub longest_stall_ms: f64,
    /// What the probed disk did.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskFigures>,
}

/// What a disk did meanwhile.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DiskFigures {
    /// The longest sync of the probe, which writes one sector, in milliseconds.
    pub longest_sync_ms: f64,
    /// Syncs of the probe that took longer than `stall_ms`.
    pub long_syncs: u64,
    /// As `longest_stall_ms`, but of every silence counts only the time in which no sync of the probe waited longer than
    /// 5 ms.
    pub longest_stall_apart_ms: f64,
}

/// A call that is over.
struct Done {
    due: Instant,
    ended: Instant,
    answer: Result<bool, String>,
}

/// Makes the calls of a run, with the sessions of `work` in turns. Latencies are of what was due in the window, also if it was
/// answered later.
pub(crate) async fn run(work: Vec<KeyWork>, pace: Pace, window: Window) -> Result<(Tally, OpenFigures), String> {
    let handle = Handle::current();
    let probed = pace.probed.as_deref();
    let probe = probed
        .map(|directory| DiskProbe::start(directory, window.opens))
        .transpose()?;
    let run = OpenRun::new(pace, window);
    // A thread of its own: the runtime's timers go by milliseconds, in which several calls are due.
    let begun = tokio::task::spawn_blocking(move || run.begin_all(&work, &handle)).await;
    let mut run = begun.map_err(|error| format!("the generator stopped: {error}"))?;
    while let Some(done) = run.calls.join_next().await {
        run.count(done);
    }
    let syncs = probe.map(DiskProbe::stop).transpose()?;
    Ok((run.tally, run.stalls.figures(run.pace.rate, syncs.as_ref())))
}

struct OpenRun {
    pace: Pace,
    window: Window,
    calls: JoinSet<Done>,
    tally: Tally,
    stalls: Stalls,
}

impl OpenRun {
    fn new(pace: Pace, window: Window) -> OpenRun {
        OpenRun {
            stalls: Stalls::new(window.opens, pace.stall),
            pace,
            window,
            calls: JoinSet::new(),
            tally: Tally::default(),
        }
    }

    /// Begins every call of the run when it is due; returns when the last has begun.
    fn begin_all(mut self, work: &[KeyWork], runtime: &Handle) -> OpenRun {
        let mut due = Instant::now();
        for work in work.iter().cycle() {
            due += self.gap();
            if due >= self.window.closes {
                break;
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            while let Some(done) = self.calls.try_join_next() {
                self.count(done);
            }
            if self.calls.len() >= WAITING_MAX {
                if due >= self.window.opens {
                    let waiting = format!("{WAITING_MAX} calls were waiting: it was not made");
                    self.tally.failed(waiting);
                }
                continue;
            }
            self.stalls.begun(due);
            self.calls.spawn_on(once(work.clone(), due), runtime);
        }
        self
    }

    /// Exponential, with the mean that the rate asks for.
    fn gap(&self) -> Duration {
        let uniform: f64 = rand::random_range(f64::MIN_POSITIVE..1.0);
        Duration::from_secs_f64(-uniform.ln() / f64::from(self.pace.rate))
    }

    fn count(&mut self, done: Result<Done, JoinError>) {
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                self.stalls.failed();
                return self.tally.failed(format!("a call stopped: {error}"));
            }
        };
        let counts = done.due >= self.window.opens;
        match done.answer {
            Ok(_) => {
                self.stalls.answered(done.ended);
                if counts {
                    self.tally.answered(done.ended - done.due);
                }
            }
            Err(error) => {
                self.stalls.failed();
                if counts {
                    self.tally.failed(error);
                }
            }
        }
    }
}

async fn once(mut work: KeyWork, due: Instant) -> Done {
    let answer = work.once().await;
    Done {
        due,
        ended: Instant::now(),
        answer,
    }
}

/// Finds the times in which calls waited and none was answered.
struct Stalls {
    /// What was before does not count.
    opens: Instant,
    stall: Duration,
    waiting: u64,
    /// Since the last answer, or since the first call that waits if none waited then.
    silent_since: Instant,
    /// Silences that were longer than `stall`, from when to when.
    stalls: Vec<(Instant, Instant)>,
    /// The longest of the others.
    longest_other: Duration,
}

impl Stalls {
    fn new(opens: Instant, stall: Duration) -> Stalls {
        Stalls {
            opens,
            stall,
            waiting: 0,
            silent_since: opens,
            stalls: Vec::new(),
            longest_other: Duration::ZERO,
        }
    }

    fn begun(&mut self, due: Instant) {
        if self.waiting == 0 {
            self.silent_since = due;
        }
        self.waiting += 1;
    }

    fn answered(&mut self, ended: Instant) {
        self.waiting = self.waiting.saturating_sub(1);
        let began = self.silent_since.max(self.opens);
        let silent = ended.saturating_duration_since(began);
        match silent > self.stall {
            true => self.stalls.push((began, ended)),
            false => self.longest_other = self.longest_other.max(silent),
        }
        self.silent_since = self.silent_since.max(ended);
    }

    /// A failure is no answer.
    fn failed(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    fn figures(&self, rate: u32, syncs: Option<&Syncs>) -> OpenFigures {
        OpenFigures {
            rate,
            stalls: self.stalls.len() as u64,
            stall_ms: in_ms(self.stall),
            longest_stall_ms: in_ms(self.longest()),
            disk: syncs.map(|syncs| self.beside(syncs)),
        }
    }

    fn longest(&self) -> Duration {
        let stalls = self.stalls.iter().map(|(began, ended)| *ended - *began);
        stalls.fold(self.longest_other, Duration::max)
    }

    /// What the syncs of a probe explain.
    fn beside(&self, syncs: &Syncs) -> DiskFigures {
        let apart = self.stalls.iter().map(|(began, ended)| {
            let waited = syncs.long.iter().map(|sync| sync.within(*began, *ended)).sum();
            (*ended - *began).saturating_sub(waited)
        });
        DiskFigures {
            longest_sync_ms: in_ms(syncs.longest),
            long_syncs: syncs.long.iter().filter(|sync| sync.took() > self.stall).count() as u64,
            longest_stall_apart_ms: in_ms(apart.fold(self.longest_other, Duration::max)),
        }
    }
}

fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Sync;

    const STALL: Duration = Duration::from_millis(50);

    /// At milliseconds after the window opened, `begins` calls begin and then `ends` calls are answered.
    fn stalls_of(events: &[(u64, u32, u32)]) -> (usize, u128) {
        let opens = Instant::now();
        let mut stalls = Stalls::new(opens, STALL);
        for &(at_ms, begins, ends) in events {
            let at = opens + Duration::from_millis(at_ms);
            (0..begins).for_each(|_| stalls.begun(at));
            (0..ends).for_each(|_| stalls.answered(at));
        }
        (stalls.stalls.len(), stalls.longest().as_millis())
    }

    #[test]
    fn a_silence_counts_from_the_last_answer_while_calls_wait() {
        assert_eq!(stalls_of(&[(0, 2, 0), (10, 0, 1), (90, 1, 1), (91, 0, 1)]), (1, 80));
    }

    #[test]
    fn a_silence_in_which_nobody_waits_is_none() {
        assert_eq!(stalls_of(&[(0, 1, 0), (5, 0, 1), (500, 1, 0), (507, 0, 1)]), (0, 7));
    }

    #[test]
    fn what_was_before_the_window_does_not_count() {
        let opens = Instant::now() + Duration::from_secs(1);
        let mut stalls = Stalls::new(opens, STALL);
        stalls.begun(opens - Duration::from_secs(1));
        stalls.answered(opens + Duration::from_millis(3));
        assert_eq!((stalls.stalls.len(), stalls.longest().as_millis()), (0, 3));
    }

    #[test]
    fn a_failure_does_not_end_a_silence() {
        let opens = Instant::now();
        let mut stalls = Stalls::new(opens, STALL);
        stalls.begun(opens);
        stalls.begun(opens);
        stalls.failed();
        stalls.answered(opens + Duration::from_millis(60));
        assert_eq!(stalls.stalls.len(), 1);
    }

    #[test]
    fn of_a_stall_counts_what_the_disk_did_not_take() {
        let opens = Instant::now();
        let at = |ms| opens + Duration::from_millis(ms);
        let mut stalls = Stalls::new(opens, STALL);
        // 100 ms, of which the disk took 60, and 70 ms, of which it took none.
        for (begun, ended) in [(0, 100), (200, 270)] {
            stalls.begun(at(begun));
            stalls.answered(at(ended));
        }
        let sync = |began, ended| Sync {
            began: at(began),
            ended: at(ended),
        };
        let syncs = Syncs {
            longest: Duration::from_millis(60),
            long: vec![sync(20, 80), sync(300, 360)],
        };
        let figures = stalls.figures(1, Some(&syncs));
        let disk = figures.disk.unwrap();
        let shown = [
            disk.longest_sync_ms,
            disk.longest_stall_apart_ms,
            figures.longest_stall_ms,
        ];
        assert_eq!(
            (shown.map(f64::round), disk.long_syncs, figures.stalls),
            ([60.0, 70.0, 100.0], 2, 2)
        );
    }

    #[test]
    fn where_the_disk_took_every_stall_what_is_no_stall_is_left() {
        let opens = Instant::now();
        let at = |ms| opens + Duration::from_millis(ms);
        let mut stalls = Stalls::new(opens, STALL);
        for (begun, ended) in [(0, 100), (200, 230)] {
            stalls.begun(at(begun));
            stalls.answered(at(ended));
        }
        let sync = Sync {
            began: at(0),
            ended: at(98),
        };
        let syncs = Syncs {
            longest: sync.took(),
            long: vec![sync],
        };
        let disk = stalls.figures(1, Some(&syncs)).disk.unwrap();
        assert_eq!(disk.longest_stall_apart_ms.round(), 30.0);
    }
}
