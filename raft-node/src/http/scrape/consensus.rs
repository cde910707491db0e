//! Who leads, and how far everybody is.

use super::super::site::Observed;
use crate::metrics::{self as table, Page};

pub(super) fn put(page: &mut Page, observed: &Observed) {
    let raft = crate::consensus::figures(&observed.raft);
    let leads = observed.raft.is_leader();
    page.truth(table::HAS_LEADER, &[], raft.leader.is_some());
    page.truth(table::IS_LEADER, &[], leads);
    page.number(table::RAFT_TERM, &[], raft.term);
    page.number(table::LEADER_CHANGES, &[], observed.outlook.leader_changes.get());

    let applied = observed.store.applied();
    // What consensus tells comes a moment later.
    let committed = raft.committed_index.max(applied.index);
    page.number(table::COMMITTED_INDEX, &[], committed);
    page.number(table::APPLIED_INDEX, &[], applied.index);
    page.number(table::APPLY_LAG_ENTRIES, &[], committed.saturating_sub(applied.index));
    page.number(table::CLIENTS, &[], applied.clients as u64);
    page.number(table::REVISION, &[], applied.revision.0);
    page.number(table::COMPACTED_REVISION, &[], applied.compacted.0);

    for (peer, matched) in raft.matched.iter().filter(|_| leads) {
        let lag = raft.last_index.saturating_sub(*matched);
        page.number(table::REPLICATION_LAG_ENTRIES, &[&peer.to_string()], lag);
    }
    for (peer, reached) in observed.outlook.reached() {
        page.truth(table::PEER_CONNECTED, &[&peer.to_string()], reached);
    }

    let proposals = observed.proposer.counts();
    // In this order: what is answered in between was submitted before.
    let answered = proposals.answered.get();
    let submitted = proposals.submitted.get();
    page.number(table::PROPOSALS, &[], submitted);
    page.number(table::PROPOSALS_PENDING, &[], submitted.saturating_sub(answered));
    page.number(table::PROPOSAL_GROUPS, &[], proposals.groups.get());
    for (reason, failed) in proposals.failed() {
        page.number(table::PROPOSALS_FAILED, &[reason], failed);
    }
    page.number(table::READ_INDEX_ROUNDS, &[], observed.reads.counts().rounds.get());
    page.number(table::READ_INDEX_FAILED, &[], observed.reads.counts().failed.get());

    let state = observed.store.counts();
    page.timed(table::APPLY_SECONDS, &[], state.apply.read());
    page.number(table::SNAPSHOTS_BUILT, &[], state.snapshots_built.get());
    page.number(table::SNAPSHOTS_INSTALLED, &[], state.snapshots_installed.get());
    page.number(table::COMPACTIONS, &[], state.compactions.get());

    let diverged = observed.diverged.borrow().is_some() || observed.outlook.differs();
    for (alarm, active) in [
        ("no_leader", raft.leader.is_none()),
        ("no_space", observed.space.refuses_growth()),
        ("disk_low", observed.space.is_low()),
        ("diverged", diverged),
        ("eventual_diverged", observed.tier.diverged_shards() > 0),
        ("stopped", raft.stopped),
    ] {
        page.truth(table::ALARM_ACTIVE, &[alarm], active);
    }
}
