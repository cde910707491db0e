//! What the answers of the members say together.

use std::collections::{BTreeMap, BTreeSet};

use quorate::Member;

use super::check::Check;
use super::visit::{Answer, Visit, Visited};

/// A member that has applied this many entries fewer than another has committed needs more than a moment.
const LAG_ENTRIES_MAX: u64 = 10_000;
/// The eventual tier takes writes that are half a second ahead, and of two writes that did not see each other keeps the one with
/// the later time.
const CLOCKS_APART_MS_MAX: i64 = 250;
/// What logs, snapshots and compactions come and go with.
const FREE_BYTES_MIN: u64 = 2 << 30;

/// From the cluster as a whole to single members. `version` is that of this program.
pub(super) fn examine(visited: &Visited, version: &str) -> Vec<Check> {
    let answers: Vec<(&str, &Answer)> = visited
        .visits
        .iter()
        .filter_map(|visit| Some((visit.address.as_str(), visit.answer.as_ref().ok()?)))
        .collect();
    let members = match &visited.members {
        Ok(members) => members.as_slice(),
        Err(_) => &[],
    };
    let mut checks = Vec::new();
    if let Err(reason) = &visited.members {
        checks.push(Check::bad(
            "members",
            format!("nobody could say who they are: {reason}"),
            "look at the members below, and at their logs",
        ));
    }
    checks.extend(one_cluster(&answers));
    checks.push(leader(&answers));
    if !members.is_empty() {
        checks.push(quorum(members, &answers));
    }
    for visit in &visited.visits {
        checks.push(member(visit, members));
    }
    checks.extend(lag(&answers));
    checks.extend(agreement(&answers));
    checks.push(versions(&answers, version));
    checks.extend(clocks(&answers));
    checks.extend(disks(&answers));
    checks.extend(alarms(&answers));
    checks
}

fn one_cluster(answers: &[(&str, &Answer)]) -> Option<Check> {
    let clusters: BTreeSet<u64> = answers.iter().map(|(_, answer)| answer.status.cluster_id).collect();
    (clusters.len() > 1).then(|| {
        let whose = answers
            .iter()
            .map(|(address, answer)| format!("{address}: {:016x}", answer.status.cluster_id));
        Check::bad(
            "cluster",
            format!("the addresses belong to several: {}", listed(whose)),
            "give the addresses of one cluster to --endpoints",
        )
    })
}

fn leader(answers: &[(&str, &Answer)]) -> Check {
    let leaders: BTreeSet<u64> = answers
        .iter()
        .filter_map(|(_, answer)| answer.status.leader_id)
        .collect();
    let unaware = answers
        .iter()
        .filter(|(_, answer)| answer.status.leader_id.is_none())
        .map(|(_, answer)| answer.status.member_id.to_string());
    let unaware = listed(unaware);
    match leaders.iter().copied().collect::<Vec<_>>()[..] {
        [] => Check::bad(
            "leader",
            "no member knows of one: nothing can be written",
            "start the members that do not answer; a majority of voters must reach each other at their peer addresses",
        ),
        [one] if unaware.is_empty() => Check::good("leader", format!("member {one}, and every member agrees")),
        [one] => Check::warning(
            "leader",
            format!("member {one}, of which these know nothing: {unaware}"),
            "ask again: if it lasts, these members cannot reach the leader at its peer address",
        ),
        _ => Check::warning(
            "leader",
            format!(
                "members name different ones: {}",
                listed(leaders.iter().map(u64::to_string))
            ),
            "ask again: if it lasts, some members cannot reach the others at their peer addresses",
        ),
    }
}

/// How many voters may fail before nothing can be written.
fn quorum(members: &[Member], answers: &[(&str, &Answer)]) -> Check {
    let answering: BTreeSet<u64> = answers.iter().map(|(_, answer)| answer.status.member_id).collect();
    let voters: Vec<u64> = members
        .iter()
        .filter(|member| member.voter)
        .map(|member| member.id)
        .collect();
    let (all, alive) = (voters.len(), voters.iter().filter(|id| answering.contains(id)).count());
    let needed = all / 2 + 1;
    let found = format!("{alive} of {all} voters answer, and {needed} are needed");
    let Some(margin) = alive.checked_sub(needed) else {
        return Check::bad(
            "quorum",
            found,
            "start the members that do not answer; if too many are lost, see \"The majority is lost for good\" in the guide",
        );
    };
    if all == 1 {
        return Check::warning(
            "quorum",
            "the cluster has one voter: when it fails, everything stops",
            "add two members (`quorate member add`, then `promote`)",
        );
    }
    if margin == 0 {
        let advice = match alive < all {
            true => "start the members that do not answer, or replace them (`quorate member replace`)",
            false => "add a member: an even number of voters survives no more failures than one voter fewer",
        };
        return Check::warning("quorum", format!("{found}: one more failure stops the cluster"), advice);
    }
    let found = format!("{found}: {margin} may fail");
    match all % 2 {
        0 => Check::warning(
            "quorum",
            found,
            "add or remove a member: an even number of voters survives no more failures than one voter fewer",
        ),
        _ => Check::good("quorum", found),
    }
}

