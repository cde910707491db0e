//! Renews the sessions of a client, many in one call.
//!
//! A session is renewed when a third of its time to live is over, together with all others that are due then. A renewal
//! that fails is repeated soon; a session whose deadline passes without one is lost, whatever the cluster thinks.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_proto::v1;
use quorate_proto::v1::call::Request;
use quorate_proto::v1::reply::Response;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::call::{KEEP_ALIVE_MAX, lifetime};
use super::session::Loss;
use crate::call::{Call, Nature};
use crate::core::{Core, unexpected};
use crate::error::Result;
use crate::routing::Route;

/// Sessions that are due this close together share a call.
const TOGETHER: Duration = Duration::from_millis(10);
/// Renewals come at this fraction of the time to live.
const RENEWALS_PER_TTL: u32 = 3;
/// The part of the time to live by which the deadline is early: clocks may differ in speed by as much.
const MARGIN: u32 = 20;

/// One session.
#[derive(Debug)]
pub(crate) struct Kept {
    lease: u64,
    ttl: Duration,
    times: Mutex<Times>,
    loss: watch::Sender<Option<Loss>>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    deadline: Instant,
    renew_at: Instant,
    renewing: bool,
}

impl Kept {
    fn new(lease: u64, ttl: Duration, sent: Instant) -> Self {
        let renewing = false;
        let times = Times {
            deadline: sent + certain(ttl),
            renew_at: sent + ttl / RENEWALS_PER_TTL,
            renewing,
        };
        Self {
            lease,
            ttl,
            times: Mutex::new(times),
            loss: watch::Sender::new(None),
        }
    }

    pub(super) fn lease(&self) -> u64 {
        self.lease
    }

    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(super) fn deadline(&self) -> Instant {
        self.times.lock().deadline
    }

    /// A deadline that has passed is a loss, even if nobody has noticed yet.
    pub(super) fn loss(&self) -> Option<Loss> {
        let known = *self.loss.borrow();
        known.or_else(|| (Instant::now() >= self.deadline()).then_some(Loss::Unconfirmed))
    }

    pub(super) async fn lost(&self) -> Loss {
        let mut loss = self.loss.subscribe();
        let known = loss.wait_for(Option::is_some).await;
        known.ok().and_then(|loss| *loss).unwrap_or(Loss::Closed)
    }

    pub(super) fn close(&self) {
        self.lose(Loss::Closed);
    }

    fn lose(&self, loss: Loss) {
        self.loss.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(loss);
            first
        });
    }

    fn renewed(&self, ttl: Duration, sent: Instant) {
        let mut times = self.times.lock();
        if Instant::now() >= times.deadline {
            // Somebody may have been told already that it is lost.
            drop(times);
            return self.lose(Loss::Unconfirmed);
        }
        times.deadline = times.deadline.max(sent + certain(ttl));
        times.renew_at = sent + ttl / RENEWALS_PER_TTL;
        times.renewing = false;
    }

    fn not_renewed(&self, now: Instant) {
        let mut times = self.times.lock();
        times.renew_at = now + (self.ttl / MARGIN).max(TOGETHER);
        times.renewing = false;
    }

    /// What is to be done about it now, and when to look again.
    fn look(&self, now: Instant) -> Look {
        let mut times = self.times.lock();
        if self.loss.borrow().is_some() {
            return Look::Done;
        }
        if now >= times.deadline {
            return Look::Lost;
        }
        if times.renewing {
            return Look::Later(times.deadline);
        }
        if times.renew_at > now + TOGETHER {
            return Look::Later(times.renew_at.min(times.deadline));
        }
        times.renewing = true;
        Look::Renew(times.deadline)
    }
}

enum Look {
    Done,
    Lost,
    Renew(Instant),
    Later(Instant),
}

fn certain(ttl: Duration) -> Duration {
    ttl - ttl / MARGIN
}

/// The sessions of a client.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    sessions: Mutex<Sessions>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Sessions {
    kept: HashMap<u64, Arc<Kept>>,
    /// When to look at a session again; entries may be out of date, never missing.
    looks: BinaryHeap<Reverse<(Instant, u64)>>,
    running: bool,
}

impl Keeper {
    /// Renews a lease that was asked for at `sent` from now on.
    pub(super) fn keep(&self, core: &Arc<Core>, lease: u64, ttl: Duration, sent: Instant) -> Arc<Kept> {
        let kept = Arc::new(Kept::new(lease, ttl, sent));
        let mut sessions = self.sessions.lock();
        sessions.kept.insert(lease, Arc::clone(&kept));
        sessions.looks.push(Reverse((Instant::now(), lease)));
        if !std::mem::replace(&mut sessions.running, true) {
            tokio::spawn(run(Arc::clone(core)));
        }
        drop(sessions);
        self.wake.notify_one();
        kept
    }

    pub(super) fn forget(&self, lease: u64) {
        let mut sessions = self.sessions.lock();
        sessions.kept.remove(&lease);
        let empty = sessions.kept.is_empty();
        drop(sessions);
        if empty {
            self.wake.notify_one();
        }
    }

    fn look_again(&self, kept: &[Arc<Kept>]) {
        let now = Instant::now();
        let mut sessions = self.sessions.lock();
        for kept in kept {
            sessions.looks.push(Reverse((now, kept.lease)));
        }
        drop(sessions);
        self.wake.notify_one();
    }
}

