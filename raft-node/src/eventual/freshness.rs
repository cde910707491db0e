//! How old what this member has may be, measured on its own clock.
//!
//! This member sends its time to each peer; the peer sends the newest that it got back behind everything that it wrote
//! before. When such an echo comes, and nothing before it is missing, this member has everything that the peer had
//! acknowledged at that time. No two clocks are compared.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use quorate_eventual::ActorId;

/// What goes back to a peer: means something to the process that sent it, and to no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// Which process sent it; none: nothing was sent yet.
    pub of: Option<ActorId>,
    /// The newest of its times.
    pub ping_us: u64,
    /// The newest of its times at which this member had everything that it had; 0: never.
    pub had_all_us: u64,
}

/// Of one peer. Times are microseconds of this member's monotonic clock, and 0 is never.
#[derive(Debug, Default)]
pub struct Freshness {
    /// What goes back to the peer.
    echo: Mutex<Echo>,
    /// When this member had everything the peer had.
    here_us: AtomicU64,
    /// When the peer had everything this member had.
    there_us: AtomicU64,
    /// Since when the peer was sent everything that it lacked when the stream to it was opened.
    sent_all_us: AtomicU64,
}

impl Freshness {
    /// The process `of` of the peer sent its time. `whole`: nothing that it sent before is missing here.
    pub fn pinged(&self, of: ActorId, ping_us: u64, whole: bool) {
        let mut echo = self.echo.lock();
        if echo.of != Some(of) {
            *echo = Echo::default();
            echo.of = Some(of);
        }
        echo.ping_us = ping_us;
        if whole {
            echo.had_all_us = ping_us;
        }
    }

    /// What to send back.
    pub fn to_echo(&self) -> Echo {
        *self.echo.lock()
    }

    /// A stream to the peer is opened.
    pub fn begin_sending(&self) {
        self.sent_all_us.store(0, Ordering::Release);
    }

    /// The peer was sent everything that it lacked when the stream was opened.
    pub fn sent_all(&self, now_us: u64) {
        self.sent_all_us.store(now_us, Ordering::Release);
    }

    /// See [`Freshness::sent_all`].
    pub fn has_sent_all(&self) -> bool {
        self.sent_all_us.load(Ordering::Acquire) != 0
    }

    /// The peer has everything that it lacked when the stream to it was opened.
    pub fn peer_is_even(&self) -> bool {
        let sent_all_us = self.sent_all_us.load(Ordering::Acquire);
        sent_all_us != 0 && self.there_us() >= sent_all_us
    }

    /// This member's time came back, behind everything the peer wrote before.
    pub fn has_all_as_of(&self, ping_us: u64) {
        self.here_us.fetch_max(ping_us, Ordering::AcqRel);
    }

    /// When this member had everything the peer had.
    pub fn here_us(&self) -> u64 {
        self.here_us.load(Ordering::Acquire)
    }

    /// The peer had everything that this member had at that time.
    pub fn peer_has_all_as_of(&self, us: u64) {
        self.there_us.fetch_max(us, Ordering::AcqRel);
    }

    /// When the peer had everything this member had.
    pub fn there_us(&self) -> u64 {
        self.there_us.load(Ordering::Acquire)
    }

    /// The peer's process is another one: nothing is known of it.
    pub fn reset(&self) {
        *self.echo.lock() = Echo::default();
        self.here_us.store(0, Ordering::Release);
        self.there_us.store(0, Ordering::Release);
    }
}
