//! One member: its addresses, its directory, its process.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::settings::Addresses;
use super::small_disk::SmallDisk;
use crate::{HarnessError, wait};

/// Lines of a log that are shown after a failure.
const LOG_LINES_SHOWN: usize = 40;

/// A stop hands leadership over and flushes; a member that needs longer hangs.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// A member of a cluster, running or not.
#[derive(Debug)]
pub struct Member {
    addresses: Addresses,
    home: PathBuf,
    process: Option<Child>,
    /// After the process, which has ended when it goes.
    disk: Option<SmallDisk>,
    environment: Vec<(String, String)>,
}

impl Member {
    /// `disk`, if there is one, is mounted at `home`.
    pub(super) fn new(addresses: Addresses, home: PathBuf, disk: Option<SmallDisk>) -> Member {
        Member {
            addresses,
            home,
            process: None,
            disk,
            environment: Vec::new(),
        }
    }

    /// Its id.
    pub fn id(&self) -> u64 {
        self.addresses.id
    }

    /// `host:port` for clients.
    pub fn client_address(&self) -> &str {
        &self.addresses.client
    }

    /// `host:port` for its peers.
    pub fn peer_address(&self) -> &str {
        &self.addresses.peer
    }

    /// `host:port` of `/metrics`, or `off`.
    pub fn http_address(&self) -> &str {
        &self.addresses.http
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Where its data is, seen from this process.
    pub fn data_directory(&self) -> PathBuf {
        let configured = self.configured_data_directory();
        match &self.disk {
            Some(disk) => disk.seen_from_outside(&configured),
            None => configured,
        }
    }

    /// Where its data is for itself.
    pub(super) fn configured_data_directory(&self) -> PathBuf {
        self.home.join("data")
    }

    pub(super) fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    /// Says by how much its clock is ahead.
    pub(super) fn clock_file(&self) -> PathBuf {
        self.home.with_extension("clock")
    }

    /// Its configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.home.with_extension("toml")
    }

    /// What it printed. Beside its data, not on the same disk: it must survive a loss of power.
    pub fn log(&self) -> PathBuf {
        self.home.with_extension("log")
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// `command` is the server's program, wherever it is to run.
    pub(super) fn start(&mut self, mut command: Command) -> Result<(), HarnessError> {
        if self.process.is_some() {
            return Err(self.problem("already runs"));
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log());
        let log = log.map_err(HarnessError::io(format!("open {}", self.log().display())))?;
        let errors = log.try_clone().map_err(HarnessError::io("open the log twice"))?;
        let child = command
            .args(["server", "--config"])
            .arg(self.configuration())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(HarnessError::io(format!("start {command:?}")))?;
        self.process = Some(child);
        Ok(())
    }

    pub(super) fn set_environment(&mut self, variables: Vec<(String, String)>) {
        self.environment = variables;
    }

    /// How it ended, if it ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), HarnessError> {
        let pid = self
            .pid()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| self.problem("does not run"))?;
        // The process is ours and not yet reaped, so that its id cannot have passed to another.
        kill_process(pid, signal).map_err(|error| HarnessError::Io {
            doing: format!("signal {signal:?} to member {}", self.id()),
            source: error.into(),
        })
    }

    /// Whether every thread is stopped; the signal alone does not wait for those that run or are inside the kernel.
    pub(super) fn stands_still(&self) -> Result<(), String> {
        let pid = self.pid().ok_or("it does not run")?;
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| error.to_string())?;
        for thread in threads {
            let path = thread.map_err(|error| error.to_string())?.path().join("stat");
            let stat = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
            let state = stat
                .rsplit_once(')')
                .and_then(|(_, rest)| rest.split_ascii_whitespace().next());
            if state != Some("T") {
                return Err(format!("{} is in state {state:?}", path.display()));
            }
        }
        Ok(())
    }

    /// Ends it at once and reaps it.
    pub(super) fn kill(&mut self) -> Result<(), HarnessError> {
        self.signal(Signal::KILL)?;
        self.reap().map(|_| ())
    }

    /// Takes note of how it ended, and waits for that if it has not yet.
    pub(super) fn reap(&mut self) -> Result<ExitStatus, HarnessError> {
        let mut child = self.process.take().ok_or_else(|| self.problem("does not run"))?;
        child
            .wait()
            .map_err(HarnessError::io(format!("wait for member {}", self.id())))
    }

    /// Asks it to end and waits until it has.
    pub(super) async fn stop(&mut self) -> Result<ExitStatus, HarnessError> {
        self.signal(Signal::TERM)?;
        let condition = format!("member {} to stop", self.id());
        wait::until(&condition, STOP_DEADLINE, async || self.ended().ok_or("it runs")).await?;
        self.reap()
    }

    /// Waits until it has ended by itself.
    pub(super) async fn wait_until_ended(&mut self, deadline: Duration) -> Result<ExitStatus, HarnessError> {
        let condition = format!("member {} to end by itself", self.id());
        wait::until(&condition, deadline, async || self.ended().ok_or("it runs")).await?;
        self.reap()
    }

    /// How often it has printed this since its data directory was made.
    pub fn said(&self, text: &str) -> Result<usize, HarnessError> {
        let path = self.log();
        let log = std::fs::read(&path).map_err(HarnessError::io(format!("read {}", path.display())))?;
        Ok(String::from_utf8_lossy(&log).matches(text).count())
    }

    /// The end of its log says the one, and does not say the other behind it.
    pub(super) fn said_last(&self, last: &str, before: &str) -> bool {
        let tail = self.log_tail();
        tail.rfind(last).is_some_and(|at| tail.rfind(before) < Some(at))
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    pub(super) fn problem(&self, problem: &str) -> HarnessError {
        HarnessError::Member {
            id: self.id(),
            problem: problem.to_owned(),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(child) = &mut self.process {
            // SIGKILL reaches a paused process too. It may have ended already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
