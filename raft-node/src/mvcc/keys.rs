//! Stored keys, ordered as the things they name.
//!
//! ```text
//! latest    group u16 | domain u32 | key
//! history   group u16 | domain u32 | escaped key | revision u64
//! changes   group u16 | revision u64
//! expiry    group u16 | 1 u8 | log time u64 | domain u32 | key            (in the index table)
//! tag       group u16 | 2 u8 | domain u32 | escaped tag | key             (in the index table)
//! meta      group u16 | name
//! ```
//!
//! Integers are big-endian, so that bytes sort as numbers do. The group is always 0 today. A key that is followed by
//! something is escaped: a zero byte becomes `00 FF` and the end is `00 00`, which keeps the order of keys and lets no
//! key be a prefix of another.

use crate::rows::{GROUP, escape, unescape};
pub use crate::rows::{successor, up_to};
use crate::types::{DomainId, LogTimeMs, Revision};

const GROUP_BYTES: usize = 2;
const PREFIX_BYTES: usize = GROUP_BYTES + 4;
const EXPIRY: u8 = 1;
const TAG: u8 = 2;

/// Key of a single value in the meta table.
pub fn meta(name: &[u8]) -> Vec<u8> {
    let mut key = GROUP.to_be_bytes().to_vec();
    key.extend_from_slice(name);
    key
}

/// Key of a domain's row in the meta table.
pub fn domain(id: DomainId) -> Vec<u8> {
    let mut key = meta(b"domain/");
    key.extend_from_slice(&id.0.to_be_bytes());
    key
}

/// Key of the newest record of a key.
pub fn latest(domain: DomainId, key: &[u8]) -> Vec<u8> {
    let mut out = prefix(domain, key.len());
    out.extend_from_slice(key);
    out
}

/// The domain and the user's key in a key of the latest table.
pub fn decode_latest(stored: &[u8]) -> Option<(DomainId, &[u8])> {
    let (group, rest) = stored.split_first_chunk::<GROUP_BYTES>()?;
    let (domain, key) = rest.split_first_chunk::<4>()?;
    (u16::from_be_bytes(*group) == GROUP).then_some((DomainId(u32::from_be_bytes(*domain)), key))
}

/// The user's part of a key of the latest table that is known to lie in one domain.
pub fn user_key(stored: &[u8]) -> &[u8] {
    stored.get(PREFIX_BYTES..).unwrap_or_default()
}

/// Key of the record that `revision` replaced or deleted.
pub fn history(domain: DomainId, key: &[u8], revision: Revision) -> Vec<u8> {
    let mut out = prefix(domain, key.len() + 10);
    escape(key, &mut out);
    out.extend_from_slice(&revision.0.to_be_bytes());
    out
}

/// The domain, the user's key and the revision in a key of the history table.
pub fn decode_history(stored: &[u8]) -> Option<(DomainId, Vec<u8>, Revision)> {
    let (domain, escaped) = decode_latest(stored)?;
    let (key, rest) = unescape(escaped)?;
    Some((domain, key, Revision(u64::from_be_bytes(rest.try_into().ok()?))))
}

/// Key of what a revision touched.
pub fn changes(revision: Revision) -> Vec<u8> {
    let mut key = GROUP.to_be_bytes().to_vec();
    key.extend_from_slice(&revision.0.to_be_bytes());
    key
}

/// The revision in a key of the changes table.
pub fn decode_changes(stored: &[u8]) -> Option<Revision> {
    let (group, revision) = stored.split_first_chunk::<GROUP_BYTES>()?;
    let revision = Revision(u64::from_be_bytes(revision.try_into().ok()?));
    (u16::from_be_bytes(*group) == GROUP).then_some(revision)
}

/// Key of the index entry of a key that expires.
pub fn expiry(at: LogTimeMs, domain: DomainId, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(15 + key.len());
    out.extend_from_slice(&GROUP.to_be_bytes());
    out.push(EXPIRY);
    out.extend_from_slice(&at.0.to_be_bytes());
    out.extend_from_slice(&domain.0.to_be_bytes());
    out.extend_from_slice(key);
    out
}

/// The moment, the domain and the user's key in the index entry of a key that expires.
pub fn decode_expiry(stored: &[u8]) -> Option<(LogTimeMs, DomainId, &[u8])> {
    let rest = stored.strip_prefix(&GROUP.to_be_bytes())?.strip_prefix(&[EXPIRY])?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (domain, key) = rest.split_first_chunk::<4>()?;
    let domain = DomainId(u32::from_be_bytes(*domain));
    Some((LogTimeMs(u64::from_be_bytes(*at)), domain, key))
}

