//! What happened.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::FaultKind;

/// A fault that the cluster got over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRecord {
    /// Which kind.
    pub kind: FaultKind,
    /// To whom.
    pub victims: Vec<u64>,
    /// One of them led when it began.
    pub leader_hit: bool,
    /// When it began.
    pub began: Duration,
    /// When the cluster had got over it.
    pub ended: Duration,
    /// What was seen of it; never empty.
    pub evidence: String,
}

impl fmt::Display for FaultRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = (self.ended - self.began).as_secs_f32();
        let led = match self.leader_hit {
            true => ", which led",
            false => "",
        };
        let FaultRecord {
            kind,
            victims,
            evidence,
            ..
        } = self;
        write!(f, "{kind} of {victims:?}{led}: {evidence}; over after {took:.1} s")
    }
}

/// How often each kind of fault happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Times, and how many of them hit the leader.
    counts: BTreeMap<FaultKind, (u64, u64)>,
}

impl Tally {
    /// Of these.
    pub fn of(records: &[FaultRecord]) -> Tally {
        let mut counts: BTreeMap<FaultKind, (u64, u64)> = BTreeMap::new();
        for record in records {
            let count = counts.entry(record.kind).or_default();
            count.0 += 1;
            count.1 += u64::from(record.leader_hit);
        }
        Tally { counts }
    }

    /// Faults of that kind.
    pub fn count(&self, kind: FaultKind) -> u64 {
        self.counts.get(&kind).map_or(0, |(count, _)| *count)
    }

    /// Those that hit the leader.
    pub fn leader_hits(&self, kind: FaultKind) -> u64 {
        self.counts.get(&kind).map_or(0, |(_, hits)| *hits)
    }

    /// Faults of every kind.
    pub fn total(&self) -> u64 {
        self.counts.values().map(|(count, _)| count).sum()
    }

    /// Each of these has happened.
    pub fn is_complete(&self, plan: &[FaultKind]) -> bool {
        self.has_each(plan, 1)
    }

    /// Each of these has happened so many times.
    pub fn has_each(&self, plan: &[FaultKind], times: u64) -> bool {
        plan.iter().all(|kind| self.count(*kind) >= times)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts.iter();
        let counts: Vec<String> = counts
            .map(|(kind, (count, hits))| format!("{count} {kind} ({hits} of the leader)"))
            .collect();
        match counts.is_empty() {
            true => f.write_str("no faults"),
            false => f.write_str(&counts.join(", ")),
        }
    }
}
