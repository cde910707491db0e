//! What a queue promises.

use std::time::Duration;

use quorate_proto::v1;

use crate::consistency::whole_ms;

/// What a queue promises. Zero stands for the default, or for no limit where that is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueConfig {
    /// How long a claim lasts where it does not say, from 100 ms to a week. Default: 30 s.
    pub visibility: Duration,
    /// An item that comes back after so many claims goes to the dead letters, at most 10,000. Default: 5.
    pub attempts_max: u32,
    /// Items the queue may hold in whatever state, at most 100,000,000. Default: 1,000,000.
    pub depth_max: u64,
    /// Items that may be claimed at a time. Default: 0, no limit.
    pub claimed_max: u64,
    /// Items of one group that may be claimed at a time. Default: 0, no limit. A raised limit reaches a group that is held
    /// back by the old one when one of its claims ends.
    pub group_claimed_max: u64,
    /// How long a dedupe key is remembered, at most a week. Default: 5 min.
    pub dedupe_window: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            visibility: Duration::from_secs(30),
            attempts_max: 5,
            depth_max: 1_000_000,
            claimed_max: 0,
            group_claimed_max: 0,
            dedupe_window: Duration::from_secs(300),
        }
    }
}

impl QueueConfig {
    /// How long a claim lasts where it does not say.
    pub fn visibility(mut self, visibility: Duration) -> Self {
        self.visibility = visibility;
        self
    }

    /// Claims after which an item that comes back goes to the dead letters.
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }

    /// Items the queue may hold.
    pub fn depth_max(mut self, items: u64) -> Self {
        self.depth_max = items;
        self
    }

    /// Items that may be claimed at a time; 0: no limit.
    pub fn claimed_max(mut self, items: u64) -> Self {
        self.claimed_max = items;
        self
    }

    /// Items of one group that may be claimed at a time; 0: no limit.
    pub fn group_claimed_max(mut self, items: u64) -> Self {
        self.group_claimed_max = items;
        self
    }

    /// How long a dedupe key is remembered.
    pub fn dedupe_window(mut self, window: Duration) -> Self {
        self.dedupe_window = window;
        self
    }

    pub(super) fn to_wire(&self) -> v1::QueueConfig {
        v1::QueueConfig {
            visibility_ms: whole_ms(self.visibility),
            attempts_max: self.attempts_max,
            depth_max: self.depth_max,
            claimed_max: self.claimed_max,
            group_claimed_max: self.group_claimed_max,
            dedupe_window_ms: whole_ms(self.dedupe_window),
        }
    }
}

impl From<v1::QueueConfig> for QueueConfig {
    fn from(config: v1::QueueConfig) -> Self {
        Self {
            visibility: Duration::from_millis(config.visibility_ms),
            attempts_max: config.attempts_max,
            depth_max: config.depth_max,
            claimed_max: config.claimed_max,
            group_claimed_max: config.group_claimed_max,
            dedupe_window: Duration::from_millis(config.dedupe_window_ms),
        }
    }
}
