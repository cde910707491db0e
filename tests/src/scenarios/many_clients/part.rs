//! A part of a crowd, in a process of its own: no process may have so many files open as all of them need.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::crowd::{Crowd, name_of};
use crate::HarnessError;

/// What a part says when its clients are there and have written.
const THERE: &str = "there";
/// What it is told, and says when it is done.
const LEAVE: &str = "leave";

/// Everything that a part does takes less.
const PATIENCE: Duration = Duration::from_secs(300);

/// The process of a part. It ends when its standard input does, so that none is left over.
#[derive(Clone, Debug)]
pub struct CrowdPart {
    /// Members of the cluster.
    pub endpoints: Vec<String>,
    /// What the keys of its clients begin with.
    pub name: String,
    /// Its clients.
    pub clients: u64,
}

impl CrowdPart {
    /// Comes, writes, says so, waits to be told to leave, leaves, says so, and stays until standard input ends.
    pub async fn run(self) -> Result<(), HarnessError> {
        let mut told = BufReader::new(tokio::io::stdin()).lines();
        let mut crowd = Crowd::arrive(&self.endpoints, &self.name, self.clients).await?;
        crowd.write().await?;
        println!("{THERE}");
        wait_for(&mut told, LEAVE).await?;
        crowd.leave().await;
        println!("{LEAVE}");
        // What is closed has to be closed by the clients, not by the end of their process.
        while let Ok(Some(_)) = told.next_line().await {}
        Ok(())
    }
}

/// A part as its parent sees it.
pub(super) struct Part {
    plan: CrowdPart,
    child: Child,
    tells: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

impl Part {
    pub(super) fn start(program: &Path, plan: CrowdPart) -> Result<Part, HarnessError> {
        let mut child = Command::new(program)
            .arg("crowd-part")
            .args(["--endpoints", &plan.endpoints.join(",")])
            .args(["--name", &plan.name])
            .args(["--clients", &plan.clients.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(HarnessError::io(format!("start {}", program.display())))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (tells, told) = pipes.ok_or_else(|| HarnessError::Broken("a part has no pipes".to_owned()))?;
        Ok(Part {
            plan,
            child,
            tells,
            told: BufReader::new(told).lines(),
        })
    }

    /// Waits until its clients have written; returns what.
    pub(super) async fn there(&mut self) -> Result<Vec<String>, HarnessError> {
        wait_for(&mut self.told, THERE).await?;
        Ok((0..self.plan.clients)
            .map(|number| name_of(&self.plan.name, number))
            .collect())
    }

    /// Waits until its clients have left. The process is there yet.
    pub(super) async fn leave(&mut self) -> Result<(), HarnessError> {
        let line = format!("{LEAVE}\n");
        let told = self.tells.write_all(line.as_bytes()).await;
        told.map_err(HarnessError::io(format!("tell {} to leave", self.plan.name)))?;
        wait_for(&mut self.told, LEAVE).await
    }

    /// Ends the process.
    pub(super) async fn end(mut self) -> Result<(), HarnessError> {
        drop(self.tells);
        let ended = self.child.wait().await;
        let ended = ended.map_err(HarnessError::io(format!("wait for {}", self.plan.name)))?;
        match ended.success() {
            true => Ok(()),
            false => Err(HarnessError::Broken(format!("{} ended: {ended}", self.plan.name))),
        }
    }
}

async fn wait_for<R: tokio::io::AsyncBufRead + Unpin>(
    lines: &mut Lines<R>,
    expected: &str,
) -> Result<(), HarnessError> {
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line.map_err(|_| HarnessError::TimedOut {
        condition: format!("a part of a crowd to say {expected:?}"),
        after: PATIENCE,
        last_seen: "nothing".to_owned(),
    })?;
    match line.map_err(HarnessError::io("listen to a part of a crowd"))? {
        Some(line) if line == expected => Ok(()),
        other => Err(HarnessError::Broken(format!(
            "a part of a crowd said {other:?} instead of {expected:?}; why is above"
        ))),
    }
}