impl Sessions {
    /// The sessions to renew now, and when to look again; none when no session is left.
    fn plan(&mut self, now: Instant) -> Option<(Vec<Arc<Kept>>, Option<Instant>)> {
        let mut due = Vec::new();
        while let Some(Reverse((at, lease))) = self.looks.peek().copied()
            && at <= now
        {
            self.looks.pop();
            let Some(kept) = self.kept.get(&lease) else { continue };
            match kept.look(now) {
                Look::Done => {
                    self.kept.remove(&lease);
                }
                Look::Lost => {
                    kept.lose(Loss::Unconfirmed);
                    self.kept.remove(&lease);
                }
                Look::Renew(deadline) => {
                    due.push(Arc::clone(kept));
                    self.looks.push(Reverse((deadline, lease)));
                }
                Look::Later(at) => self.looks.push(Reverse((at, lease))),
            }
        }
        if self.kept.is_empty() {
            self.looks.clear();
            self.running = false;
            return None;
        }
        Some((due, self.looks.peek().map(|Reverse((at, _))| *at)))
    }
}

async fn run(core: Arc<Core>) {
    loop {
        let plan = core.keeper.sessions.lock().plan(Instant::now());
        let Some((due, next)) = plan else { return };
        for together in due.chunks(KEEP_ALIVE_MAX) {
            tokio::spawn(renew(Arc::clone(&core), together.to_vec()));
        }
        let woken = core.keeper.wake.notified();
        match next {
            Some(at) => drop(tokio::time::timeout_at(at, woken).await),
            None => woken.await,
        }
    }
}

async fn renew(core: Arc<Core>, sessions: Vec<Arc<Kept>>) {
    let sent = Instant::now();
    let result = ask(&core, &sessions, sent).await;
    match result {
        Ok(answers) if answers.len() == sessions.len() => {
            for (kept, answer) in sessions.iter().zip(answers) {
                match lifetime(answer) {
                    Some(ttl) => kept.renewed(ttl, sent),
                    None => kept.lose(Loss::Ended),
                }
            }
        }
        Ok(_) => sessions.iter().for_each(|kept| kept.not_renewed(Instant::now())),
        Err(error) => {
            tracing::debug!(%error, sessions = sessions.len(), "sessions were not renewed; trying again");
            sessions.iter().for_each(|kept| kept.not_renewed(Instant::now()));
        }
    }
    core.keeper.look_again(&sessions);
}

/// One call, which ends before the first deadline and gives a silent member a quarter of the shortest time to live.
async fn ask(core: &Core, sessions: &[Arc<Kept>], sent: Instant) -> Result<Vec<u64>> {
    let shortest = sessions.iter().map(|kept| kept.ttl).min().unwrap_or_default();
    let first = sessions.iter().map(|kept| kept.deadline()).min().unwrap_or(sent);
    let request = Request::KeepAlive(v1::KeepAliveRequest {
        leases: sessions.iter().map(|kept| kept.lease).collect(),
    });
    let timeout = first.saturating_duration_since(sent).max(TOGETHER);
    let _running = core.begin(Nature::Read)?;
    let call = Call::new(core, request, Nature::Read, Route::Leader, timeout);
    match call.attempt_timeout((shortest / 4).max(TOGETHER)).run().await? {
        Response::KeepAlive(response) => Ok(response.ttl_ms),
        other => Err(unexpected("KeepAlive", &other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_millis(900);

    fn one(sent: Instant) -> (Sessions, Arc<Kept>) {
        let kept = Arc::new(Kept::new(7, TTL, sent));
        let mut sessions = Sessions::default();
        sessions.kept.insert(7, Arc::clone(&kept));
        sessions.looks.push(Reverse((sent, 7)));
        (sessions, kept)
    }

    #[test]
    fn a_session_is_renewed_after_a_third_of_its_time_and_once_at_a_time() {
        let sent = Instant::now();
        let (mut sessions, _) = one(sent);
        let (due, next) = sessions.plan(sent).unwrap();
        assert!(due.is_empty());
        assert_eq!(next, Some(sent + TTL / 3));
        let (due, next) = sessions.plan(sent + TTL / 3).unwrap();
        assert_eq!(due.len(), 1);
        assert_eq!(next, Some(sent + Duration::from_millis(855)));
        let (due, _) = sessions.plan(sent + TTL / 2).unwrap();
        assert!(due.is_empty());
    }

    #[test]
    fn the_deadline_counts_from_when_the_renewal_was_sent() {
        let sent = Instant::now();
        let (_, kept) = one(sent);
        assert_eq!(kept.deadline(), sent + Duration::from_millis(855));
        let again = sent + Duration::from_millis(300);
        kept.renewed(TTL, again);
        assert_eq!(kept.deadline(), again + Duration::from_millis(855));
    }

    #[tokio::test]
    async fn a_session_without_a_confirmed_renewal_is_lost_at_its_deadline() {
        let sent = Instant::now();
        let (mut sessions, kept) = one(sent);
        sessions.plan(sent + TTL / 3).unwrap();
        kept.not_renewed(sent + TTL / 2);
        assert!(sessions.plan(sent + Duration::from_millis(855)).is_none());
        assert_eq!(kept.lost().await, Loss::Unconfirmed);
    }

    #[test]
    fn a_deadline_that_passed_unnoticed_is_a_loss() {
        let now = Instant::now();
        let (_, alive) = one(now);
        assert_eq!(alive.loss(), None);
        let (_, passed) = one(now - TTL);
        assert_eq!(passed.loss(), Some(Loss::Unconfirmed));
    }
}
