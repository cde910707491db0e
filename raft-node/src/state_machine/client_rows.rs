//! How clients and their answers are stored.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use bincode::{Decode, Encode};

use crate::codec::{self, CodecError, Record};
use crate::mvcc::{corrupt, keys};
use crate::rows::GROUP;
use crate::storage::{StorageError, Table, View};
use crate::types::{ClientId, LogTimeMs};

const CLIENT: u8 = 1;
const ANSWERS: u8 = 2;

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClientRow {
    /// For people.
    pub name: String,
    /// It has every answer up to and including this sequence.
    pub mark: u64,
    /// Log time of its last mutation.
    pub last_active: LogTimeMs,
}

impl Record for ClientRow {
    const ID: u16 = 0x0204;
    const VERSION: u8 = 1;
}

/// The answers that one group gave to one client.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Answers {
    /// By sequence.
    pub answers: Vec<Answer>,
}

impl Record for Answers {
    const ID: u16 = 0x0205;
    const VERSION: u8 = 1;
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// Of the mutation.
    pub sequence: u64,
    /// A [`Reply`](super::Reply) in its envelope.
    pub reply: Vec<u8>,
}

/// A client with its rows of answers, by log index.
pub struct StoredClient {
    /// Its own row.
    pub row: ClientRow,
    /// Its answers.
    pub chunks: BTreeMap<u64, Answers>,
}

/// Key of a client's own row.
pub fn client_key(client: ClientId) -> Vec<u8> {
    let mut key = keys::meta(&[CLIENT]);
    key.extend_from_slice(&client.0.to_be_bytes());
    key
}

/// Key of the answers which the group at `index` gave to a client.
pub fn answers_key(client: ClientId, index: u64) -> Vec<u8> {
    let mut key = keys::meta(&[ANSWERS]);
    key.extend_from_slice(&client.0.to_be_bytes());
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// Prefix of every answer.
pub fn answers_prefix() -> Vec<u8> {
    keys::meta(&[ANSWERS])
}

/// Every client of a store.
pub fn load(view: &dyn View) -> Result<BTreeMap<ClientId, StoredClient>, StorageError> {
    let mut clients = BTreeMap::new();
    let mut failed = None;
    view.scan(
        Table::Clients,
        Bound::Unbounded,
        Bound::Unbounded,
        false,
        &mut |key, row| match add(&mut clients, key, row) {
            Ok(()) => ControlFlow::Continue(()),
            Err(reason) => {
                failed = Some(reason);
                ControlFlow::Break(())
            }
        },
    )?;
    match failed {
        Some(reason) => Err(corrupt("reading clients", &reason)),
        None => Ok(clients),
    }
}

fn add(clients: &mut BTreeMap<ClientId, StoredClient>, key: &[u8], row: &[u8]) -> Result<(), String> {
    let reason = |error: CodecError| error.to_string();
    let rest = key.strip_prefix(&GROUP.to_be_bytes());
    let Some((kind, rest)) = rest.and_then(|rest| rest.split_first()) else {
        return Err("a key does not decode".to_owned());
    };
    let Some((client, rest)) = rest.split_first_chunk::<8>() else {
        return Err("a key does not decode".to_owned());
    };
    let client = ClientId(u64::from_be_bytes(*client));
    match (*kind, <[u8; 8]>::try_from(rest)) {
        (CLIENT, Err(_)) if rest.is_empty() => {
            let row = codec::decode(row).map_err(reason)?;
            let chunks = BTreeMap::new();
            clients.insert(client, StoredClient { row, chunks });
        }
        (ANSWERS, Ok(index)) => {
            // The rows of clients come before those of answers.
            let Some(stored) = clients.get_mut(&client) else {
                return Err(format!("answers of client {client}, which has no row"));
            };
            stored
                .chunks
                .insert(u64::from_be_bytes(index), codec::decode(row).map_err(reason)?);
        }
        _ => return Err("a key does not decode".to_owned()),
    }
    Ok(())
}
