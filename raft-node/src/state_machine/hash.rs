//! A running hash of the logical writes, by which replicas are compared.
//!
//! For every write: `word = crc32c(table, key) << 32 | crc32c(value)`, a deletion having the word's lower half from
//! the complement of its key's; then `hash = mix((hash rotated left by 5) ^ word ^ lengths)`, where `mix` is a
//! bijection of 64 bits. It finds replicas that differ by accident; it is no defence against forgery.
//!
//! Order matters. Only writes of committed commands count, and none of the rows that say how far a member is (its
//! applied index, its garbage): members with the same log have the same hash, however their log was cut in batches.

use crate::storage::Table;

/// The hash with one more write: a value, or a deletion.
pub fn fold(hash: u64, table: Table, key: &[u8], value: Option<&[u8]>) -> u64 {
    let of_key = crc32c::crc32c_append(crc32c::crc32c(&[table_number(table)]), key);
    let (of_value, value_bytes) = match value {
        Some(value) => (crc32c::crc32c(value), value.len() as u64),
        None => (!of_key, u64::from(u32::MAX)),
    };
    let word = (u64::from(of_key) << 32) | u64::from(of_value);
    let lengths = ((key.len() as u64) << 40) ^ value_bytes;
    mix(hash.rotate_left(5) ^ word ^ lengths)
}

/// Frozen, whatever becomes of the enum.
fn table_number(table: Table) -> u8 {
    match table {
        Table::Latest => 1,
        Table::History => 2,
        Table::Changes => 3,
        Table::Index => 4,
        Table::Clients => 5,
        Table::Meta => 6,
        Table::Coordination => 7,
        Table::Items => 8,
    }
}

/// Multiplications by odd numbers and shifted xors can each be undone, so no two words give the same result.
fn mix(mut word: u64) -> u64 {
    word ^= word >> 32;
    word = word.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word ^= word >> 29;
    word = word.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    word ^ (word >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_frozen() {
        let one = fold(0, Table::Latest, b"key", Some(b"value"));
        let two = fold(one, Table::Latest, b"key", None);
        assert_eq!((one, two), (17_004_269_206_426_341_048, 505_462_147_230_819_183));
    }

    #[test]
    fn table_key_value_kind_and_order_all_count() {
        let a = fold(0, Table::Latest, b"a", Some(b"1"));
        let others = [
            fold(0, Table::History, b"a", Some(b"1")),
            fold(0, Table::Latest, b"b", Some(b"1")),
            fold(0, Table::Latest, b"a", Some(b"2")),
            fold(0, Table::Latest, b"a", None),
            fold(0, Table::Latest, b"a1", Some(b"")),
            fold(1, Table::Latest, b"a", Some(b"1")),
        ];
        assert!(others.iter().all(|other| *other != a));
        let ab = fold(a, Table::Latest, b"b", None);
        let ba = fold(fold(0, Table::Latest, b"b", None), Table::Latest, b"a", Some(b"1"));
        assert_ne!(ab, ba);
    }
}
