//! Three processes, a member each, on loopback, ended and erased when they are dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::target::System;

const MEMBERS: usize = 3;
/// A member that is told to end does so by then, or is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const LEADER_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// One member.
pub(super) struct Node {
    pub(super) client: String,
    directory: PathBuf,
    command: (PathBuf, PathBuf),
    child: Child,
}

impl Node {
    fn start(command: &(PathBuf, PathBuf)) -> Result<Child, String> {
        let (program, config) = command;
        Command::new(program)
            .args(["server", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or("a member has no process id")?;
        kill_process(pid, signal).map_err(|error| format!("cannot signal {}: {error}", self.child.id()))
    }

    /// Kills it and starts it again without anything of the eventual tier: what Raft keeps stays, since a member that lost
    /// that is another member.
    pub(super) fn lose_and_restart(&mut self) -> Result<(), String> {
        self.child
            .kill()
            .map_err(|error| format!("cannot kill a member: {error}"))?;
        self.child
            .wait()
            .map_err(|error| format!("cannot wait for a member: {error}"))?;
        let kept = self.directory.join("eventual");
        if kept.exists() {
            std::fs::remove_dir_all(&kept).map_err(|error| format!("cannot erase {}: {error}", kept.display()))?;
        }
        self.child = Node::start(&self.command)?;
        Ok(())
    }

    fn stop(&mut self) {
        // One that was stopped by a signal does not end before it goes on.
        let _ = self.signal(Signal::CONT);
        let _ = self.signal(Signal::TERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

/// All members.
pub(super) struct Nodes {
    pub(super) nodes: Vec<Node>,
    /// Erased after the members have ended: fields are dropped in order.
    _directory: tempfile::TempDir,
}

impl Nodes {
    /// Starts them and waits until one leads.
    pub(super) async fn start(program: &Path, directory: &Path) -> Result<Nodes, String> {
        let directory = tempfile::Builder::new()
            .prefix("quorate-bench-")
            .tempdir_in(directory)
            .map_err(|error| format!("cannot make a directory: {error}"))?;
        let ports = free_ports(2 * MEMBERS)?;
        let (clients, peers) = ports.split_at(MEMBERS);
        let mut nodes = Vec::new();
        for (number, client) in clients.iter().enumerate() {
            let data = directory.path().join(format!("n{}", number + 1));
            let config = data.with_extension("toml");
            let text = config_of(number, &data, *client, peers);
            std::fs::write(&config, text).map_err(|error| format!("cannot write {}: {error}", config.display()))?;
            let command = (program.to_owned(), config);
            nodes.push(Node {
                client: format!("127.0.0.1:{client}"),
                directory: data,
                child: Node::start(&command)?,
                command,
            });
        }
        let nodes = Nodes {
            nodes,
            _directory: directory,
        };
        let endpoints = nodes.endpoints();
        let deadline = Instant::now() + LEADER_TIMEOUT;
        loop {
            match System::Quorate.leader(&endpoints).await {
                Ok(_) => return Ok(nodes),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        }
    }

    pub(super) fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.client.clone()).collect()
    }
}

fn config_of(number: usize, data: &Path, client: u16, peers: &[u16]) -> String {
    let mut text = format!(
        "member_id = {}\ndata_directory = {:?}\nlisten_client = \"127.0.0.1:{client}\"\nlisten_peer = \"127.0.0.1:{}\"\n\
         listen_http = \"off\"\n",
        number + 1,
        data.display().to_string(),
        peers[number],
    );
    for (number, peer) in peers.iter().enumerate() {
        text += &format!(
            "[[cluster.members]]\nid = {}\npeer = \"127.0.0.1:{peer}\"\n",
            number + 1
        );
    }
    text
}

/// Ports that nobody listens on, held all at once so that they differ, below those that the kernel gives out itself.
fn free_ports(count: usize) -> Result<Vec<u16>, String> {
    let mut held = Vec::new();
    for _ in 0..1_000 {
        let port = rand::random_range(20_000..32_000);
        if let Ok(listener) = std::net::TcpListener::bind(("127.0.0.1", port)) {
            held.push((port, listener));
        }
        if held.len() == count {
            return Ok(held.into_iter().map(|(port, _)| port).collect());
        }
    }
    Err(format!("cannot find {count} free ports"))
}
