//! Blocks that records come to were written to before.

use super::super::{Disk, LogDevice, LogRecord, SegmentLog};
use super::*;

const FIRST: &str = "00000001.log";

#[test]
fn zeroes_are_written_behind_the_records_and_not_for_every_group() {
    let disk = LossyDisk::new();
    let mut log = SegmentLog::new(disk.clone(), 1 << 20);
    log.recover().unwrap();
    disk.skip_syncs(true);
    let mut write = |index| {
        let before = disk.unsynced_bytes(FIRST) as u64;
        let bytes = log.write(&[LogRecord::Entry(entry(1, index))]).unwrap();
        disk.unsynced_bytes(FIRST) as u64 - before - bytes
    };
    assert_eq!(write(0), 256 << 10);
    let zeroes: Vec<u64> = (1..8).map(&mut write).collect();
    assert_eq!(zeroes, [0; 7]);
    let mut behind = 0;
    while write(8 + behind) == 0 {
        behind += 1;
        assert!(behind < 10_000, "zeroes are written once and never again");
    }
}

#[test]
fn zeroes_end_with_the_segment() {
    let disk = LossyDisk::new();
    let mut log = SegmentLog::new(disk.clone(), small().segment_bytes);
    log.recover().unwrap();
    log.write(&[LogRecord::Entry(entry(1, 0))]).unwrap();
    let file = disk.open(FIRST).unwrap();
    assert_eq!(file.length().unwrap(), small().segment_bytes);
}

#[test]
fn records_on_both_sides_of_the_end_of_the_zeroes_survive_a_crash() {
    let disk = LossyDisk::new();
    let mut log = SegmentLog::new(disk.clone(), 1 << 20);
    log.recover().unwrap();
    let group = |first| {
        (first..first + 100)
            .map(|index| LogRecord::Entry(entry(1, index)))
            .collect::<Vec<_>>()
    };
    let mut next = 0;
    let mut zeroed = 0;
    while zeroed < 3 {
        let before = disk.unsynced_bytes(FIRST) as u64;
        let bytes = log.write(&group(next)).unwrap();
        next += 100;
        let crossed = disk.unsynced_bytes(FIRST) as u64 - before > bytes;
        if crossed {
            // Synced with the zeroes behind them, and not synced yet.
            zeroed += 1;
            for synced in [next - 100, next] {
                let mut survivor = SegmentLog::new(disk.crash(0), 1 << 20);
                let last = survivor.recover().unwrap().last.map_or(0, |last| last.index + 1);
                assert_eq!(last, synced);
                survivor.write(&group(synced)).unwrap();
                log.sync().unwrap();
            }
        }
        log.sync().unwrap();
    }
}
