//! One run of a scenario against the broken server, in a process of its own.

use std::fmt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use quorate_node::canary::Canary;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::HarnessError;

/// Chooses the bug; see `raft-node/src/canary.rs`.
pub(super) const CANARY: &str = "QUORATE_CANARY";

/// A run that is told to end kills its servers and unmounts its disks.
const END_DEADLINE: Duration = Duration::from_secs(60);

/// What a run that skips ends with.
const SKIPPED: i32 = 2;

/// Shown of a failure in one line.
const SHOWN_CHARACTERS: usize = 300;

/// What is run.
pub(super) struct Trial {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub broken: PathBuf,
    /// None: the build is the same, and it has no bug.
    pub canary: Option<Canary>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// It found nothing; what it says.
    Passed(String),
    /// It failed; what it says.
    Failed(String),
    /// It cannot run here; the reason.
    Skipped(String),
    /// It was told to end because its time was over.
    OutOfTime,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, said) = match self {
            Ended::Passed(said) => ("passed", said),
            Ended::Failed(said) => ("failed", said),
            Ended::Skipped(said) => ("skipped", said),
            Ended::OutOfTime => return f.write_str("out of time"),
        };
        let line: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = line.chars().take(SHOWN_CHARACTERS).collect();
        write!(f, "{word}: {shown}")
    }
}

impl Trial {
    /// Runs it, no longer than `deadline`.
    pub(super) async fn run(&self, deadline: Duration) -> Result<Ended, HarnessError> {
        let printed = tempfile::NamedTempFile::new().map_err(HarnessError::io("make a temporary file"))?;
        // One position in the file for both: what was written last stands last.
        let open = || {
            printed
                .as_file()
                .try_clone()
                .map_err(HarnessError::io("open what a run prints"))
        };
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env("QUORATE_BIN", &self.broken)
            .env_remove(CANARY)
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .kill_on_drop(true);
        if let Some(canary) = self.canary {
            command.env(CANARY, canary.name());
        }
        let mut child = command.spawn().map_err(HarnessError::io("start a scenario"))?;
        let pid = child.id();
        let waited = tokio::time::timeout(deadline, child.wait()).await;
        let status: Option<ExitStatus> = match waited {
            Ok(status) => Some(status.map_err(HarnessError::io("wait for a scenario"))?),
            Err(_) => {
                let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
                // It may have ended by itself since, and is not reaped before the wait below.
                let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
                let ended = tokio::time::timeout(END_DEADLINE, child.wait()).await;
                ended
                    .map_err(|_| HarnessError::Broken("a scenario that was told to end goes on".to_owned()))?
                    .map_err(HarnessError::io("wait for a scenario"))?;
                None
            }
        };
        let text = std::fs::read(printed.path()).map_err(HarnessError::io("read what a run printed"))?;
        let text = String::from_utf8_lossy(&text);
        let after = |word: &str| {
            text.rfind(word)
                .map_or(text.as_ref(), |at| &text[at + word.len()..])
                .to_owned()
        };
        Ok(match status {
            None => Ended::OutOfTime,
            Some(status) if status.success() => Ended::Passed(after("passed:")),
            Some(status) if status.code() == Some(SKIPPED) => Ended::Skipped(after("skipped, which is no pass:")),
            Some(_) => Ended::Failed(after("FAILED:")),
        })
    }
}
