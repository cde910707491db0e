//! What is wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong, and how to put it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key at fault, e.g. `raft.heartbeat_ms`.
    pub key: String,
    /// A sentence: the value, what is allowed, what to do.
    pub message: String,
    /// Where the value came from; absent when it stands nowhere or when the settings were made in code.
    pub origin: Option<String>,
}

impl Problem {
    /// A problem whose origin is filled in later, where it is known.
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
            origin: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)?;
        match &self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}

/// Why there are no settings to run with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {}: {reason}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The file is longer than any sensible configuration.
    #[error("configuration file {}: it is longer than {bytes_max} bytes, which is the limit", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// The file is not TOML.
    #[error("configuration file {}: it is not TOML: {reason}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What the parser said, with line and column.
        reason: String,
    },
    /// One or more values cannot stand.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// The layers do not merge: a mistake of the program, not of the user.
    #[error("the settings do not merge: {0}")]
    Merge(String),
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
