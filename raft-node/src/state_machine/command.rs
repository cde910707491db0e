//! What the log holds: groups of commands, with frozen ids.

use bincode::{Decode, Encode};
use bytes::Bytes;

use super::domain_command::{ChangeDomain, CreateDomain, DropDomain, RegisterActor, RetireActor};
use crate::codec::{self, CodecError, Record};
use crate::coordination::locks::LockOperation;
use crate::coordination::queues::QueueOperation;
use crate::coordination::sessions::LeaseOperation;
use crate::coordination::workers::WorkerOperation;
use crate::mvcc::{Delete, Put, Range};
use crate::types::{ClientId, LeaseId, LogTimeMs, Revision};

/// One mutation of the replicated state. Each variant is stored as an envelope under its own id; see
/// `docs/formats.md`. Never edit a payload: add an id or a version.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The only mutation of user data.
    Transaction(Transaction),
    /// Gives out a client id.
    RegisterClient(RegisterClient),
    /// Forgets clients that were idle for too long.
    ExpireClients(ExpireClients),
    /// Deletes keys whose time has come.
    ExpireKeys(ExpireKeys),
    /// Forgets history.
    Compact(Compact),
    /// Ends leases that were not renewed.
    ExpireLeases(ExpireLeases),
    /// Does what queued items are due for.
    RunTimers(RunTimers),
    /// Creates a domain.
    CreateDomain(CreateDomain),
    /// Changes a domain's settings.
    ChangeDomain(ChangeDomain),
    /// Drops a domain.
    DropDomain(DropDomain),
    /// Says which process a member runs.
    RegisterActor(RegisterActor),
    /// Says where a process ended.
    RetireActor(RetireActor),
}

/// Names one mutation of one client, so that a retry applies once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stamp {
    /// Who.
    pub client: ClientId,
    /// Unique within the client, from 1.
    pub sequence: u64,
    /// The client has every answer up to and including this sequence.
    pub answered_up_to: u64,
}

/// Compares, then one of two lists of operations, at one revision.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Transaction {
    /// Absent for clients that never retry.
    pub stamp: Option<Stamp>,
    /// All must hold for `then`.
    pub compares: Vec<Compare>,
    /// Done when every compare holds.
    pub then: Vec<Operation>,
    /// Done otherwise.
    pub otherwise: Vec<Operation>,
}

/// One operation of a transaction.
///
/// The order of the variants is part of the stored format: append only.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Operation {
    /// Writes a key.
    Put(Put),
    /// Deletes keys.
    Delete(Delete),
    /// Reads keys as the transaction sees them.
    Range(Range),
    /// Grants or ends a lease.
    Lease(LeaseOperation),
    /// Something about locks, semaphores and elections.
    Lock(LockOperation),
    /// Something about queues.
    Queue(QueueOperation),
    /// Something about workers and assignments.
    Worker(WorkerOperation),
}

impl Operation {
    /// It is about keys, not a verb of coordination.
    pub fn is_of_keys(&self) -> bool {
        matches!(self, Operation::Put(_) | Operation::Delete(_) | Operation::Range(_))
    }

    /// It needs room on the disks. What ends something is always allowed.
    pub fn grows(&self) -> bool {
        match self {
            Operation::Put(_) => true,
            Operation::Delete(_) | Operation::Range(_) => false,
            Operation::Lease(operation) => operation.grows(),
            Operation::Lock(operation) => operation.grows(),
            Operation::Queue(operation) => operation.grows(),
            Operation::Worker(operation) => operation.grows(),
        }
    }
}

/// One condition of a transaction. A key that does not exist has version, revisions and lease 0 and no value.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Compare {
    /// Name of the domain.
    pub domain: String,
    /// Which key.
    pub key: Vec<u8>,
    /// How.
    pub operator: CompareOperator,
    /// With what.
    pub operand: CompareOperand,
}

/// How a [`Compare`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CompareOperator {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// The key's is greater.
    Greater,
    /// The key's is less.
    Less,
}

/// What a [`Compare`] looks at, and what with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum CompareOperand {
    /// The value, byte by byte. False for a key that does not exist, whatever the operator.
    Value(Vec<u8>),
    /// Writes since creation.
    Version(u64),
    /// Revision of creation.
    CreateRevision(u64),
    /// Revision of the last write.
    ModRevision(u64),
    /// The lease.
    Lease(u64),
}

