//! Bytes on the disk of one member change, as disks do that rot or write to the wrong place.
//!
//! Each round: writes; one member is killed, something in its data directory is damaged, and it starts again; in every
//! fourth round a file is damaged under it while it runs. What it may do then: refuse to start, stop when it meets the
//! damage, or answer a read that meets it with an error, and name the file in each case; or serve, and then everything it
//! has is read and must be right. A member that did not serve is replaced as the documentation says: erased, started under a new id, put in the place of the old one.
//!
//! What it must never do: answer wrongly (the bulk that was there before is read from the very member after each damage, the
//! workload goes through the witness check, and all states are equal in the end), panic, hang, or end without a word of
//! which file it was. Only one member is damaged at a time: what a majority has lost is lost.

mod bulk;
mod damage;
mod fate;
mod place;
mod report;

use std::time::Duration;

use rand::seq::{IndexedRandom, SliceRandom};

use self::bulk::Bulk;
use self::damage::{Damage, Kind};
use self::fate::{Fate, Met};
use self::place::{Place, candidates};
pub use self::report::CorruptionReport;
use self::report::Outcome;
use super::run::Run;
use crate::cluster::{Cluster, Settings};
use crate::{HarnessError, wait};

const MEMBERS: u64 = 3;

/// One in so many rounds damages a member that runs.
const LIVE_ROUNDS: u64 = 4;

/// Damages that change nothing, a page of zeroes cleared say, are drawn anew.
const DRAWS_MAX: usize = 50;

/// Small segments and frequent snapshots, so that there is much to damage: several segments, tables, a snapshot or two.
const MORE_TOML: &str = "[storage]\nlog_segment_bytes = 2097152\n";
const SNAPSHOT_LOG_BYTES: u64 = 256 << 10;
const KEEP_LOG_ENTRIES: u64 = 400;

/// Sending a snapshot, and two changes of the membership.
const REPLACEMENT_DEADLINE: Duration = Duration::from_secs(90);

/// Damage to a minority, round after round.
#[derive(Clone, Copy, Debug)]
pub struct Corruption {
    /// Damages.
    pub rounds: u64,
    /// Concurrent clients.
    pub clients: u64,
    /// Everything random comes from it.
    pub seed: u64,
}

impl Corruption {
    /// Runs it on three members; `progress` gets a line a round.
    pub async fn run(self, mut progress: impl FnMut(String)) -> Result<CorruptionReport, HarnessError> {
        let Corruption { rounds, clients, seed } = self;
        progress(format!("corruption: {rounds} rounds, {clients} clients, seed {seed}"));
        let settings = Settings {
            snapshot_log_bytes: Some(SNAPSHOT_LOG_BYTES),
            keep_log_entries: Some(KEEP_LOG_ENTRIES),
            more_toml: MORE_TOML.to_owned(),
            ..Settings::of(MEMBERS)
        };
        let cluster = Cluster::start_with(settings).await?;
        let bulk = Bulk::write(&cluster.client().await?, seed).await?;
        let mut rounds_run = Rounds {
            run: Run::begin(cluster, clients, seed).await?,
            bulk,
            deck: Vec::new(),
            newest: MEMBERS,
            report: CorruptionReport::default(),
        };
        for round in 1..=rounds {
            match rounds_run.one(round).await {
                Ok(line) => progress(format!("round {round}/{rounds}: {line}")),
                Err(error) => return Err(rounds_run.run.explain(error)),
            }
        }
        let Rounds { run, mut report, .. } = rounds_run;
        report.run = Some(run.verdict().await?);
        report.demand_names()?;
        Ok(report)
    }
}

struct Rounds {
    run: Run,
    bulk: Bulk,
    /// Places that come next, so that each has its turn.
    deck: Vec<Place>,
    /// The newest id.
    newest: u64,
    report: CorruptionReport,
}

