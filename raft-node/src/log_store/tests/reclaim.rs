//! What was purged gives its space back.

use super::super::{Disk, LogDevice, LogRecord, SegmentLog};
use super::*;

#[test]
fn a_purge_gives_back_one_segment_at_a_time_once_it_is_durable() {
    let disk = LossyDisk::new();
    let mut log = SegmentLog::new(disk.clone(), small().segment_bytes);
    log.recover().unwrap();
    let records: Vec<LogRecord> = entries(1, 0..100).into_iter().map(LogRecord::Entry).collect();
    log.write(&records).unwrap();
    log.sync().unwrap();
    let segments = || disk.list().unwrap().len();
    let mut left = segments();
    assert!(left > 2, "{left} segments");

    log.write(&[LogRecord::Purge(id(1, 99))]).unwrap();
    assert!(!log.reclaim().unwrap(), "a crash now would bring the entries back");
    assert_eq!(segments(), left);

    log.sync().unwrap();
    while log.reclaim().unwrap() {
        left -= 1;
        assert_eq!(segments(), left);
    }
    assert_eq!(left, 1, "the segment that is written to stays");
}
