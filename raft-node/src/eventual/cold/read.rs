//! What keys hold, with every value.

use quorate_eventual::{Address, Cold, Fetched, Held, Place, Shard, ShardNumber};

use super::fetch::{LostValue, UNLOCKED_TRIES};
use crate::eventual::{Pressure, Tier};
use crate::mvcc::EventualDomain;

/// The elements of a set or a map, each with what it holds.
type Elements = Vec<(Box<[u8]>, Held)>;

impl Tier {
    /// What a key holds. With the domain, values that come from the disk for it stay in memory if there is room.
    pub fn read(&self, number: ShardNumber, place: &Place, stays: Option<&EventualDomain>) -> Result<Held, LostValue> {
        let now_ms = self.wall_ms();
        let look = |shard: &Shard| {
            let held = shard.read(place, now_ms);
            let cold = if held.is_cold() {
                shard.cold_of(place)
            } else {
                Vec::new()
            };
            (held, cold)
        };
        self.whole(number, stays, look, Held::fill)
    }

    /// The elements of a set or a map, all of one moment.
    pub fn read_elements(
        &self,
        number: ShardNumber,
        collection: &Place,
        stays: Option<&EventualDomain>,
    ) -> Result<Elements, LostValue> {
        let now_ms = self.wall_ms();
        let look = |shard: &Shard| {
            let elements = shard.read_elements(collection, now_ms);
            let cold = elements.iter().filter(|(_, held)| held.is_cold());
            let cold = cold.flat_map(|(element, _)| cold_of_element(shard, collection, element));
            let cold = cold.collect();
            (elements, cold)
        };
        let fill = |elements: &mut Elements, fetched: &Fetched| {
            for (_, held) in elements.iter_mut() {
                held.fill(fetched);
            }
            !elements.iter().any(|(_, held)| held.is_cold())
        };
        self.whole(number, stays, look, fill)
    }

    /// Looks, and brings what is on the disk alone. What was superseded meanwhile is looked for again.
    fn whole<T>(
        &self,
        number: ShardNumber,
        stays: Option<&EventualDomain>,
        look: impl Fn(&Shard) -> (T, Vec<Cold>),
        fill: impl Fn(&mut T, &Fetched) -> bool,
    ) -> Result<T, LostValue> {
        let mut fetched = Fetched::default();
        for _ in 0..UNLOCKED_TRIES {
            let (mut looked, cold) = look(&self.store.lock(number));
            if cold.is_empty() {
                return Ok(looked);
            }
            self.fetch(number, &cold, &mut fetched)?;
            if fill(&mut looked, &fetched) {
                self.keep(number, stays, &cold, &fetched);
                return Ok(looked);
            }
        }
        let shard = self.store.lock(number);
        let (mut looked, cold) = look(&shard);
        self.fetch_locked(number, &shard, &cold, &mut fetched)?;
        fill(&mut looked, &fetched);
        Ok(looked)
    }

    /// What was read stays in memory, unless the domain would be so full with it that clients could not write.
    fn keep(&self, number: ShardNumber, stays: Option<&EventualDomain>, cold: &[Cold], fetched: &Fetched) {
        let Some(domain) = stays else { return };
        let counts = self.store.counts().domain(domain.id.0);
        for Cold { key, dot } in cold {
            let bytes = fetched.get(*dot).map_or(0, |value| value.bytes().len() as u64);
            if Pressure::of(counts.bytes() + bytes, domain.bytes_max) == Pressure::Critical {
                return;
            }
            self.store.lock(number).warm(&Place::of(key.address()), fetched);
        }
    }
}

fn cold_of_element(shard: &Shard, collection: &Place, element: &[u8]) -> Vec<Cold> {
    let Ok(address) = Address::decode(collection.bytes()) else {
        return Vec::new();
    };
    let element = Some(element);
    shard.cold_of(&Place::of(Address { element, ..address }))
}
