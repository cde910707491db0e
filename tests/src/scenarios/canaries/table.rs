//! Which scenario has to find which canary.

use quorate_node::canary::Canary;

/// How a canary is looked for.
pub(super) struct Search {
    /// Arguments of this crate's program.
    pub scenario: &'static [&'static str],
    /// The scenario takes a seed.
    pub seeded: bool,
    /// What the scenario says when it has found it: one of these. A failure that says something else is not counted, since it
    /// may have nothing to do with the bug.
    pub says: &'static [&'static str],
}

const KILLS: &[&str] = &["kill-rounds", "--rounds", "25"];
const POWER: &[&str] = &["power-loss", "--rounds", "9"];
const CACHES: &[&str] = &["cache-rounds", "--clients", "16", "--seconds", "60"];
const WATCHES: &[&str] = &["watch-rounds", "--watchers", "30", "--seconds", "45"];
const EVENTUAL: &[&str] = &["eventual-rounds", "--writers", "30", "--seconds", "30"];

/// Words of members that have parted.
const DIVERGED: &[&str] = &["replicas differ", "differs from that of a majority"];

pub(super) fn search(canary: Canary) -> Search {
    let rounds = |scenario, says| Search {
        scenario,
        seeded: true,
        says,
    };
    let promise = |scenario, says| Search {
        scenario,
        seeded: false,
        says,
    };
    match canary {
        Canary::AcknowledgedBeforeSync => rounds(POWER, &["illegal", "ended by itself"]),
        Canary::VoteNotSynced => promise(&["promise", "vote"], &["has forgotten that with its power"]),
        Canary::AppliedIndexApart => rounds(
            KILLS,
            &["illegal", "replicas differ", "differs from that of a majority"],
        ),
        Canary::ReadWithoutQuorum => rounds(CACHES, &["Strong"]),
        Canary::LeaseEndedByExLeader => promise(&["promise", "lease"], &["before the time to which it was renewed"]),
        Canary::GrantToExpiredWaiter => promise(&["promise", "waiter"], &["granted to a waiter whose lease"]),
        Canary::DeleteLostAtCompaction => rounds(WATCHES, &["reliable", "resumable"]),
        Canary::EventSentTwice => rounds(WATCHES, &["unique", "start", "ordered", "twice"]),
        Canary::SnapshotWithoutRetries => promise(&["promise", "retry"], DIVERGED),
        Canary::SnapshotWithoutReceipts => promise(&["promise", "receipt"], DIVERGED),
        Canary::StaleFenceAccepted => promise(&["promise", "fence"], &["was accepted at revision"]),
        Canary::SiblingLostOnMerge => rounds(EVENTUAL, &["siblings", "equal"]),
        Canary::SilentLocalEviction => promise(&["promise", "eviction"], &["members hold different entries"]),
        Canary::AcknowledgedTwice => promise(&["promise", "acknowledgement"], &["was acknowledged with"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::Promise;

    #[test]
    fn every_canary_is_looked_for_and_every_promise_is_one_that_exists() {
        for canary in Canary::ALL {
            let search = search(canary);
            assert!(
                !search.says.is_empty(),
                "{canary:?} could not be told from any other failure"
            );
            if let ["promise", name] = search.scenario {
                assert!(
                    Promise::named(name).is_some(),
                    "{canary:?}: there is no promise {name:?}"
                );
            }
        }
    }

    #[test]
    fn every_promise_is_broken_by_a_canary() {
        for promise in Promise::ALL {
            let breaks = |canary: &Canary| search(*canary).scenario == ["promise", promise.name()];
            assert!(Canary::ALL.iter().any(breaks), "{promise:?} was never seen to fail");
        }
    }
}
