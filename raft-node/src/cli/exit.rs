//! How a verb ends: exit codes, and failures that carry one.

use std::fmt;
use std::io;

use quorate::{ErrorKind, Outcome};
use serde_json::{Value, json};

/// What the process returns. Scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// The cluster answered, and the answer is no.
    Refused = 1,
    /// The command line, a file it names or the configuration is wrong; nothing was sent.
    Usage = 2,
    /// No leader, no quorum or no connection in time; nothing was applied.
    Unavailable = 3,
    /// The mutation may have been applied, or may yet be.
    OutcomeUnknown = 4,
    /// Something failed on this machine.
    Local = 5,
}

/// For `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  refused by the cluster, key not found or not as waited for, or the compares of a transaction did not hold
  2  wrong usage or configuration; nothing was sent
  3  the cluster cannot be reached or has no quorum; nothing was applied
  4  outcome unknown: a write may or may not have been applied; read before you repeat it
  5  a failure on this machine (file, port, process)";

/// Why a verb failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the process returns.
    pub exit: Exit,
    /// A word for programs, e.g. `too_large`.
    pub kind: String,
    /// A sentence for people.
    pub message: String,
}

impl Failure {
    /// The arguments do not make sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// A failure on this machine.
    pub fn local(message: impl Into<String>) -> Self {
        Self::new(Exit::Local, "local", message)
    }

    /// A file could not be read or written.
    pub fn file(path: &std::path::Path, error: &io::Error) -> Self {
        Self::local(format!("{}: {error}", path.display()))
    }

    pub(super) fn new(exit: Exit, kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            exit,
            kind: kind.into(),
            message: message.into(),
        }
    }

    /// For standard error with `-o json`.
    pub fn to_json(&self) -> Value {
        let outcome = match self.exit {
            Exit::OutcomeUnknown => "unknown",
            _ => "not_applied",
        };
        json!({ "error": {
            "kind": self.kind,
            "message": self.message,
            "outcome": outcome,
            "exit_code": self.exit as u8,
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<quorate::Error> for Failure {
    fn from(error: quorate::Error) -> Self {
        Self::new(
            exit_of(error.kind(), error.outcome()),
            kind_name(error.kind()),
            error.to_string(),
        )
    }
}

fn exit_of(kind: &ErrorKind, outcome: Outcome) -> Exit {
    if outcome == Outcome::Unknown {
        return Exit::OutcomeUnknown;
    }
    match kind {
        ErrorKind::NotLeader { .. }
        | ErrorKind::Unavailable
        | ErrorKind::Overloaded { .. }
        | ErrorKind::Stopped
        | ErrorKind::DeadlineExceeded
        | ErrorKind::Stale { .. }
        | ErrorKind::ConnectionLost => Exit::Unavailable,
        ErrorKind::Closed | ErrorKind::Protocol | ErrorKind::Json | ErrorKind::Io | ErrorKind::SnapshotDamaged => {
            Exit::Local
        }
        _ => Exit::Refused,
    }
}

/// The variant's name in snake case: `TooLarge { .. }` is `too_large`.
fn kind_name(kind: &ErrorKind) -> String {
    let shown = format!("{kind:?}");
    let variant = shown.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let mut name = String::new();
    for letter in variant.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_outcome_has_its_own_exit_code_whatever_the_kind() {
        for kind in [
            ErrorKind::Unavailable,
            ErrorKind::ConnectionLost,
            ErrorKind::ClientExpired,
        ] {
            assert_eq!(exit_of(&kind, Outcome::Unknown), Exit::OutcomeUnknown);
        }
    }

    #[test]
    fn kinds_map_to_the_documented_exit_codes() {
        for (kind, exit) in [
            (ErrorKind::Unavailable, Exit::Unavailable),
            (ErrorKind::DeadlineExceeded, Exit::Unavailable),
            (ErrorKind::Compacted { boundary: 3 }, Exit::Refused),
            (ErrorKind::NoSpace, Exit::Refused),
            (ErrorKind::MembershipRefused, Exit::Refused),
            (ErrorKind::Io, Exit::Local),
        ] {
            assert_eq!(exit_of(&kind, Outcome::NotApplied), exit, "{kind:?}");
        }
    }

    #[test]
    fn kinds_have_names_for_programs() {
        let too_large = ErrorKind::TooLarge {
            field: "value".to_owned(),
            limit: 1,
            value: 2,
        };
        assert_eq!(kind_name(&too_large), "too_large");
        assert_eq!(kind_name(&ErrorKind::NoSpace), "no_space");
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        for exit in [
            Exit::Success,
            Exit::Refused,
            Exit::Usage,
            Exit::Unavailable,
            Exit::OutcomeUnknown,
            Exit::Local,
        ] {
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", exit as u8)), "{exit:?}");
        }
    }
}
