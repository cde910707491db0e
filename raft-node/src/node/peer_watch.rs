//! Looks, once a second, at how the members are: whether their disks are full, whether their states agree, and which
//! processes they run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;

use super::actor_watch;
use super::background::Background;
use crate::consensus::network::PeerClient;
use crate::space;
use crate::spoken::Spoken;
use crate::state_machine::HashPoint;
use crate::types::{ActorId, MemberId};

const INTERVAL: Duration = Duration::from_secs(1);
/// Settings that differ are told of again after this.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Runs until the member ends.
pub(super) async fn run(background: Background) {
    let mut clients = BTreeMap::new();
    let spoken = Spoken::new(SAY_AGAIN);
    loop {
        look_at_own_disk(&background);
        let reports = ask(&background, &mut clients).await;
        note_who_answered(&background, &reports);
        refuse_growth_if_quorum_is_full(&background, &reports);
        compare_states(&background, &reports);
        for warning in unequal_leases(background.config.cache.lease_ms, &reports) {
            if spoken.is_news(&warning) {
                tracing::warn!("{warning}");
            }
        }
        let processes = reports.iter().map(|(id, report)| (*id, report.process)).collect();
        actor_watch::register(&background, processes).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What a member said of itself.
struct Report {
    low_on_space: bool,
    hash_points: Vec<HashPoint>,
    process: ActorId,
    cache_lease_ms: u64,
}

fn look_at_own_disk(background: &Background) {
    match space::free_bytes(&background.config.data_directory) {
        Ok(free) => background
            .space
            .set_free_bytes(free, background.config.storage.space_reserve_bytes),
        Err(error) => tracing::warn!(%error, "free space cannot be read"),
    }
}

/// Asks every other member. One that does not answer reports nothing.
async fn ask(background: &Background, clients: &mut BTreeMap<MemberId, PeerClient>) -> BTreeMap<MemberId, Report> {
    let members = background.roster.members();
    let me = background.roster.me().member;
    clients.retain(|id, _| members.contains_key(id));
    let mut reports = BTreeMap::new();
    for (id, member) in members.iter().filter(|(id, _)| **id != me) {
        let client = clients
            .entry(*id)
            .or_insert_with(|| background.network.client(*id, member));
        match client.report().await {
            Ok(answer) => {
                let points = answer.hash_points.iter();
                let hash_points = points
                    .map(|point| HashPoint {
                        index: point.index,
                        hash: point.hash,
                    })
                    .collect();
                reports.insert(
                    *id,
                    Report {
                        low_on_space: answer.low_on_space,
                        hash_points,
                        process: ActorId(answer.process),
                        cache_lease_ms: answer.cache_lease_ms,
                    },
                );
            }
            // The member may have come back under another address or directory.
            Err(_) => drop(clients.remove(id)),
        }
    }
    reports
}

fn note_who_answered(background: &Background, reports: &BTreeMap<MemberId, Report>) {
    let me = background.roster.me().member;
    let members = background.roster.members();
    let others = members.keys().filter(|id| **id != me);
    let reached = others.map(|id| (*id, reports.contains_key(id))).collect();
    background.outlook.set_reached(reached);
}

/// Growth is refused while fewer voters than a quorum have room. It clears by itself.
fn refuse_growth_if_quorum_is_full(background: &Background, reports: &BTreeMap<MemberId, Report>) {
    let me = background.roster.me().member;
    let metrics = background.raft.server_metrics();
    let voters: Vec<MemberId> = metrics.borrow_watched().membership_config.voter_ids().collect();
    // A member that does not answer is not known to be full; whether it can be reached is the quorum's business.
    let full = voters.iter().filter(|id| {
        if **id == me {
            background.space.is_low()
        } else {
            reports.get(id).is_some_and(|report| report.low_on_space)
        }
    });
    let with_room = voters.len() - full.count();
    let refuses = !voters.is_empty() && with_room < voters.len() / 2 + 1;
    if background.space.set_refuses_growth(refuses) {
        tracing::warn!(refuses, with_room, voters = voters.len(), "writes that grow the store");
    }
}

/// A write of a coherent domain waits for as long as the leader takes the lease of a cache to be, and a cache answers for as long
/// as its own member does: where the two differ, a cache may answer with what was there before.
fn unequal_leases(mine: u64, reports: &BTreeMap<MemberId, Report>) -> Vec<String> {
    let others = reports
        .iter()
        .filter(|(_, report)| ![0, mine].contains(&report.cache_lease_ms));
    let warning = |(id, report): (&MemberId, &Report)| {
        format!(
            "cache.lease_ms is {mine} here and {} at member {id}: reads of coherent caches may be old until it is the same at \
             every member",
            report.cache_lease_ms
        )
    };
    others.map(warning).collect()
}

fn compare_states(background: &Background, reports: &BTreeMap<MemberId, Report>) {
    let metrics = background.raft.server_metrics();
    let voters: BTreeSet<MemberId> = metrics.borrow_watched().membership_config.voter_ids().collect();
    let me = background.roster.me().member;
    let mine = background.store.hash_points();
    let theirs: Vec<_> = reports
        .iter()
        .map(|(id, report)| (*id, report.hash_points.as_slice()))
        .collect();
    let verdict = judge((me, &mine), &theirs, &voters);
    background.outlook.set_differs(verdict != Verdict::Agrees);
    match verdict {
        Verdict::Agrees => {}
        Verdict::Differs { index, member } => {
            tracing::error!(
                index,
                member,
                "the states of two members differ, and no majority says which is right"
            );
        }
        Verdict::Outvoted { index } => {
            let reason = format!(
                "after log index {index} the state of this member differs from that of a majority: replace it by a \
                 new member (`quorate member replace`)"
            );
            background.diverged.send_replace(Some(reason));
        }
    }
}

/// What the hashes say of this member.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing speaks against it.
    Agrees,
    /// Another member differs, without a majority on either side.
    Differs { index: u64, member: MemberId },
    /// A majority of the voters agrees with each other and not with this member.
    Outvoted { index: u64 },
}

/// Compares at the indexes that this member has too. A learner is judged, but has no voice.
fn judge(
    (me, mine): (MemberId, &[HashPoint]),
    theirs: &[(MemberId, &[HashPoint])],
    voters: &BTreeSet<MemberId>,
) -> Verdict {
    let majority = voters.len() / 2 + 1;
    let mut verdict = Verdict::Agrees;
    for point in mine {
        let others: Vec<(MemberId, u64)> = theirs
            .iter()
            .filter(|(id, _)| voters.contains(id))
            .filter_map(|(id, points)| points.iter().find(|p| p.index == point.index).map(|p| (*id, p.hash)))
            .collect();
        let voices = |hash: u64| others.iter().filter(|(_, other)| *other == hash).count();
        let mut against = others.iter().filter(|(_, hash)| *hash != point.hash);
        let Some((member, _)) = against.clone().next() else {
            continue;
        };
        // Each hash by itself: the first that differs need not be the majority's.
        if against.any(|(_, hash)| voices(*hash) >= majority) {
            return Verdict::Outvoted { index: point.index };
        }
        if voices(point.hash) + usize::from(voters.contains(&me)) < majority {
            verdict = Verdict::Differs {
                index: point.index,
                member: *member,
            };
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [HashPoint; 2] = [HashPoint { index: 256, hash: 1 }, HashPoint { index: 512, hash: 2 }];
    const BAD: [HashPoint; 2] = [HashPoint { index: 256, hash: 1 }, HashPoint { index: 512, hash: 9 }];

    const WORSE: [HashPoint; 2] = [HashPoint { index: 256, hash: 1 }, HashPoint { index: 512, hash: 8 }];

    /// The judge sits in member 1 of that many voters.
    fn judge(mine: &[HashPoint], theirs: &[(MemberId, &[HashPoint])], voters: u64) -> Verdict {
        super::judge((1, mine), theirs, &(1..=voters).collect())
    }

    #[test]
    fn a_lease_that_differs_is_told_of_with_both_values() {
        let report = |cache_lease_ms| Report {
            low_on_space: false,
            hash_points: Vec::new(),
            process: ActorId(1),
            cache_lease_ms,
        };
        let reports = BTreeMap::from([(2, report(1000)), (3, report(5000)), (4, report(0))]);
        let warnings = unequal_leases(1000, &reports);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("1000 here and 5000 at member 3"), "{warnings:?}");
    }

    #[test]
    fn equal_hashes_agree() {
        assert_eq!(judge(&GOOD, &[(2, &GOOD), (3, &GOOD)], 3), Verdict::Agrees);
    }

    #[test]
    fn the_member_that_differs_from_a_majority_is_outvoted() {
        assert_eq!(
            judge(&BAD, &[(2, &GOOD), (3, &GOOD)], 3),
            Verdict::Outvoted { index: 512 }
        );
    }

    #[test]
    fn a_member_of_the_majority_goes_on() {
        assert_eq!(judge(&GOOD, &[(2, &GOOD), (3, &BAD)], 3), Verdict::Agrees);
    }

    #[test]
    fn without_a_majority_nobody_stops() {
        assert_eq!(
            judge(&GOOD, &[(2, &BAD)], 2),
            Verdict::Differs { index: 512, member: 2 }
        );
        assert_eq!(
            judge(&BAD, &[(2, &GOOD)], 2),
            Verdict::Differs { index: 512, member: 2 }
        );
    }

    #[test]
    fn only_common_indexes_count() {
        assert_eq!(judge(&GOOD[..1], &[(2, &BAD[1..]), (3, &BAD[1..])], 3), Verdict::Agrees);
    }

    #[test]
    fn a_majority_is_found_behind_another_hash_that_differs() {
        let theirs: [(MemberId, &[HashPoint]); 4] = [(2, &WORSE), (3, &GOOD), (4, &GOOD), (5, &GOOD)];
        assert_eq!(judge(&BAD, &theirs, 5), Verdict::Outvoted { index: 512 });
    }

    #[test]
    fn learners_have_no_voice() {
        let theirs: [(MemberId, &[HashPoint]); 4] = [(2, &GOOD), (3, &GOOD), (4, &BAD), (5, &BAD)];
        assert_eq!(judge(&GOOD, &theirs, 3), Verdict::Agrees);
        assert_eq!(judge(&GOOD, &[(4, &BAD), (5, &BAD)], 3), Verdict::Agrees);
    }

    #[test]
    fn a_learner_that_differs_from_a_majority_of_the_voters_is_outvoted() {
        let voters = BTreeSet::from([2, 3, 4]);
        assert_eq!(
            super::judge((1, &BAD), &[(2, &GOOD), (3, &GOOD)], &voters),
            Verdict::Outvoted { index: 512 }
        );
    }
}
