//! How old what this member has may be, measured on its own clock.
//!
//! This member sends its time to each peer; the peer sends the newest that it got back behind everything that it wrote
//! before. When such an echo comes, and nothing before it is missing, this member has everything that the peer had
//! acknowledged at that time. No two clocks are compared.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of one peer. Times are microseconds of this member's monotonic clock, and 0 is never.
#[derive(Debug, Default)]
pub struct Freshness {
    /// The newest time of the peer that it sent here: what goes back to it.
    peers_ping_us: AtomicU64,
    /// When this member had everything the peer had.
    here_us: AtomicU64,
    /// When the peer had everything this member had.
    there_us: AtomicU64,
    /// The peer's time at which this member had everything that it had: what goes back to it, too.
    had_all_us: AtomicU64,
    /// Since when the peer was sent everything that it lacked when the stream to it was opened.
    sent_all_us: AtomicU64,
}

impl Freshness {
    /// The peer sent its time.
    pub fn pinged(&self, ping_us: u64) {
        self.peers_ping_us.store(ping_us, Ordering::Release);
    }

    /// What to send back.
    pub fn to_echo(&self) -> u64 {
        self.peers_ping_us.load(Ordering::Acquire)
    }

    /// The peer sent its time, and nothing that it sent before is missing here.
    pub fn pinged_and_whole(&self, ping_us: u64) {
        self.had_all_us.store(ping_us, Ordering::Release);
    }

    /// The peer's time at which this member had everything that it had.
    pub fn had_all_us(&self) -> u64 {
        self.had_all_us.load(Ordering::Acquire)
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
        self.peers_ping_us.store(0, Ordering::Release);
        self.here_us.store(0, Ordering::Release);
        self.there_us.store(0, Ordering::Release);
        self.had_all_us.store(0, Ordering::Release);
    }
}
