//! What the demonstration measures while it runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate::Client;

/// Key that [`WriteGap::watch`] writes.
const PULSE_KEY: &str = "demo/pulse";
/// Between two of its writes.
const PULSE: Duration = Duration::from_millis(10);

/// The longest time in which no write succeeded.
#[derive(Debug, Default)]
pub struct WriteGap(Mutex<(Option<Instant>, Duration)>);

impl WriteGap {
    /// Writes one key all the time, until dropped. The workers wait for each other and for files that come back; this does
    /// not.
    pub async fn watch(self: Arc<Self>, client: Client) {
        loop {
            if client.put(PULSE_KEY, "").await.is_ok() {
                self.wrote(Instant::now());
            }
            tokio::time::sleep(PULSE).await;
        }
    }

    /// A write succeeded at `now`.
    pub fn wrote(&self, now: Instant) {
        let mut state = self.0.lock();
        let gap = state
            .0
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        state.0 = state.0.max(Some(now));
        state.1 = state.1.max(gap);
    }

    /// The longest so far.
    pub fn longest(&self) -> Duration {
        self.0.lock().1
    }
}

/// Who led, as seen from outside.
#[derive(Debug, Default)]
pub struct Leadership(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    term: u64,
    leader: Option<u64>,
    changes: u64,
}

impl Leadership {
    /// A node said who leads in which term. An older term than one already seen is no news.
    pub fn saw(&self, term: u64, leader: u64) {
        let mut state = self.0.lock();
        if term <= state.term {
            return;
        }
        if state.leader.is_some() {
            state.changes += 1;
        }
        state.term = term;
        state.leader = Some(leader);
    }

    /// The newest leader.
    pub fn leader(&self) -> Option<u64> {
        self.0.lock().leader
    }

    /// How often a new term brought a leader, after the first.
    pub fn changes(&self) -> u64 {
        self.0.lock().changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_between_writes_is_kept() {
        let gap = WriteGap::default();
        let start = Instant::now();
        for at_ms in [0, 10, 310, 400] {
            gap.wrote(start + Duration::from_millis(at_ms));
        }
        assert_eq!(gap.longest(), Duration::from_millis(300));
    }

    #[test]
    fn only_a_newer_term_changes_the_leader() {
        let leadership = Leadership::default();
        for (term, leader) in [(1, 2), (1, 2), (3, 1), (1, 2), (3, 1)] {
            leadership.saw(term, leader);
        }
        assert_eq!((leadership.leader(), leadership.changes()), (Some(1), 1));
    }
}
