//! One stream of a cache: the keys it hears of, and how fresh they are.
//!
//! Everything that comes is taken in under one lock, in the order of the stream; look-ups read what is published
//! ([`proof`](super::proof)) and never wait for it. Nothing is sent with the lock held: the task that follows the stream asks
//! what is to be sent ([`Lane::next_step`]), so that requests keep their order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use quorate_proto::v1;
use tokio::sync::Notify;

use super::holds::Holds;
use super::pace::{Asks, Pace};
use super::proof::Proof;
use super::settings::Coherence;
use crate::error::{Error, ErrorKind, Outcome};
use crate::seen::Seen;
use crate::watch::Departure;

/// Keys that a member keeps of one cache.
pub(super) const KEYS_MAX: usize = 131_072;
/// For how long a domain that was refused is left alone, in nanoseconds.
const REFUSED_FOR: u64 = 5_000_000_000;
const REFUSED_MAX: usize = 1_024;

pub(super) struct Lane {
    pub(super) coherence: Coherence,
    pub(super) proof: Proof,
    pub(super) asks: Asks,
    pub(super) writer: Mutex<Writer>,
    /// For the task that follows it.
    pub(super) work: Notify,
    /// For those who wait until it is served, or has nothing under way.
    pub(super) quiet: Notify,
    /// A look-up failed that a proof would have let through.
    nudged: AtomicBool,
}

/// Where the watch is.
#[derive(Debug)]
pub(super) enum Stay {
    Nowhere,
    /// A member was asked; the start may not be before what was seen.
    Asked {
        watch_id: u64,
        seen: (u64, u64),
    },
    Served {
        watch_id: u64,
    },
    Left(Departure),
}

/// What is written by one at a time.
pub(super) struct Writer {
    pub(super) stay: Stay,
    pub(super) holds: Holds,
    /// Cluster and epoch of the entries.
    pub(super) origin: Option<(u64, u64)>,
    pub(super) member: u64,
    /// Everything up to this revision has come.
    pub(super) position: u64,
    /// Everything was the newest at this moment, once the position is published; 0: not known.
    pub(super) proven: u64,
    /// In nanoseconds; 0: none.
    pub(super) lease: u64,
    pub(super) pace: Pace,
    /// Why it is not served, or what was refused last.
    pub(super) trouble: Option<Error>,
    /// Domains that cannot be held, with the moment until which they are not asked for again.
    refused: BTreeMap<String, u64>,
    closed: bool,
}

/// What the task that follows it does next.
#[derive(Debug)]
pub(super) enum Step {
    Left(Departure),
    Ask(v1::CacheKeys),
    Probe,
    /// Nothing before this moment, unless it is woken.
    Wait {
        until: Option<u64>,
    },
}

impl Lane {
    pub(super) fn new(coherence: Coherence) -> Self {
        Self {
            coherence,
            proof: Proof::default(),
            asks: Asks::default(),
            writer: Mutex::new(Writer {
                stay: Stay::Nowhere,
                holds: Holds::new(KEYS_MAX),
                origin: None,
                member: 0,
                position: 0,
                proven: 0,
                lease: 0,
                pace: Pace::default(),
                trouble: None,
                refused: BTreeMap::new(),
                closed: false,
            }),
            work: Notify::new(),
            quiet: Notify::new(),
            nudged: AtomicBool::new(false),
        }
    }

    /// A proof is wanted at once.
    #[inline]
    pub(super) fn nudge(&self) {
        if !self.nudged.load(Ordering::Relaxed) && !self.nudged.swap(true, Ordering::AcqRel) {
            self.work.notify_one();
        }
    }

    /// A member is asked for the watch.
    pub(super) fn asked(&self, watch_id: u64, seen: (u64, u64)) {
        self.writer.lock().stay = Stay::Asked { watch_id, seen };
    }

