//! Registered clients and the answers kept for them, so that a retried mutation applies once.
//!
//! A client names each mutation by a sequence and says up to which one it has every answer (its mark). Answers above
//! the mark are kept and given again; those at or below it are gone, and asking for them is refused. The client's
//! outstanding calls have no mutual order.
//!
//! ```text
//! client    group u16 | 1 u8 | client u64                      -> name, mark, log time of its last mutation
//! answers   group u16 | 2 u8 | client u64 | log index u64      -> the answers of one group
//! ```
//!
//! Invariants
//! * Memory is a function of the rows: a member that restarts answers as one that did not.
//! * A row of answers is there exactly as long as one of its sequences is above the mark.
//! * Per client at most [`UNANSWERED_MAX`] answers and some [`ANSWER_BYTES_MAX`] bytes; at most [`CLIENTS_MAX`] clients.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::client_rows::{self, Answer, Answers, ClientRow, StoredClient};
use super::command::Stamp;
use super::fatal::Fatal;
use super::reply::Reply;
use crate::codec;
use crate::storage::{Stage, Table, View};
use crate::types::{ClientId, LogTimeMs, Rejection};

/// Answers kept for one client.
pub const UNANSWERED_MAX: u64 = 1024;

/// Bytes of answers kept for one client, beyond which it must acknowledge some before it mutates again. The answer that
/// passes the limit is kept still: what was applied must be answered alike.
pub const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Registered clients.
pub const CLIENTS_MAX: u64 = 65_536;

/// A client that mutates nothing for this long, in milliseconds of log time, is forgotten.
pub const IDLE_TTL_MS: u64 = 60 * 60 * 1000;

/// What to do with a mutation.
#[derive(Debug)]
pub enum Verdict {
    /// It is new: apply it, then [`Clients::keep`] its answer.
    Apply,
    /// It was applied before; this was its answer.
    Answered(Reply),
    /// It is refused, and the refusal is not kept.
    Refused(Rejection),
}

struct Kept {
    /// The reply in its envelope: few are ever read, so they are kept small.
    reply: Vec<u8>,
    /// Log index of the row it is in.
    chunk: u64,
}

struct Client {
    name: String,
    mark: u64,
    last_active: LogTimeMs,
    answers: BTreeMap<u64, Kept>,
    answer_bytes: u64,
    /// Log index of a row of answers -> how many of them are above the mark.
    chunks: BTreeMap<u64, u32>,
    /// Rows that hold nothing above the mark any more, to be deleted with this group.
    emptied: Vec<u64>,
    /// Sequences answered by this group.
    fresh: Vec<u64>,
    /// Changed by this group.
    touched: bool,
}

/// Every client. The hash table is only looked up, never walked: its order differs between members.
pub struct Clients {
    by_id: HashMap<ClientId, Client>,
    by_activity: BTreeSet<(LogTimeMs, ClientId)>,
    touched: Vec<ClientId>,
}