/// The index entries of every key that expires.
pub fn expiry_span() -> (Vec<u8>, Vec<u8>) {
    let [high, low] = GROUP.to_be_bytes();
    (vec![high, low, EXPIRY], vec![high, low, EXPIRY + 1])
}

/// Key of the index entry of a tagged key.
pub fn tag(domain: DomainId, tag: &str, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(9 + tag.len() + key.len());
    out.extend_from_slice(&GROUP.to_be_bytes());
    out.push(TAG);
    out.extend_from_slice(&domain.0.to_be_bytes());
    escape(tag.as_bytes(), &mut out);
    out.extend_from_slice(key);
    out
}

/// The domain, the tag and the user's key in the index entry of a tagged key.
pub fn decode_tag(stored: &[u8]) -> Option<(DomainId, Vec<u8>, &[u8])> {
    let rest = stored.strip_prefix(&GROUP.to_be_bytes())?.strip_prefix(&[TAG])?;
    let (domain, rest) = rest.split_first_chunk::<4>()?;
    let (tag, key) = unescape(rest)?;
    Some((DomainId(u32::from_be_bytes(*domain)), tag, key))
}

fn prefix(domain: DomainId, more: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX_BYTES + more);
    out.extend_from_slice(&GROUP.to_be_bytes());
    out.extend_from_slice(&domain.0.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(
            prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(0xFE), Just(0xFF)],
            0..6,
        )
    }

    proptest! {
        #[test]
        fn stored_keys_sort_as_what_they_name(
            a in (0_u32..3, key(), 0_u64..1000),
            b in (0_u32..3, key(), 0_u64..1000),
        ) {
            let stored = |x: &(u32, Vec<u8>, u64)| history(DomainId(x.0), &x.1, Revision(x.2));
            prop_assert_eq!(a.cmp(&b), stored(&a).cmp(&stored(&b)));
            let stored = |x: &(u32, Vec<u8>, u64)| latest(DomainId(x.0), &x.1);
            prop_assert_eq!((a.0, &a.1).cmp(&(b.0, &b.1)), stored(&a).cmp(&stored(&b)));
            let stored = |x: &(u32, Vec<u8>, u64)| expiry(LogTimeMs(x.2), DomainId(x.0), &x.1);
            prop_assert_eq!((a.2, a.0, &a.1).cmp(&(b.2, b.0, &b.1)), stored(&a).cmp(&stored(&b)));
        }

        #[test]
        fn stored_keys_decode_to_what_was_encoded(domain in any::<u32>(), key in key(), number in any::<u64>()) {
            let domain = DomainId(domain);
            let stored = latest(domain, &key);
            prop_assert_eq!(decode_latest(&stored), Some((domain, key.as_slice())));
            let revision = Revision(number);
            prop_assert_eq!(decode_history(&history(domain, &key, revision)), Some((domain, key.clone(), revision)));
            prop_assert_eq!(decode_changes(&changes(revision)), Some(revision));
            let at = LogTimeMs(number);
            let stored = expiry(at, domain, &key);
            prop_assert_eq!(decode_expiry(&stored), Some((at, domain, key.as_slice())));
            let stored = tag(domain, "a\0b", &key);
            prop_assert_eq!(decode_tag(&stored), Some((domain, b"a\0b".to_vec(), key.as_slice())));
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (decode_latest(&bytes), decode_history(&bytes), decode_changes(&bytes));
            let _ = (decode_expiry(&bytes), decode_tag(&bytes), user_key(&bytes));
        }
    }

    #[test]
    fn the_layout_is_frozen() {
        let domain = DomainId(0x0102_0304);
        assert_eq!(latest(domain, b"k"), [0, 0, 1, 2, 3, 4, b'k']);
        assert_eq!(
            history(domain, b"k\0", Revision(5)),
            [0, 0, 1, 2, 3, 4, b'k', 0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]
        );
        assert_eq!(changes(Revision(5)), [0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(
            expiry(LogTimeMs(5), domain, b"k"),
            [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, b'k']
        );
        assert_eq!(tag(domain, "t", b"k"), [0, 0, 2, 1, 2, 3, 4, b't', 0, 0, b'k']);
        assert_eq!(meta(b"head"), [0, 0, b'h', b'e', b'a', b'd']);
    }
}
