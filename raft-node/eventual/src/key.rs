//! The address of an entry, as bytes.
//!
//! ```text
//! domain: u32 BE | space: u8 | name                                   registers, counters, flags
//! domain: u32 BE | space: u8 | varint length of name | name | element   sets, maps
//! ```
//!
//! The shard is chosen by the hash of what comes before the element, so that a collection is whole in one shard.

use smallvec::SmallVec;
use triomphe::ThinArc;
use xxhash_rust::xxh3::xxh3_64;

use crate::kind::Space;
use crate::shard::ShardNumber;
use crate::wire::{self, Damaged, Reader};

const DOMAIN_BYTES: usize = 4;
const HEAD_BYTES: usize = DOMAIN_BYTES + 1;

/// Bytes of the shortest key.
pub(crate) const KEY_BYTES_MIN: usize = HEAD_BYTES;

/// Where something is, said by a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// Id of the domain.
    pub domain: u32,
    /// What the name stands for.
    pub space: Space,
    /// The name.
    pub name: &'a [u8],
    /// The member or the field, of a collection.
    pub element: Option<&'a [u8]>,
}

impl<'a> Address<'a> {
    /// The address in the bytes of a key; of a collection, its own, with an element of no bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Damaged> {
        Ok(Parts::of(bytes)?.address)
    }
}

/// An address, encoded and hashed, on its way to a look-up.
#[derive(Clone, Debug)]
pub struct Place {
    bytes: SmallVec<[u8; 96]>,
    /// Of all bytes.
    pub(crate) hash: u64,
    /// Of those before the element.
    home: u64,
}

impl Place {
    /// Encodes an address. Of a set or a map, an address without an element is that of the collection.
    pub fn of(address: Address<'_>) -> Self {
        let mut bytes = SmallVec::new();
        bytes.extend_from_slice(&address.domain.to_be_bytes());
        bytes.push(address.space as u8);
        if address.space.has_elements() {
            wire::put_number(&mut bytes, address.name.len() as u64);
        }
        bytes.extend_from_slice(address.name);
        let home = xxh3_64(&bytes);
        let hash = match address.element {
            Some(element) => {
                bytes.extend_from_slice(element);
                xxh3_64(&bytes)
            }
            None => home,
        };
        Place { bytes, hash, home }
    }

    /// The shard, of those that belong to volatile domains or of the others.
    pub fn shard(&self, volatile: bool) -> ShardNumber {
        ShardNumber::of_hash(self.home, volatile)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The bytes of a key where they came, checked and hashed: most keys that peers send are kept here already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRef<'a> {
    bytes: &'a [u8],
    /// Of all bytes.
    hash: u64,
    /// Of those before the element.
    home: u64,
}

impl<'a> KeyRef<'a> {
    /// Fails if the bytes are no key.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let element = Parts::of(bytes)?.address.element;
        let hash = xxh3_64(bytes);
        let home = match element {
            Some(element) => xxh3_64(&bytes[..bytes.len() - element.len()]),
            None => hash,
        };
        Ok(KeyRef { bytes, hash, home })
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Of all bytes.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The shard, of those that belong to volatile domains or of the others.
    pub(crate) fn shard(&self, volatile: bool) -> ShardNumber {
        ShardNumber::of_hash(self.home, volatile)
    }

    /// Keeps it.
    pub(crate) fn keep(&self) -> Key {
        Key(ThinArc::from_header_and_slice(self.hash, self.bytes))
    }
}

/// An address that is kept. Eight bytes; the entry, the log and whoever else needs it share one copy.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(ThinArc<u64, u8>);

impl Key {
    /// Keeps the bytes of a place.
    pub fn keep(place: &Place) -> Self {
        Key(ThinArc::from_header_and_slice(place.hash, &place.bytes))
    }

    /// A key as it came from a peer or the disk. Fails if it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        Ok(KeyRef::decode(bytes)?.keep())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// Of all bytes.
    pub fn hash(&self) -> u64 {
        self.0.header.header
    }

    /// The domain it belongs to.
    pub fn domain(&self) -> u32 {
        domain_of(self.bytes())
    }

