//! What can be done to the members of a running cluster, beyond signals.

use tokio::task::JoinSet;

use super::network::{Passed, Quality};
use super::own_clock;
use super::small_disk::SmallDisk;
use super::{Cluster, Network};
use crate::HarnessError;

impl Cluster {
    /// Whether members can be cut off from one another.
    pub fn has_network(&self) -> bool {
        self.network.is_some()
    }

    /// Whether the wall clocks of members can be set.
    pub fn has_clocks(&self) -> bool {
        self.clocks.is_some()
    }

    /// Whether founding members, but those that keep their whole log, have small disks of their own.
    pub fn has_small_disks(&self) -> bool {
        self.settings.disk_bytes.is_some()
    }

    /// Cuts a member off from these others: they do not reach one another any more, and clients reach them all. Needs
    /// [`Settings::in_own_network`](super::Settings::in_own_network), as all that follows about packets does.
    pub fn cut(&mut self, id: u64, others: &[u64]) -> Result<(), HarnessError> {
        let network = self.network_mut()?;
        others.iter().try_for_each(|other| network.cut(id, *other))
    }

    /// Nothing that a member sends reaches these others as peers, while what they send arrives.
    pub fn cut_one_way(&mut self, id: u64, others: &[u64]) -> Result<(), HarnessError> {
        let network = self.network_mut()?;
        others.iter().try_for_each(|other| network.cut_one_way(id, *other))
    }

    /// What happens from now on to packets that `from` sends to `to` as a peer; what is lost is drawn from `seed`.
    pub fn detour(&mut self, from: u64, to: u64, quality: Quality, seed: u64) -> Result<(), HarnessError> {
        self.network_mut()?.detour(from, to, quality, seed)
    }

    /// What became of the packets from one to another since their way was last changed.
    pub fn passed(&self, from: u64, to: u64) -> Result<Passed, HarnessError> {
        let network = self.network.as_ref().ok_or_else(no_network)?;
        Ok(network.passed(from, to))
    }

    /// Ends every cut; no packet is late or lost any more.
    pub fn heal(&mut self) -> Result<(), HarnessError> {
        self.network_mut()?.heal()
    }

    /// Of these pairs, those of which the first cannot connect to the second as a peer. It is tried, all at once.
    pub async fn unreached(&self, pairs: &[(u64, u64)]) -> Result<Vec<(u64, u64)>, HarnessError> {
        let network = self.network.as_ref().ok_or_else(no_network)?;
        let mut looks = JoinSet::new();
        for (from, to) in pairs.iter().copied() {
            let reach = network.reach(from, to)?;
            looks.spawn_blocking(move || (from, to, reach.succeeds()));
        }
        let mut unreached = Vec::new();
        while let Some(looked) = looks.join_next().await {
            let (from, to, succeeded) = looked.map_err(|error| HarnessError::Broken(error.to_string()))?;
            if !succeeded? {
                unreached.push((from, to));
            }
        }
        unreached.sort_unstable();
        Ok(unreached)
    }

    /// From now on the wall clock of a member is ahead of this process's by so much, or behind. Needs
    /// [`Settings::with_own_clocks`](super::Settings::with_own_clocks).
    pub fn set_clock(&self, id: u64, ahead_ms: i64) -> Result<(), HarnessError> {
        if self.clocks.is_none() {
            return Err(HarnessError::Broken("members have no clocks of their own".to_owned()));
        }
        own_clock::set(&self.member(id)?.clock_file(), ahead_ms)
    }

    /// Takes space on a member's disk until so many bytes are free; returns how many are. Needs
    /// [`Settings::with_small_disks`](super::Settings::with_small_disks), as [`free_disk`](Self::free_disk) does.
    pub fn fill_disk(&self, id: u64, leave_bytes: u64) -> Result<u64, HarnessError> {
        self.small_disk(id)?.leave(leave_bytes)
    }

    /// Gives back what was taken.
    pub fn free_disk(&self, id: u64) -> Result<(), HarnessError> {
        self.small_disk(id)?.give_back()
    }

    fn small_disk(&self, id: u64) -> Result<&SmallDisk, HarnessError> {
        let member = self.member(id)?;
        member
            .disk()
            .ok_or_else(|| member.problem("has no small disk of its own"))
    }

    fn network_mut(&mut self) -> Result<&mut Network, HarnessError> {
        self.network.as_mut().ok_or_else(no_network)
    }
}

fn no_network() -> HarnessError {
    HarnessError::Broken("members on loopback cannot be cut off from one another".to_owned())
}
