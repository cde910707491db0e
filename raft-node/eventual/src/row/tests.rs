use std::sync::Arc;

use super::*;
use crate::actor::{ActorId, Actors};
use crate::clock::Clock;
use crate::counts::{AllCounts, Counts};
use crate::dot::Dot;
use crate::{
    Action, Address, Hlc, Life, Moment, Place, Shard, ShardLimits, Sibling, Space, Strategy, Unflushed, Value, Write,
};

/// A member as far as one shard goes.
struct Member {
    actors: Arc<Actors>,
    shard: Shard,
}

impl Member {
    fn new(id: u64) -> Self {
        let actors = Arc::new(Actors::default());
        let me = actors.index(ActorId(id)).unwrap();
        let counts = Counts::new(Arc::new(AllCounts::default()));
        let mut shard = Shard::new(me, Arc::clone(&actors), counts, ShardLimits::default());
        shard.track_unflushed();
        Member { actors, shard }
    }

    fn put(&mut self, name: &[u8], value: &[u8]) {
        self.write(
            name,
            Action::Put {
                value,
                strategy: Strategy::LastWrite,
                written: None,
            },
        );
    }

    fn write(&mut self, name: &[u8], action: Action<'_>) {
        let write = Write {
            place: &place(name),
            action,
            context: None,
            expires_at_ms: 0,
        };
        let moment = Moment {
            now_ms: 1_000,
            predecessors: &[],
        };
        self.shard.write(&write, moment).unwrap();
    }

    fn rows(&mut self) -> Rows {
        Rows::of(number(), &self.shard.take_unflushed().unwrap(), &self.actors)
    }

    fn restore(&mut self, rows: &[(Vec<u8>, Vec<u8>)]) -> Result<(), Unreadable> {
        match read(rows, &self.actors)? {
            Some(stored) => self.shard.restore(stored, &[]),
            None => Ok(()),
        }
    }
}

fn read(rows: &[(Vec<u8>, Vec<u8>)], actors: &Actors) -> Result<Option<StoredShard>, Unreadable> {
    let mut stored = Stored::new(number());
    for (key, row) in rows {
        stored.take(key, row, actors)?;
    }
    stored.finish()
}

fn place(name: &[u8]) -> Place {
    Place::of(Address {
        domain: 7,
        space: Space::Register,
        name,
        element: None,
    })
}

/// All names below are of this shard.
fn number() -> ShardNumber {
    place(NAMES[0]).shard(false)
}

const NAMES: [&[u8]; 3] = [b"n176", b"n196", b"n648"];

fn all(rows: Rows) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = vec![rows.head];
    all.extend(rows.puts);
    all
}

#[test]
fn names_are_of_one_shard() {
    assert!(NAMES.iter().all(|name| place(name).shard(false) == number()));
}

#[test]
fn a_restored_shard_is_what_it_was() {
    let mut before = Member::new(1);
    for name in NAMES {
        before.put(name, b"value");
    }
    before.put(NAMES[1], b"newer");
    before.write(NAMES[2], Action::Delete);
    let rows = before.rows();
    assert_eq!((rows.puts.len(), rows.deletes.len()), (2, 1));

    let mut after = Member::new(2);
    after.restore(&all(rows)).unwrap();
    assert_eq!(after.shard.digest(), before.shard.digest());
    assert_eq!(
        after.shard.clock().hash(&after.actors),
        before.shard.clock().hash(&before.actors)
    );
    assert_eq!(after.shard.len(), 2);
    let held = after.shard.read(&place(NAMES[1]), 2_000);
    assert_eq!(held.siblings[0].0, ActorId(1));
    assert_eq!(held.siblings[0].1.value.bytes(), b"newer");
    // A write of the new process comes after all that the one before it wrote.
    after.put(NAMES[1], b"newest");
    let newest = &after.shard.read(&place(NAMES[1]), 2_000).siblings[0].1;
    assert!(newest.hlc > held.siblings[0].1.hlc);
}

#[test]
fn what_was_taken_once_is_not_taken_again() {
    let mut member = Member::new(1);
    member.put(NAMES[0], b"a");
    member.put(NAMES[0], b"b");
    assert!(member.shard.unflushed_bytes() > 0);
    assert_eq!(member.rows().puts.len(), 1, "each key once");
    assert_eq!(member.shard.unflushed_bytes(), 0);
    assert!(member.shard.take_unflushed().is_none());
}

