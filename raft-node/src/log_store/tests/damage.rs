//! Torn tails are cut, damage is refused.

use std::time::Duration;

use openraft::storage::RaftLogStorage;

use super::super::{Disk, LogError};
use super::*;

const FIRST: &str = "00000001.log";

fn refusal(disk: &LossyDisk) -> LogError {
    match LogStore::open(disk.clone(), small()) {
        Ok(_) => panic!("the damage was not noticed"),
        Err(error) => error,
    }
}

fn bytes_of(disk: &LossyDisk, name: &str) -> Vec<u8> {
    let file = disk.open(name).unwrap();
    let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

/// Where the zeroes at the end begin.
fn end_of(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// A disk whose last group, entries 4 to 6, was written and not synced; also the bytes of that group. The store must
/// live on: when it goes, it closes the log.
async fn with_an_unsynced_group() -> (LossyDisk, usize, LogStore) {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..4)).await;
    disk.skip_syncs(true);
    append(&mut store, entries(1, 4..7)).await;
    let bytes = disk.unsynced_bytes(FIRST);
    (disk, bytes, store)
}

#[tokio::test]
async fn a_tail_torn_at_any_byte_leaves_whole_entries_and_a_log_that_goes_on() {
    let (disk, bytes, _store) = with_an_unsynced_group().await;
    assert!(bytes > 300);
    for torn_bytes in 0..=bytes {
        let torn = disk.crash(torn_bytes);
        let mut store = open(&torn);
        let found = all(&mut store).await;
        let survived = found.len() as u64;
        assert!((4..=7).contains(&survived), "{survived} entries at byte {torn_bytes}");
        assert_eq!(found, entries(1, 0..survived));

        append(&mut store, entries(2, survived..survived + 2)).await;
        let mut wanted = entries(1, 0..survived);
        wanted.extend(entries(2, survived..survived + 2));
        assert_eq!(all(&mut open(&torn.crash(0))).await, wanted, "after byte {torn_bytes}");
    }
}

#[tokio::test]
async fn pages_of_an_unsynced_group_that_arrived_out_of_order_are_a_torn_tail() {
    let (disk, bytes, _store) = with_an_unsynced_group().await;
    let whole = disk.copy();
    let end = end_of(&bytes_of(&whole, FIRST));
    for hole in (end - bytes..end - 16).step_by(16) {
        let holed = disk.copy();
        holed.damage(FIRST, |bytes| bytes[hole..hole + 16].fill(0)).unwrap();
        let found = all(&mut open(&holed)).await;
        assert!(found.len() >= 4, "hole at {hole}");
        assert_eq!(found, entries(1, 0..found.len() as u64));
    }
}

#[tokio::test]
async fn every_flipped_bit_before_the_last_group_is_refused() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    store.save_vote(&votes(1)).await.unwrap();
    append(&mut store, entries(1, 0..2)).await;
    append(&mut store, entries(1, 2..3)).await;
    let before = end_of(&bytes_of(&disk, FIRST));
    append(&mut store, entries(1, 3..4)).await;
    for bit in 0..before * 8 {
        let damaged = disk.copy();
        damaged.damage(FIRST, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
        let LogError::Corrupt { file, offset, .. } = refusal(&damaged) else {
            panic!("bit {bit}: another error");
        };
        assert_eq!(file, FIRST);
        assert!(offset <= bit as u64 / 8, "bit {bit} is before {offset}");
        let mut untouched = bytes_of(&damaged, FIRST);
        untouched[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(untouched, bytes_of(&disk, FIRST), "the damaged file was changed");
    }
}

#[tokio::test]
async fn after_a_clean_shutdown_a_flipped_bit_in_the_last_group_is_refused_too() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..2)).await;
    let end = end_of(&bytes_of(&disk, FIRST));
    store.shutdown().await.unwrap();
    for bit in 0..end * 8 {
        let damaged = disk.copy();
        damaged.damage(FIRST, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
        assert!(matches!(refusal(&damaged), LogError::Corrupt { .. }), "bit {bit}");
    }
}