    /// What it is made of.
    ///
    /// # Panics
    ///
    /// Never: a key is made of an address or checked when it is decoded.
    pub fn address(&self) -> Address<'_> {
        match Parts::of(self.bytes()) {
            Ok(parts) => parts.address,
            Err(damaged) => panic!("a key that was checked: {damaged}"),
        }
    }

    /// The bytes before the element: those of the collection it is in.
    pub fn collection(&self) -> &[u8] {
        let element = self.address().element.map_or(0, <[u8]>::len);
        let bytes = self.bytes();
        &bytes[..bytes.len() - element]
    }

    /// The shard, of those that belong to volatile domains or of the others.
    pub fn shard(&self, volatile: bool) -> ShardNumber {
        let collection = self.collection();
        // Most keys have no element: then it is the hash that is kept.
        let home = if collection.len() == self.bytes().len() {
            self.hash()
        } else {
            xxh3_64(collection)
        };
        ShardNumber::of_hash(home, volatile)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.address())
    }
}

fn domain_of(bytes: &[u8]) -> u32 {
    match bytes.first_chunk::<DOMAIN_BYTES>() {
        Some(domain) => u32::from_be_bytes(*domain),
        None => 0,
    }
}

struct Parts<'a> {
    address: Address<'a>,
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Damaged> {
        if bytes.len() < HEAD_BYTES {
            return Err(Damaged("a key is too short"));
        }
        let space = Space::from_number(bytes[DOMAIN_BYTES]).ok_or(Damaged("a key is of no known type"))?;
        let mut rest = Reader::new(&bytes[HEAD_BYTES..]);
        let (name, element) = if space.has_elements() {
            let name = rest.bytes()?;
            (name, Some(rest.rest()))
        } else {
            (rest.rest(), None)
        };
        Ok(Parts {
            address: Address {
                domain: domain_of(bytes),
                space,
                name,
                element,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address<'a>(space: Space, name: &'a [u8], element: Option<&'a [u8]>) -> Address<'a> {
        Address {
            domain: 7,
            space,
            name,
            element,
        }
    }

    #[test]
    fn a_key_gives_its_address_back() {
        for address in [
            address(Space::Register, b"tasks/1", None),
            address(Space::Register, b"", None),
            address(Space::Set, b"team", Some(b"ann")),
            address(Space::Map, b"team", Some(b"")),
        ] {
            let key = Key::keep(&Place::of(address));
            assert_eq!(key.address(), address);
            let came = KeyRef::decode(key.bytes()).unwrap();
            assert_eq!(
                (came.bytes(), came.hash(), came.keep()),
                (key.bytes(), key.hash(), key.clone())
            );
            assert_eq!(came.shard(true), key.shard(true));
            assert_eq!(Key::decode(key.bytes()).unwrap(), key);
            assert_eq!(Key::decode(key.bytes()).unwrap().hash(), key.hash());
        }
    }

    #[test]
    fn the_members_of_a_set_are_in_the_shard_of_the_set() {
        let set = Place::of(address(Space::Set, b"team", None));
        for member in [b"ann".as_slice(), b"bob", b""] {
            let place = Place::of(address(Space::Set, b"team", Some(member)));
            assert_eq!(place.shard(false), set.shard(false));
            let key = Key::keep(&place);
            assert_eq!(key.shard(false), set.shard(false));
            assert_eq!(key.collection(), set.bytes());
        }
    }

    #[test]
    fn a_name_never_runs_into_its_element() {
        let one = Place::of(address(Space::Set, b"ab", Some(b"c")));
        let other = Place::of(address(Space::Set, b"a", Some(b"bc")));
        assert_ne!(one.bytes(), other.bytes());
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        for bytes in [
            b"".as_slice(),
            b"\0\0\0\x07",
            b"\0\0\0\x07\x09name",
            b"\0\0\0\x07\x03\x05ab",
        ] {
            assert!(Key::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    /// What peers send and disks hold.
    #[test]
    fn golden_bytes() {
        let register = Place::of(address(Space::Register, b"k", None));
        assert_eq!(register.bytes(), b"\0\0\0\x07\x01k");
        let member = Place::of(address(Space::Set, b"s", Some(b"m")));
        assert_eq!(member.bytes(), b"\0\0\0\x07\x03\x01sm");
        assert_eq!(register.hash, 0x3c2d_0534_4960_3833);
    }
}
