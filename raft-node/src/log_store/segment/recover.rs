//! Reads all segments back.

use std::sync::Arc;

use bytes::Bytes;

use super::index::{Index, Location};
use super::replay::Replay;
use super::scan::{End, Found, Scan, whole_record};
use super::{file_name, file_number};
use crate::log_store::record::Stored;
use crate::log_store::{Disk, DiskFile, LogError, Recovered};

/// The segment that is written to.
pub(super) struct Current {
    pub number: u32,
    pub file: Arc<dyn DiskFile>,
    /// Where the next record goes.
    pub offset: u64,
    /// Length of the segment's head.
    pub head_bytes: u64,
    /// Up to here the medium was written to, be it with zeroes.
    pub written_to: u64,
}

/// What the segments hold.
pub(super) struct Contents {
    pub replay: Replay,
    pub recovered: Recovered,
    /// Sequence of the next record.
    pub sequence: u64,
    /// The segment to go on in; nothing if there is none yet.
    pub current: Option<Current>,
}

/// Reads every segment, oldest first, into `index`, and clears a torn tail.
pub(super) fn recover(disk: &dyn Disk, segment_bytes: u64, index: &mut Index) -> Result<Contents, LogError> {
    let numbers = segment_numbers(disk)?;
    let first = numbers.first().copied().unwrap_or(1);
    let mut contents = Contents {
        replay: Replay::default(),
        recovered: Recovered::default(),
        sequence: 1,
        current: None,
    };
    for &number in &numbers {
        let is_last = Some(&number) == numbers.last();
        read_segment(disk, number, is_last, index, &mut contents)?;
    }
    if let Some(current) = &contents.current {
        clear_end(current, segment_bytes)?;
    }
    let recovered = contents.replay.finish(index, first);
    contents.recovered = recovered.map_err(|reason| LogError::corrupt(&file_name(first), 0, reason))?;
    Ok(contents)
}

/// Numbers of the segments, which must follow each other.
fn segment_numbers(disk: &dyn Disk) -> Result<Vec<u32>, LogError> {
    let names = disk
        .list()
        .map_err(|error| LogError::io("list", "the directory", 0, error))?;
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| file_number(name)).collect();
    numbers.sort_unstable();
    for pair in numbers.windows(2) {
        if pair[0].checked_add(1) != Some(pair[1]) {
            let missing = file_name(pair[0].saturating_add(1));
            return Err(LogError::corrupt(&missing, 0, "the file is missing between two others"));
        }
    }
    Ok(numbers)
}

fn read_segment(
    disk: &dyn Disk,
    number: u32,
    is_last: bool,
    index: &mut Index,
    contents: &mut Contents,
) -> Result<(), LogError> {
    let name = file_name(number);
    let file = disk
        .open(&name)
        .map_err(|error| LogError::io("open", &name, 0, error))?;
    let bytes = read_all(&*file).map_err(|error| LogError::io("read", &name, 0, error))?;
    let length = bytes.len() as u64;
    let sequence = first_sequence(&name, number, index, &bytes, contents)?;
    index.add_segment(number, Arc::clone(&file), length);

    let mut scan = Scan::new(&name, bytes, sequence);
    let mut head_bytes = None;
    while let Some(found) = scan.next()? {
        match (&found.stored, head_bytes) {
            (Stored::Head(head), None) => {
                let applied = contents.replay.apply_head(*head);
                applied.map_err(|reason| LogError::corrupt(&name, 0, reason))?;
                head_bytes = Some(found.bytes as u64);
            }
            (Stored::Record(record), Some(_)) => {
                let applied = contents.replay.apply_record(record, location(number, &found)?, index);
                applied.map_err(|wrong| LogError::corrupt(&name, found.offset as u64, wrong.to_string()))?;
            }
            _ => {
                return Err(LogError::corrupt(
                    &name,
                    found.offset as u64,
                    "a segment must begin with its one head",
                ));
            }
        }
    }
    check_end(&scan, is_last)?;
    contents.sequence = scan.sequence();
    match head_bytes {
        Some(head_bytes) => {
            contents.current = Some(Current {
                number,
                file,
                offset: scan.offset() as u64,
                head_bytes,
                written_to: scan.offset() as u64,
            });
        }
        // The segment was being made: nothing in it was acknowledged. The one before is complete.
        None => {
            index.segments.remove(&number);
            let deleted = disk.delete(&name).and_then(|()| disk.sync_directory());
            deleted.map_err(|error| LogError::io("delete", &name, 0, error))?;
        }
    }
    Ok(())
}

/// The sequence with which a segment must begin. If older ones were deleted, the oldest says so itself: its head was
/// durable before they went.
fn first_sequence(name: &str, number: u32, index: &Index, bytes: &Bytes, contents: &Contents) -> Result<u64, LogError> {
    if number == 1 || !index.segments.is_empty() {
        return Ok(contents.sequence);
    }
    match whole_record(bytes) {
        Some((position, Stored::Head(_))) => Ok(position.sequence),
        _ => Err(LogError::corrupt(
            name,
            0,
            "the head of the oldest segment is not what was written",
        )),
    }
}

/// Fails if what is behind the last record is damage.
fn check_end(scan: &Scan<'_>, is_last: bool) -> Result<(), LogError> {
    if scan.end() == End::Clean {
        return if scan.offset() == 0 && !is_last {
            Err(scan.corrupt("the segment is empty, and is not the last one"))
        } else {
            Ok(())
        };
    }
    if !is_last {
        let missing = scan.sequence();
        return Err(scan.corrupt(format!(
            "record {missing} is not what was written, in a segment that was complete"
        )));
    }
    scan.check_torn()
}

/// Leaves nothing but zeroes behind the last record, durably: what is written there next must not mix with what a
/// crash left.
fn clear_end(current: &Current, segment_bytes: u64) -> Result<(), LogError> {
    let name = file_name(current.number);
    let clear = || {
        let length = current.file.length()?;
        let mut rest = vec![0; usize::try_from(length - current.offset).map_err(std::io::Error::other)?];
        current.file.read_at(current.offset, &mut rest)?;
        let torn_bytes = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if torn_bytes > 0 {
            tracing::warn!(
                file = name,
                offset = current.offset,
                torn_bytes,
                "cleared a torn tail of the log"
            );
        }
        if torn_bytes > 0 || length < segment_bytes {
            current.file.clear_from(current.offset, length.max(segment_bytes))?;
        }
        current.file.sync()
    };
    clear().map_err(|error| LogError::io("clear the end of", &name, segment_bytes, error))
}

fn location(segment: u32, found: &Found) -> Result<Location, LogError> {
    let too_far = || {
        LogError::corrupt(
            &file_name(segment),
            found.offset as u64,
            "the segment is longer than 4 GiB",
        )
    };
    Ok(Location {
        segment,
        offset: u32::try_from(found.offset).map_err(|_| too_far())?,
        bytes: u32::try_from(found.bytes).map_err(|_| too_far())?,
    })
}

fn read_all(file: &dyn DiskFile) -> std::io::Result<Bytes> {
    let length = usize::try_from(file.length()?).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes)?;
    Ok(Bytes::from(bytes))
}
