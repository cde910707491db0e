//! Whether a member can do what it is there for.

use super::site::{Observed, Phase, Site};

/// A member that has applied less than this many entries fewer than are committed is in reach: it catches up within the
/// time of a call.
const APPLY_LAG_ENTRIES_MAX: u64 = 10_000;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing to say.
    Good,
    /// Somebody should look, but the member can do its work.
    Warning(String),
    /// The member cannot do its work.
    Failed(String),
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What it found.
    pub finding: Finding,
}

/// What all checks found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// In the order in which they are shown.
    pub checks: Vec<Check>,
}

/// Their names, in their order.
pub(super) const NAMES: [&str; 6] = ["phase", "leader", "applied", "agrees", "eventual", "disk"];

impl Readiness {
    /// Of a member, now.
    pub fn of(site: &Site) -> Self {
        let phase = match site.phase() {
            Phase::Serving => Finding::Good,
            Phase::Starting => Finding::Failed("the log and the state are being opened".to_owned()),
            Phase::Stopping => Finding::Failed("the member was told to stop".to_owned()),
        };
        let mut findings = vec![phase];
        if let Some(observed) = site.observed() {
            findings.extend([
                leader(observed),
                applied(observed),
                agrees(observed),
                eventual(observed),
                disk(observed, site.config.storage.space_reserve_bytes),
            ]);
        }
        let named = NAMES.into_iter().zip(findings);
        Self {
            checks: named.map(|(name, finding)| Check { name, finding }).collect(),
        }
    }

    /// The names of those that failed, for people.
    pub fn failed(&self) -> String {
        let failed = self
            .checks
            .iter()
            .filter(|check| matches!(check.finding, Finding::Failed(_)));
        failed.map(|check| check.name).collect::<Vec<_>>().join(", ")
    }

    /// No check failed, but for those that are left out.
    pub fn is_ready(&self, exclude: &[&str]) -> bool {
        let counted = |check: &&Check| !exclude.contains(&check.name);
        let failed = |check: &Check| matches!(check.finding, Finding::Failed(_));
        !self.checks.iter().filter(counted).any(failed)
    }
}

fn leader(observed: &Observed) -> Finding {
    match crate::consensus::leader(&observed.raft) {
        Some(_) => Finding::Good,
        None => Finding::Failed("no leader is known: nothing can be written, and no strong read answered".to_owned()),
    }
}

fn applied(observed: &Observed) -> Finding {
    let committed = committed(observed);
    let applied = observed.store.applied().index;
    let lag = committed.saturating_sub(applied);
    if lag <= APPLY_LAG_ENTRIES_MAX {
        return Finding::Good;
    }
    Finding::Failed(format!(
        "{lag} committed entries are not applied yet, of {committed}; {APPLY_LAG_ENTRIES_MAX} are in reach"
    ))
}

fn agrees(observed: &Observed) -> Finding {
    if let Some(reason) = &*observed.diverged.borrow() {
        return Finding::Failed(reason.clone());
    }
    if observed.outlook.differs() {
        return Finding::Warning(
            "the state differs from another member's, and no majority says which is right".to_owned(),
        );
    }
    if observed.tier.diverged_shards() > 0 {
        return Finding::Warning("a shard of the eventual tier differs from another member's".to_owned());
    }
    Finding::Good
}

/// Until it has what the others had, reads of it could be older than what the process before it had answered; they wait,
/// and so the member is not ready. A member that cannot reach the others is: they may be gone for good.
fn eventual(observed: &Observed) -> Finding {
    if observed.tier.is_closed() {
        return Finding::Failed("the eventual tier takes no more writes".to_owned());
    }
    let reached = observed.outlook.reached();
    let alone = !reached.is_empty() && reached.values().all(|reached| !reached);
    if observed.tier.is_caught_up() || alone {
        return Finding::Good;
    }
    Finding::Failed("the eventual tier has not yet what the other members had when this process started".to_owned())
}

/// A full disk does not take the member out of service: what makes room again, and every read, goes on.
fn disk(observed: &Observed, reserve_bytes: u64) -> Finding {
    if observed.space.refuses_growth() {
        return Finding::Warning(
            "the disks of a quorum are nearly full: writes that grow the store are refused".to_owned(),
        );
    }
    if observed.space.is_low() {
        let free = observed.space.free_bytes();
        return Finding::Warning(format!(
            "{free} bytes are free, and storage.space_reserve_bytes is {reserve_bytes}"
        ));
    }
    Finding::Good
}

/// Log index up to which entries are known to be committed.
pub(super) fn committed(observed: &Observed) -> u64 {
    let committed = crate::consensus::figures(&observed.raft).committed_index;
    // What consensus tells comes a moment later.
    committed.max(observed.store.applied().index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readiness(findings: &[(&'static str, Finding)]) -> Readiness {
        let check = |(name, finding): &(&'static str, Finding)| Check {
            name,
            finding: finding.clone(),
        };
        Readiness {
            checks: findings.iter().map(check).collect(),
        }
    }

    #[test]
    fn a_warning_is_shown_and_a_failure_counts_unless_it_is_left_out() {
        let warned = readiness(&[("leader", Finding::Good), ("disk", Finding::Warning(String::new()))]);
        assert!(warned.is_ready(&[]));
        let failed = readiness(&[("leader", Finding::Failed(String::new())), ("disk", Finding::Good)]);
        assert!(!failed.is_ready(&[]));
        assert!(!failed.is_ready(&["disk"]));
        assert!(failed.is_ready(&["leader"]));
    }
}
