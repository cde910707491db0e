//! Reads of all keys that match, page by page.
//!
//! A page goes through the shards in their order, and within a shard through the keys in theirs: a key that lives all through
//! the pages is in exactly one of them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use quorate_eventual::{Address, Place, SHARDS_PER_SET, ShardNumber, Space};
use quorate_proto::v1::{Error, EventualScanRequest, EventualScanResponse, eventual_scan_request};

use super::answer::Answer;
use super::check;
use super::entry;
use super::level::{Promise, ms};
use crate::grpc::api::Api;
use crate::grpc::error::invalid;
use crate::mvcc::Selector;

/// A scan, checked.
pub(super) struct Scan {
    domain: u32,
    volatile: bool,
    space: Space,
    wanted: Selector,
    limit: usize,
    bytes_max: u64,
    keys_only: bool,
    from: Cursor,
    pub(super) promise: Promise,
}

/// Where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cursor {
    /// Within its set.
    shard: u16,
    /// Bytes of the last key of the shard that was returned; empty: none was.
    after: Vec<u8>,
}

impl Cursor {
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let Some((shard, after)) = bytes.split_first_chunk::<2>() else {
            return if bytes.is_empty() {
                Ok(Self::default())
            } else {
                Err(invalid("cursor", "it is not the cursor of a page"))
            };
        };
        let shard = u16::from_le_bytes(*shard);
        if shard >= SHARDS_PER_SET {
            return Err(invalid("cursor", "it is not the cursor of a page"));
        }
        Ok(Cursor {
            shard,
            after: after.to_vec(),
        })
    }

    fn encode(&self) -> Vec<u8> {
        [&self.shard.to_le_bytes()[..], &self.after].concat()
    }
}

impl Api {
    pub(super) fn check_scan(&self, request: &EventualScanRequest) -> Result<Scan, Error> {
        use eventual_scan_request::Keys;
        let table = self.domain_table();
        let domain = check::domain(&table, &request.domain)?;
        let wanted = match &request.keys {
            None => Selector::Prefix(Vec::new()),
            Some(Keys::Prefix(prefix)) => {
                check::element(&self.limits, "prefix", prefix)?;
                Selector::Prefix(prefix.to_vec())
            }
            Some(Keys::Pattern(pattern)) => {
                if pattern.is_empty() {
                    return Err(invalid("pattern", "the pattern is empty; `**` matches every key"));
                }
                check::element(&self.limits, "pattern", pattern.as_bytes())?;
                Selector::Pattern(pattern.clone())
            }
        };
        let most = usize::try_from(self.limits.range_records_max).unwrap_or(usize::MAX);
        let limit = match request.limit as usize {
            0 => most,
            asked => asked.min(most),
        };
        Ok(Scan {
            domain: domain.id.0,
            volatile: domain.volatile,
            space: check::space(request.r#type)?,
            wanted,
            limit,
            bytes_max: self.limits.range_bytes_max,
            keys_only: request.keys_only,
            from: Cursor::decode(&request.cursor)?,
            promise: Promise::of(request.options.as_ref(), self.roster.cluster_id())?,
        })
    }

    /// Waits for what was asked, then reads a page.
    pub(super) async fn scan(&self, scan: Scan) -> Result<EventualScanResponse, Error> {
        let shards = (scan.from.shard..SHARDS_PER_SET)
            .filter_map(|shard| scan.shard(shard))
            .collect();
        self.keep(&scan.promise, &shards).await?;
        self.scan_now(&scan)
    }

    /// Reads a page of what is here.
    pub(super) fn scan_now(&self, scan: &Scan) -> Result<EventualScanResponse, Error> {
        let mut page = Answer::of_at_most(scan.bytes_max);
        let mut next = None;
        let mut shards = BTreeSet::new();
        for shard in scan.from.shard..SHARDS_PER_SET {
            let Some(number) = scan.shard(shard) else { break };
            shards.insert(number);
            if let ControlFlow::Break(after) = self.scan_shard(scan, number, shard, &mut page)? {
                next = Some(Cursor { shard, after });
                break;
            }
        }
        let mut seen = scan.promise.token().clone();
        self.saw(&mut seen, shards);
        Ok(EventualScanResponse {
            header: Some(self.eventual_header()),
            entries: page.entries,
            cursor: next.map_or_else(Vec::new, |cursor| cursor.encode()).into(),
            token: self.token_out(seen),
            age_ms: self.tier.age().map(ms),
        })
    }

    /// Adds what matches in a shard. Breaks with the last key it added when the page is full.
    fn scan_shard(
        &self,
        scan: &Scan,
        number: ShardNumber,
        shard: u16,
        page: &mut Answer,
    ) -> Result<ControlFlow<Vec<u8>>, Error> {
        let after = if shard == scan.from.shard {
            &scan.from.after[..]
        } else {
            &[]
        };
        let found = self.tier.store.lock(number).matching(|bytes| {
            (after.is_empty() || bytes > after) && Address::decode(bytes).is_ok_and(|address| scan.wants(&address))
        });
        let mut last = after.to_vec();
        for bytes in found {
            let Ok(address) = Address::decode(&bytes) else { continue };
            if page.entries.len() >= scan.limit {
                return Ok(ControlFlow::Break(last));
            }
            let place = Place::of(Address {
                element: None,
                ..address
            });
            // Who goes through everything must not push out what is read often.
            let content = if scan.keys_only {
                self.content_of_key(number, scan.space, &place)?
            } else {
                self.content(number, scan.space, &place, None)?
            };
            let cluster = self.roster.cluster_id();
            let entry = entry::entry(cluster, number, scan.space, address.name, &content, scan.keys_only);
            // It may have ended, or gone since.
            if entry.exists && page.push(entry).is_err() {
                return Ok(ControlFlow::Break(last));
            }
            last = bytes.to_vec();
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Scan {
    fn shard(&self, within: u16) -> Option<ShardNumber> {
        let first = if self.volatile { SHARDS_PER_SET } else { 0 };
        ShardNumber::new(u32::from(first + within))
    }

    fn wants(&self, address: &Address<'_>) -> bool {
        address.domain == self.domain && address.space == self.space && self.wanted.matches(address.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let cursor = Cursor {
            shard: 255,
            after: b"key".to_vec(),
        };
        assert_eq!(Cursor::decode(&cursor.encode()).ok(), Some(cursor));
        assert_eq!(Cursor::decode(b"").ok(), Some(Cursor::default()));
        assert!(Cursor::decode(b"\x01").is_err());
        assert!(Cursor::decode(b"\x00\x01").is_err());
    }
}
