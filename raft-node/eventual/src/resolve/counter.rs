//! The share of one process in a counter.
//!
//! A process writes only its own share: how much it has ever added, and how much it has ever taken away. Shares only
//! grow, so of two versions of one the larger is the newer, and the counter is the sum of all of them.
//!
//! ```text
//! increments: varint | decrements: varint        (LEB128: 7 bits a byte, the least first, the top bit says "more")
//! ```
//!
//! A restarted process has a new identity. It takes over the shares of its predecessors with [`Share::fold`]; only it may,
//! or they would be counted twice.

/// The longest encoded share: two varints of 64 bits.
pub const SHARE_BYTES_MAX: usize = 20;

/// What one process has ever added and taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// All that it added.
    pub increments: u64,
    /// All that it took away.
    pub decrements: u64,
}

/// Why a share cannot be read or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Not what [`Share::encode`] makes.
    #[error("{bytes} bytes are not the share of a process in a counter")]
    Malformed {
        /// How many there are.
        bytes: usize,
    },
    /// One process cannot add, or take away, more than 2^64 - 1 in its life.
    #[error(
        "a process cannot add or take away more than {} in all: {have} and {more} more",
        u64::MAX
    )]
    Overflow {
        /// What is there.
        have: u64,
        /// What would be added to it.
        more: u64,
    },
}

impl Share {
    /// Reads a share. Each has one encoding; anything else is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShareError> {
        let malformed = ShareError::Malformed { bytes: bytes.len() };
        let (increments, rest) = varint(bytes).ok_or(malformed)?;
        let (decrements, rest) = varint(rest).ok_or(malformed)?;
        let share = Share { increments, decrements };
        if rest.is_empty() { Ok(share) } else { Err(malformed) }
    }

    /// At most [`SHARE_BYTES_MAX`] bytes.
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SHARE_BYTES_MAX);
        put_varint(&mut bytes, self.increments);
        put_varint(&mut bytes, self.decrements);
        bytes
    }

    /// The share after `delta` was added to the counter; less than 0 takes away.
    pub fn changed_by(self, delta: i64) -> Result<Self, ShareError> {
        let Share { increments, decrements } = self;
        let more = delta.unsigned_abs();
        Ok(if delta < 0 {
            Share {
                increments,
                decrements: plus(decrements, more)?,
            }
        } else {
            Share {
                increments: plus(increments, more)?,
                decrements,
            }
        })
    }

    /// All shares in one. If that is too much for one share it is refused, and they stay as they are.
    pub fn fold(shares: impl IntoIterator<Item = Share>) -> Result<Self, ShareError> {
        shares.into_iter().try_fold(Share::default(), |all, share| {
            Ok(Share {
                increments: plus(all.increments, share.increments)?,
                decrements: plus(all.decrements, share.decrements)?,
            })
        })
    }

    /// What it adds to the counter, exactly.
    pub fn total(self) -> i128 {
        i128::from(self.increments) - i128::from(self.decrements)
    }
}

/// The encoded share of this process after `delta` was added; `current` is nothing if it never added anything.
pub fn add(current: Option<&[u8]>, delta: i64) -> Result<Vec<u8>, ShareError> {
    let share = current.map_or(Ok(Share::default()), Share::decode)?;
    Ok(share.changed_by(delta)?.encode())
}

/// What the counter shows. It is exact within 64 bits; beyond, it shows the limit, and comes back from it exactly, because
/// shares themselves do not saturate.
pub fn sum(shares: impl IntoIterator<Item = Share>) -> i64 {
    // 2^63 shares of the largest size fit.
    let total: i128 = shares.into_iter().map(Share::total).sum();
    total.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

fn plus(have: u64, more: u64) -> Result<u64, ShareError> {
    have.checked_add(more).ok_or(ShareError::Overflow { have, more })
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A varint in its shortest form, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if index == 9 && byte > 1 {
            return None;
        }
        value |= part << (7 * index);
        if byte & 0x80 == 0 {
            let longer_than_needed = byte == 0 && index > 0;
            return (!longer_than_needed).then(|| (value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(increments: u64, decrements: u64) -> Share {
        Share { increments, decrements }
    }

    #[test]
    fn the_encoding_is_frozen() {
        for (share, bytes) in [
            (share(0, 0), &[0, 0][..]),
            (share(1, 127), &[1, 0x7f]),
            (share(300, 128), &[0xac, 0x02, 0x80, 0x01]),
            (
                share(u64::MAX, 5),
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 5],
            ),
        ] {
            assert_eq!(share.encode(), bytes);
            assert_eq!(Share::decode(bytes), Ok(share));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let too_much = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0];
        for bytes in [
            &[][..],
            &[1],
            &[0x80],
            &[1, 2, 3],
            &[0x80, 0x00, 1],
            &[1, 0x80],
            &[0x80; 40],
            &too_much,
        ] {
            assert_eq!(Share::decode(bytes), Err(ShareError::Malformed { bytes: bytes.len() }));
            assert!(add(Some(bytes), 1).is_err());
        }
    }

    #[test]
    fn what_is_taken_away_is_kept_apart_from_what_is_added() {
        let first = add(None, 5).unwrap();
        let second = add(Some(&first), -7).unwrap();
        assert_eq!(Share::decode(&second), Ok(share(5, 7)));
        assert_eq!(sum([share(5, 7), share(10, 0)]), 8);
        assert_eq!(share(0, 0).changed_by(i64::MIN), Ok(share(0, 1 << 63)));
    }

    #[test]
    fn a_share_that_is_full_refuses_and_a_sum_stops_at_the_limit() {
        let full = share(u64::MAX, u64::MAX - 1);
        assert_eq!(
            full.changed_by(1),
            Err(ShareError::Overflow {
                have: u64::MAX,
                more: 1
            })
        );
        assert_eq!(full.changed_by(-1), Ok(share(u64::MAX, u64::MAX)));
        assert!(Share::fold([full, share(1, 0)]).is_err());
        assert_eq!(sum([share(u64::MAX, 0)]), i64::MAX);
        assert_eq!(sum([share(0, u64::MAX), share(0, u64::MAX)]), i64::MIN);
        assert_eq!(
            sum([share(u64::MAX, 0), share(0, u64::MAX), share(3, 0)]),
            3,
            "and comes back from it"
        );
        assert_eq!(sum([]), 0);
    }

    #[test]
    fn folding_predecessors_does_not_change_the_sum() {
        let shares = [share(3, 9), share(0, 0), share(1 << 40, 2)];
        assert_eq!(sum([Share::fold(shares).unwrap()]), sum(shares));
    }

    proptest! {
        #[test]
        fn a_share_has_one_encoding(increments: u64, decrements: u64, noise: Vec<u8>) {
            let share = share(increments, decrements);
            let bytes = share.encode();
            prop_assert!(bytes.len() <= SHARE_BYTES_MAX);
            prop_assert_eq!(Share::decode(&bytes), Ok(share));
            if let Ok(decoded) = Share::decode(&noise) {
                prop_assert_eq!(decoded.encode(), noise);
            }
        }
    }
}
