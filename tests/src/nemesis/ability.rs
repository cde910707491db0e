//! Which faults this machine lets happen.

use super::FaultKind;
use crate::HarnessError;
use crate::cluster::{Network, Settings, own_clocks_possible, small_disks_possible};

/// What is missing, if something is.
#[derive(Clone, Debug, Default)]
pub struct Ability {
    network: Option<String>,
    detour: Option<String>,
    clocks: Option<String>,
    disks: Option<String>,
}

/// What a fault needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    Network,
    Detour,
    Clocks,
    Disks,
}

impl Ability {
    /// Tries what there is.
    pub fn of_this_machine() -> Ability {
        let missing = |tried: Result<(), HarnessError>| tried.err().map(|error| error.to_string());
        Ability {
            network: missing(Network::possible()),
            detour: missing(Network::detour_possible()),
            clocks: missing(own_clocks_possible()),
            disks: missing(small_disks_possible()),
        }
    }

    /// Why such a fault cannot happen to a cluster of so many voters here; nothing if it can.
    pub fn lacks(&self, kind: FaultKind, members: u64) -> Option<String> {
        if members < kind.members_min() {
            return Some(format!("it needs {} voters, not {members}", kind.members_min()));
        }
        match need(kind) {
            Need::Nothing => None,
            Need::Network => self.network.clone(),
            Need::Detour => self.network.clone().or_else(|| self.detour.clone()),
            Need::Clocks => self.clocks.clone(),
            Need::Disks => self.disks.clone(),
        }
    }

    /// Those of a plan that can happen, and the others, each with the reason.
    pub fn divide(&self, plan: &[FaultKind], members: u64) -> (Vec<FaultKind>, Vec<(FaultKind, String)>) {
        let lacking = plan
            .iter()
            .filter_map(|kind| self.lacks(*kind, members).map(|why| (*kind, why)));
        let possible = plan.iter().copied().filter(|kind| self.lacks(*kind, members).is_none());
        (possible.collect(), lacking.collect())
    }
}

impl Settings {
    /// With what these faults need: a network, clocks or disks of their own, and a log that is soon read when a member comes
    /// back. The plan is one that can happen here.
    pub fn for_faults(mut self, plan: &[FaultKind]) -> Settings {
        let needs: Vec<Need> = plan.iter().map(|kind| need(*kind)).collect();
        self.own_network |= needs.contains(&Need::Network) || needs.contains(&Need::Detour);
        self.own_clocks |= needs.contains(&Need::Clocks);
        self.small_segments = true;
        match needs.contains(&Need::Disks) {
            true => self.with_small_disks(),
            false => self,
        }
    }
}

fn need(kind: FaultKind) -> Need {
    match kind {
        FaultKind::Isolate
        | FaultKind::Halves
        | FaultKind::Mute
        | FaultKind::Deaf
        | FaultKind::Bridge
        | FaultKind::Ring
        | FaultKind::Flap => Need::Network,
        FaultKind::Loss | FaultKind::Delay | FaultKind::Narrow => Need::Detour,
        FaultKind::Clock => Need::Clocks,
        FaultKind::DiskLow | FaultKind::DiskFull => Need::Disks,
        _ => Need::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_happen_is_told_apart_with_the_reason() {
        let ability = Ability {
            clocks: Some("no library".to_owned()),
            ..Ability::default()
        };
        let plan = [FaultKind::Kill, FaultKind::Clock, FaultKind::Ring];
        let (possible, lacking) = ability.divide(&plan, 3);
        assert_eq!(possible, [FaultKind::Kill]);
        assert_eq!(lacking[0], (FaultKind::Clock, "no library".to_owned()));
        assert!(lacking[1].1.contains("5 voters"));
        assert!(ability.lacks(FaultKind::Ring, 5).is_none());
    }
}
