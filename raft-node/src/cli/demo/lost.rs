//! The worker that is lost: a process of its own, which claims the first files and is killed before it counts them.

use std::process::Stdio;

use quorate::Client;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::worker::{QUEUE, SESSION_TTL};
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// What the process is called in the store.
const NAME: &str = "worker-lost";

/// What the process does: claims files, says how many, and holds them until it is killed or its parent is gone.
pub async fn hold_files(files: u32, global: &Global) -> Result<Exit, Failure> {
    let client: Client = global.connect().await?;
    let session = client.session(SESSION_TTL).name(NAME).await?;
    let claimed = client.queue(QUEUE).claim(files).session(&session).worker(NAME).await?;
    output::write_stdout(format!("{}\n", claimed.len()).as_bytes())?;
    // Standard input ends with the parent. What is read does not matter, nor does a failure to read.
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    Ok(Exit::Success)
}

/// The process as the demonstration sees it; killed when it is dropped.
pub struct LostWorker {
    child: Child,
    held: usize,
}

impl LostWorker {
    /// Starts it and waits until it holds its files.
    pub async fn start(endpoints: &[String], files: usize) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::local(format!("{NAME} could not be started: {error}"));
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .args(["demo-worker", &files.to_string(), "--endpoints", &endpoints.join(",")])
            .env_remove("QUORATE_OUTPUT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).await.map_err(failed)?;
        }
        match line.trim().parse() {
            Ok(held) => Ok(Self { child, held }),
            Err(_) => Err(Failure::local(format!("{NAME} ended before it held any file"))),
        }
    }

    /// Files that it holds.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Kills it with SIGKILL and waits until it is gone. An error means that it is gone already.
    pub async fn kill(mut self) {
        let _ = self.child.kill().await;
    }
}
