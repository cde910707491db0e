//! A network of its own for a cluster, in which members can be cut off from one another.
//!
//! ```text
//! this process --veth-- hub (a bridge) --veth-- member 1
//!                                      --veth-- member 2
//! ```
//!
//! Hub and members are network namespaces without names, so that nothing stays behind, and nothing is touched that was not
//! made here.
//!
//! A member has an address for its peers and one for clients. A cut gives each side a link address for the other's peer
//! address that nobody has: packets are lost silently in both directions, on open connections too, and clients notice
//! nothing. Packets that are to be late, lost or few go a way round, through this process (`detour`). It needs root and
//! `ip`, `nsenter` and `unshare`, and no packet filter.

mod detour;
mod frame;

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;

use super::namespace::{Namespace, ip_here};
use crate::HarnessError;
use detour::Detour;

pub use detour::{Passed, Quality};

/// No interface has this link address.
const NOBODY: &str = "02:00:00:00:00:01";

/// The interface of a member.
const INTERFACE: &str = "eth0";

/// The interface of a member whose packets go the way round.
const FAR: &str = "far";

/// Networks of 198.18.0.0/16 for peers, and as many of 198.19.0.0/16 for clients: both are reserved for tests of networks. The
/// third byte tells them apart, and the last is the id of the member.
const NETWORKS: u16 = 256;
const PEERS: u8 = 18;
const CLIENTS: u8 = 19;

/// Times that a network is looked for that no other run of this machine has.
const ATTEMPTS: usize = 50;

/// This process; members have ids below.
const HOST: u64 = 254;

/// In its own namespace every port is free.
const CLIENT_PORT: u16 = 7401;
const PEER_PORT: u16 = 7501;

/// Seconds that an attempt to reach a peer waits: far more than a packet needs.
const REACH_SECONDS: &str = "0.7";

/// Namespaces, joined by a bridge; they go when it is dropped and the processes in them have ended.
#[derive(Debug)]
pub struct Network {
    number: u16,
    hub: Namespace,
    members: BTreeMap<u64, Namespace>,
    /// From whom, and whom it does not reach.
    cuts: BTreeSet<(u64, u64)>,
    /// Made when it is first needed.
    detour: Option<Detour>,
    /// Those that have an interface for it.
    far: BTreeSet<u64>,
    /// From whom, and to whom packets go that way.
    detoured: BTreeSet<(u64, u64)>,
}

impl Network {
    /// Makes one, without members. The error says what this machine refuses.
    pub fn new() -> Result<Network, HarnessError> {
        let hub = Namespace::network()?;
        hub.ip("link set lo up\nlink add hub type bridge\nlink set hub up\n")?;
        let number = join_host(hub.pid())?;
        hub.ip("link set host master hub\nlink set host up\n")?;
        let network = Network {
            number,
            hub,
            members: BTreeMap::new(),
            cuts: BTreeSet::new(),
            detour: None,
            far: BTreeSet::new(),
            detoured: BTreeSet::new(),
        };
        let name = interface_of_host(number);
        let (peer, client) = (network.address(HOST), network.client_address(HOST));
        ip_here(&format!(
            "addr add {peer}/24 dev {name}\naddr add {client}/24 dev {name}\nlink set {name} up\n"
        ))?;
        Ok(network)
    }

    /// Whether this machine allows it, and if not, why.
    pub fn possible() -> Result<(), HarnessError> {
        Network::new().map(drop)
    }

    /// Whether this machine lets packets go the way round, and if not, why.
    pub fn detour_possible() -> Result<(), HarnessError> {
        let mut network = Network::new()?;
        network.add_member(1)?;
        network.add_member(2)?;
        network.detour(1, 2, Quality::default(), 0)
    }

