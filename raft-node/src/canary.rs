//! Known bugs that can be put into a member, to prove that the tests which should find them do.
//!
//! A build without the feature `canaries` has none of them: [`is`] is a constant, and nothing is left of the places that
//! ask. No member of the workspace enables the feature, and a release build refuses it (`build.rs`). With it, the
//! environment variable `QUORATE_CANARY` names the one bug that this process has; without the variable it has none.
//!
//! Each is the smallest change at the place where the mistake could be made, and most were made elsewhere once.

/// A known bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// Entries are acknowledged before they are on the disk.
    AcknowledgedBeforeSync,
    /// A vote is answered before it is on the disk.
    VoteNotSynced,
    /// How far the log is applied is on the disk before what it says is applied.
    AppliedIndexApart,
    /// A leader serves strong reads without asking whether it still leads.
    ReadWithoutQuorum,
    /// A leader ends leases by what it remembers from when it led before.
    LeaseEndedByExLeader,
    /// A waiter whose lease has ended stays in the queue of a lock, and is granted it.
    GrantToExpiredWaiter,
    /// A deletion at the revision up to which history is compacted is lost to whoever watches from there.
    DeleteLostAtCompaction,
    /// A watch that resumes is sent the revision before the one that it asked for.
    EventSentTwice,
    /// A snapshot lacks the answers that are kept for retries.
    SnapshotWithoutRetries,
    /// A snapshot lacks the claims of items of queues.
    SnapshotWithoutReceipts,
    /// A fence passes although its hold is over.
    StaleFenceAccepted,
    /// A value that arrives takes the place of one that was written concurrently.
    SiblingLostOnMerge,
    /// An entry of the eventual tier leaves one member's memory without an operation that tells the others.
    SilentLocalEviction,
    /// An acknowledgement of an item whose claim is over is accepted.
    AcknowledgedTwice,
}

impl Canary {
    /// Every one.
    pub const ALL: [Canary; 14] = [
        Canary::AcknowledgedBeforeSync,
        Canary::VoteNotSynced,
        Canary::AppliedIndexApart,
        Canary::ReadWithoutQuorum,
        Canary::LeaseEndedByExLeader,
        Canary::GrantToExpiredWaiter,
        Canary::DeleteLostAtCompaction,
        Canary::EventSentTwice,
        Canary::SnapshotWithoutRetries,
        Canary::SnapshotWithoutReceipts,
        Canary::StaleFenceAccepted,
        Canary::SiblingLostOnMerge,
        Canary::SilentLocalEviction,
        Canary::AcknowledgedTwice,
    ];

    /// What `QUORATE_CANARY` says for it.
    pub const fn name(self) -> &'static str {
        match self {
            Canary::AcknowledgedBeforeSync => "acknowledged-before-sync",
            Canary::VoteNotSynced => "vote-not-synced",
            Canary::AppliedIndexApart => "applied-index-apart",
            Canary::ReadWithoutQuorum => "read-without-quorum",
            Canary::LeaseEndedByExLeader => "lease-ended-by-ex-leader",
            Canary::GrantToExpiredWaiter => "grant-to-expired-waiter",
            Canary::DeleteLostAtCompaction => "delete-lost-at-compaction",
            Canary::EventSentTwice => "event-sent-twice",
            Canary::SnapshotWithoutRetries => "snapshot-without-retries",
            Canary::SnapshotWithoutReceipts => "snapshot-without-receipts",
            Canary::StaleFenceAccepted => "stale-fence-accepted",
            Canary::SiblingLostOnMerge => "sibling-lost-on-merge",
            Canary::SilentLocalEviction => "silent-local-eviction",
            Canary::AcknowledgedTwice => "acknowledged-twice",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Canary> {
        Canary::ALL.into_iter().find(|canary| canary.name() == name)
    }
}

/// Whether this process has the bug.
#[cfg(not(feature = "canaries"))]
#[inline(always)]
pub const fn is(_: Canary) -> bool {
    false
}

#[cfg(feature = "canaries")]
pub use chosen::{choose, is};

#[cfg(feature = "canaries")]
mod chosen {
    use std::sync::OnceLock;

    use super::Canary;

    const VARIABLE: &str = "QUORATE_CANARY";

    static CHOSEN: OnceLock<Canary> = OnceLock::new();

    /// Whether this process has the bug.
    pub fn is(canary: Canary) -> bool {
        CHOSEN.get() == Some(&canary)
    }

    /// Takes the bug that the environment names, and says so as loudly as it can. Fails if there is none of that name.
    pub fn choose() -> Result<(), String> {
        let Some(name) = std::env::var_os(VARIABLE) else {
            return Ok(());
        };
        let name = name.to_string_lossy();
        let Some(canary) = Canary::named(&name) else {
            let names = Canary::ALL.map(Canary::name).join(", ");
            return Err(format!("{VARIABLE}={name:?} names no canary; there are {names}"));
        };
        // Whoever came first has chosen, and there is one environment.
        let _ = CHOSEN.set(canary);
        match canary {
            Canary::SiblingLostOnMerge => {
                quorate_eventual::canary::choose(quorate_eventual::canary::Canary::SiblingLostOnMerge);
            }
            Canary::SilentLocalEviction => {
                quorate_eventual::canary::choose(quorate_eventual::canary::Canary::SilentLocalEviction);
            }
            _ => {}
        }
        tracing::error!(
            canary = canary.name(),
            "THIS MEMBER IS BROKEN ON PURPOSE: its data cannot be trusted"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_canary_is_listed_once_and_found_by_its_name() {
        for (number, canary) in Canary::ALL.into_iter().enumerate() {
            assert_eq!(Canary::named(canary.name()), Some(canary));
            assert_eq!(canary as usize, number, "{canary:?} is not in its place in the list");
        }
        assert_eq!(Canary::named("none"), None);
    }

    #[cfg(not(feature = "canaries"))]
    #[test]
    fn a_build_without_the_feature_has_none() {
        const NONE: bool = is(Canary::AcknowledgedBeforeSync);
        assert!(!NONE, "it is a constant");
    }
}
