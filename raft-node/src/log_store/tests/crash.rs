//! A power failure after every acknowledgement.

use openraft::storage::{RaftLogReader, RaftLogStorage};

use super::*;

/// What was acknowledged so far.
#[derive(Default)]
struct Acknowledged {
    vote: Option<Vote>,
    entries: Vec<Entry>,
    purged: Option<LogId>,
}

impl Acknowledged {
    /// Fails, saying what is missing, if a power failure now would lose something. `torn_bytes` of what was not synced
    /// survive.
    async fn check(&self, disk: &LossyDisk, torn_bytes: usize) -> Result<(), String> {
        let mut store = LogStore::open(disk.crash(torn_bytes), small()).map_err(|error| error.to_string())?;
        let vote = store.read_vote().await.map_err(|error| error.to_string())?;
        if vote < self.vote {
            return Err(format!("vote {:?} became {vote:?}", self.vote));
        }
        let found = all(&mut store).await;
        let wanted = self.entries.iter().filter(|entry| Some(entry.log_id) > self.purged);
        for entry in wanted {
            if !found.contains(entry) {
                return Err(format!("entry {} is gone", entry.log_id));
            }
        }
        Ok(())
    }
}

/// Votes, appends, truncations and purges over several segments, with a check after each acknowledgement.
async fn lose_power_after_every_acknowledgement(disk: &LossyDisk, torn_bytes: usize) -> Result<(), String> {
    let mut store = open(disk);
    let mut acknowledged = Acknowledged::default();
    let mut next = 0;
    for term in 1..=12 {
        store.save_vote(&votes(term)).await.unwrap();
        acknowledged.vote = Some(votes(term));
        acknowledged.check(disk, torn_bytes).await?;

        // The new leader does not have the last two entries.
        if next > 2 {
            next -= 2;
            let last = acknowledged.entries[next as usize - 1].log_id;
            store.truncate_after(Some(last)).await.unwrap();
            acknowledged.entries.truncate(next as usize);
        }
        for count in [1, 7, 3] {
            let new = entries(term, next..next + count);
            append(&mut store, new.clone()).await;
            acknowledged.entries.extend(new);
            next += count;
            store.save_committed(Some(id(term, next - 1))).await.unwrap();
            acknowledged.check(disk, torn_bytes).await?;
        }
        if term % 3 == 0 {
            let purged = acknowledged.entries[next as usize - 6].log_id;
            store.purge(purged).await.unwrap();
            acknowledged.purged = Some(purged);
            acknowledged.check(disk, torn_bytes).await?;
        }
    }
    store.shutdown().await.unwrap();
    acknowledged.check(disk, torn_bytes).await
}

#[tokio::test]
async fn everything_acknowledged_survives_a_power_failure() {
    for torn_bytes in [0, 1, 20, 100, 333, usize::MAX] {
        let outcome = lose_power_after_every_acknowledgement(&LossyDisk::new(), torn_bytes).await;
        assert_eq!(outcome, Ok(()), "{torn_bytes} torn bytes");
    }
}

/// The test above is worth something only if it notices a store that does not sync.
#[tokio::test]
async fn a_disk_that_skips_syncs_is_found_out() {
    let disk = LossyDisk::new();
    disk.skip_syncs(true);
    let outcome = lose_power_after_every_acknowledgement(&disk, 0).await;
    assert!(outcome.is_err(), "a store without syncs passed");

    // Also when the syncs stop only later.
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..3)).await;
    disk.skip_syncs(true);
    append(&mut store, entries(1, 3..5)).await;
    let acknowledged = Acknowledged {
        entries: entries(1, 0..5),
        ..Acknowledged::default()
    };
    assert_eq!(acknowledged.check(&disk, 0).await, Err("entry 1.3 is gone".to_owned()));
}

#[tokio::test]
async fn votes_committed_and_purged_survive_the_segments_that_held_them() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    store.save_vote(&votes(7)).await.unwrap();
    append(&mut store, entries(7, 0..10)).await;
    store.save_committed(Some(id(7, 9))).await.unwrap();
    append(&mut store, entries(7, 10..200)).await;
    store.purge(id(7, 150)).await.unwrap();
    store.shutdown().await.unwrap();
    assert!(
        !super::super::Disk::list(&disk)
            .unwrap()
            .contains(&"00000001.log".to_owned())
    );

    let mut store = open(&disk.crash(0));
    assert_eq!(store.read_vote().await.unwrap(), Some(votes(7)));
    assert_eq!(store.read_committed().await.unwrap(), Some(id(7, 9)));
    assert_eq!(
        store.get_log_state().await.unwrap().last_purged_log_id,
        Some(id(7, 150))
    );
    assert_eq!(all(&mut store).await, entries(7, 151..200));
}

#[tokio::test]
async fn a_purge_past_the_end_leaves_an_empty_log_that_goes_on_behind_it() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..20)).await;
    store.purge(id(3, 500)).await.unwrap();
    assert_eq!(store.first_index(), None);
    append(&mut store, entries(3, 501..505)).await;
    assert_eq!((store.first_index(), store.last_index()), (Some(501), Some(504)));

    let mut store = open(&disk.crash(0));
    assert_eq!(store.get_log_state().await.unwrap().last_log_id, Some(id(3, 504)));
    assert_eq!(all(&mut store).await, entries(3, 501..505));
}

#[tokio::test]
async fn a_purge_survives_a_truncation_of_everything() {
    let disk = LossyDisk::new();
    let mut store = open(&disk);
    append(&mut store, entries(1, 0..20)).await;
    store.purge(id(1, 9)).await.unwrap();
    store.truncate_after(Some(id(1, 9))).await.unwrap();
    append(&mut store, entries(2, 10..11)).await;

    let mut store = open(&disk.crash(0));
    assert_eq!(store.get_log_state().await.unwrap().last_purged_log_id, Some(id(1, 9)));
    assert_eq!(all(&mut store).await, entries(2, 10..11));
}

#[tokio::test]
async fn a_log_can_be_opened_again_and_again() {
    let mut disk = LossyDisk::new();
    for round in 0..20 {
        let mut store = open(&disk);
        assert_eq!(all(&mut store).await, entries(1, 0..round * 3));
        append(&mut store, entries(1, round * 3..round * 3 + 3)).await;
        disk = disk.crash(0);
    }
}
