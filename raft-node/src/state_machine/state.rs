//! The replicated state: applies entries of the log, exactly once and in order.
//!
//! Invariants
//! * What a call of [`State::apply`] changes is one batch: the data, the answers kept for retries, and how far the log
//!   is applied. A crash leaves a state that was there after some call, and the log replays the rest.
//! * The state after an entry depends on the entries up to it and on nothing else: not on how they were cut in calls,
//!   nor on a clock, a random number or the order of a hash table.
//! * A command that cannot be understood stops the node. Skipping it would fork the replicas.

use std::sync::Arc;

use super::clients::{Clients, Verdict};
use super::command::{
    Command, Compact, ExpireClients, ExpireKeys, ExpireLeases, Group, RegisterClient, RunTimers, Stamp, Transaction,
};
use super::counts::Happened;
use super::empty;
use super::fatal::{Fatal, refusal};
use super::head::{Head, LogPosition, StoredMembership};
use super::published::{Progress, Published};
use super::recent::Recent;
use super::reply::{GroupReply, Reply};
use super::resident::{Resident, RowCounts};
use super::staged::Staged;
use super::transaction::{self, Done, Edited, Moment};
use crate::actors::Actors;
use crate::canary::{self, Canary};
use crate::codec;
use crate::coordination::queues;
use crate::coordination::sessions::{self, Ending};
use crate::mvcc::{self, AppliedRevision, Domain, Domains, Edit, Failure};
use crate::storage::{Batch, Durability, Engine, StorageError, Table};
use crate::types::{ActorRefusal, ClientId, LogTimeMs, Rejection, Revision, Signal};

/// Commands that one group may hold. Client ids are made of the log index and the place in the group.
pub const GROUP_COMMANDS_MAX: u64 = 4096;

/// An expiry of leases goes on to the next lease only while less than this went with those before it.
const ENDED_PER_COMMAND_MAX: u64 = 10_000;

/// A committed entry of the log.
#[derive(Clone, Debug)]
pub struct AppliedEntry {
    /// Its place.
    pub position: LogPosition,
    /// What it holds.
    pub payload: EntryPayload,
}

/// What an entry holds.
#[derive(Clone, Debug)]
pub enum EntryPayload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// Commands.
    Group(Group),
    /// A membership, as consensus encoded it.
    Membership(Vec<u8>),
}

/// The state of one Raft group at one member.
pub struct State {
    engine: Arc<dyn Engine>,
    head: Head,
    membership: Option<Vec<u8>>,
    domains: Domains,
    actors: Actors,
    clients: Clients,
    resident: Resident,
    recent: Arc<Recent>,
    signals: Vec<Signal>,
    happened: Happened,
    watched: bool,
    revisions: Vec<AppliedRevision>,
    published: Published,
    failed: bool,
}

impl State {
    /// Opens the state in an engine; in an empty one it is created.
    pub fn open(engine: Arc<dyn Engine>) -> Result<State, Fatal> {
        let head = match Head::load(&*engine)? {
            Some(head) => head,
            None => empty::create(&*engine)?,
        };
        let clients = Clients::load(&*engine)?;
        Ok(State {
            head,
            membership: StoredMembership::load(&*engine)?,
            domains: Domains::load(&*engine)?,
            actors: Actors::load(&*engine)?,
            published: Published::new(Progress::of(&head, clients.longest_idle())),
            clients,
            resident: Resident::load(&*engine)?,
            recent: Arc::default(),
            signals: Vec::new(),
            happened: Happened::default(),
            watched: false,
            revisions: Vec::new(),
            engine,
            failed: false,
        })
    }

