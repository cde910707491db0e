//! Three `quorate server` processes.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::cli::exit::Failure;
use crate::cli::ports::free_ports;

const MEMBERS: u64 = 3;

/// The processes and their data. Dropping it kills every process.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    members: String,
    directory: TempDir,
}

#[derive(Debug)]
struct Node {
    id: u64,
    client: SocketAddr,
    peer: SocketAddr,
    http: SocketAddr,
    child: Option<Child>,
}

impl Cluster {
    /// Starts three nodes; `keep` leaves their directory behind.
    pub fn start(keep: bool) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new()
            .prefix("quorate-demo-")
            .disable_cleanup(keep)
            .tempdir()
            .map_err(|error| Failure::local(format!("temporary directory: {error}")))?;
        let ports = free_ports(3 * MEMBERS as usize)?;
        let addresses = ports.iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, *port)));
        let addresses: Vec<SocketAddr> = addresses.collect();
        let nodes: Vec<Node> = (1..=MEMBERS)
            .zip(addresses.chunks_exact(3))
            .map(|(id, own)| Node {
                id,
                client: own[0],
                peer: own[1],
                http: own[2],
                child: None,
            })
            .collect();
        let members: Vec<String> = nodes.iter().map(|node| format!("{}={}", node.id, node.peer)).collect();
        let mut cluster = Self {
            nodes,
            members: members.join(","),
            directory,
        };
        for id in 1..=MEMBERS {
            cluster.start_node(id)?;
        }
        Ok(cluster)
    }

    /// Client addresses of all nodes.
    pub fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.client.to_string()).collect()
    }

    /// Where data and logs are.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Starts a node that does not run.
    pub fn start_node(&mut self, id: u64) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::local(format!("node {id} could not be started: {error}"));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path(id))
            .map_err(failed)?;
        let data = self.directory.path().join(format!("node-{id}"));
        let members = self.members.clone();
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else {
            return Err(Failure::local(format!("there is no node {id}")));
        };
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        // Settings of the surroundings are not meant for these nodes.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUORATE_") {
                command.env_remove(name);
            }
        }
        command
            .args(["server", "--exit-with-stdin", "--member-id", &id.to_string()])
            .arg("--data-directory")
            .arg(data)
            .args(["--listen-client", &node.client.to_string()])
            .args(["--listen-peer", &node.peer.to_string()])
            .args(["--listen-http", &node.http.to_string()])
            .args(["--members", &members])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        node.child = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    /// Kills a node with SIGKILL and waits until it is gone.
    pub fn kill_node(&mut self, id: u64) {
        if let Some(mut child) = self
            .nodes
            .iter_mut()
            .find(|node| node.id == id)
            .and_then(|node| node.child.take())
        {
            stop(&mut child);
        }
    }

    /// The first node that ended by itself, with the end of its log.
    pub fn ended(&mut self) -> Option<Failure> {
        let ended = self.nodes.iter_mut().find_map(|node| {
            let status = node.child.as_mut()?.try_wait().ok()??;
            Some((node.id, status))
        });
        let (id, status) = ended?;
        Some(Failure::local(format!(
            "node {id} ended by itself ({status}):\n{}",
            self.log_end(id)
        )))
    }

    fn log_path(&self, id: u64) -> PathBuf {
        self.directory.path().join(format!("node-{id}.log"))
    }

    fn log_end(&self, id: u64) -> String {
        const LINES_SHOWN: usize = 8;
        let read = |file: File| std::io::read_to_string(file);
        let log = File::open(self.log_path(id)).and_then(read).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take() {
                stop(&mut child);
            }
        }
    }
}

/// An error here means that the process is gone already.
fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
