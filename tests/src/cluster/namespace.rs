//! Namespaces without names.
//!
//! Each is held by a process of ours that ends when the pipe to it does, and with it every process in the namespace; then
//! the namespace goes, and what was made in it (interfaces, mounts). So nothing stays behind, also if this process is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::HarnessError;

/// What the holder does when the pipe to it ends: all processes that see the same namespace end too.
const END_ALL: &str = r#"
    own=$(readlink "/proc/$$/ns/$kind")
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/ns/$kind")" = "$own" ] && [ "${process#/proc/}" != $$ ]; then
            kill -KILL "${process#/proc/}"
        fi
    done
"#;

/// What a namespace has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Network,
    Mounts,
}

impl Kind {
    /// Of the file under `/proc`.
    fn name(self) -> &'static str {
        match self {
            Kind::Network => "net",
            Kind::Mounts => "mnt",
        }
    }
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
        let name = kind.name();
        let script = format!("kind={name}; {preparing} && echo there && cat; {END_ALL}");
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
            Kind::Network => format!("--net=/proc/{pid}/ns/{}", self.kind.name()),
            Kind::Mounts => format!("--mount=/proc/{pid}/ns/{}", self.kind.name()),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wait;

    #[tokio::test]
    async fn what_runs_in_a_namespace_ends_with_the_process_that_made_it() {
        for made in [Namespace::network(), Namespace::mounts("mount -t tmpfs tmpfs /mnt")] {
            let mut namespace = match made {
                Ok(namespace) => namespace,
                Err(reason) => {
                    eprintln!("skipped: {reason}");
                    continue;
                }
            };
            let mut inside = namespace.enter().args(["sleep", "60"]).spawn().unwrap();
            let mut outside = Command::new("sleep").arg("60").spawn().unwrap();
            let seen = PathBuf::from(format!("/proc/{}/ns/{}", inside.id(), namespace.kind.name()));
            let own = PathBuf::from(format!("/proc/{}/ns/{}", namespace.pid(), namespace.kind.name()));
            let entered = wait::until("a process to be inside", Duration::from_secs(10), async || {
                let (seen, own) = (std::fs::read_link(&seen).unwrap(), std::fs::read_link(&own).unwrap());
                (seen == own).then_some(()).ok_or(format!("{seen:?}, {own:?}"))
            });
            entered.await.unwrap();

            // As when this process is killed.
            drop(namespace.holder.stdin.take());
            let ended = wait::until("the process to end", Duration::from_secs(10), async || {
                inside.try_wait().unwrap().ok_or("it runs")
            });
            ended.await.unwrap();
            namespace.holder.wait().unwrap();
            assert!(outside.try_wait().unwrap().is_none(), "others go on");
            outside.kill().unwrap();
            outside.wait().unwrap();
        }
    }
}
