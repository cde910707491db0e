//! Thousands of clients at once: what they were told is there, and when they are gone nothing of them stays.

mod crowd;
mod footprint;
mod part;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use quorate::{Client, Keys};

use crate::cluster::{Cluster, Settings};
use crate::{HarnessError, wait};

use footprint::Footprint;
use part::Part;

pub use part::CrowdPart;

/// Clients of one process. Each has up to four connections: to the member that it met first, to the leader, for its watch,
/// and for the eventual tier.
const CLIENTS_PER_PROCESS: u64 = 2_500;

/// Everything about clients that have gone is gone by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// Resident memory that another crowd of the same size may add at a member, for each client: what it wrote stays, in
/// memtables, logs and the memory of the eventual tier, and its row in the table of clients stays for an hour.
const KEPT_BYTES_PER_CLIENT: u64 = 16 << 10;

/// Pages of an allocator, snapshots, and what else comes and goes.
const KEPT_BYTES: u64 = 64 << 20;

/// Looks in a row that show the same.
const LOOKS_ALIKE: u32 = 20;

/// Clients that come first, so that whatever members open when they are first used is there before anything is measured.
const FIRST: u64 = 16;

/// Clients connect, write to both tiers, watch, and go; and the same number once more.
#[derive(Clone, Debug)]
pub struct ManyClients {
    /// Clients that are there at once.
    pub clients: u64,
    /// The program of this crate, whose `crowd-part` is a part of them.
    pub program: PathBuf,
}

/// What a run of [`ManyClients`] that passed has covered.
#[derive(Clone, Debug)]
pub struct ManyClientsReport {
    /// Clients that were there at once, twice.
    pub clients: u64,
    /// Connections that they had at members.
    pub connections: u64,
    /// Keys that were written and are there, over both tiers.
    pub written: u64,
    /// How long the first crowd took until all were there and had written.
    pub arrived_after: Duration,
    /// How long until nothing of it was left.
    pub gone_after: Duration,
    /// Of every member, before, with everybody there and after they went, and that again.
    footprints: BTreeMap<u64, Vec<Footprint>>,
}

impl ManyClients {
    /// Runs it on three members; `progress` gets a line for each step.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<ManyClientsReport, HarnessError> {
        // As many watches as clients, should they all be at one member.
        let watches_max = self.clients.max(FIRST);
        let settings = Settings {
            more_toml: format!("[limits]\nwatches_max = {watches_max}\n"),
            ..Settings::of(3)
        };
        let mut cluster = Cluster::start_with(settings).await?;
        let own = cluster.client().await?;
        let mut run = Run {
            footprints: BTreeMap::new(),
            written: Written::default(),
            connections: 0,
        };
        let mut first = self.parts(&cluster, "first", FIRST)?;
        run.all_there(&mut first).await?;
        all_leave(&mut first).await?;
        let before = settled(&cluster).await?;
        end_all(first).await?;
        run.note(&before);
        let mut times = Vec::new();
        for name in ["one", "two"] {
            let began = Instant::now();
            let mut parts = self.parts(&cluster, name, self.clients)?;
            run.all_there(&mut parts).await?;
            let arrived_after = began.elapsed();
            let there = Self::measured(&cluster)?;
            run.connections = there.values().map(|footprint| footprint.connections).sum();
            progress(format!(
                "{} clients are there, with {} connections at members, and have written, after {:.1} s",
                self.clients,
                run.connections,
                arrived_after.as_secs_f32()
            ));
            if run.connections < 2 * self.clients {
                return Err(HarnessError::Broken("some clients have no connection".to_owned()));
            }
            run.note(&there);
            let leaving = Instant::now();
            all_leave(&mut parts).await?;
            until_gone(&cluster, &before).await?;
            let gone_after = leaving.elapsed();
            progress(format!(
                "they have gone, and nothing of them is left after {:.1} s",
                gone_after.as_secs_f32()
            ));
            end_all(parts).await?;
            run.note(&Self::measured(&cluster)?);
            times.push((arrived_after, gone_after));
        }
        check_memory(&run.footprints, self.clients)?;
        progress("what they wrote is read back".to_owned());
        run.written.check(&cluster, &own).await?;
        check_rows(&cluster, FIRST + 2 * self.clients).await?;
        crowd::check_room_for_watches(&cluster, watches_max).await?;
        own.close().await;
        cluster.check_nobody_ended()?;
        cluster.wait_for_equal_state().await?;
        let (arrived_after, gone_after) = times.first().copied().unwrap_or_default();
        Ok(ManyClientsReport {
            clients: self.clients,
            connections: run.connections,
            written: run.written.keys(),
            arrived_after,
            gone_after,
            footprints: run.footprints,
        })
    }

    /// Processes that have this many clients together.
    fn parts(&self, cluster: &Cluster, name: &str, clients: u64) -> Result<Vec<Part>, HarnessError> {
        let starts = (0..clients).step_by(usize::try_from(CLIENTS_PER_PROCESS).unwrap_or(usize::MAX));
        let parts = starts.map(|start| {
            let plan = CrowdPart {
                endpoints: cluster.endpoints(),
                name: format!("{name}.{start}"),
                clients: CLIENTS_PER_PROCESS.min(clients - start),
            };
            Part::start(&self.program, plan)
        });
        parts.collect()
    }

    fn measured(cluster: &Cluster) -> Result<BTreeMap<u64, Footprint>, HarnessError> {
        let ids = cluster.ids().into_iter();
        ids.map(|id| Ok((id, Footprint::of(cluster.member(id)?)?))).collect()
    }
}

