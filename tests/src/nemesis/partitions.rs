//! Members that do not reach one another, while clients reach them all.

use rand::Rng;
use rand::seq::SliceRandom;

use super::{Happened, Nemesis, PATIENCE, Pace, Scene};
use crate::{HarnessError, wait};

/// How long a partition lasts at least, in milliseconds.
const CUT_MS: std::ops::Range<u64> = 1000..3000;

/// How often a member is cut off and joined again, and for how long each, in milliseconds.
const FLAPS: std::ops::Range<u64> = 8..16;
const FLAP_MS: std::ops::Range<u64> = 30..400;

impl Nemesis {
    pub(super) async fn isolate(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        self.part(scene, vec![scene.victim], pace).await
    }

    pub(super) async fn halves(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let minority = self.voters().len() - self.quorum();
        // The witness stays with the others: where it fell too far behind, a snapshot would take the place of its log.
        let side = self.with_others(scene.victim, minority);
        self.part(scene, side, pace).await
    }

    /// Parts a minority from all others.
    async fn part(&mut self, scene: Scene, side: Vec<u64>, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let others = self.all_but(&side);
        for id in &side {
            self.cluster.cut(*id, &others)?;
        }
        let mut evidence = self.demand_unreached(&both_ways(&side, &others)).await?;
        if side.contains(&scene.leader) {
            evidence += &self.led_by_another(&others, scene).await?;
        }
        self.linger(CUT_MS).await;
        pace.wait_for_more("while members are cut off").await?;
        evidence += &format!("; {}", self.demand_behind(&side, &others).await?);
        self.join_again().await?;
        Ok(Happened {
            victims: side,
            evidence,
        })
    }

    pub(super) async fn mute(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let others = self.all_but(&[scene.victim]);
        self.cluster.cut_one_way(scene.victim, &others)?;
        self.one_way(scene, others, pace).await
    }

    pub(super) async fn deaf(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let others = self.all_but(&[scene.victim]);
        for other in &others {
            self.cluster.cut_one_way(*other, &[scene.victim])?;
        }
        self.one_way(scene, others, pace).await
    }

    async fn one_way(&mut self, scene: Scene, others: Vec<u64>, pace: &impl Pace) -> Result<Happened, HarnessError> {
        // A connection needs both directions, so that neither is made.
        let mut evidence = self.demand_unreached(&both_ways(&[scene.victim], &others)).await?;
        if scene.victim == scene.leader {
            evidence += &self.led_by_another(&others, scene).await?;
        }
        self.linger(CUT_MS).await;
        pace.wait_for_more("while nothing comes from a member, or to it")
            .await?;
        self.join_again().await?;
        Ok(Happened {
            victims: vec![scene.victim],
            evidence,
        })
    }

    pub(super) async fn bridge(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let mut sides = self.voters();
        // The victim is on a side, and not the bridge.
        sides.retain(|id| *id != scene.victim);
        sides.shuffle(&mut self.random);
        let bridge = sides.pop();
        let bridge = bridge.ok_or_else(|| HarnessError::Broken("no voter is left for a bridge".to_owned()))?;
        let mut one = sides.split_off(sides.len() / 2 + sides.len() % 2);
        one.push(scene.victim);
        for id in &one {
            self.cluster.cut(*id, &sides)?;
        }
        let evidence = self.demand_unreached(&both_ways(&one, &sides)).await?;
        self.linger(CUT_MS).await;
        pace.wait_for_more("while members reach one another through one only")
            .await?;
        self.join_again().await?;
        let evidence = format!("{evidence}; {one:?} and {sides:?} both reached {bridge}");
        one.extend(sides);
        Ok(Happened { victims: one, evidence })
    }

    pub(super) async fn ring(&mut self, _: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let mut ring = self.voters();
        ring.shuffle(&mut self.random);
        let mut parted = Vec::new();
        for (place, id) in ring.iter().enumerate() {
            for (other_place, other) in ring.iter().enumerate().skip(place + 2) {
                // The first and the last are neighbours.
                if other_place + 1 < ring.len() || place > 0 {
                    self.cluster.cut(*id, &[*other])?;
                    parted.extend([(*id, *other), (*other, *id)]);
                }
            }
        }
        let evidence = self.demand_unreached(&parted).await?;
        self.linger(CUT_MS).await;
        pace.wait_for_more("while members reach their neighbours only").await?;
        self.join_again().await?;
        Ok(Happened {
            evidence: format!("{evidence}; the ring was {ring:?}"),
            victims: ring,
        })
    }

    pub(super) async fn flap(&mut self, scene: Scene, pace: &impl Pace) -> Result<Happened, HarnessError> {
        let victim = scene.victim;
        let others = self.all_but(&[victim]);
        let flaps = self.random.random_range(FLAPS);
        for _ in 0..flaps {
            self.cluster.cut(victim, &others)?;
            self.linger(FLAP_MS).await;
            self.cluster.heal()?;
            self.linger(FLAP_MS).await;
        }
        self.cluster.cut(victim, &others)?;
        let evidence = self.demand_unreached(&both_ways(&[victim], &others)).await?;
        pace.wait_for_more("while a member is cut off again and again").await?;
        self.join_again().await?;
        Ok(Happened {
            victims: vec![victim],
            evidence: format!("cut off {flaps} times; in the end {evidence}"),
        })
    }

    async fn led_by_another(&self, among: &[u64], scene: Scene) -> Result<String, HarnessError> {
        let (next, term) = self.another_leader(among, scene.term).await?;
        Ok(format!(", and {next} led from term {term} on"))
    }

    /// Tries to connect, and demands that nobody can.
    async fn demand_unreached(&self, pairs: &[(u64, u64)]) -> Result<String, HarnessError> {
        let unreached = self.cluster.unreached(pairs).await?;
        if unreached.len() < pairs.len() {
            return Err(HarnessError::Broken(format!(
                "of {pairs:?} only {unreached:?} cannot connect, although all are cut"
            )));
        }
        Ok(format!("no connection came about in {} directions", pairs.len()))
    }

    /// Ends all cuts, and waits until members connect again.
    async fn join_again(&mut self) -> Result<(), HarnessError> {
        self.cluster.heal()?;
        let ids = self.cluster.ids();
        let pairs = both_ways(&ids, &ids);
        wait::until("members to reach one another again", PATIENCE, async || {
            match self.cluster.unreached(&pairs).await {
                Ok(unreached) if unreached.is_empty() => Ok(()),
                Ok(unreached) => Err(format!("not connected: {unreached:?}")),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }
}

/// From each of the ones to each of the others, and back; each direction once.
fn both_ways(ones: &[u64], others: &[u64]) -> Vec<(u64, u64)> {
    let pairs = ones.iter().flat_map(|one| others.iter().map(|other| (*one, *other)));
    let mut pairs: Vec<(u64, u64)> = pairs
        .filter(|(one, other)| one != other)
        .flat_map(|(one, other)| [(one, other), (other, one)])
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}
