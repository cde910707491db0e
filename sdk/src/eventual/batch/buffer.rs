//! What waits to be sent, and how writes of one key become one.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use prost::Message;
use quorate_proto::v1;
use quorate_proto::v1::eventual_write::Change;

/// What a request carries of writes at most, in bytes, but at least one write.
pub(super) const REQUEST_WRITES_BYTES_MAX: usize = 512 << 10;

/// Writes in the order in which they were pushed.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Each with its encoded length.
    writes: Vec<(v1::EventualWrite, usize)>,
    /// The place of the last write of a key, if a later one may become one with it.
    open: BTreeMap<(u8, Bytes), usize>,
    bytes: usize,
}

impl Buffer {
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a write of so many bytes, encoded, or makes one of it and an earlier one; says whether the latter.
    pub(super) fn push(&mut self, write: v1::EventualWrite, bytes: usize) -> bool {
        let joinable = is_joinable(&write);
        // Where nothing is joined, nothing is looked up.
        if joinable || !self.open.is_empty() {
            let place = (type_of(write.change.as_ref()), write.key.clone());
            if let Some(index) = self.open.get(&place)
                && let Some(joined) = join(&self.writes[*index].0, &write)
            {
                let length = joined.encoded_len();
                self.bytes = self.bytes + length - self.writes[*index].1;
                self.writes[*index] = (joined, length);
                return true;
            }
            // What is joined with a write before this one would come before this one.
            if joinable {
                self.open.insert(place, self.writes.len());
            } else {
                self.open.remove(&place);
            }
        }
        self.bytes += bytes;
        self.writes.push((write, bytes));
        false
    }

    /// Takes out the oldest writes, `count_max` at most.
    pub(super) fn take(&mut self, count_max: usize) -> Vec<v1::EventualWrite> {
        let mut bytes = 0;
        let mut count = 0;
        for (_, length) in self.writes.iter().take(count_max) {
            if count > 0 && bytes + length > REQUEST_WRITES_BYTES_MAX {
                break;
            }
            bytes += length;
            count += 1;
        }
        let rest = self.writes.split_off(count);
        let taken = std::mem::replace(&mut self.writes, rest);
        self.bytes -= bytes;
        self.open.retain(|_, index| match index.checked_sub(count) {
            Some(moved) => {
                *index = moved;
                true
            }
            None => false,
        });
        taken.into_iter().map(|(write, _)| write).collect()
    }
}

/// Registers, counters and the others have keys of their own.
fn type_of(change: Option<&Change>) -> u8 {
    let of_type = match change {
        None | Some(Change::Put(_)) => v1::EventualType::Register,
        Some(Change::Delete(delete)) => match delete.r#type() {
            v1::EventualType::Unspecified => v1::EventualType::Register,
            named => named,
        },
        Some(Change::Add(_)) => v1::EventualType::Counter,
        Some(Change::Set(_)) => v1::EventualType::Set,
        Some(Change::Map(_)) => v1::EventualType::Map,
        Some(Change::Flag(_)) => v1::EventualType::Flag,
    };
    of_type as u8
}

/// Whether a later write of the key may become one with it: a put of which the later one wins whatever happens, an addition,
/// or fields that are written.
fn is_joinable(write: &v1::EventualWrite) -> bool {
    let plain = match &write.change {
        Some(Change::Put(put)) => put.strategy() == v1::EventualStrategy::LastWrite,
        Some(Change::Add(_)) => true,
        Some(Change::Map(map)) => map.remove.is_empty(),
        _ => false,
    };
    plain && write.context.is_empty()
}