/// What a run has seen so far.
struct Run {
    footprints: BTreeMap<u64, Vec<Footprint>>,
    written: Written,
    connections: u64,
}

impl Run {
    fn note(&mut self, footprints: &BTreeMap<u64, Footprint>) {
        for (id, footprint) in footprints {
            self.footprints.entry(*id).or_default().push(*footprint);
        }
    }

    async fn all_there(&mut self, parts: &mut [Part]) -> Result<(), HarnessError> {
        for part in parts {
            self.written.add(part.there().await?);
        }
        Ok(())
    }
}

async fn all_leave(parts: &mut [Part]) -> Result<(), HarnessError> {
    for part in parts {
        part.leave().await?;
    }
    Ok(())
}

async fn end_all(parts: Vec<Part>) -> Result<(), HarnessError> {
    for part in parts {
        part.end().await?;
    }
    Ok(())
}

/// What members have open when that has stopped changing.
async fn settled(cluster: &Cluster) -> Result<BTreeMap<u64, Footprint>, HarnessError> {
    let mut last = Vec::new();
    let mut same = 0;
    wait::until("the connections of members to settle", PATIENCE, async || {
        let now = ManyClients::measured(cluster).map_err(|error| error.to_string())?;
        let connections: Vec<u64> = now.values().map(|footprint| footprint.connections).collect();
        same = if connections == last { same + 1 } else { 0 };
        last = connections;
        match same >= LOOKS_ALIKE {
            true => Ok(now),
            false => Err(format!("they have {last:?}")),
        }
    })
    .await
}

/// Waits until no member has more connections than before.
async fn until_gone(cluster: &Cluster, before: &BTreeMap<u64, Footprint>) -> Result<(), HarnessError> {
    wait::until("every connection of a client to be gone", PATIENCE, async || {
        let now = ManyClients::measured(cluster).map_err(|error| error.to_string())?;
        let left = now
            .iter()
            .filter(|(id, footprint)| footprint.connections > before[id].connections);
        let left: Vec<String> = left
            .map(|(id, footprint)| {
                format!(
                    "member {id} has {}, and had {}",
                    footprint.connections, before[id].connections
                )
            })
            .collect();
        match left.is_empty() {
            true => Ok(()),
            false => Err(left.join("; ")),
        }
    })
    .await
}

