//! Namespaces without names.
//!
//! Each is held by a process of ours that ends when the pipe to it does; a namespace goes with the last process in it, and
//! what was made in it (interfaces, mounts) with the namespace. So nothing stays behind, also if this process is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::HarnessError;

/// What a namespace has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Network,
    Mounts,
}

/// A namespace, and the process that holds it.
#[derive(Debug)]
pub(super) struct Namespace {
    kind: Kind,
    holder: Child,
}

impl Namespace {
    /// With a network of its own.
    pub(super) fn network() -> Result<Namespace, HarnessError> {
        Namespace::start(Kind::Network, "--net", ":")
    }

    /// With mounts of its own, beside all that are here; `preparing` is a command of the shell that makes them.
    pub(super) fn mounts(preparing: &str) -> Result<Namespace, HarnessError> {
        Namespace::start(Kind::Mounts, "--mount", preparing)
    }

    fn start(kind: Kind, option: &str, preparing: &str) -> Result<Namespace, HarnessError> {
        let script = format!("set -e; {preparing}; echo there; exec cat");
        let mut holder = Command::new("unshare")
            .args([option, "--", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(HarnessError::io("start unshare"))?;
        let mut line = String::new();
        let said = holder
            .stdout
            .as_mut()
            .map(|out| BufReader::new(out).read_line(&mut line));
        if line == "there\n" {
            return Ok(Namespace { kind, holder });
        }
        // It has ended, or is of no use.
        let _ = holder.kill();
        let output = holder
            .wait_with_output()
            .map_err(HarnessError::io("wait for unshare"))?;
        Err(failed(&format!("unshare {option}: {preparing} ({said:?})"), &output))
    }

    pub(super) fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// The option of `nsenter` that leads into it.
    pub(super) fn option(&self) -> String {
        let pid = self.pid();
        match self.kind {
            Kind::Network => format!("--net=/proc/{pid}/ns/net"),
            Kind::Mounts => format!("--mount=/proc/{pid}/ns/mnt"),
        }
    }

    /// Where a path of the namespace is for those outside of it.
    pub(super) fn seen_from_outside(&self, inside: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()));
        root.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// Runs what follows in this namespace: the process that is started becomes that program.
    pub(super) fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(self.option()).arg("--");
        command
    }

    pub(super) fn ip(&self, lines: &str) -> Result<(), HarnessError> {
        let mut command = self.enter();
        command.arg("ip");
        run_ip(command, lines)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It holds nothing but the namespace, and may have ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// `ip` in the namespace of this process.
pub(super) fn ip_here(lines: &str) -> Result<(), HarnessError> {
    run_ip(Command::new("ip"), lines)
}

/// Gives `ip` these commands, one a line.
fn run_ip(mut command: Command, lines: &str) -> Result<(), HarnessError> {
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(HarnessError::io("start ip"))?;
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(lines.as_bytes())
            .map_err(HarnessError::io("write to ip"))?;
    }
    let output = child.wait_with_output().map_err(HarnessError::io("wait for ip"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(&format!("ip {}", lines.trim_end()), &output)),
    }
}

fn failed(command: &str, output: &Output) -> HarnessError {
    HarnessError::Command {
        command: command.to_owned(),
        output: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
    }
}
