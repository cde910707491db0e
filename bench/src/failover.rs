//! How long writes stop when the leader is killed.
//!
//! A put starts every `interval`, whether or not the ones before it were answered, at each endpoint in turn; through
//! the SDK all go to one client, which does its own routing. After a settling time the given process gets SIGKILL.
//! The figure is the longest time between two successes. Starting the member again is the caller's business.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::target::{Session, System, Target};
use crate::work::{key, value};

/// A put that is not answered by then does not count as a success.
const PUT_TIMEOUT: Duration = Duration::from_secs(5);

/// Puts outstanding at once; more would only measure the generator. At one every 10 ms this is 10 s of silence.
const OUTSTANDING_MAX: usize = 1_000;

/// One trial.
#[derive(Clone, Debug)]
pub struct Failover {
    /// The system.
    pub system: System,
    /// Its members, `host:port`.
    pub endpoints: Vec<String>,
    /// The process that leads.
    pub leader_pid: u32,
    /// Between the starts of two puts.
    pub interval: Duration,
    /// Puts run this long before the kill.
    pub before: Duration,
    /// And this long after it.
    pub after: Duration,
}

/// What a trial saw.
#[derive(Debug, Serialize)]
pub struct FailoverReport {
    /// The system.
    pub target: &'static str,
    /// The longest time between two successes, in milliseconds.
    pub gap_ms: f64,
    /// From the kill to the next success, in milliseconds.
    pub kill_to_success_ms: f64,
    /// Puts that succeeded.
    pub succeeded: usize,
    /// Puts that failed.
    pub failed: usize,
}

impl Failover {
    /// Runs it.
    pub async fn run(&self) -> Result<FailoverReport, String> {
        let pid = i32::try_from(self.leader_pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| format!("{} is not a process id", self.leader_pid))?;
        let sessions = self.sessions().await?;
        let start = Instant::now();
        let kill_at = start + self.before;
        let end = kill_at + self.after;
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let bytes = Bytes::from(value(64));
        let (mut puts, mut killed, mut number) = (JoinSet::new(), None, 0_usize);
        let (mut successes, mut failed) = (vec![start], 0_usize);
        while Instant::now() < end {
            ticks.tick().await;
            if killed.is_none() && Instant::now() >= kill_at {
                kill_process(pid, Signal::KILL).map_err(|error| format!("cannot kill {}: {error}", self.leader_pid))?;
                killed = Some(Instant::now());
            }
            while let Some(ended) = puts.try_join_next() {
                note(ended, &mut successes, &mut failed);
            }
            if puts.len() < OUTSTANDING_MAX {
                let slot = Arc::clone(&sessions[number % sessions.len()]);
                puts.spawn(one_put(slot, key(number as u64 % 100), bytes.clone()));
                number += 1;
            }
        }
        while let Some(ended) = puts.join_next().await {
            note(ended, &mut successes, &mut failed);
        }
        self.report(&mut successes, failed, killed)
    }

    /// One session an endpoint; through the SDK a single one for all.
    async fn sessions(&self) -> Result<Vec<Arc<Session>>, String> {
        if self.system == System::Quorate {
            let target = Target::connect(self.system, &self.endpoints, 1).await?;
            return Ok(vec![Arc::new(target.session(0))]);
        }
        let mut sessions = Vec::with_capacity(self.endpoints.len());
        for endpoint in &self.endpoints {
            sessions.push(Arc::new(Session::open(self.system, endpoint, PUT_TIMEOUT).await?));
        }
        Ok(sessions)
    }

    fn report(
        &self,
        successes: &mut [Instant],
        failed: usize,
        killed: Option<Instant>,
    ) -> Result<FailoverReport, String> {
        successes.sort_unstable();
        let killed = killed.ok_or("the run ended before the kill")?;
        let next = successes.iter().find(|success| **success > killed);
        let next = next.ok_or_else(|| format!("no put succeeded in the {:?} after the kill", self.after))?;
        let gap = successes
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap_or_default();
        Ok(FailoverReport {
            target: self.system.name(),
            gap_ms: gap.as_secs_f64() * 1e3,
            kill_to_success_ms: (*next - killed).as_secs_f64() * 1e3,
            succeeded: successes.len() - 1,
            failed,
        })
    }
}

/// When the put succeeded, if it did.
async fn one_put(session: Arc<Session>, key: Bytes, value: Bytes) -> Option<Instant> {
    let mut session = Session::clone(&session);
    let put = tokio::time::timeout(PUT_TIMEOUT, session.put(key, value)).await;
    matches!(put, Ok(Ok(()))).then(Instant::now)
}

fn note(ended: Result<Option<Instant>, tokio::task::JoinError>, successes: &mut Vec<Instant>, failed: &mut usize) {
    match ended {
        Ok(Some(success)) => successes.push(success),
        Ok(None) | Err(_) => *failed += 1,
    }
}