/// The second crowd needs no memory that the first one did not leave.
fn check_memory(footprints: &BTreeMap<u64, Vec<Footprint>>, clients: u64) -> Result<(), HarnessError> {
    let allowed = KEPT_BYTES + KEPT_BYTES_PER_CLIENT * clients;
    for (id, footprints) in footprints {
        let half = footprints.len() / 2;
        let (Some(first), Some(second)) = (footprints.get(half), footprints.last()) else {
            continue;
        };
        let grown = second.resident_bytes.saturating_sub(first.resident_bytes);
        if grown > allowed {
            return Err(HarnessError::Broken(format!(
                "member {id} has {grown} bytes more after a second crowd of {clients}; {allowed} are allowed: {footprints:?}"
            )));
        }
    }
    Ok(())
}

/// One row for each client that wrote, and no more: however often it tried, it was registered once.
async fn check_rows(cluster: &Cluster, clients: u64) -> Result<(), HarnessError> {
    for id in cluster.ids() {
        let rows = u64::from(cluster.status(id).await.map_err(HarnessError::Broken)?.clients);
        // The client of the run has written nothing.
        if rows > clients {
            return Err(HarnessError::Broken(format!(
                "member {id} has {rows} rows of {clients} clients"
            )));
        }
    }
    Ok(())
}

/// What was acknowledged, by tier.
#[derive(Default)]
struct Written {
    strong: Vec<String>,
    eventual: Vec<String>,
}

impl Written {
    fn add(&mut self, names: Vec<String>) {
        self.strong.extend(names.iter().cloned());
        self.eventual.extend(names);
    }

    fn keys(&self) -> u64 {
        (self.strong.len() + self.eventual.len()) as u64
    }

    /// Everything is there: in the strong tier, and at every member in the eventual one.
    async fn check(&self, cluster: &Cluster, client: &Client) -> Result<(), HarnessError> {
        let records = client.range(Keys::prefix("crowd/")).all(10_000_000).await;
        let records = records.map_err(HarnessError::call("read what was written"))?;
        let mut there: BTreeMap<String, bytes::Bytes> = BTreeMap::new();
        for record in records {
            there.insert(String::from_utf8_lossy(&record.key).into_owned(), record.value);
        }
        lost(&self.strong, &there, "the strong tier")?;
        for id in cluster.ids() {
            let endpoint = cluster.member(id)?.client_address().to_owned();
            let own = cluster.client_of(id).await?;
            let even = own.eventual_admin().sync_force(&endpoint, PATIENCE).await;
            even.map_err(HarnessError::call(format!("make member {id} even")))?;
            let there = crowd::eventual_keys(&own).await?;
            lost(&self.eventual, &there, &format!("the eventual tier of member {id}"))?;
            own.close().await;
        }
        Ok(())
    }
}

fn lost(names: &[String], there: &BTreeMap<String, bytes::Bytes>, place: &str) -> Result<(), HarnessError> {
    let missing = names
        .iter()
        .filter(|name| there.get(*name).is_none_or(|value| value != name.as_bytes()));
    let missing: Vec<&String> = missing.collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(HarnessError::Broken(format!(
            "{} of {} acknowledged writes are not in {place}, {:?} first",
            missing.len(),
            names.len(),
            missing[0]
        ))),
    }
}

impl fmt::Display for ManyClientsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "two crowds of {} clients at once, with {} connections; all {} keys that were acknowledged are there; the first \
             crowd was there and had written after {:.1} s, and gone {:.1} s after it left;",
            self.clients,
            self.connections,
            self.written,
            self.arrived_after.as_secs_f32(),
            self.gone_after.as_secs_f32()
        )?;
        for (id, footprints) in &self.footprints {
            write!(f, " member {id}:")?;
            for footprint in footprints {
                write!(
                    f,
                    " {} MiB and {} connections,",
                    footprint.resident_bytes >> 20,
                    footprint.connections
                )?;
            }
        }
        Ok(())
    }
}