    /// Makes the namespace of a member, and returns its addresses, for clients and for peers.
    pub(super) fn add_member(&mut self, id: u64) -> Result<(String, String), HarnessError> {
        if id >= HOST {
            return Err(HarnessError::Broken(format!(
                "a network has room for ids below {HOST}, not for {id}"
            )));
        }
        let (peer, client) = (self.address(id), self.client_address(id));
        let namespace = Namespace::network()?;
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

    /// The option of `nsenter` that makes a program run as that member.
    pub(super) fn option(&self, id: u64) -> Result<String, HarnessError> {
        Ok(self.member(id)?.option())
    }

    /// From now on neither reaches the other as a peer. A pair that is cut already stays so.
    pub(super) fn cut(&mut self, one: u64, other: u64) -> Result<(), HarnessError> {
        self.cut_one_way(one, other)?;
        self.cut_one_way(other, one)
    }

    /// From now on nothing that `from` sends reaches `to` as a peer; what `to` sends arrives.
    pub(super) fn cut_one_way(&mut self, from: u64, to: u64) -> Result<(), HarnessError> {
        let address = self.address(to);
        let mut lines = neighbour(&address, NOBODY, INTERFACE);
        if self.detoured.contains(&(from, to)) {
            lines += &neighbour(&address, NOBODY, FAR);
        }
        self.member(from)?.ip(&lines)?;
        self.cuts.insert((from, to));
        Ok(())
    }

    /// Between these two packets go the way round from now on. `quality` is what happens to those that `from` sends; what
    /// happens to those of the other direction is as it was. What is lost and how late packets are is drawn from `seed`.
    pub(super) fn detour(&mut self, from: u64, to: u64, quality: Quality, seed: u64) -> Result<(), HarnessError> {
        self.begin_detour()?;
        for (one, other) in [(from, to), (to, from)] {
            if !self.detoured.contains(&(one, other)) {
                self.lead_round(one, other)?;
            }
        }
        if let Some(detour) = &self.detour {
            detour.set((from, to), quality, seed);
        }
        Ok(())
    }

    /// What went the way round from one member to another since it was last begun.
    pub(super) fn passed(&self, from: u64, to: u64) -> Passed {
        let passed = self.detour.as_ref().map(|detour| detour.passed((from, to)));
        passed.unwrap_or_default()
    }

    fn begin_detour(&mut self) -> Result<(), HarnessError> {
        if self.detour.is_none() {
            let addresses = (0..HOST).map(|id| (id, self.address(id)));
            self.detour = Some(Detour::start(&self.address(HOST), addresses.collect())?);
        }
        Ok(())
    }

    fn lead_round(&mut self, from: u64, to: u64) -> Result<(), HarnessError> {
        let (own, other) = (self.address(from), self.address(to));
        let mut lines = String::new();
        if !self.far.contains(&from) {
            lines += &format!(
                "link add {FAR} address {} type vxlan id {} local {own} remote {} dstport {} nolearning\n\
                 link set {FAR} up\n",
                frame::link_address(from),
                frame::NETWORK,
                self.address(HOST),
                detour::PORT,
            );
        }
        // A pair that is cut stays so.
        let cut = self.cuts.contains(&(from, to)).then(|| NOBODY.to_owned());
        lines += &neighbour(&other, &cut.unwrap_or_else(|| frame::link_address(to)), FAR);
        lines += &format!("route add {other}/32 dev {FAR} src {own}\n");
        self.member(from)?.ip(&lines)?;
        self.far.insert(from);
        self.detoured.insert((from, to));
        Ok(())
    }

    /// Ends every cut, and no packet goes the way round any more.
    pub(super) fn heal(&mut self) -> Result<(), HarnessError> {
        for (from, to) in std::mem::take(&mut self.detoured) {
            let address = self.address(to);
            let lines = format!("route del {address}/32 dev {FAR}\nneigh del {address} dev {FAR}\n");
            self.member(from)?.ip(&lines)?;
        }
        if let Some(detour) = &self.detour {
            detour.clear();
        }
        for (from, to) in std::mem::take(&mut self.cuts) {
            let address = self.address(to);
            self.member(from)?
                .ip(&format!("neigh del {address} dev {INTERFACE}\n"))?;
        }
        Ok(())
    }

    /// A look whether `from` can connect to the address for peers of `to`, which takes a moment. A cut of one direction is
    /// enough for it to fail.
    pub(super) fn reach(&self, from: u64, to: u64) -> Result<Reach, HarnessError> {
        let address = self.address(to);
        let option = self.option(from)?;
        Ok(Reach { option, address })
    }

    fn member(&self, id: u64) -> Result<&Namespace, HarnessError> {
        self.members.get(&id).ok_or_else(|| HarnessError::Member {
            id,
            problem: "is not part of this network".to_owned(),
        })
    }

    /// For peers.
    fn address(&self, host: u64) -> String {
        format!("198.{PEERS}.{}.{host}", self.number)
    }

    fn client_address(&self, host: u64) -> String {
        format!("198.{CLIENTS}.{}.{host}", self.number)
    }
}

/// A look from one member to another.
#[derive(Debug)]
pub(super) struct Reach {
    option: String,
    address: String,
}

impl Reach {
    /// Looks, for at most [`REACH_SECONDS`].
    pub(super) fn succeeds(&self) -> Result<bool, HarnessError> {
        let connect = format!("exec 3<>/dev/tcp/{}/{PEER_PORT}", self.address);
        let status = std::process::Command::new("nsenter")
            .args([&self.option, "--", "timeout", REACH_SECONDS, "bash", "-c", &connect])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
        Ok(status.map_err(HarnessError::io("start nsenter"))?.success())
    }
}

fn neighbour(address: &str, link_address: &str, interface: &str) -> String {
    format!("neigh replace {address} lladdr {link_address} dev {interface} nud permanent\n")
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