    /// Applies committed entries in one batch. Returns one reply an entry, empty where the entry holds no commands.
    ///
    /// An error means that nothing of the call was written, or that it is not known; the state refuses further calls.
    pub fn apply(&mut self, entries: &[AppliedEntry]) -> Result<Vec<GroupReply>, Fatal> {
        if self.failed {
            return Err(Fatal::FailedBefore);
        }
        // Until the batch is written, memory is ahead of it.
        self.failed = true;
        let engine = Arc::clone(&self.engine);
        // Lent to the writes of this call; a call that fails leaves the state unusable, so it need not come back then.
        let mut resident = std::mem::take(&mut self.resident);
        let recent = Arc::clone(&self.recent);
        let mut staged = Staged::new(&*engine, &mut resident, &recent, self.head.hash);
        let mut replies = Vec::with_capacity(entries.len());
        let mut membership_changed = false;
        for entry in entries {
            let index = entry.position.index;
            if self.head.applied.is_some_and(|applied| index <= applied.index) {
                return Err(rule(
                    index,
                    format!("entries up to {} are applied already", self.head.applied_index()),
                ));
            }
            replies.push(match &entry.payload {
                EntryPayload::Blank => GroupReply::default(),
                EntryPayload::Membership(membership) => {
                    self.membership = Some(membership.clone());
                    membership_changed = true;
                    GroupReply::default()
                }
                EntryPayload::Group(group) => self.apply_group(&mut staged, entry.position, group)?,
            });
            self.head.applied = Some(entry.position);
        }
        self.head.hash = staged.hash();
        let mut batch = staged.into_batch();
        self.resident = resident;
        batch.put(Table::Meta, Head::key(), codec::encode(&self.head)?);
        if let Some(bytes) = self.membership.as_ref().filter(|_| membership_changed) {
            let row = codec::encode(&StoredMembership { bytes: bytes.clone() })?;
            batch.put(Table::Meta, StoredMembership::key(), row);
        }
        if canary::is(Canary::AppliedIndexApart) {
            let mut ahead = Batch::new();
            ahead.put(Table::Meta, Head::key(), codec::encode(&self.head)?);
            engine.write(ahead, Durability::Synced)?;
        }
        engine.write(batch, Durability::Memory)?;
        self.failed = false;
        self.published
            .set(Progress::of(&self.head, self.clients.longest_idle()));
        Ok(replies)
    }

