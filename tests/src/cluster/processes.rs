//! The cluster as a test sees it.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use quorate::{Client, Tls};
use quorate_proto::v1::StatusResponse;
use rustix::process::Signal;
use tempfile::TempDir;

use super::own_clock::OwnClocks;
use super::settings::{Addresses, Settings};
use super::small_disk::SmallDisk;
use super::{EqualState, Member, Network, free_ports, server_binary, status_of, status_over_tls};
use crate::{HarnessError, wait};

/// Elections take a few hundred milliseconds; on a busy machine more.
const LEADER_DEADLINE: Duration = Duration::from_secs(30);

/// A member that was away replays its log or installs a snapshot.
const CATCH_UP_DEADLINE: Duration = Duration::from_secs(60);

/// A thread that is inside a sync stands still when the sync is done.
const PAUSE_DEADLINE: Duration = Duration::from_secs(10);

/// What a member's log says once it answers.
const UP: &str = "member is up";

/// A call outlives an election with room to spare.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Server processes, killed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    members: BTreeMap<u64, Member>,
    /// After the members, so that they have ended when it goes.
    pub(super) network: Option<Network>,
    pub(super) clocks: Option<OwnClocks>,
    pub(super) settings: Settings,
    binary: PathBuf,
    root: PathBuf,
    _temporary: Option<TempDir>,
}

impl Cluster {
    /// Starts `members` members with default settings and waits for a leader.
    pub async fn start(members: u64) -> Result<Cluster, HarnessError> {
        Cluster::start_with(Settings::of(members)).await
    }

    /// Starts a cluster and waits for a leader.
    pub async fn start_with(settings: Settings) -> Result<Cluster, HarnessError> {
        let mut cluster = Cluster::prepare(settings)?;
        for id in cluster.ids() {
            cluster.restart(id)?;
        }
        cluster.wait_for_leader().await?;
        Ok(cluster)
    }

    /// Makes directories and configuration files and starts nothing.
    pub fn prepare(settings: Settings) -> Result<Cluster, HarnessError> {
        let binary = match &settings.binary {
            Some(binary) => binary.clone(),
            None => server_binary()?,
        };
        let (root, temporary) = match &settings.data_root {
            Some(root) => (root.clone(), None),
            None => {
                let directory = tempfile::tempdir().map_err(HarnessError::io("make a temporary directory"))?;
                (directory.path().to_owned(), Some(directory))
            }
        };
        let ids: Vec<u64> = (1..=settings.members).collect();
        let network = settings.own_network.then(Network::new).transpose()?;
        let clocks = settings.own_clocks.then(OwnClocks::new).transpose()?;
        let mut cluster = Cluster {
            members: BTreeMap::new(),
            network,
            clocks,
            settings,
            binary,
            root,
            _temporary: temporary,
        };
        let ports = free_ports(3 * ids.len())?;
        for (id, ports) in ids.into_iter().zip(ports.chunks(3)) {
            cluster.add_member(id, ports)?;
        }
        let founders = cluster
            .members
            .values()
            .map(|member| (member.id(), member.peer_address().to_owned()));
        let founders: Vec<(u64, String)> = founders.collect();
        for member in cluster.members.values() {
            cluster.write_configuration(member, &founders)?;
        }
        Ok(cluster)
    }

    /// Starts a member that lists nobody, and waits until it answers its peers. Its id must be new to the cluster.
    pub async fn start_joining(&mut self, id: u64) -> Result<(), HarnessError> {
        if let Some(member) = self.members.get(&id) {
            return Err(member.problem("was there before"));
        }
        let ports = free_ports(3)?;
        self.join_at(id, &ports).await
    }

    /// The same at the addresses of a member that was lost, which is forgotten. Only on loopback.
    pub async fn start_in_place_of(&mut self, lost: u64, id: u64) -> Result<(), HarnessError> {
        let member = self.member(lost)?;
        let port = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let addresses = [member.client_address(), member.peer_address(), member.http_address()];
        let ports: Option<Vec<u16>> = addresses.into_iter().map(port).collect();
        let ports = ports.ok_or_else(|| member.problem("has no ports"))?;
        self.forget(lost)?;
        self.join_at(id, &ports).await
    }

