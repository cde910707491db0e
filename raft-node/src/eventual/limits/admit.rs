//! Whether a client may write.

use std::sync::atomic::Ordering;

use quorate_eventual::{DomainCounts, Fetched, Moment, Place, Refused, ShardNumber, Write, Written};

use super::Pressure;
use crate::blocking::blocking;
use crate::eventual::Tier;
use crate::eventual::cold::{LostValue, UNLOCKED_TRIES};
use crate::mvcc::{EventualDomain, Evict};

/// A write that finds its domain full makes room so often, as long as that helps.
const ROOM_TRIES: usize = 32;
/// The limit that values alone count for.
const BYTES: &str = "bytes";

/// The domain is nearly full, and the write would make it larger. It changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "domain {domain:?} holds {value} {what} of at most {limit}: from 90 % on, writes that make it larger are refused; delete \
     something, or raise {what}_max"
)]
pub struct Full {
    /// Its name.
    pub domain: String,
    /// `bytes` or `entries`.
    pub what: &'static str,
    /// How many it may hold.
    pub limit: u64,
    /// How many it holds.
    pub value: u64,
}

/// Why a write was not done. It changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// No room.
    #[error(transparent)]
    Full(#[from] Full),
    /// It does not fit what is there.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What is there is on this member's disk alone and cannot be read.
    #[error(transparent)]
    Lost(#[from] LostValue),
}

impl Tier {
    /// Refuses a client's write that `grows` a domain of which 90 % are taken. What comes from peers is never asked.
    pub fn admit(&self, domain: &EventualDomain, grows: bool) -> Result<(), Full> {
        if !grows || (domain.bytes_max == 0 && domain.entries_max == 0) {
            return Ok(());
        }
        let counts = self.store.counts().domain(domain.id.0);
        match full(domain, &counts) {
            None => Ok(()),
            Some(full) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
                Err(full)
            }
        }
    }

    /// Does a client's write, if the domain has room for it. Returns its shard, too, of which [`Tier::wrote`] has to be told
    /// if there is a dot.
    pub fn write(
        &self,
        domain: &EventualDomain,
        write: &Write<'_>,
        moment: Moment<'_>,
    ) -> Result<(ShardNumber, Written), NotWritten> {
        let number = write.place.shard(domain.volatile);
        let limited = domain.bytes_max != 0 || domain.entries_max != 0;
        let look = || {
            let counts = limited.then(|| self.store.counts().domain(domain.id.0))?;
            full(domain, &counts)
        };
        // No entry goes when its value does.
        let wants_room = |full: &Option<Full>| full.as_ref().is_some_and(|full| full.what == BYTES);
        let mut found = look();
        if wants_room(&found) && domain.evict == Evict::Memory && self.store.lock(number).would_grow(write) {
            // Others write meanwhile, here and at peers, and may have taken the room that was made. Once there was some, the
            // write is not refused for what came after it.
            for _ in 0..ROOM_TRIES {
                let helped = blocking(|| self.make_room(domain, number));
                found = look();
                if !helped || !wants_room(&found) {
                    break;
                }
            }
        }
        let mut shard = self.store.lock(number);
        if found.is_some() {
            self.admit(domain, shard.would_grow(write))?;
        }
        match shard.write(write, moment) {
            Ok(written) => Ok((number, written)),
            Err(Refused::Cold) => {
                drop(shard);
                Ok((number, self.write_over_cold(number, write, moment)?))
            }
            Err(refused) => Err(refused.into()),
        }
    }

    /// Does a write that needs what is on the disk alone. Mostly it takes its place; if it changes nothing, what was brought stays
    /// until the next sweep.
    fn write_over_cold(
        &self,
        number: ShardNumber,
        write: &Write<'_>,
        moment: Moment<'_>,
    ) -> Result<Written, NotWritten> {
        let mut fetched = Fetched::default();
        for _ in 0..UNLOCKED_TRIES {
            let cold = self.store.lock(number).cold_of(write.place);
            self.fetch(number, &cold, &mut fetched)?;
            let mut shard = self.store.lock(number);
            shard.warm(write.place, &fetched);
            match shard.write(write, moment) {
                // Something else was written there meanwhile, and left the memory.
                Err(Refused::Cold) => {}
                done => return Ok(done?),
            }
        }
        let mut shard = self.store.lock(number);
        let cold = shard.cold_of(write.place);
        self.fetch_locked(number, &shard, &cold, &mut fetched)?;
        shard.warm(write.place, &fetched);
        Ok(shard.write(write, moment)?)
    }

    /// A client read what is at the place: it is worth more to a domain that evicts.
    pub fn used(&self, domain: &EventualDomain, place: &Place) {
        if domain.evict != Evict::None {
            self.store.lock(place.shard(domain.volatile)).used(place);
        }
    }
}

fn full(domain: &EventualDomain, counts: &DomainCounts) -> Option<Full> {
    let limits = [
        (BYTES, domain.bytes_max, counts.bytes()),
        ("entries", domain.entries_max, counts.entries()),
    ];
    let (what, limit, value) = limits
        .into_iter()
        .find(|(_, limit, value)| Pressure::of(*value, *limit) == Pressure::Critical)?;
    Some(Full {
        domain: domain.name.clone(),
        what,
        limit,
        value,
    })
}