fn member(visit: &Visit, members: &[Member]) -> Check {
    let known = members.iter().find(|member| member.client_address == visit.address);
    match (&visit.answer, known) {
        (Err(reason), Some(member)) => Check::bad(
            format!("member {}", member.id),
            format!("{}: {reason}", visit.address),
            "start it; if it runs, let clients reach this address, or correct its advertise_client",
        ),
        (Err(reason), None) => Check::warning(
            visit.address.clone(),
            format!("nobody there: {reason}"),
            "no member tells its clients this address: leave it out of --endpoints",
        ),
        (Ok(answer), known) => {
            let status = &answer.status;
            let of = format!("member {}", status.member_id);
            let microseconds = answer.round_trip.as_micros();
            let found = format!(
                "{}, {} at revision {}, answers in {microseconds} us",
                visit.address, status.role, status.revision
            );
            let member = members.iter().find(|member| member.id == status.member_id);
            if known.is_some_and(|known| known.id != status.member_id) || (member.is_none() && !members.is_empty()) {
                return Check::bad(
                    of,
                    format!("{found}; the cluster has no such member at this address"),
                    "it was removed or belongs elsewhere: stop it",
                );
            }
            Check::good(of, found)
        }
    }
}

fn lag(answers: &[(&str, &Answer)]) -> Vec<Check> {
    let committed = answers
        .iter()
        .map(|(_, answer)| answer.status.committed_index)
        .max()
        .unwrap_or(0);
    let behind = answers.iter().filter_map(|(_, answer)| {
        let lag = committed.saturating_sub(answer.status.applied_index);
        (lag > LAG_ENTRIES_MAX).then_some((answer.status.member_id, lag))
    });
    let behind = behind.map(|(id, lag)| {
        Check::warning(
            format!("member {id}"),
            format!("it has {lag} entries of the log yet to apply"),
            "wait while it catches up; if the number grows, look at its disk and its network",
        )
    });
    behind.collect()
}

/// Members that have applied the same entries have the same state.
fn agreement(answers: &[(&str, &Answer)]) -> Option<Check> {
    let mut hashes: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for (_, answer) in answers {
        let at = hashes.entry(answer.status.applied_index).or_default();
        at.insert(answer.status.state_hash);
    }
    let index = hashes
        .iter()
        .find(|(_, hashes)| hashes.len() > 1)
        .map(|(index, _)| index)?;
    Some(Check::bad(
        "state",
        format!("members that have applied everything up to {index} have different states"),
        "see deploy/runbooks/QuorateReplicaDivergence.md",
    ))
}

fn versions(answers: &[(&str, &Answer)], own: &str) -> Check {
    let versions: BTreeSet<&str> = answers
        .iter()
        .map(|(_, answer)| answer.status.version.as_str())
        .collect();
    if versions.len() > 1 {
        let each = answers
            .iter()
            .map(|(_, answer)| format!("{} at member {}", answer.status.version, answer.status.member_id));
        return Check::warning(
            "versions",
            listed(each),
            "finish the upgrade: `deploy/upgrade.sh`, one member after the other",
        );
    }
    match versions.first() {
        Some(version) if *version != own => Check::warning(
            "versions",
            format!("every member has {version}, this program is {own}"),
            "use the program of the members' version",
        ),
        _ => Check::good("versions", format!("{own} everywhere")),
    }
}

fn clocks(answers: &[(&str, &Answer)]) -> Option<Check> {
    let ahead: Vec<(u64, i64)> = answers
        .iter()
        .filter_map(|(_, answer)| Some((answer.status.member_id, answer.ahead_ms?)))
        .collect();
    let (least, most) = (
        ahead.iter().map(|(_, ahead)| *ahead).min()?,
        ahead.iter().map(|(_, ahead)| *ahead).max()?,
    );
    // Half of the slowest round trip is what cannot be known.
    let unsure_us = answers.iter().map(|(_, answer)| answer.round_trip.as_micros()).max()?;
    let unsure_ms = i64::try_from(unsure_us / 2000).unwrap_or(i64::MAX);
    let advice = "let every machine follow the same time servers: the eventual tier orders writes that did not see each other \
                  by clock, and expires entries by it";
    let shown = ahead.iter().map(|(id, ahead)| format!("member {id} {ahead:+} ms"));
    let apart = most.saturating_sub(least);
    if apart > CLOCKS_APART_MS_MAX.saturating_add(unsure_ms) {
        return Some(Check::warning(
            "clocks",
            format!("against the clock here: {}", listed(shown)),
            advice,
        ));
    }
    let found = format!("members are no more than {} ms apart", apart.saturating_add(unsure_ms));
    if least.abs().max(most.abs()) > CLOCKS_APART_MS_MAX.saturating_add(unsure_ms) {
        let found = format!("{found}, but not with the clock here: {}", listed(shown));
        return Some(Check::warning("clocks", found, "set the clock of this machine"));
    }
    Some(Check::good("clocks", found))
}

fn disks(answers: &[(&str, &Answer)]) -> Option<Check> {
    let least = answers
        .iter()
        .min_by_key(|(_, answer)| answer.status.disk_free_bytes)
        .map(|(_, answer)| answer)?;
    let (member, free) = (least.status.member_id, least.status.disk_free_bytes);
    let found = format!("{} MiB are free at member {member}, no member has less", free >> 20);
    let stored = least.status.log_bytes.saturating_add(least.status.state_bytes);
    // A snapshot that is installed stands beside the state that it replaces.
    if free < FREE_BYTES_MIN.max(stored) {
        return Some(Check::warning(
            "disks",
            found,
            "make room, or give it a larger disk, before writes are refused",
        ));
    }
    Some(Check::good("disks", found))
}

fn alarms(answers: &[(&str, &Answer)]) -> Vec<Check> {
    let each = answers.iter().flat_map(|(_, answer)| {
        answer.status.alarms.iter().map(|alarm| {
            Check::bad(
                format!("member {}", answer.status.member_id),
                alarm.clone(),
                "look it up in deploy/runbooks",
            )
        })
    });
    each.collect()
}

fn listed(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