    async fn join_at(&mut self, id: u64, ports: &[u16]) -> Result<(), HarnessError> {
        self.add_member(id, ports)?;
        self.write_configuration(self.member(id)?, &[])?;
        self.restart(id)?;
        // It listens long before it answers.
        wait::until(&format!("member {id} to be up"), LEADER_DEADLINE, async || {
            self.check_nobody_ended().map_err(|error| error.to_string())?;
            match self.member(id).and_then(|member| member.said(UP)) {
                Ok(0) => Err("it is not".to_owned()),
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    /// The ports are used on loopback.
    fn add_member(&mut self, id: u64, ports: &[u16]) -> Result<(), HarnessError> {
        let on_loopback = |port: u16| format!("127.0.0.1:{port}");
        // Who is in a network of its own is not asked from outside.
        let (client, peer, http) = match &mut self.network {
            Some(network) => {
                let (client, peer) = network.add_member(id)?;
                (client, peer, "off".to_owned())
            }
            None => (on_loopback(ports[0]), on_loopback(ports[1]), on_loopback(ports[2])),
        };
        let home = self.root.join(format!("n{id}"));
        let keeps_all = self.settings.whole_logs.contains(&id);
        let disk_bytes = self.settings.disk_bytes.filter(|_| !keeps_all);
        let disk = disk_bytes.map(|bytes| SmallDisk::new(&home, bytes)).transpose()?;
        self.members
            .insert(id, Member::new(Addresses { id, client, peer, http }, home, disk));
        Ok(())
    }

    fn write_configuration(&self, member: &Member, founders: &[(u64, String)]) -> Result<(), HarnessError> {
        let text = self
            .settings
            .node_toml(member.addresses(), &member.configured_data_directory(), founders);
        let path = member.configuration();
        std::fs::write(&path, text).map_err(HarnessError::io(format!("write {}", path.display())))
    }

    /// What a member finds in its environment when it is started next, beside what this process has.
    pub fn set_environment(&mut self, id: u64, variables: Vec<(String, String)>) -> Result<(), HarnessError> {
        self.members
            .get_mut(&id)
            .ok_or_else(|| no_such(id))?
            .set_environment(variables);
        Ok(())
    }

    /// A member that has ended by itself can be started again after this.
    pub fn bury(&mut self, id: u64) -> Result<ExitStatus, HarnessError> {
        self.members.get_mut(&id).ok_or_else(|| no_such(id))?.reap()
    }

    /// How a member has ended by itself; none if it runs, or was ended.
    pub fn ended(&mut self, id: u64) -> Option<ExitStatus> {
        self.members.get_mut(&id).and_then(Member::ended)
    }

    /// Ids of all members, running or not.
    pub fn ids(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }

    /// Directory that holds the members' homes.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The member with that id.
    pub fn member(&self, id: u64) -> Result<&Member, HarnessError> {
        self.members.get(&id).ok_or_else(|| no_such(id))
    }

    fn member_mut(&mut self, id: u64) -> Result<&mut Member, HarnessError> {
        self.members.get_mut(&id).ok_or_else(|| no_such(id))
    }

    /// `host:port` of every member for clients.
    pub fn endpoints(&self) -> Vec<String> {
        self.members
            .values()
            .map(|member| member.client_address().to_owned())
            .collect()
    }

    /// A client that knows every member.
    pub async fn client(&self) -> Result<Client, HarnessError> {
        self.connect(self.endpoints()).await
    }

    /// A client that knows one member only.
    pub async fn client_of(&self, id: u64) -> Result<Client, HarnessError> {
        self.connect(vec![self.member(id)?.client_address().to_owned()]).await
    }

    async fn connect(&self, endpoints: Vec<String>) -> Result<Client, HarnessError> {
        let tls = self.settings.certificates.as_ref().map(|made| made.tls("test"));
        connect(endpoints, CALL_TIMEOUT, tls).await
    }

    /// SIGKILL: the process has no chance to write anything more.
    pub fn kill9(&mut self, id: u64) -> Result<(), HarnessError> {
        self.member_mut(id)?.kill()
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn stop(&mut self, id: u64) -> Result<ExitStatus, HarnessError> {
        self.member_mut(id)?.stop().await
    }

    /// Whether a member that was asked to end, and ended like this, ended in order.
    ///
    /// `libfaketime` takes its shared memory away when a process exits, and a thread that looks at the clock just then
    /// faults in its `sem_wait`. The member itself has stopped by then, and says so.
    pub fn ended_in_order(&self, id: u64, status: ExitStatus) -> Result<bool, HarnessError> {
        let faulted = self.clocks.is_some() && status.signal() == Some(Signal::SEGV.as_raw());
        Ok(status.success() || (faulted && self.member(id)?.said_last("node: stopped", "node: stopping")))
    }

    /// Starts a member that does not run.
    pub fn restart(&mut self, id: u64) -> Result<(), HarnessError> {
        let command = self.command(id)?;
        self.member_mut(id)?.start(command)
    }

    /// The server's program, in the namespaces of a member and with its clock.
    fn command(&self, id: u64) -> Result<Command, HarnessError> {
        let member = self.member(id)?;
        let mut namespaces = Vec::new();
        if let Some(network) = &self.network {
            namespaces.push(network.option(id)?);
        }
        namespaces.extend(member.disk().map(SmallDisk::option));
        let mut command = match namespaces.is_empty() {
            true => Command::new(&self.binary),
            false => {
                let mut command = Command::new("nsenter");
                command.args(namespaces).arg("--").arg(&self.binary);
                command
            }
        };
        if let Some(clocks) = &self.clocks {
            clocks.apply(&mut command, &member.clock_file())?;
        }
        Ok(command)
    }

    /// Ends a member and forgets it: the cluster was told to do without it. Its id must not be used again.
    pub fn forget(&mut self, id: u64) -> Result<(), HarnessError> {
        self.members.remove(&id).map(drop).ok_or_else(|| no_such(id))
    }

    /// Waits until a member has ended by itself, and returns how.
    pub async fn wait_until_ended(&mut self, id: u64, deadline: Duration) -> Result<ExitStatus, HarnessError> {
        self.member_mut(id)?.wait_until_ended(deadline).await
    }

    /// SIGSTOP, and waits until every thread stands still: the process keeps its memory and its connections.
    pub async fn pause(&self, id: u64) -> Result<(), HarnessError> {
        let member = self.member(id)?;
        member.signal(Signal::STOP)?;
        let condition = format!("member {id} to stand still");
        wait::until(&condition, PAUSE_DEADLINE, async || member.stands_still()).await
    }

    /// SIGCONT.
    pub fn resume(&self, id: u64) -> Result<(), HarnessError> {
        self.member(id)?.signal(Signal::CONT)
    }

    /// Erases the data of a member that does not run.
    pub fn wipe(&self, id: u64) -> Result<(), HarnessError> {
        let member = self.member(id)?;
        if member.pid().is_some() {
            return Err(member.problem("runs; stop it before its data is erased"));
        }
        let data = member.data_directory();
        std::fs::remove_dir_all(&data).map_err(HarnessError::io(format!("erase {}", data.display())))
    }

    /// What a member says of itself.
    pub async fn status(&self, id: u64) -> Result<StatusResponse, String> {
        let member = self.member(id).map_err(|error| error.to_string())?;
        match &self.settings.certificates {
            Some(certificates) => status_over_tls(member.client_address(), certificates, "test").await,
            None => status_of(member.client_address()).await,
        }
    }

    /// The member that says it leads and is not contradicted by a later term.
    pub async fn leader(&self) -> Option<u64> {
        let mut leading: Option<(u64, u64)> = None;
        for id in self.running() {
            let Ok(status) = self.status(id).await else { continue };
            let term = status.header.map_or(0, |header| header.raft_term);
            if status.leader_id == id && status.role == "leader" {
                leading = leading.max(Some((term, id)));
            }
        }
        leading.map(|(_, id)| id)
    }

    /// Waits until one member leads; an error if a running member ended by itself meanwhile.
    pub async fn wait_for_leader(&mut self) -> Result<u64, HarnessError> {
        let end = tokio::time::Instant::now() + LEADER_DEADLINE;
        loop {
            if let Some(leader) = self.leader().await {
                return Ok(leader);
            }
            self.check_nobody_ended()?;
            if tokio::time::Instant::now() >= end {
                return Err(HarnessError::TimedOut {
                    condition: "a leader".to_owned(),
                    after: LEADER_DEADLINE,
                    last_seen: self.log_tails(),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// An error if a member that should run has ended by itself.
    pub fn check_nobody_ended(&mut self) -> Result<(), HarnessError> {
        for member in self.members.values_mut() {
            if let Some(status) = member.ended() {
                let problem = format!("ended by itself ({status}):\n{}", member.log_tail());
                return Err(member.problem(&problem));
            }
        }
        Ok(())
    }

    /// Ids of the members that run.
    pub fn running(&self) -> Vec<u64> {
        let running = self.members.values().filter(|member| member.pid().is_some());
        running.map(Member::id).collect()
    }

    /// Waits until a member has applied the log up to `index`; an error at once if a running member ends by itself.
    pub async fn wait_until_applied(&mut self, id: u64, index: u64) -> Result<(), HarnessError> {
        let condition = format!("member {id} to apply index {index}");
        let applied = wait::until(&condition, CATCH_UP_DEADLINE, async || {
            if let Err(ended) = self.check_nobody_ended() {
                return Ok(Err(ended));
            }
            let status = self.status(id).await?;
            match status.applied_index >= index {
                true => Ok(Ok(())),
                false => Err(format!("it is at {}", status.applied_index)),
            }
        });
        applied.await?
    }

    /// Waits until all running members have applied the same index, and then demands the same state of all.
    pub async fn wait_for_equal_state(&self) -> Result<EqualState, HarnessError> {
        let states = wait::until("all members to apply the same index", CATCH_UP_DEADLINE, async || {
            let mut states = Vec::new();
            for id in self.running() {
                let status = self.status(id).await?;
                let revision = status.header.map_or(0, |header| header.revision);
                states.push((id, status.applied_index, status.state_hash, revision));
            }
            match states.windows(2).all(|pair| pair[0].1 == pair[1].1) {
                true => Ok(states),
                false => Err(format!("(member, applied index, hash, revision): {states:?}")),
            }
        })
        .await?;
        if states
            .windows(2)
            .any(|pair| (pair[0].2, pair[0].3) != (pair[1].2, pair[1].3))
        {
            return Err(HarnessError::Broken(format!(
                "replicas differ at the same applied index; (member, applied index, hash, revision): {states:x?}"
            )));
        }
        let (_, applied_index, state_hash, revision) = *states.first().ok_or_else(|| no_such(0))?;
        Ok(EqualState {
            applied_index,
            state_hash,
            revision,
        })
    }

    /// The ends of all members' logs.
    pub fn log_tails(&self) -> String {
        let tails = self
            .members
            .values()
            .map(|member| format!("--- member {}\n{}\n", member.id(), member.log_tail()));
        tails.collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tails());
        }
    }
}

/// A client of these endpoints.
async fn connect(endpoints: Vec<String>, call_timeout: Duration, tls: Option<Tls>) -> Result<Client, HarnessError> {
    let shown = endpoints.join(", ");
    let mut builder = Client::builder()
        .endpoints(endpoints)
        .name("test")
        .call_timeout(call_timeout);
    if let Some(tls) = tls {
        builder = builder.tls(tls);
    }
    builder
        .connect()
        .await
        .map_err(HarnessError::call(format!("connect to {shown}")))
}

fn no_such(id: u64) -> HarnessError {
    HarnessError::Member {
        id,
        problem: "is not part of this cluster".to_owned(),
    }
}
