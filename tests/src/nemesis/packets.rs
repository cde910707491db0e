//! Packets that are lost, late or too many.

use std::time::Duration;

use rand::Rng;

use super::{Happened, Nemesis, PATIENCE, Pace, Scene};
use crate::cluster::{Passed, Quality};
use crate::{HarnessError, wait};

/// Of a hundred packets.
const LOSS_PERCENT: std::ops::RangeInclusive<u32> = 5..=30;

/// How late packets from and to one member are, in milliseconds.
const DELAY_MS: std::ops::RangeInclusive<u64> = 20..=300;

/// How late all packets are: an answer is there before the shortest election time-out of 120 ms.
const DELAY_OF_ALL_MS: std::ops::RangeInclusive<u64> = 5..=30;

/// Fewer than a member that replicates needs.
const BYTES_PER_SECOND: std::ops::RangeInclusive<u32> = 8_000..=40_000;

/// How long it goes on at least, in milliseconds.
const BAD_MS: std::ops::Range<u64> = 1000..3000;

/// Packets that must have been lost.
const LOST_MIN: u64 = 20;

/// How long a packet must have waited where there is little room.
const WAITED_MIN: Duration = Duration::from_millis(20);

impl Nemesis {
    pub(super) async fn loss(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let quality = Quality {
            loss_percent: self.random.random_range(LOSS_PERCENT),
            ..Quality::default()
        };
        let victims = self.one_or_all(scene);
        self.worsen(victims, quality, pace, |passed| passed.lost >= LOST_MIN)
            .await
    }

    pub(super) async fn delay(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let victims = self.one_or_all(scene);
        let delay = Duration::from_millis(match victims.len() {
            1 => self.random.random_range(DELAY_MS),
            _ => self.random.random_range(DELAY_OF_ALL_MS),
        });
        let quality = Quality {
            delay,
            jitter: delay / 2,
            ..Quality::default()
        };
        self.worsen(victims, quality, pace, move |passed| passed.waited_max >= delay)
            .await
    }

    pub(super) async fn narrow(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let quality = Quality {
            bytes_per_second: Some(self.random.random_range(BYTES_PER_SECOND)),
            ..Quality::default()
        };
        self.worsen(vec![scene.victim], quality, pace, |passed| {
            passed.waited_max >= WAITED_MIN
        })
        .await
    }

    fn one_or_all(&mut self, scene: Scene) -> Vec<u64> {
        match self.random.random_bool(0.5) {
            true => vec![scene.victim],
            false => self.voters(),
        }
    }

    /// Packets from and to the victims, as voters, fare like this until it shows.
    async fn worsen(
        &mut self,
        victims: Vec<u64>,
        quality: Quality,
        pace: &impl Pace,
        shows: impl Fn(Passed) -> bool,
    ) -> Result<Happened, HarnessError> {
        let voters = self.voters();
        let mut ways = Vec::new();
        for from in &voters {
            for to in voters.iter().filter(|to| *to != from) {
                if victims.contains(from) || victims.contains(to) {
                    let seed = self.random.random();
                    self.cluster.detour(*from, *to, quality, seed)?;
                    ways.push((*from, *to));
                }
            }
        }
        self.linger(BAD_MS).await;
        pace.wait_for_more("while packets are lost or late").await?;
        let passed = wait::until("packets to be lost or late", PATIENCE, async || {
            let passed = self.passed(&ways).map_err(|error| error.to_string())?;
            shows(passed).then_some(passed).ok_or_else(|| format!("{passed:?}"))
        })
        .await?;
        self.cluster.heal()?;
        let Passed {
            packets,
            lost,
            waited_max,
        } = passed;
        Ok(Happened {
            victims,
            evidence: format!(
                "{quality:?}: of {packets} packets {lost} were lost, and one waited for {waited_max:.0?}"
            ),
        })
    }

    fn passed(&self, ways: &[(u64, u64)]) -> Result<Passed, HarnessError> {
        let mut all = Passed::default();
        for (from, to) in ways {
            let passed = self.cluster.passed(*from, *to)?;
            all.packets += passed.packets;
            all.lost += passed.lost;
            all.waited_max = all.waited_max.max(passed.waited_max);
        }
        Ok(all)
    }
}