impl Clients {
    /// Those of a store.
    pub fn load(view: &dyn View) -> Result<Self, Fatal> {
        let mut clients = Clients {
            by_id: HashMap::new(),
            by_activity: BTreeSet::new(),
            touched: Vec::new(),
        };
        for (id, StoredClient { row, chunks }) in client_rows::load(view)? {
            let mut client = Client::new(row);
            for (chunk, answers) in chunks {
                for answer in answers.answers {
                    if answer.sequence > client.mark {
                        client.keep(answer.sequence, answer.reply, chunk);
                    }
                }
            }
            clients.by_activity.insert((client.last_active, id));
            clients.by_id.insert(id, client);
        }
        Ok(clients)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// When the client that has been idle for longest last mutated something.
    pub fn longest_idle(&self) -> Option<LogTimeMs> {
        self.by_activity.first().map(|(last_active, _)| *last_active)
    }

    /// How many clients mutated nothing since `idle_since`.
    pub fn idle(&self, idle_since: LogTimeMs) -> usize {
        self.by_activity.range(..(idle_since, ClientId(0))).count()
    }

    /// Adds a client. The id must be new.
    pub fn register(&mut self, id: ClientId, name: String, now: LogTimeMs) -> Result<(), Rejection> {
        if self.by_id.len() as u64 >= CLIENTS_MAX {
            return Err(Rejection::TooManyClients {
                clients_max: CLIENTS_MAX,
            });
        }
        let mut client = Client::new(ClientRow {
            name,
            mark: 0,
            last_active: now,
        });
        client.touched = true;
        self.by_activity.insert((now, id));
        self.by_id.insert(id, client);
        self.touched.push(id);
        Ok(())
    }

    /// Decides about a mutation before it is applied, and notes what its client has acknowledged.
    pub fn begin(&mut self, stamp: Stamp, now: LogTimeMs) -> Result<Verdict, Fatal> {
        let Some(client) = self.by_id.get_mut(&stamp.client) else {
            return Ok(Verdict::Refused(Rejection::ClientExpired { client: stamp.client }));
        };
        if !client.touched {
            client.touched = true;
            self.touched.push(stamp.client);
            if client.last_active != now {
                self.by_activity.remove(&(client.last_active, stamp.client));
                self.by_activity.insert((now, stamp.client));
                client.last_active = now;
            }
        }
        client.acknowledge(stamp.answered_up_to);
        if stamp.sequence <= client.mark {
            return Ok(Verdict::Refused(Rejection::AnswerForgotten {
                client: stamp.client,
                sequence: stamp.sequence,
            }));
        }
        if let Some(kept) = client.answers.get(&stamp.sequence) {
            return Ok(Verdict::Answered(codec::decode(&kept.reply)?));
        }
        if client.answers.len() as u64 >= UNANSWERED_MAX || client.answer_bytes >= ANSWER_BYTES_MAX {
            return Ok(Verdict::Refused(Rejection::TooManyUnanswered {
                client: stamp.client,
                unanswered_max: UNANSWERED_MAX,
            }));
        }
        Ok(Verdict::Apply)
    }

    /// Keeps the answer of a mutation that [`Clients::begin`] let through, in the entry at `index`.
    pub fn keep(&mut self, stamp: Stamp, reply: &Reply, index: u64) -> Result<(), Fatal> {
        let mut encoded = Vec::with_capacity(48);
        codec::encode_into(reply, &mut encoded)?;
        if let Some(client) = self.by_id.get_mut(&stamp.client) {
            client.keep(stamp.sequence, encoded, index);
            client.fresh.push(stamp.sequence);
        }
        Ok(())
    }

    /// Forgets clients that mutated nothing since `idle_since`, the longest idle first. Returns how many went.
    pub fn expire(&mut self, idle_since: LogTimeMs, clients_max: u32, stage: &mut dyn Stage) -> u64 {
        let mut removed = 0;
        while removed < u64::from(clients_max) {
            let Some((last_active, id)) = self.by_activity.first().copied() else {
                break;
            };
            if last_active >= idle_since {
                break;
            }
            self.by_activity.pop_first();
            removed += 1;
            let Some(client) = self.by_id.remove(&id) else { continue };
            stage.delete(Table::Clients, client_rows::client_key(id));
            for chunk in client.chunks.into_keys().chain(client.emptied) {
                stage.delete(Table::Clients, client_rows::answers_key(id, chunk));
            }
        }
        removed
    }

    /// Stages the rows of the clients that the entry at `index` touched: for each its own, and the answers of this
    /// entry that are still wanted; and deletes rows of answers that are not.
    pub fn end_group(&mut self, index: u64, stage: &mut dyn Stage) -> Result<(), Fatal> {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        for id in &touched {
            let Some(client) = self.by_id.get_mut(id) else { continue };
            client.touched = false;
            for chunk in client.emptied.drain(..).filter(|chunk| *chunk != index) {
                stage.delete(Table::Clients, client_rows::answers_key(*id, chunk));
            }
            client.fresh.sort_unstable();
            let answers: Vec<Answer> = client
                .fresh
                .drain(..)
                .filter_map(|sequence| {
                    let reply = client.answers.get(&sequence)?.reply.clone();
                    Some(Answer { sequence, reply })
                })
                .collect();
            if !answers.is_empty() {
                let row = codec::encode(&Answers { answers })?;
                stage.put(Table::Clients, client_rows::answers_key(*id, index), row);
            }
            let row = codec::encode(&ClientRow {
                name: client.name.clone(),
                mark: client.mark,
                last_active: client.last_active,
            })?;
            stage.put(Table::Clients, client_rows::client_key(*id), row);
        }
        touched.clear();
        self.touched = touched;
        Ok(())
    }
}

impl Client {
    fn new(row: ClientRow) -> Self {
        Self {
            name: row.name,
            mark: row.mark,
            last_active: row.last_active,
            answers: BTreeMap::new(),
            answer_bytes: 0,
            chunks: BTreeMap::new(),
            emptied: Vec::new(),
            fresh: Vec::new(),
            touched: false,
        }
    }

    fn keep(&mut self, sequence: u64, reply: Vec<u8>, chunk: u64) {
        self.answer_bytes += reply.len() as u64;
        *self.chunks.entry(chunk).or_default() += 1;
        self.answers.insert(sequence, Kept { reply, chunk });
    }

    fn acknowledge(&mut self, up_to: u64) {
        if up_to <= self.mark {
            return;
        }
        self.mark = up_to;
        while let Some(first) = self.answers.first_entry() {
            if *first.key() > up_to {
                break;
            }
            let kept = first.remove();
            self.answer_bytes -= kept.reply.len() as u64;
            if let Some(wanted) = self.chunks.get_mut(&kept.chunk) {
                *wanted -= 1;
                if *wanted == 0 {
                    self.chunks.remove(&kept.chunk);
                    self.emptied.push(kept.chunk);
                }
            }
        }
    }
}
