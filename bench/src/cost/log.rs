//! A record of the log, to its segment and back.

use std::path::Path;

use quorate_node::consensus::{Entry, log_id_of};
use quorate_node::log_store::{FileDisk, LogDevice, LogRecord, SegmentLog, decode_entry_payload};
use quorate_node::state_machine::{Command, Group, Operation, Transaction};
use quorate_node::types::LogTimeMs;

use super::Piece;
use super::state::put;

/// Puts of an entry, each a command of its own.
const PUTS: u64 = 64;
/// One segment holds everything.
const SEGMENT_BYTES: u64 = 64 << 20;
/// What stands before a group in an entry.
const GROUP_PREFIX: [u8; 3] = [0x12, 0x03, 1];
const TERM: u64 = 1;

/// Encodes, writes, reads and decodes an entry.
pub(super) fn record(directory: &Path) -> Result<Piece, String> {
    let disk = FileDisk::open(directory).map_err(|error| error.to_string())?;
    let mut log = SegmentLog::new(disk, SEGMENT_BYTES);
    log.recover().map_err(|error| error.to_string())?;
    let reader = log.reader();
    let payload = entry_payload()?;
    let mut index = 0;
    let step = move || {
        let entry = |index| -> Result<Entry, String> {
            let payload = decode_entry_payload(payload.clone().into()).map_err(|error| error.to_string())?;
            let log_id = log_id_of((TERM, index));
            Ok(Entry { log_id, payload })
        };
        let record = LogRecord::Entry(entry(index)?);
        log.write(std::slice::from_ref(&record))
            .map_err(|error| error.to_string())?;
        let read = reader
            .read(index..index + 1, u64::MAX)
            .map_err(|error| error.to_string())?;
        match read.as_slice() {
            [entry] if entry.log_id.index == index => index += 1,
            other => return Err(format!("{} entries were read where one was written", other.len())),
        }
        Ok(())
    };
    Ok(Piece {
        operations: 1,
        warm: 16,
        steps: 64,
        step: Box::new(step),
    })
}

fn entry_payload() -> Result<Vec<u8>, String> {
    let mut group = Group::builder(LogTimeMs(1), 1);
    for number in 0..PUTS {
        let command = Command::Transaction(Transaction {
            stamp: None,
            compares: Vec::new(),
            then: vec![Operation::Put(put(number))],
            otherwise: Vec::new(),
        });
        group.push(&command).map_err(|error| error.to_string())?;
    }
    Ok([&GROUP_PREFIX, &group.finish().bytes()[..]].concat())
}