/// One write that does what both do, one after the other.
fn join(first: &v1::EventualWrite, second: &v1::EventualWrite) -> Option<v1::EventualWrite> {
    if !is_joinable(second) {
        return None;
    }
    match (&first.change, &second.change) {
        (Some(Change::Put(earlier)), Some(Change::Put(later))) => {
            let comparable = (earlier.written_at_ms == 0) == (later.written_at_ms == 0);
            let wins = later.written_at_ms >= earlier.written_at_ms;
            comparable.then(|| if wins { second.clone() } else { first.clone() })
        }
        (Some(Change::Add(earlier)), Some(Change::Add(later))) if first.ttl_ms == second.ttl_ms => {
            let sum = earlier.checked_add(*later)?;
            Some(v1::EventualWrite {
                change: Some(Change::Add(sum)),
                ..second.clone()
            })
        }
        (Some(Change::Map(earlier)), Some(Change::Map(later))) if first.ttl_ms == second.ttl_ms => {
            let names: HashSet<&Bytes> = later.put.iter().map(|field| &field.name).collect();
            let kept = earlier.put.iter().filter(|field| !names.contains(&field.name));
            let put = kept.chain(&later.put).cloned().collect();
            let joined = v1::EventualWrite {
                change: Some(Change::Map(v1::EventualMapChange {
                    put,
                    remove: Vec::new(),
                })),
                ..second.clone()
            };
            // Many fields together may be more than one request carries.
            (joined.encoded_len() <= REQUEST_WRITES_BYTES_MAX).then_some(joined)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &'static str, value: &'static str, strategy: v1::EventualStrategy) -> v1::EventualWrite {
        let mut put = v1::EventualPut {
            value: value.into(),
            ..Default::default()
        };
        put.set_strategy(strategy);
        write(key, Change::Put(put))
    }

    fn write(key: &'static str, change: Change) -> v1::EventualWrite {
        v1::EventualWrite {
            key: key.into(),
            change: Some(change),
            ..Default::default()
        }
    }

    fn last(key: &'static str, value: &'static str) -> v1::EventualWrite {
        put(key, value, v1::EventualStrategy::LastWrite)
    }

    fn filled(writes: impl IntoIterator<Item = v1::EventualWrite>) -> Buffer {
        let mut buffer = Buffer::default();
        for write in writes {
            push(&mut buffer, write);
        }
        buffer
    }

    fn push(buffer: &mut Buffer, write: v1::EventualWrite) -> bool {
        let bytes = write.encoded_len();
        buffer.push(write, bytes)
    }

    #[test]
    fn of_the_last_write_wins_puts_of_a_key_only_the_last_is_sent() {
        let mut buffer = filled([last("a", "1"), last("b", "1"), last("a", "2"), last("a", "3")]);
        assert_eq!(buffer.take(10), [last("a", "3"), last("b", "1")]);
    }

    #[test]
    fn puts_of_other_strategies_are_all_sent() {
        use v1::EventualStrategy::{Max, Siblings, Unspecified};
        for strategy in [Max, Siblings, Unspecified] {
            let writes = [put("a", "5", strategy), put("a", "3", strategy)];
            assert_eq!(filled(writes.clone()).take(10), writes);
        }
    }

    #[test]
    fn a_put_with_a_context_is_sent_as_it_is_and_none_is_joined_across_it() {
        let mut exact = last("a", "2");
        exact.context = "seen".into();
        let writes = [last("a", "1"), exact, last("a", "3")];
        assert_eq!(filled(writes.clone()).take(10), writes);
    }

    #[test]
    fn a_put_after_a_delete_stays_after_it() {
        let delete = write("a", Change::Delete(v1::EventualDelete::default()));
        let writes = [last("a", "1"), delete, last("a", "2")];
        assert_eq!(filled(writes.clone()).take(10), writes);
    }

    #[test]
    fn additions_are_summed_unless_the_sum_has_no_room() {
        let add = |number| write("n", Change::Add(number));
        assert_eq!(filled([add(3), add(-5), add(1)]).take(10), [add(-1)]);
        assert_eq!(filled([add(i64::MAX), add(1)]).take(10), [add(i64::MAX), add(1)]);
    }

    #[test]
    fn of_a_field_that_is_written_twice_only_the_last_value_is_sent() {
        let fields = |fields: &[(&'static str, &'static str)], remove: &[&'static str]| {
            let field = |(name, value): &(&'static str, &'static str)| v1::EventualField {
                name: (*name).into(),
                value: (*value).into(),
            };
            let put = fields.iter().map(field).collect();
            let remove = remove.iter().map(|name| (*name).into()).collect();
            write("m", Change::Map(v1::EventualMapChange { put, remove }))
        };
        let mut buffer = filled([
            fields(&[("a", "1"), ("b", "1")], &[]),
            fields(&[("b", "2"), ("c", "2")], &[]),
        ]);
        assert_eq!(buffer.take(10), [fields(&[("a", "1"), ("b", "2"), ("c", "2")], &[])]);
        let writes = [
            fields(&[("a", "1")], &[]),
            fields(&[], &["a"]),
            fields(&[("a", "2")], &[]),
        ];
        assert_eq!(filled(writes.clone()).take(10), writes);
    }

    #[test]
    fn a_counter_and_a_register_of_one_name_are_not_joined() {
        let add = write("a", Change::Add(1));
        let writes = [last("a", "1"), add];
        assert_eq!(filled(writes.clone()).take(10), writes);
    }

    #[test]
    fn of_two_puts_with_times_the_newer_one_is_sent() {
        let at = |value, written_at_ms| {
            let mut write = last("a", value);
            if let Some(Change::Put(put)) = &mut write.change {
                put.written_at_ms = written_at_ms;
            }
            write
        };
        assert_eq!(filled([at("new", 9), at("old", 8)]).take(10), [at("new", 9)]);
        let writes = [at("timed", 9), at("untimed", 0)];
        assert_eq!(filled(writes.clone()).take(10), writes);
    }

    #[test]
    fn what_was_taken_is_not_joined_with_and_what_is_left_still_is() {
        let mut buffer = filled([last("a", "1"), last("b", "1")]);
        assert_eq!(buffer.take(1), [last("a", "1")]);
        assert!(!push(&mut buffer, last("a", "2")));
        assert!(push(&mut buffer, last("b", "2")));
        assert_eq!(buffer.take(10), [last("b", "2"), last("a", "2")]);
        assert_eq!((buffer.len(), buffer.bytes()), (0, 0));
    }

    #[test]
    fn a_request_is_bounded_in_bytes_but_takes_at_least_one_write() {
        let large = |key: &'static str| {
            let put = v1::EventualPut {
                value: vec![0; 300 << 10].into(),
                ..Default::default()
            };
            write(key, Change::Put(put))
        };
        let mut buffer = filled([large("a"), large("b"), large("c")]);
        assert_eq!([buffer.take(10).len(), buffer.take(10).len()], [1, 1]);
    }
}
