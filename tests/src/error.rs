//! Why the harness could not go on.

use std::path::PathBuf;
use std::time::Duration;

/// A failure of the harness or of what it waits for. It carries what a person needs to see first.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A condition did not come true in time.
    #[error("waited {after:?} for {condition}; last seen: {last_seen}")]
    TimedOut {
        /// What was waited for.
        condition: String,
        /// How long.
        after: Duration,
        /// What was seen instead.
        last_seen: String,
    },
    /// The server's binary is not there.
    #[error("no server binary at {}: build it with `cargo build --workspace`, or name it in QUORATE_BIN", path.display())]
    NoBinary {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A call through the SDK failed that should not have.
    #[error("{doing}: {source}")]
    Call {
        /// What was being done.
        doing: String,
        /// What the SDK said.
        source: quorate::Error,
    },
    /// A command of the system failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command line.
        command: String,
        /// What it printed.
        output: String,
    },
    /// A member of that id is not part of this cluster, or is not in the state the call needs.
    #[error("member {id} {problem}")]
    Member {
        /// Its id.
        id: u64,
        /// What is wrong.
        problem: String,
    },
    /// The store did something it must never do.
    #[error("{0}")]
    Broken(String),
}

impl HarnessError {
    /// For `map_err`.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> HarnessError {
        let doing = doing.into();
        move |source| HarnessError::Io { doing, source }
    }

    /// For `map_err`.
    pub fn call(doing: impl Into<String>) -> impl FnOnce(quorate::Error) -> HarnessError {
        let doing = doing.into();
        move |source| HarnessError::Call { doing, source }
    }
}