impl Rounds {
    async fn one(&mut self, round: u64) -> Result<String, HarnessError> {
        self.run.wait_for_writes("before the damage").await?;
        let victim = self.run.victim().await?;
        let live = round.is_multiple_of(LIVE_ROUNDS);
        if !live {
            self.run.cluster.kill9(victim)?;
        }
        let met = Met::begin(&self.run.cluster, victim)?;
        let damage = self.damage(victim, live)?;
        self.run.faults += 1;
        let mut fate = Fate::Served;
        if live {
            fate = self.read(victim).await?;
            if matches!(fate, Fate::Served) {
                self.run.cluster.kill9(victim)?;
            }
        }
        if matches!(fate, Fate::Served) {
            self.run.cluster.restart(victim)?;
            fate = met.wait(&mut self.run.cluster, victim).await?;
        }
        if matches!(fate, Fate::Served) {
            fate = self.read(victim).await?;
        }
        let outcome = self.judge(victim, &met, &damage, fate).await?;
        let replaced = match outcome {
            Outcome::Refused | Outcome::Stopped => {
                format!(", replaced by {}", self.replace(victim).await?)
            }
            Outcome::Repaired => String::new(),
            Outcome::Unnoticed => {
                damage.undo()?;
                String::new()
            }
        };
        let revision = self.run.end_of_round().await?;
        let while_it_ran = if live { " while it ran" } else { "" };
        Ok(format!(
            "member {victim}: {damage}{while_it_ran}: {outcome}{replaced}; {} operations, revision {revision}",
            self.run.operations()
        ))
    }

    /// Draws until something has changed.
    fn damage(&mut self, victim: u64, live: bool) -> Result<Damage, HarnessError> {
        let data = self.run.cluster.member(victim)?.data_directory();
        for _ in 0..DRAWS_MAX {
            let place = match live {
                true => Place::Table,
                false => self.next_place(),
            };
            let files = candidates(&data, place)?;
            let Some(file) = files.choose(&mut self.run.random) else {
                continue;
            };
            let kind = match live {
                true => Kind::Bit,
                false => Kind::draw(&mut self.run.random),
            };
            if let Some(damage) = Damage::apply(&data, file, place, kind, &mut self.run.random)? {
                return Ok(damage);
            }
        }
        Err(HarnessError::Broken(format!(
            "{DRAWS_MAX} draws have found nothing to damage in {}",
            data.display()
        )))
    }

    fn next_place(&mut self) -> Place {
        if self.deck.is_empty() {
            self.deck = Place::ALL.to_vec();
            self.deck.shuffle(&mut self.run.random);
        }
        self.deck.pop().unwrap_or(Place::Log)
    }

    /// Everything that is known to be there, from the very member.
    async fn read(&mut self, victim: u64) -> Result<Fate, HarnessError> {
        fate::while_reading(&mut self.run.cluster, victim, &self.bulk).await
    }

    async fn judge(&mut self, victim: u64, met: &Met, damage: &Damage, fate: Fate) -> Result<Outcome, HarnessError> {
        let said = met.said(&self.run.cluster, victim)?;
        let outcome = match fate {
            Fate::Ended { status, was_up } => {
                fate::demand_an_orderly_end(victim, status, &said, damage)?;
                if was_up { Outcome::Stopped } else { Outcome::Refused }
            }
            Fate::Failing(answer) => {
                return Err(HarnessError::Broken(format!(
                    "member {victim} goes on and fails reads after {damage}: {answer}\n{said}"
                )));
            }
            Fate::Served if met.has_complained(&said) => Outcome::Repaired,
            Fate::Served => Outcome::Unnoticed,
        };
        self.report.count(damage, outcome, &said);
        Ok(outcome)
    }

    /// As the documentation says: erased, and put in its own place under a new id.
    async fn replace(&mut self, lost: u64) -> Result<u64, HarnessError> {
        let began = tokio::time::Instant::now();
        self.newest += 1;
        let id = self.newest;
        self.run.cluster.wipe(lost)?;
        self.run.cluster.start_in_place_of(lost, id).await?;
        let peer = self.run.cluster.member(id)?.peer_address().to_owned();
        let client = self.run.cluster.client().await?;
        // Asked again where the machine is too busy to answer in time: it is the same change.
        let condition = format!("member {id} to take the place of {lost}");
        wait::until(&condition, REPLACEMENT_DEADLINE, async || {
            client.member_replace(lost, id, &peer).await.map(drop)
        })
        .await?;
        self.run.wait_until_caught_up(id).await?;
        self.report.replaced(began.elapsed());
        Ok(id)
    }
}