/// Gives out a client id, which is the log index of this command's group joined with its place there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RegisterClient {
    /// For people; at most 128 bytes.
    pub name: String,
}

/// Forgets clients that mutated nothing since `idle_since`, which is re-checked against log time at apply.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExpireClients {
    /// Clients whose last mutation is before this go.
    pub idle_since: LogTimeMs,
    /// At most this many go at once.
    pub clients_max: u32,
}

/// Deletes keys whose expiry is at or before the group's log time, in one revision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExpireKeys {
    /// At most this many go at once.
    pub keys_max: u32,
}

/// Ends leases that were not renewed, each in one revision of its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExpireLeases {
    /// The term in which the proposer leads. Renewals are in the leader's memory only, so nobody but the leader of the
    /// term in which this is appended may judge: in an entry of another term it does nothing.
    pub term: u64,
    /// Which.
    pub leases: Vec<LeaseId>,
}

/// Makes delayed items ready and takes back claims that ran out, up to the group's log time, in one revision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RunTimers {
    /// At most this many at once.
    pub timers_max: u32,
}

/// Reads below `revision` fail from now on; the space is reclaimed in the background.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Compact {
    /// The oldest revision that stays readable.
    pub revision: Revision,
}

impl Record for Transaction {
    const ID: u16 = 0x0101;
    const VERSION: u8 = 1;
}

impl Record for RegisterClient {
    const ID: u16 = 0x0102;
    const VERSION: u8 = 1;
}

impl Record for ExpireClients {
    const ID: u16 = 0x0103;
    const VERSION: u8 = 1;
}

impl Record for ExpireKeys {
    const ID: u16 = 0x0104;
    const VERSION: u8 = 1;
}

impl Record for Compact {
    const ID: u16 = 0x0105;
    const VERSION: u8 = 1;
}

impl Record for ExpireLeases {
    const ID: u16 = 0x0106;
    const VERSION: u8 = 1;
}

impl Record for RunTimers {
    const ID: u16 = 0x0107;
    const VERSION: u8 = 1;
}

impl Command {
    /// Who gave it and as which of theirs, if its retries apply once.
    pub fn stamp(&self) -> Option<Stamp> {
        match self {
            Command::Transaction(command) => command.stamp,
            Command::CreateDomain(command) => command.stamp,
            Command::ChangeDomain(command) => command.stamp,
            Command::DropDomain(command) => command.stamp,
            Command::RegisterClient(_)
            | Command::ExpireClients(_)
            | Command::ExpireKeys(_)
            | Command::Compact(_)
            | Command::ExpireLeases(_)
            | Command::RunTimers(_)
            | Command::RegisterActor(_)
            | Command::RetireActor(_) => None,
        }
    }

    /// Appends the command's envelope.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            Command::Transaction(command) => codec::encode_into(command, out),
            Command::RegisterClient(command) => codec::encode_into(command, out),
            Command::ExpireClients(command) => codec::encode_into(command, out),
            Command::ExpireKeys(command) => codec::encode_into(command, out),
            Command::Compact(command) => codec::encode_into(command, out),
            Command::ExpireLeases(command) => codec::encode_into(command, out),
            Command::RunTimers(command) => codec::encode_into(command, out),
            Command::CreateDomain(command) => codec::encode_into(command, out),
            Command::ChangeDomain(command) => codec::encode_into(command, out),
            Command::DropDomain(command) => codec::encode_into(command, out),
            Command::RegisterActor(command) => codec::encode_into(command, out),
            Command::RetireActor(command) => codec::encode_into(command, out),
        }
    }

    /// Takes the command at the start of `bytes`; also returns what follows it.
    pub fn decode(bytes: &[u8]) -> Result<(Command, &[u8]), CodecError> {
        let (header, payload, rest) = codec::open(bytes)?;
        let command = match (header.id, header.version) {
            (Transaction::ID, 1) => Command::Transaction(codec::payload_as(header.id, payload)?),
            (RegisterClient::ID, 1) => Command::RegisterClient(codec::payload_as(header.id, payload)?),
            (ExpireClients::ID, 1) => Command::ExpireClients(codec::payload_as(header.id, payload)?),
            (ExpireKeys::ID, 1) => Command::ExpireKeys(codec::payload_as(header.id, payload)?),
            (Compact::ID, 1) => Command::Compact(codec::payload_as(header.id, payload)?),
            (ExpireLeases::ID, 1) => Command::ExpireLeases(codec::payload_as(header.id, payload)?),
            (RunTimers::ID, 1) => Command::RunTimers(codec::payload_as(header.id, payload)?),
            (CreateDomain::ID, 1) => Command::CreateDomain(codec::payload_as(header.id, payload)?),
            (ChangeDomain::ID, 1) => Command::ChangeDomain(codec::payload_as(header.id, payload)?),
            (DropDomain::ID, 1) => Command::DropDomain(codec::payload_as(header.id, payload)?),
            (RegisterActor::ID, 1) => Command::RegisterActor(codec::payload_as(header.id, payload)?),
            (RetireActor::ID, 1) => Command::RetireActor(codec::payload_as(header.id, payload)?),
            (id, version) => return Err(CodecError::Unknown { id, version }),
        };
        Ok((command, rest))
    }
}

