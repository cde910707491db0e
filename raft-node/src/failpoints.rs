//! Places at which a member can be made to fail, to stop dead or to be late, to see what the others and its clients make of it.
//!
//! A build without the feature `failpoints` has none: [`hit`] and [`pass`] are constants. No member of the workspace enables
//! the feature, and a release build refuses it (`build.rs`). With it, the environment variable `FAILPOINTS` arms them:
//! `FAILPOINTS='log-sync=return;apply-batch=sleep(50)'`, where an action is `panic`, which ends the process, `return`, an
//! error at that place, or `sleep(MS)`. The first time that an armed one is passed, the log says so.
//!
//! Not the crate `fail`: it is `rand` 0.8 and a lock at every place, knows nothing of tasks, which must not sleep as
//! threads do, and does not say whether a place was passed. What is needed of it is this file.

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// What `FAILPOINTS` calls it.
    pub name: &'static str,
    /// It can fail with an error. Where it cannot, `return` does nothing.
    pub fails: bool,
    /// Who passes it.
    pub passed_by: Passes,
}

/// Who passes a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// Every member, now and then.
    Anyone,
    /// A member that starts.
    Starting,
    /// The leader.
    Leader,
    /// A member that lags so far behind that it is given a snapshot.
    Lagging,
    /// The leader, while members come, go or take over.
    Changing,
}

const fn point(name: &'static str, fails: bool, passed_by: Passes) -> Point {
    Point { name, fails, passed_by }
}

/// Every one, in the order of the folders.
pub const POINTS: &[Point] = &[
    point("client-call", true, Passes::Leader),
    point("client-wait", true, Passes::Leader),
    point("watch-route", false, Passes::Anyone),
    point("watch-catch-up", true, Passes::Anyone),
    point("propose", true, Passes::Leader),
    point("proposed", true, Passes::Leader),
    point("read-round", true, Passes::Anyone),
    point("lease-lead", true, Passes::Leader),
    point("lease-renew", true, Passes::Leader),
    point("lease-sweep", true, Passes::Leader),
    point("member-add", true, Passes::Changing),
    point("member-change", true, Passes::Changing),
    point("transfer", true, Passes::Changing),
    point("peer-heartbeat-send", true, Passes::Leader),
    point("peer-append-send", true, Passes::Leader),
    point("peer-vote-send", true, Passes::Changing),
    point("peer-pre-vote-send", true, Passes::Changing),
    point("peer-snapshot-send", true, Passes::Lagging),
    point("peer-append-receive", true, Passes::Anyone),
    point("peer-vote-receive", true, Passes::Changing),
    point("peer-pre-vote-receive", true, Passes::Changing),
    point("peer-transfer-receive", true, Passes::Changing),
    point("peer-read-index-receive", true, Passes::Leader),
    point("peer-snapshot-missing", true, Passes::Lagging),
    point("peer-snapshot-receive", true, Passes::Lagging),
    point("peer-report-receive", true, Passes::Anyone),
    point("peer-identify", true, Passes::Changing),
    point("log-open", true, Passes::Starting),
    point("log-append", true, Passes::Anyone),
    point("log-vote", true, Passes::Starting),
    point("log-committed", true, Passes::Anyone),
    point("log-truncate", true, Passes::Changing),
    point("log-purge", true, Passes::Anyone),
    point("log-read", true, Passes::Anyone),
    point("log-write", true, Passes::Anyone),
    point("log-sync", true, Passes::Anyone),
    point("log-synced", true, Passes::Anyone),
    point("apply-batch", true, Passes::Anyone),
    point("apply-written", true, Passes::Anyone),
    point("apply-published", true, Passes::Anyone),
    point("snapshot-build", true, Passes::Anyone),
    point("snapshot-checkpoint", true, Passes::Anyone),
    point("snapshot-publish", true, Passes::Anyone),
    point("snapshot-install", true, Passes::Lagging),
    point("snapshot-copied", true, Passes::Lagging),
    point("snapshot-current", true, Passes::Lagging),
    point("state-open", true, Passes::Starting),
    point("state-write", true, Passes::Anyone),
    point("state-flush", true, Passes::Anyone),
    point("eventual-load", false, Passes::Starting),
    point("eventual-flush", true, Passes::Anyone),
    point("eventual-push", false, Passes::Anyone),
    point("eventual-stream", true, Passes::Starting),
    point("eventual-receive", true, Passes::Anyone),
    point("eventual-repair", true, Passes::Anyone),
    point("eventual-clocks", true, Passes::Anyone),
    point("eventual-sweep", false, Passes::Anyone),
    point("eventual-retire", true, Passes::Leader),
    point("queue-timers", true, Passes::Leader),
    point("compact", true, Passes::Leader),
    point("clean", false, Passes::Anyone),
];