    pub(super) fn next_step(&self, now: u64, idle: u64) -> Step {
        let mut writer = self.writer.lock();
        let watch_id = match std::mem::replace(&mut writer.stay, Stay::Nowhere) {
            Stay::Left(departure) => return Step::Left(departure),
            Stay::Served { watch_id } => {
                writer.stay = Stay::Served { watch_id };
                watch_id
            }
            stay => {
                writer.stay = stay;
                return Step::Wait { until: None };
            }
        };
        if let Some(mut request) = writer.holds.next_request() {
            request.watch_id = watch_id;
            return Step::Ask(request);
        }
        let (nudged, lease) = (self.nudged.load(Ordering::Acquire), writer.lease);
        let due = writer.pace.due(now, &self.asks, nudged, lease, idle);
        if due <= now {
            return Step::Probe;
        }
        Step::Wait { until: Some(due) }
    }

    /// A proof was asked for at this moment.
    pub(super) fn probed(&self, probe_id: u64, now: u64) {
        self.nudged.store(false, Ordering::Release);
        self.writer.lock().pace.asked(probe_id, now);
    }

    /// Nothing is answered and nothing is kept true any more; what is held may be told to the next member.
    pub(super) fn leave(&self, writer: &mut Writer, departure: Departure) {
        self.proof.end();
        writer.holds.clear();
        writer.pace.clear();
        writer.proven = 0;
        writer.stay = Stay::Left(departure);
        self.work.notify_one();
        self.quiet.notify_waiters();
    }

    /// The watch of this id is over. It may be elsewhere by then, under another one.
    pub(super) fn left(&self, watch_id: u64, departure: Departure) {
        let mut writer = self.writer.lock();
        let is_of = match writer.stay {
            Stay::Asked { watch_id: current, .. } | Stay::Served { watch_id: current } => current == watch_id,
            Stay::Nowhere | Stay::Left(_) => false,
        };
        if is_of {
            self.leave(&mut writer, departure);
        }
    }

    pub(super) fn set_trouble(&self, error: Error) {
        self.writer.lock().trouble = Some(error);
    }

    pub(super) fn is_served(&self) -> bool {
        matches!(self.writer.lock().stay, Stay::Served { .. })
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.writer.lock().stay, Stay::Asked { .. })
    }

    /// It takes nothing in any more.
    pub(super) fn close(&self) {
        let mut writer = self.writer.lock();
        writer.closed = true;
        self.leave(&mut writer, Departure::Lost(lost("the client is closed")));
    }

    /// Shows look-ups how far it is.
    pub(super) fn publish(&self, writer: &mut Writer, seen: &Seen) {
        if !matches!(writer.stay, Stay::Served { .. }) || writer.closed || !writer.holds.is_settled() {
            return;
        }
        let Some((_, epoch)) = writer.origin else { return };
        // A member that is asked after an answer must not answer with less.
        seen.observe(epoch, writer.position);
        if self.proof.is_kept() {
            self.proof.reach(writer.position);
        } else {
            self.proof.begin(epoch, writer.position, writer.lease);
        }
        if writer.proven != 0 {
            self.proof.prove(writer.proven);
        }
    }
}

impl Writer {
    /// Whether what was read in this epoch can be kept true now.
    pub(super) fn takes(&self, epoch: u64, domain: &str, now: u64) -> bool {
        let is_refused = self.refused.get(domain).is_some_and(|until| now < *until);
        let is_served = matches!(self.stay, Stay::Served { .. });
        is_served && !is_refused && self.origin.is_some_and(|(_, own)| own == epoch)
    }

    /// The member does not add keys of this domain.
    pub(super) fn refuse(&mut self, domain: String, now: u64) {
        self.refused.retain(|_, until| now < *until);
        if self.refused.len() < REFUSED_MAX {
            self.refused.insert(domain, now + REFUSED_FOR);
        }
    }
}

pub(super) fn lost(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, message)
}

pub(super) fn protocol(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message)
}
