//! A network of its own for a cluster, in which members can be cut off from one another.
//!
//! ```text
//! this process --veth-- hub (a bridge) --veth-- member 1
//!                                      --veth-- member 2
//! ```
//!
//! Hub and members are network namespaces without names. Each is held by a process of ours that ends when the pipe to it
//! does; a namespace goes with the last process in it, and its interfaces with it. So nothing stays behind, also if this
//! process is killed, and nothing is touched that was not made here.
//!
//! A member has an address for its peers and one for clients. A cut gives each side a link address for the other's peer
//! address that nobody has: packets are lost silently in both directions, on open connections too, and clients notice
//! nothing. It needs root and `ip`, `nsenter` and `unshare`, and no packet filter.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

use rand::Rng;

use crate::HarnessError;

/// No interface has this link address.
const NOBODY: &str = "02:00:00:00:00:01";

/// The interface of a member.
const INTERFACE: &str = "eth0";

/// Networks of 198.18.0.0/15, which is reserved for tests of networks: the third byte, and the lowest bit of the second.
const NETWORKS: u16 = 512;

/// Times that a network is looked for that no other run of this machine has.
const ATTEMPTS: usize = 50;

/// Peer addresses end with the id, client addresses with this more.
const CLIENTS_FROM: u64 = 100;

/// This process.
const HOST: u64 = 254;

/// In its own namespace every port is free.
const CLIENT_PORT: u16 = 7401;
const PEER_PORT: u16 = 7501;

/// Namespaces, joined by a bridge; they go when it is dropped and the processes in them have ended.
#[derive(Debug)]
pub struct Network {
    number: u16,
    hub: Namespace,
    members: BTreeMap<u64, Namespace>,
    /// From whom, and whom it does not reach.
    cuts: BTreeSet<(u64, u64)>,
}

impl Network {
    /// Makes one, without members. The error says what this machine refuses.
    pub fn new() -> Result<Network, HarnessError> {
        let hub = Namespace::new()?;
        hub.ip("link set lo up\nlink add hub type bridge\nlink set hub up\n")?;
        let number = join_host(hub.pid())?;
        hub.ip("link set host master hub\nlink set host up\n")?;
        let network = Network {
            number,
            hub,
            members: BTreeMap::new(),
            cuts: BTreeSet::new(),
        };
        let name = interface_of_host(number);
        let address = network.address(HOST);
        ip_here(&format!("addr add {address}/24 dev {name}\nlink set {name} up\n"))?;
        Ok(network)
    }

    /// Whether this machine allows it, and if not, why.
    pub fn possible() -> Result<(), HarnessError> {
        Network::new().map(drop)
    }

    /// Makes the namespace of a member, and returns its addresses, for clients and for peers.
    pub(super) fn add_member(&mut self, id: u64) -> Result<(String, String), HarnessError> {
        if id >= CLIENTS_FROM || CLIENTS_FROM + id >= HOST {
            return Err(HarnessError::Broken(format!(
                "a network has room for ids below {CLIENTS_FROM}, not for {id}"
            )));
        }
        let (peer, client) = (self.address(id), self.address(CLIENTS_FROM + id));
        let namespace = Namespace::new()?;
        self.hub.ip(&format!(
            "link add m{id} type veth peer name {INTERFACE} netns {}\nlink set m{id} master hub\nlink set m{id} up\n",
            namespace.pid()
        ))?;
        namespace.ip(&format!(
            "link set lo up\naddr add {peer}/24 dev {INTERFACE}\naddr add {client}/24 dev {INTERFACE}\n\
             link set {INTERFACE} up\n"
        ))?;
        self.members.insert(id, namespace);
        Ok((format!("{client}:{CLIENT_PORT}"), format!("{peer}:{PEER_PORT}")))
    }

    /// What starts a program as that member.
    pub(super) fn command(&self, id: u64, program: &std::path::Path) -> Result<Command, HarnessError> {
        let mut command = self.member(id)?.enter();
        command.arg(program);
        Ok(command)
    }

    /// From now on neither reaches the other as a peer. A pair that is cut already stays so.
    pub(super) fn cut(&mut self, one: u64, other: u64) -> Result<(), HarnessError> {
        self.cut_one_way(one, other)?;
        self.cut_one_way(other, one)
    }

    /// From now on nothing that `from` sends reaches `to` as a peer; what `to` sends arrives.
    pub(super) fn cut_one_way(&mut self, from: u64, to: u64) -> Result<(), HarnessError> {
        let address = self.address(to);
        self.member(from)?.ip(&format!(
            "neigh replace {address} lladdr {NOBODY} dev {INTERFACE} nud permanent\n"
        ))?;
        self.cuts.insert((from, to));
        Ok(())
    }

    /// Ends every cut.
    pub(super) fn heal(&mut self) -> Result<(), HarnessError> {
        for (from, to) in std::mem::take(&mut self.cuts) {
            let address = self.address(to);
            self.member(from)?
                .ip(&format!("neigh del {address} dev {INTERFACE}\n"))?;
        }
        Ok(())
    }

    fn member(&self, id: u64) -> Result<&Namespace, HarnessError> {
        self.members.get(&id).ok_or_else(|| HarnessError::Member {
            id,
            problem: "is not part of this network".to_owned(),
        })
    }

    fn address(&self, host: u64) -> String {
        format!("198.{}.{}.{host}", 18 + self.number / 256, self.number % 256)
    }
}

/// Connects this process to the hub, with a network that nobody has: the interface's name is taken or not at once.
fn join_host(hub: u32) -> Result<u16, HarnessError> {
    let mut refused = None;
    for _ in 0..ATTEMPTS {
        let number = rand::rng().random_range(0..NETWORKS);
        let name = interface_of_host(number);
        match ip_here(&format!("link add {name} type veth peer name host netns {hub}\n")) {
            Ok(()) => return Ok(number),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| HarnessError::Broken("no attempt was made".to_owned())))
}

fn interface_of_host(number: u16) -> String {
    format!("quorate-{number}")
}

/// A namespace, and the process that holds it.
#[derive(Debug)]
struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new() -> Result<Namespace, HarnessError> {
        let mut holder = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "echo there; exec cat"])
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
            return Ok(Namespace { holder });
        }
        // It has ended, or is of no use.
        let _ = holder.kill();
        let output = holder
            .wait_with_output()
            .map_err(HarnessError::io("wait for unshare"))?;
        Err(failed(&format!("unshare --net ({said:?})"), &output))
    }

    fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// Runs what follows in this namespace: the process that is started becomes that program.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid())).arg("--");
        command
    }

    fn ip(&self, lines: &str) -> Result<(), HarnessError> {
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

fn ip_here(lines: &str) -> Result<(), HarnessError> {
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