#[tokio::test]
async fn damage_in_an_older_segment_is_refused_wherever_it_is() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..100)).await;
    assert!(disk.list().unwrap().len() > 2);
    let length = bytes_of(&disk, FIRST).len();
    for byte in 0..length {
        let damaged = disk.copy();
        damaged.damage(FIRST, |bytes| bytes[byte] ^= 0x10).unwrap();
        assert!(matches!(refusal(&damaged), LogError::Corrupt { .. }), "byte {byte}");
    }
}

#[tokio::test]
async fn an_older_segment_that_is_cut_or_missing_is_refused() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..100)).await;
    for length in [0, 10, 100, 2000] {
        let damaged = disk.copy();
        damaged.damage(FIRST, |bytes| bytes.truncate(length)).unwrap();
        assert!(
            matches!(refusal(&damaged), LogError::Corrupt { .. }),
            "{length} bytes left"
        );
    }
    for missing in ["00000001.log", "00000002.log"] {
        let damaged = disk.copy();
        damaged.delete(missing).unwrap();
        assert!(matches!(refusal(&damaged), LogError::Corrupt { .. }), "{missing}");
    }
}

#[tokio::test]
async fn a_refusal_names_file_and_offset_and_says_what_to_do() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..1)).await;
    append(&mut store, entries(1, 1..2)).await;
    disk.damage(FIRST, |bytes| bytes[60] ^= 1).unwrap();
    let said = refusal(&disk.copy()).to_string();
    for part in [FIRST, "offset", "rejoin as a learner under a new id"] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_refused_as_unknown() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..1)).await;
    let end = end_of(&bytes_of(&disk, FIRST));
    let mut newer = Vec::new();
    crate::codec::seal(0x03F0, 1, &mut newer, |out| {
        out.extend_from_slice(&[7; 20]);
        Ok(())
    })
    .unwrap();
    let disk = disk.copy();
    disk.damage(FIRST, |bytes| bytes[end..end + newer.len()].copy_from_slice(&newer))
        .unwrap();
    assert!(matches!(refusal(&disk), LogError::Record { .. }));
}

#[tokio::test]
async fn a_segment_that_was_only_being_made_is_made_again() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..10)).await;
    for bytes in [0, 4096] {
        let crashed = disk.copy();
        crashed.create("00000002.log", bytes).unwrap();
        let mut store = open(&crashed);
        assert_eq!(all(&mut store).await, entries(1, 0..10));
        append(&mut store, entries(1, 10..100)).await;
        assert_eq!(all(&mut open(&crashed.crash(0))).await, entries(1, 0..100));
    }
}

#[tokio::test]
async fn an_entry_that_rots_while_the_store_runs_fails_the_store() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..3)).await;
    disk.damage(FIRST, |bytes| {
        let at = end_of(bytes) - 5;
        bytes[at] ^= 1;
    })
    .unwrap();
    use openraft::storage::RaftLogReader;
    let error = store.try_get_log_entries(0..3).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(matches!(*store.failed().borrow(), Some(LogError::Corrupt { .. })));
    assert!(store.save_vote(&votes(2)).await.is_err());
}

#[tokio::test]
async fn the_head_of_the_only_segment_left_is_refused_when_any_bit_flips() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..100)).await;
    store.purge(id(1, 99)).await.unwrap();
    append(&mut store, entries(1, 100..101)).await;
    // Nobody waits for the space of what was purged.
    let one_left = async {
        while disk.list().unwrap().len() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), one_left).await.unwrap();
    let names = disk.list().unwrap();
    assert_ne!(names[0], FIRST);
    let end = end_of(&bytes_of(&disk, &names[0]));
    store.shutdown().await.unwrap();
    for bit in 0..end * 8 {
        let damaged = disk.copy();
        damaged
            .damage(&names[0], |bytes| bytes[bit / 8] ^= 1 << (bit % 8))
            .unwrap();
        assert!(matches!(refusal(&damaged), LogError::Corrupt { .. }), "bit {bit}");
    }
}

#[tokio::test]
async fn a_damaged_head_of_the_last_segment_is_refused_once_something_is_behind_it() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..30)).await;
    let last = disk.list().unwrap().pop().unwrap();
    assert_eq!(last, "00000002.log");
    for bit in 0..30 * 8 {
        let damaged = disk.copy();
        damaged.damage(&last, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
        assert!(matches!(refusal(&damaged), LogError::Corrupt { .. }), "bit {bit}");
    }
}
