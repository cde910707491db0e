//! The shortest ways to write commands and to look at a store, for the tests of this folder and of `mvcc`.

pub mod domains;
pub mod events;
pub mod scripts;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::{
    AppliedEntry, Command, Compact, Compare, CompareOperand, CompareOperator, EntryPayload, ExpireClients, ExpireKeys,
    ExpireLeases, Group, GroupReply, LogPosition, Operation, RegisterClient, Reply, Stamp, State, Transaction,
    TransactionReply,
};
use crate::coordination::queues;
use crate::coordination::sessions::LeaseOperation;
use crate::leases;
use crate::mvcc::{Delete, Put, Range, RecordRef, Selector, SortTarget, keys};
use crate::storage::{Engine, MemoryEngine, Table};
use crate::types::{ClientId, DomainId, LeaseId, LogTimeMs, Revision};

/// Every row of a store.
pub type Dump = Vec<(Table, Vec<u8>, Vec<u8>)>;

/// A put of the default domain.
pub fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Put {
    Put {
        domain: "default".to_owned(),
        key: key.as_ref().to_vec(),
        value: value.as_ref().to_vec(),
        lease: None,
        ttl_ms: None,
        tags: Vec::new(),
        previous: false,
    }
}

/// A deletion in the default domain.
pub fn delete(keys: Selector) -> Delete {
    Delete {
        domain: "default".to_owned(),
        keys,
        previous: false,
    }
}

/// A range of the default domain, without any limit.
pub fn range(keys: Selector) -> Range {
    Range {
        domain: "default".to_owned(),
        keys,
        revision: None,
        limit: u64::MAX,
        bytes_max: u64::MAX,
        keys_only: false,
        count_only: false,
        sort: SortTarget::Key,
        descending: false,
        mod_revision: (None, None),
        create_revision: (None, None),
        tag: None,
        after: None,
    }
}

/// Every key.
pub fn all() -> Selector {
    Selector::Prefix(Vec::new())
}

/// One key.
pub fn key(key: impl AsRef<[u8]>) -> Selector {
    Selector::Key(key.as_ref().to_vec())
}

/// A compare of the default domain.
pub fn compare(key: impl AsRef<[u8]>, operator: CompareOperator, operand: CompareOperand) -> Compare {
    Compare {
        domain: "default".to_owned(),
        key: key.as_ref().to_vec(),
        operator,
        operand,
    }
}

/// An unconditional transaction.
pub fn transaction(then: Vec<Operation>) -> Transaction {
    Transaction {
        stamp: None,
        compares: Vec::new(),
        then,
        otherwise: Vec::new(),
    }
}

/// A transaction with one put.
pub fn put_command(put: Put) -> Command {
    Command::Transaction(transaction(vec![Operation::Put(put)]))
}

/// A transaction with one put that a client may retry.
pub fn stamped(client: ClientId, sequence: u64, answered_up_to: u64, put: Put) -> Command {
    let mut transaction = transaction(vec![Operation::Put(put)]);
    transaction.stamp = Some(Stamp {
        client,
        sequence,
        answered_up_to,
    });
    Command::Transaction(transaction)
}

/// A grant of the lease with this id.
pub fn grant(lease: u64, ttl_ms: u64) -> LeaseOperation {
    LeaseOperation::Grant {
        lease: Some(LeaseId(lease)),
        ttl_ms,
        name: String::new(),
    }
}

/// An expiry of leases, proposed by the leader of term 1.
pub fn expire_leases(leases: impl IntoIterator<Item = u64>) -> Command {
    Command::ExpireLeases(ExpireLeases {
        term: 1,
        leases: leases.into_iter().map(LeaseId).collect(),
    })
}

/// A registration.
pub fn register(name: &str) -> Command {
    Command::RegisterClient(RegisterClient { name: name.to_owned() })
}

/// A compaction.
pub fn compact(revision: u64) -> Command {
    Command::Compact(Compact {
        revision: Revision(revision),
    })
}

/// An expiry of keys.
pub fn expire_keys(keys_max: u32) -> Command {
    Command::ExpireKeys(ExpireKeys { keys_max })
}

/// An expiry of clients.
pub fn expire_clients(idle_since: u64, clients_max: u32) -> Command {
    Command::ExpireClients(ExpireClients {
        idle_since: LogTimeMs(idle_since),
        clients_max,
    })
}

/// A group of commands.
pub fn group(log_time: u64, commands: &[Command]) -> Group {
    let mut builder = Group::builder(LogTimeMs(log_time), 1_700_000_000_000 + log_time);
    for command in commands {
        builder.push(command).unwrap();
    }
    builder.finish()
}

/// An entry with a payload.
pub fn entry(index: u64, payload: EntryPayload) -> AppliedEntry {
    let position = LogPosition { term: 1, index };
    AppliedEntry { position, payload }
}