#[test]
fn any_flipped_bit_is_noticed() {
    let mut before = Member::new(1);
    before.put(NAMES[0], b"value");
    let rows = all(before.rows());
    for row in 0..rows.len() {
        for side in [0, 1] {
            let length = if side == 0 {
                rows[row].0.len()
            } else {
                rows[row].1.len()
            };
            for bit in 0..length * 8 {
                let mut flipped = rows.clone();
                let bytes = if side == 0 {
                    &mut flipped[row].0
                } else {
                    &mut flipped[row].1
                };
                bytes[bit / 8] ^= 1 << (bit % 8);
                let read = Member::new(2).restore(&flipped);
                assert!(
                    matches!(read, Err(Unreadable::Damaged(_))),
                    "row {row} side {side} bit {bit}: {read:?}"
                );
            }
        }
    }
}

#[test]
fn a_missing_row_an_old_row_and_a_missing_head_are_noticed() {
    let mut before = Member::new(1);
    before.put(NAMES[0], b"old");
    before.put(NAMES[1], b"other");
    let old = all(before.rows());
    before.put(NAMES[0], b"new");
    let new = all(before.rows());
    let whole = vec![new[0].clone(), new[1].clone(), old[2].clone()];
    Member::new(2).restore(&whole).unwrap();

    let missing = Member::new(2).restore(&whole[..2]);
    assert!(matches!(missing, Err(Unreadable::Damaged(_))), "{missing:?}");
    let entry_is_old = Member::new(2).restore(&[new[0].clone(), old[1].clone(), old[2].clone()]);
    assert!(matches!(entry_is_old, Err(Unreadable::Damaged(_))), "{entry_is_old:?}");
    let head_is_old = Member::new(2).restore(&[old[0].clone(), new[1].clone(), old[2].clone()]);
    assert!(matches!(head_is_old, Err(Unreadable::Damaged(_))), "{head_is_old:?}");
    let headless = Member::new(2).restore(&whole[1..]);
    assert!(matches!(headless, Err(Unreadable::Damaged(_))), "{headless:?}");
}

#[test]
fn a_later_version_is_not_damage() {
    let mut before = Member::new(1);
    before.put(NAMES[0], b"value");
    let mut rows = all(before.rows());
    let (key, row) = &mut rows[0];
    row[0] = VERSION + 1;
    let body = row.len() - CHECKSUM_BYTES;
    let sum = checksum(key, &row[..body]);
    row[body..].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(Member::new(2).restore(&rows), Err(Unreadable::Version(VERSION + 1)));
}

#[test]
fn a_process_refuses_operations_of_its_own_from_the_disk() {
    let mut before = Member::new(1);
    before.put(NAMES[0], b"value");
    let rows = all(before.rows());
    assert_eq!(Member::new(1).restore(&rows), Err(Unreadable::UsedActor));
}

#[test]
fn golden_bytes() {
    let actors = Actors::default();
    let [one, two, three] = [1, 2, 3].map(|id| actors.index(ActorId(id)).unwrap());
    let mut clock = Clock::default();
    clock.advance(one, 300);
    clock.advance(two, 5);
    assert!(clock.retire(two, 5));
    let sibling = Sibling {
        dot: Dot::new(one, 300),
        hlc: Hlc(0x0102),
        life: Life::new(1_000, Strategy::Max),
        value: Value::keep(b"42"),
    };
    let key = crate::Key::keep(&place(NAMES[0]));
    let unflushed = Unflushed {
        clock,
        pending: vec![Dot::new(three, 7)],
        last_hlc: Hlc(0x0304),
        entries: 1,
        digest: 0x0506,
        changed: vec![(key, [sibling].into_iter().collect())],
    };
    let Some(shard) = ShardNumber::new(0x12) else { panic!() };
    let rows = Rows::of(shard, &unflushed, &actors);
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(bytes(&rows.head.0), "001200");
    assert_eq!(
        bytes(&rows.head.1),
        "010101000000000000\
         00ac02010200000000000000050103000000000000000704030000000000000106050000000000\
         00f208e160"
    );
    assert_eq!(bytes(&rows.puts[0].0), "00120100000007016e313736");
    assert_eq!(
        bytes(&rows.puts[0].1),
        "01010100000000000000ac02020100000000000004e8070234327932fc29"
    );
    assert_eq!(span(shard), ([0, 0x12], [0, 0x13]));
}