/// Passes a place on a thread; whether an error is to be made there.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn hit(_: &'static str) -> bool {
    false
}

/// Passes a place in a task; whether an error is to be made there.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn pass(_: &'static str) -> std::future::Ready<bool> {
    std::future::ready(false)
}

/// The error of a place that has none of its own.
pub fn injected(name: &'static str) -> std::io::Error {
    std::io::Error::other(format!("failpoint {name}"))
}

#[cfg(feature = "failpoints")]
pub use armed::{arm, hit, pass};

#[cfg(feature = "failpoints")]
mod armed {
    use std::collections::BTreeMap;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::POINTS;

    const VARIABLE: &str = "FAILPOINTS";

    #[derive(Clone, Copy)]
    enum Action {
        Panic,
        Return,
        Sleep(Duration),
    }

    struct Armed {
        action: Action,
        told: AtomicBool,
    }

    static ARMED: OnceLock<BTreeMap<String, Armed>> = OnceLock::new();

    /// Arms what the environment names. Fails if that names a place that is none, or an action that is none.
    pub fn arm() -> Result<(), String> {
        let Some(text) = std::env::var_os(VARIABLE) else {
            return Ok(());
        };
        let text = text.to_string_lossy();
        let mut armed = BTreeMap::new();
        for one in text.split(';').filter(|one| !one.is_empty()) {
            let read = one
                .split_once('=')
                .and_then(|(name, action)| Some((name, action_of(action)?)));
            let Some((name, action)) = read else {
                return Err(format!(
                    "{VARIABLE}: {one:?} is not NAME=panic, NAME=return or NAME=sleep(MS)"
                ));
            };
            if POINTS.iter().all(|point| point.name != name) {
                return Err(format!("{VARIABLE}: there is no failpoint {name:?}"));
            }
            let told = AtomicBool::new(false);
            armed.insert(name.to_owned(), Armed { action, told });
        }
        tracing::warn!(failpoints = %text, "failpoints are armed");
        // Whoever came first has armed, and there is one environment.
        let _ = ARMED.set(armed);
        Ok(())
    }

    fn action_of(text: &str) -> Option<Action> {
        match text {
            "panic" => Some(Action::Panic),
            "return" => Some(Action::Return),
            _ => {
                let ms = text.strip_prefix("sleep(")?.strip_suffix(')')?;
                Some(Action::Sleep(Duration::from_millis(ms.parse().ok()?)))
            }
        }
    }

    fn action_at(name: &'static str) -> Option<Action> {
        let armed = ARMED.get()?.get(name)?;
        if !armed.told.swap(true, Ordering::Relaxed) {
            tracing::warn!("failpoint {name} was hit");
        }
        Some(armed.action)
    }

    /// Passes a place on a thread; whether an error is to be made there.
    pub fn hit(name: &'static str) -> bool {
        match action_at(name) {
            None => false,
            Some(Action::Return) => true,
            Some(Action::Panic) => panic!("failpoint {name}"),
            Some(Action::Sleep(time)) => {
                std::thread::sleep(time);
                false
            }
        }
    }

    /// Passes a place in a task; whether an error is to be made there.
    pub async fn pass(name: &'static str) -> bool {
        match action_at(name) {
            None => false,
            Some(Action::Return) => true,
            Some(Action::Panic) => panic!("failpoint {name}"),
            Some(Action::Sleep(time)) => {
                tokio::time::sleep(time).await;
                false
            }
        }
    }
}