/// A store in memory, to which groups are applied one at a time.
pub struct Store {
    /// The engine below.
    pub engine: MemoryEngine,
    /// The state.
    pub state: State,
    /// Log time of the next group.
    pub now: u64,
}

impl Store {
    /// An empty one.
    pub fn new() -> Self {
        Self::open(MemoryEngine::new())
    }

    /// What an engine holds.
    pub fn open(engine: MemoryEngine) -> Self {
        let state = State::open(Arc::new(engine.clone())).unwrap();
        let now = state.log_time().0;
        Self { engine, state, now }
    }

    /// The same store after a restart.
    pub fn reopen(self) -> Self {
        Self::open(self.engine)
    }

    /// Applies one group.
    pub fn apply(&mut self, commands: &[Command]) -> Vec<Reply> {
        let index = self.state.applied().map_or(0, |position| position.index) + 1;
        let payload = EntryPayload::Group(group(self.now, commands));
        let mut replies = self.state.apply(&[entry(index, payload)]).unwrap();
        let GroupReply(replies) = replies.pop().unwrap();
        replies
    }

    /// Applies one command.
    pub fn apply_one(&mut self, command: Command) -> Reply {
        self.apply(&[command]).pop().unwrap()
    }

    /// Applies one transaction that must not be refused.
    pub fn transact(&mut self, transaction: Transaction) -> TransactionReply {
        match self.apply_one(Command::Transaction(transaction)) {
            Reply::Transaction(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// Registers a client.
    pub fn register(&mut self) -> ClientId {
        match self.apply_one(register("tester")) {
            Reply::ClientRegistered { client, .. } => client,
            other => panic!("{other:?}"),
        }
    }

    /// Every row.
    pub fn dump(&self) -> Dump {
        dump(&self.engine)
    }
}

/// Every row of an engine.
pub fn dump(engine: &dyn Engine) -> Dump {
    let mut rows = Vec::new();
    for table in Table::ALL {
        let visit = &mut |key: &[u8], value: &[u8]| {
            rows.push((table, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        engine
            .scan(table, Bound::Unbounded, Bound::Unbounded, false, visit)
            .unwrap();
    }
    rows
}

/// Panics unless the rules that tie the tables together hold.
pub fn check_rules(store: &Store) {
    let mut index = BTreeSet::new();
    let mut bytes: BTreeMap<DomainId, u64> = BTreeMap::new();
    let mut changes = Vec::new();
    let mut found = BTreeSet::new();
    let mut attached: BTreeMap<LeaseId, (u64, u64)> = BTreeMap::new();
    for (table, key, value) in store.dump() {
        match table {
            Table::Latest => {
                let (domain, user_key) = keys::decode_latest(&key).unwrap();
                let record = RecordRef::parse(&value).unwrap();
                *bytes.entry(domain).or_default() += record.bytes(user_key);
                index.extend(record.expires_at.map(|at| keys::expiry(at, domain, user_key)));
                index.extend(record.tags.iter().map(|tag| keys::tag(domain, tag, user_key)));
                if let Some(lease) = record.lease {
                    index.insert(leases::attached_key(lease, domain, user_key));
                    let (keys, bytes) = attached.entry(lease).or_default();
                    *keys += 1;
                    *bytes += record.bytes(user_key);
                }
            }
            Table::History => {
                let (_, _, replaced_at) = keys::decode_history(&key).unwrap();
                assert!(RecordRef::parse(&value).unwrap().mod_revision < replaced_at);
            }
            Table::Changes => changes.push(keys::decode_changes(&key).unwrap().0),
            Table::Index => assert!(found.insert(key)),
            Table::Items | Table::Clients | Table::Coordination | Table::Meta => {}
        }
    }
    assert_eq!(found, index, "the index has exactly the entries of the newest records");
    for domain in store.state.domains().iter() {
        assert_eq!(domain.bytes, bytes.remove(&domain.id).unwrap_or(0), "{}", domain.name);
    }
    check_leases(store, attached);
    queues::tests::check_rules(store);
    let newest = store.state.revision().0;
    let expected: Vec<u64> = (newest + 1 - changes.len() as u64..=newest).collect();
    assert_eq!(changes, expected, "revisions are dense up to the newest");
    assert!(
        changes
            .first()
            .is_none_or(|first| *first <= store.state.compacted().0.max(2))
    );
}

/// The counts of each lease are what is attached to it, and nothing is attached to a lease that does not live.
fn check_leases(store: &Store, mut attached: BTreeMap<LeaseId, (u64, u64)>) {
    let mut count = 0;
    leases::scan(&store.engine, LeaseId(0), &mut |lease, row| {
        let others = leases::attached(&store.engine, lease).unwrap().len() as u64;
        let (keys, bytes) = attached.remove(&lease).unwrap_or_default();
        assert_eq!((row.attached, row.key_bytes), (keys + others, bytes), "lease {lease}");
        count += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(attached.is_empty(), "keys of leases that do not live: {attached:?}");
    assert_eq!(leases::count(&store.engine).unwrap(), count);
}