/// Commands that share one log entry, one sync and one batch of the state machine. Kept encoded: the bytes are
/// written to the log, sent to followers and decoded once at apply.
///
/// ```text
/// log time: u64 LE | wall time: u64 LE | count: u32 LE | commands, each an envelope
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Group {
    bytes: Bytes,
}

/// What a group says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHead {
    /// The proposer's log time.
    pub log_time: LogTimeMs,
    /// The proposer's wall clock, for display and restore to a moment only.
    pub wall_ms: u64,
    /// Commands in the group.
    pub count: u32,
}

const GROUP_HEAD_BYTES: usize = 20;

impl Group {
    /// Starts a group: its head, to which commands are appended.
    pub fn builder(log_time: LogTimeMs, wall_ms: u64) -> GroupBuilder {
        let mut bytes = Vec::with_capacity(4096);
        bytes.extend_from_slice(&log_time.0.to_le_bytes());
        bytes.extend_from_slice(&wall_ms.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        GroupBuilder { bytes, count: 0 }
    }

    /// A group as it came from the log or a peer; it is checked when it is decoded.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// The encoded group.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The head.
    pub fn head(&self) -> Result<GroupHead, CodecError> {
        let Some(head) = self.bytes.first_chunk::<GROUP_HEAD_BYTES>() else {
            return Err(CodecError::Truncated {
                have: self.bytes.len(),
                need: GROUP_HEAD_BYTES,
            });
        };
        let word = |at: usize| {
            u64::from_le_bytes([
                head[at],
                head[at + 1],
                head[at + 2],
                head[at + 3],
                head[at + 4],
                head[at + 5],
                head[at + 6],
                head[at + 7],
            ])
        };
        Ok(GroupHead {
            log_time: LogTimeMs(word(0)),
            wall_ms: word(8),
            count: u32::from_le_bytes([head[16], head[17], head[18], head[19]]),
        })
    }

    /// The commands, in order.
    pub fn commands(&self) -> Result<Vec<Command>, CodecError> {
        let head = self.head()?;
        let mut rest = &self.bytes[GROUP_HEAD_BYTES..];
        let mut commands = Vec::new();
        for _ in 0..head.count {
            let (command, after) = Command::decode(rest)?;
            commands.push(command);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(CodecError::Payload {
                id: 0,
                reason: format!("{} bytes after the last command", rest.len()),
            });
        }
        Ok(commands)
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({} bytes)", self.bytes.len())
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// Collects the commands of a [`Group`].
pub struct GroupBuilder {
    bytes: Vec<u8>,
    count: u32,
}

impl GroupBuilder {
    /// Appends a command. On an error the group is as it was.
    pub fn push(&mut self, command: &Command) -> Result<(), CodecError> {
        let before = self.bytes.len();
        if let Err(error) = command.encode_into(&mut self.bytes) {
            self.bytes.truncate(before);
            return Err(error);
        }
        self.count += 1;
        Ok(())
    }

    /// Bytes so far.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Commands so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The group.
    pub fn finish(mut self) -> Group {
        self.bytes[16..GROUP_HEAD_BYTES].copy_from_slice(&self.count.to_le_bytes());
        Group {
            bytes: Bytes::from(self.bytes),
        }
    }
}
