//! Kinds of fault.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::HarnessError;

/// What can be done to members. A victim is the leader half of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// SIGKILL of one member.
    Kill,
    /// SIGKILL of every voter at once.
    KillAll,
    /// SIGSTOP of one member for a while; of a leader until another member leads.
    Pause,
    /// SIGSTOP of a majority of the voters.
    PauseMajority,
    /// One member and all others do not reach one another.
    Isolate,
    /// A minority of the voters and all others do not reach one another.
    Halves,
    /// Nothing that one member sends reaches another.
    Mute,
    /// Nothing that others send reaches one member.
    Deaf,
    /// Two groups of voters reach one another through one voter only.
    Bridge,
    /// Each voter reaches two others, which is a majority of five.
    Ring,
    /// One member is cut off and joined again many times.
    Flap,
    /// 5 to 30 % of packets are lost: those of one member, or all.
    Loss,
    /// Packets are late: those of one member by 20 to 300 ms and more, or all by less.
    Delay,
    /// There is room for few packets from and to one member.
    Narrow,
    /// The wall clock of one member jumps by 1 s to 1 h, and back.
    Clock,
    /// The disks of a majority have less free than the reserve.
    DiskLow,
    /// The disk of one member has nothing free.
    DiskFull,
    /// A member joins, becomes a voter, and another is removed.
    Join,
    /// A member loses its disk and is replaced under a new id.
    Replace,
    /// Leadership is handed to another member.
    Transfer,
    /// Each voter is stopped and started again, one after the other.
    RollingRestart,
    /// Every voter makes a snapshot.
    Snapshot,
    /// A member is away until it has to be given a snapshot.
    Install,
    /// History is compacted up to the newest revision.
    Compact,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [FaultKind; 24] = [
        FaultKind::Kill,
        FaultKind::KillAll,
        FaultKind::Pause,
        FaultKind::PauseMajority,
        FaultKind::Isolate,
        FaultKind::Halves,
        FaultKind::Mute,
        FaultKind::Deaf,
        FaultKind::Bridge,
        FaultKind::Ring,
        FaultKind::Flap,
        FaultKind::Loss,
        FaultKind::Delay,
        FaultKind::Narrow,
        FaultKind::Clock,
        FaultKind::DiskLow,
        FaultKind::DiskFull,
        FaultKind::Join,
        FaultKind::Replace,
        FaultKind::Transfer,
        FaultKind::RollingRestart,
        FaultKind::Snapshot,
        FaultKind::Install,
        FaultKind::Compact,
    ];

    /// As it is written on a command line and in a journal.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Kill => "kill",
            FaultKind::KillAll => "kill-all",
            FaultKind::Pause => "pause",
            FaultKind::PauseMajority => "pause-majority",
            FaultKind::Isolate => "isolate",
            FaultKind::Halves => "halves",
            FaultKind::Mute => "mute",
            FaultKind::Deaf => "deaf",
            FaultKind::Bridge => "bridge",
            FaultKind::Ring => "ring",
            FaultKind::Flap => "flap",
            FaultKind::Loss => "loss",
            FaultKind::Delay => "delay",
            FaultKind::Narrow => "narrow",
            FaultKind::Clock => "clock",
            FaultKind::DiskLow => "disk-low",
            FaultKind::DiskFull => "disk-full",
            FaultKind::Join => "join",
            FaultKind::Replace => "replace",
            FaultKind::Transfer => "transfer",
            FaultKind::RollingRestart => "rolling-restart",
            FaultKind::Snapshot => "snapshot",
            FaultKind::Install => "install",
            FaultKind::Compact => "compact",
        }
    }

    /// Its family, which stands for all its kinds on a command line.
    pub fn family(self) -> &'static str {
        match self {
            FaultKind::Kill | FaultKind::KillAll | FaultKind::Pause | FaultKind::PauseMajority => "processes",
            FaultKind::Isolate
            | FaultKind::Halves
            | FaultKind::Mute
            | FaultKind::Deaf
            | FaultKind::Bridge
            | FaultKind::Ring
            | FaultKind::Flap => "partitions",
            FaultKind::Loss | FaultKind::Delay | FaultKind::Narrow => "packets",
            FaultKind::Clock => "clocks",
            FaultKind::DiskLow | FaultKind::DiskFull => "disks",
            FaultKind::Join | FaultKind::Replace => "membership",
            FaultKind::Transfer
            | FaultKind::RollingRestart
            | FaultKind::Snapshot
            | FaultKind::Install
            | FaultKind::Compact => "upkeep",
        }
    }

    /// Voters that it needs.
    pub fn members_min(self) -> u64 {
        match self {
            FaultKind::Ring => 5,
            _ => 3,
        }
    }

    /// The kinds of a list: `all`, families and kinds, with commas between them; each kind once, in the order of
    /// [`ALL`](Self::ALL).
    pub fn list(text: &str) -> Result<Vec<FaultKind>, HarnessError> {
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        let means = |word: &str, kind: FaultKind| word == "all" || word == kind.family() || word == kind.name();
        let unknown = words
            .iter()
            .find(|word| !FaultKind::ALL.iter().any(|kind| means(word, *kind)));
        if let Some(unknown) = unknown {
            return Err(unknown_kind(unknown));
        }
        let named = |kind: &FaultKind| words.iter().any(|word| means(word, *kind));
        Ok(FaultKind::ALL.into_iter().filter(named).collect())
    }
}

fn unknown_kind(word: &str) -> HarnessError {
    let names: Vec<&str> = FaultKind::ALL.into_iter().map(FaultKind::name).collect();
    let mut families: Vec<&str> = FaultKind::ALL.into_iter().map(FaultKind::family).collect();
    families.dedup();
    HarnessError::Broken(format!(
        "{word:?} is no kind of fault: there are all, {}, {}",
        families.join(", "),
        names.join(", ")
    ))
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = HarnessError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = FaultKind::ALL.into_iter().find(|kind| kind.name() == text);
        kind.ok_or_else(|| unknown_kind(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse::<FaultKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn a_list_names_kinds_families_and_all() {
        assert_eq!(FaultKind::list("all").unwrap(), FaultKind::ALL);
        let listed = FaultKind::list("clock, processes,kill").unwrap();
        let expected = [
            FaultKind::Kill,
            FaultKind::KillAll,
            FaultKind::Pause,
            FaultKind::PauseMajority,
            FaultKind::Clock,
        ];
        assert_eq!(listed, expected);
        assert!(FaultKind::list("").unwrap().is_empty());
        let error = FaultKind::list("kill,meteor").unwrap_err().to_string();
        assert!(
            error.contains("\"meteor\"") && error.contains("rolling-restart"),
            "{error}"
        );
    }
}