    /// Whom to tell of what was applied since the last call of this, in order.
    pub fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.signals)
    }

    /// What is counted of what was applied since the last call of this.
    pub fn take_happened(&mut self) -> Happened {
        std::mem::take(&mut self.happened)
    }

    /// How many rows of coordination there are, by kind.
    pub fn row_counts(&self) -> &RowCounts {
        self.resident.counts()
    }

    /// From now on, whether the revisions that are applied are kept for those who watch.
    pub fn set_watched(&mut self, watched: bool) {
        self.watched = watched;
    }

    /// What was applied since the last call of this, in order; none of what was applied unwatched.
    pub fn take_revisions(&mut self) -> Vec<AppliedRevision> {
        std::mem::take(&mut self.revisions)
    }

    /// A revision was made.
    fn note(&mut self, done: Done) {
        self.head.revision = done.revision();
        self.happened.events(&done.applied.changes.events);
        self.signals.extend(done.signals);
        if self.watched {
            self.revisions.push(done.applied);
        }
    }

    fn apply_group(
        &mut self,
        staged: &mut Staged<'_>,
        position: LogPosition,
        group: &Group,
    ) -> Result<GroupReply, Fatal> {
        let index = position.index;
        let undecodable = |source| Fatal::Entry { index, source };
        let head = group.head().map_err(undecodable)?;
        if u64::from(head.count) > GROUP_COMMANDS_MAX {
            return Err(rule(
                index,
                format!("{} commands, the limit is {GROUP_COMMANDS_MAX}", head.count),
            ));
        }
        let commands = group.commands().map_err(undecodable)?;
        self.head.log_time = self.head.log_time.max(head.log_time);
        let mut replies = Vec::with_capacity(commands.len());
        for (place, command) in (0_u64..).zip(commands) {
            replies.push(match command {
                Command::Transaction(command) => self.transaction(staged, index, head.wall_ms, command)?,
                Command::RegisterClient(command) => self.register_client(index, place, command)?,
                Command::ExpireClients(command) => self.expire_clients(staged, command),
                Command::ExpireKeys(command) => self.expire_keys(staged, head.wall_ms, command)?,
                Command::Compact(command) => self.compact(command),
                Command::ExpireLeases(command) => self.expire_leases(staged, position.term, head.wall_ms, command)?,
                Command::RunTimers(command) => self.run_timers(staged, head.wall_ms, command)?,
                Command::CreateDomain(command) => self.once(command.stamp, index, |state| {
                    state.domain(|all| all.create(command.domain))
                })?,
                Command::ChangeDomain(command) => self.once(command.stamp, index, |state| {
                    state.domain(|all| all.change(&command.name, &command.change))
                })?,
                Command::DropDomain(command) => self.once(command.stamp, index, |state| {
                    state.domain(|all| all.drop(&command.name))
                })?,
                Command::RegisterActor(command) => self.actor(|all| all.register(command.member, command.actor)),
                Command::RetireActor(command) => self.actor(|all| all.retire(command.actor, command.finals)),
            });
        }
        self.domains.stage_changed(staged)?;
        self.actors.stage_changed(staged)?;
        self.clients.end_group(index, staged)?;
        Ok(GroupReply(replies))
    }

    fn transaction(
        &mut self,
        staged: &mut Staged<'_>,
        index: u64,
        wall_ms: u64,
        command: Transaction,
    ) -> Result<Reply, Fatal> {
        self.once(command.stamp, index, |state| {
            let moment = state.moment(wall_ms);
            let (reply, done) = transaction::execute(staged, &mut state.domains, moment, command)?;
            if let Some(done) = done {
                state.note(done);
            }
            Ok(reply)
        })
    }

    /// Runs what a client stamped, unless it was run before; then its answer is given again.
    fn once(
        &mut self,
        stamp: Option<Stamp>,
        index: u64,
        work: impl FnOnce(&mut Self) -> Result<Reply, Fatal>,
    ) -> Result<Reply, Fatal> {
        let Some(stamp) = stamp else {
            return work(self);
        };
        match self.clients.begin(stamp, self.head.log_time)? {
            Verdict::Apply => {}
            Verdict::Answered(reply) => return Ok(reply),
            Verdict::Refused(rejection) => return Ok(refusal(rejection, self.head.revision)),
        }
        let reply = work(self)?;
        self.clients.keep(stamp, &reply, index)?;
        Ok(reply)
    }

    /// A command about a domain.
    fn domain(&mut self, work: impl FnOnce(&mut Domains) -> Result<Domain, Rejection>) -> Result<Reply, Fatal> {
        let revision = self.head.revision;
        Ok(match work(&mut self.domains) {
            Ok(domain) => Reply::Domain { domain, revision },
            Err(rejection) => refusal(rejection, revision),
        })
    }

    /// A command about an actor.
    fn actor(&mut self, work: impl FnOnce(&mut Actors) -> Result<u64, ActorRefusal>) -> Reply {
        match work(&mut self.actors) {
            Ok(removed) => self.done(removed),
            Err(refused) => refusal(refused.into(), self.head.revision),
        }
    }

    fn register_client(&mut self, index: u64, place: u64, command: RegisterClient) -> Result<Reply, Fatal> {
        let id = index
            .checked_mul(GROUP_COMMANDS_MAX)
            .and_then(|first| first.checked_add(place));
        let client = ClientId(id.ok_or_else(|| rule(index, "client ids are used up".to_owned()))?);
        let revision = self.head.revision;
        Ok(match self.clients.register(client, command.name, self.head.log_time) {
            Ok(()) => Reply::ClientRegistered { client, revision },
            Err(rejection) => refusal(rejection, revision),
        })
    }

    fn expire_clients(&mut self, staged: &mut Staged<'_>, command: ExpireClients) -> Reply {
        let idle_since = command.idle_since.min(self.head.log_time);
        let removed = self.clients.expire(idle_since, command.clients_max, staged);
        self.done(removed)
    }

    fn expire_keys(&mut self, staged: &mut Staged<'_>, wall_ms: u64, command: ExpireKeys) -> Result<Reply, Fatal> {
        self.edit(staged, wall_ms, |edit| mvcc::expire(edit, command.keys_max))
    }

    /// Ends the leases, each in a revision of its own: everything that goes with a lease goes at once.
    fn expire_leases(
        &mut self,
        staged: &mut Staged<'_>,
        term: u64,
        wall_ms: u64,
        command: ExpireLeases,
    ) -> Result<Reply, Fatal> {
        let mut removed = 0;
        if command.term == term {
            for lease in command.leases {
                // The leader proposes the rest again.
                if removed >= ENDED_PER_COMMAND_MAX {
                    break;
                }
                if let Reply::Done { removed: ended, .. } =
                    self.edit(staged, wall_ms, |edit| sessions::end(edit, lease, Ending::Expired))?
                {
                    removed += ended;
                }
            }
        }
        Ok(self.done(removed))
    }

    fn run_timers(&mut self, staged: &mut Staged<'_>, wall_ms: u64, command: RunTimers) -> Result<Reply, Fatal> {
        self.edit(staged, wall_ms, |edit| queues::run_timers(edit, command.timers_max))
    }

    /// Runs the work of a system command, which answers how many things it removed.
    fn edit(
        &mut self,
        staged: &mut Staged<'_>,
        wall_ms: u64,
        work: impl FnOnce(&mut Edit<'_>) -> Result<u64, Failure>,
    ) -> Result<Reply, Fatal> {
        let moment = self.moment(wall_ms);
        match transaction::edit(staged, &mut self.domains, moment, true, work)? {
            Edited::Done(removed, done) => {
                if let Some(done) = done {
                    self.note(done);
                }
                Ok(self.done(removed))
            }
            Edited::Refused(reply) => Ok(reply),
        }
    }

    fn compact(&mut self, command: Compact) -> Reply {
        match mvcc::boundary(command.revision, self.head.compacted, self.head.revision) {
            Ok(compacted) => {
                if compacted != self.head.compacted {
                    self.happened.compacted();
                }
                self.head.compacted = compacted;
                self.done(0)
            }
            Err(rejection) => refusal(rejection, self.head.revision),
        }
    }

    fn done(&self, removed: u64) -> Reply {
        Reply::Done {
            revision: self.head.revision,
            removed,
        }
    }

    fn moment(&self, wall_ms: u64) -> Moment {
        Moment {
            revision: self.head.revision,
            log_time: self.head.log_time,
            wall_ms,
            watched: self.watched,
        }
    }

    /// The last entry that was applied; none in the empty store.
    pub fn applied(&self) -> Option<LogPosition> {
        self.head.applied
    }

    /// The newest membership, as consensus encoded it; none before the first.
    pub fn membership(&self) -> Option<&[u8]> {
        self.membership.as_deref()
    }

    /// The newest revision.
    pub fn revision(&self) -> Revision {
        self.head.revision
    }

    /// The oldest revision that can be read.
    pub fn compacted(&self) -> Revision {
        self.head.compacted
    }

    /// Log time.
    pub fn log_time(&self) -> LogTimeMs {
        self.head.log_time
    }

    /// Running hash of the logical writes, equal at every member that has applied the same entries.
    pub fn hash(&self) -> u64 {
        self.head.hash
    }

    /// Registered clients.
    pub fn clients_len(&self) -> usize {
        self.clients.len()
    }

    /// Clients that mutated nothing since `idle_since`.
    pub fn idle_clients(&self, idle_since: LogTimeMs) -> usize {
        self.clients.idle(idle_since)
    }

    /// When the next key expires; none if no key does. Others than the one who applies ask
    /// [`mvcc::next_key_expiry`] with a view of their own.
    pub fn next_key_expiry(&self) -> Result<Option<LogTimeMs>, StorageError> {
        mvcc::next_key_expiry(&*self.engine)
    }

    /// A key's time has come by `now`.
    pub fn has_expired_keys(&self, now: LogTimeMs) -> Result<bool, StorageError> {
        Ok(self.next_key_expiry()?.is_some_and(|at| at <= now))
    }

    /// When the next timer of the queues is due; none if there is none.
    pub fn next_timer(&self) -> Option<LogTimeMs> {
        queues::next_timer(&self.resident)
    }

    /// The domains.
    pub fn domains(&self) -> &Domains {
        &self.domains
    }

    /// The actors.
    pub fn actors(&self) -> &Actors {
        &self.actors
    }

    /// The domains, if more than the bytes of one changed since the last call.
    pub(super) fn unpublished_domains(&mut self) -> Option<&Domains> {
        self.domains.take_unpublished().then_some(&self.domains)
    }

    /// The actors, if one changed since the last call.
    pub(super) fn unpublished_actors(&mut self) -> Option<&Actors> {
        self.actors.take_unpublished().then_some(&self.actors)
    }

    /// A handle on how far the state is.
    pub fn published(&self) -> Published {
        self.published.clone()
    }

    /// The records that were written last.
    pub(super) fn recent(&self) -> Arc<Recent> {
        Arc::clone(&self.recent)
    }

    /// The engine it lives in.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }
}

fn rule(index: u64, reason: String) -> Fatal {
    Fatal::Rule { index, reason }
}
