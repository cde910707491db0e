//! A checkpoint of the engine in memory: one file of envelopes.
//!
//! Chunks of entries, table after table, then one record that counts them. The envelopes' checksums find damage; the
//! count finds a file that was cut, or lost a chunk, at the border of two envelopes.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use bincode::{Decode, Encode};

use super::super::{StorageError, Table};
use super::tables::Tables;
use crate::codec::{self, CodecError};

const FILE: &str = "memory-checkpoint";
/// A chunk is closed when it holds this much.
const CHUNK_BYTES: usize = 1 << 20;

const WRITING: &str = "make a checkpoint";
const READING: &str = "open a checkpoint";

/// Some entries of one table.
#[derive(Encode, Decode)]
struct Chunk {
    /// [`Table::name`].
    table: String,
    /// Keys with their values, ascending.
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl codec::Record for Chunk {
    const ID: u16 = 0x0601;
    const VERSION: u8 = 1;
}

/// The last record.
#[derive(Encode, Decode)]
struct End {
    /// Entries in the chunks before it.
    entries: u64,
}

impl codec::Record for End {
    const ID: u16 = 0x0602;
    const VERSION: u8 = 1;
}

/// Writes `tables` to `directory`, which must not exist. What is left of a failed attempt has no end and is refused.
pub(super) fn write(directory: &Path, tables: &Tables) -> Result<(), StorageError> {
    fs::create_dir(directory).map_err(|error| failed(WRITING, directory, error))?;
    let path = directory.join(FILE);
    let mut file = File::create_new(&path)
        .map(BufWriter::new)
        .map_err(|error| failed(WRITING, &path, error))?;
    let mut entries = 0;
    for table in Table::ALL {
        for chunk in chunks(tables, table) {
            entries += chunk.entries.len() as u64;
            append(&mut file, &chunk, &path)?;
        }
    }
    append(&mut file, &End { entries }, &path)?;
    let file = file.into_inner().map_err(|error| failed(WRITING, &path, error))?;
    file.sync_all().map_err(|error| failed(WRITING, &path, error))
}

fn append<R: codec::Record>(file: &mut impl Write, record: &R, path: &Path) -> Result<(), StorageError> {
    let bytes = codec::encode(record).map_err(|error| failed(WRITING, path, error))?;
    file.write_all(&bytes).map_err(|error| failed(WRITING, path, error))
}

fn chunks(tables: &Tables, table: Table) -> impl Iterator<Item = Chunk> {
    let mut rest = tables.map(table).iter().peekable();
    std::iter::from_fn(move || {
        rest.peek()?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        while bytes < CHUNK_BYTES
            && let Some((key, value)) = rest.next()
        {
            bytes += key.len() + value.len();
            entries.push((key.clone(), value.clone()));
        }
        Some(Chunk {
            table: table.name().to_owned(),
            entries,
        })
    })
}

/// Reads what [`write()`] wrote, all of it or nothing.
pub(super) fn read(directory: &Path) -> Result<Tables, StorageError> {
    let path = directory.join(FILE);
    let bytes = fs::read(&path).map_err(|error| failed(READING, &path, error))?;
    decode(&bytes).map_err(|damage| failed(READING, &path, damage))
}

/// Why a file is not a whole checkpoint.
#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error(transparent)]
    Record(#[from] CodecError),
    #[error("there is no table {0:?}")]
    UnknownTable(String),
    #[error("it ends before its last record")]
    NoEnd,
    #[error("{0} bytes follow its last record")]
    AfterEnd(usize),
    #[error("it has {found} entries, should have {expected}")]
    Count { found: u64, expected: u64 },
}

fn decode(bytes: &[u8]) -> Result<Tables, Damage> {
    let mut tables = Tables::default();
    let mut found = 0;
    let mut left = bytes;
    while !left.is_empty() {
        let (header, payload, rest) = codec::open(left)?;
        left = rest;
        match (header.id, header.version) {
            (<Chunk as codec::Record>::ID, <Chunk as codec::Record>::VERSION) => {
                let chunk: Chunk = codec::payload_as(header.id, payload)?;
                found += chunk.entries.len() as u64;
                insert(&mut tables, chunk)?;
            }
            (<End as codec::Record>::ID, <End as codec::Record>::VERSION) => {
                let End { entries: expected } = codec::payload_as(header.id, payload)?;
                return match (left.len(), found == expected) {
                    (0, true) => Ok(tables),
                    (0, false) => Err(Damage::Count { found, expected }),
                    (bytes, _) => Err(Damage::AfterEnd(bytes)),
                };
            }
            (id, version) => return Err(CodecError::Unknown { id, version }.into()),
        }
    }
    Err(Damage::NoEnd)
}

fn insert(tables: &mut Tables, chunk: Chunk) -> Result<(), Damage> {
    let Some(table) = Table::ALL.into_iter().find(|table| table.name() == chunk.table) else {
        return Err(Damage::UnknownTable(chunk.table));
    };
    tables.map_mut(table).extend(chunk.entries);
    Ok(())
}

fn failed(doing: &'static str, path: &Path, reason: impl fmt::Display) -> StorageError {
    StorageError {
        doing,
        reason: format!("{}: {reason}", path.display()),
    }
}
