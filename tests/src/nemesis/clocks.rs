//! Wall clocks that are set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::Rng;

use super::{Happened, Nemesis, Pace, Scene};
use crate::HarnessError;

/// Jumps are between a second and an hour, short ones as often as long ones.
const JUMP_SECONDS: f64 = 1.0;
const JUMP_SECONDS_MAX: f64 = 3600.0;

/// Jumps of one fault, the last of which is back to the right time.
const JUMPS: u32 = 3;

/// A clock is read this much later than the other, at most; shorter than a jump.
const APART_MS_MAX: i64 = 500;

/// Log time may run ahead of the monotonic clock here by so much: what was under way when it was read.
const AHEAD_MAX: Duration = Duration::from_secs(2);

/// How long a clock is wrong at least, in milliseconds.
const WRONG_MS: std::ops::Range<u64> = 200..1000;

impl Nemesis {
    /// Log time must not jump with a wall clock.
    pub(super) async fn clock_jumps(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let victim = scene.victim;
        let (began, log_time) = (self.clock.now(), self.status(scene.leader).await?.log_time_ms);
        let mut evidence = Vec::new();
        for jump in 1..=JUMPS {
            let ahead_ms = match jump {
                JUMPS => 0,
                _ => self.random_jump_ms(),
            };
            self.cluster.set_clock(victim, ahead_ms)?;
            let seen = self.until_status("show the time that its clock was set to", victim, |status| {
                let ahead = i64::try_from(status.wall_ms).ok()?.checked_sub(wall_ms())?;
                ((ahead - ahead_ms).abs() <= APART_MS_MAX).then_some(ahead)
            });
            evidence.push(format!("{:+.3} s", seen.await? as f64 / 1000.0));
            self.linger(WRONG_MS).await;
            pace.wait_for_more("while a clock is wrong").await?;
        }
        let log_time_now = self.committed_log_time().await?;
        let (went, passed) = (log_time_now.saturating_sub(log_time), self.clock.now() - began);
        if Duration::from_millis(went) > passed + AHEAD_MAX {
            return Err(HarnessError::Broken(format!(
                "log time went {went} ms ahead within {passed:?}, while the wall clock of {victim} showed {evidence:?}"
            )));
        }
        Ok(Happened {
            victims: vec![victim],
            evidence: format!("its status showed a clock ahead by {}", evidence.join(", ")),
        })
    }

    fn random_jump_ms(&mut self) -> i64 {
        let seconds = JUMP_SECONDS * (JUMP_SECONDS_MAX / JUMP_SECONDS).powf(self.random.random_range(0.0..=1.0));
        let ms = (seconds * 1000.0) as i64;
        match self.random.random_bool(0.5) {
            true => ms,
            false => -ms,
        }
    }

    async fn committed_log_time(&self) -> Result<u64, HarnessError> {
        let mut newest = 0;
        for id in self.cluster.ids() {
            newest = newest.max(self.status(id).await?.log_time_ms);
        }
        Ok(newest)
    }
}

/// Of this process.
fn wall_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}
