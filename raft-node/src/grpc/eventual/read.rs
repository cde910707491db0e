//! Reads of keys.

use std::collections::BTreeSet;

use quorate_eventual::{Address, Place, ShardNumber, Space, Token};
use quorate_proto::v1::{Error, ErrorCode, EventualReadRequest, EventualReadResponse};

use super::answer::{Answer, Over};
use super::check;
use super::entry::{self, Content};
use super::level::{Promise, ms};
use crate::grpc::api::Api;
use crate::grpc::error::{self, refused};
use crate::mvcc::EventualDomain;

/// A read, checked.
pub(super) struct Read {
    domain: EventualDomain,
    space: Space,
    places: Vec<(bytes::Bytes, Place)>,
    pub(super) promise: Promise,
}

impl Read {
    fn shards(&self) -> impl Iterator<Item = ShardNumber> + '_ {
        self.places.iter().map(|(_, place)| place.shard(self.domain.volatile))
    }
}

impl Api {
    pub(super) fn check_read(&self, request: EventualReadRequest) -> Result<Read, Error> {
        let table = self.domain_table();
        let domain = check::domain(&table, &request.domain)?;
        check::count("keys", request.keys.len())?;
        let space = check::space(request.r#type)?;
        let mut places = Vec::with_capacity(request.keys.len());
        for key in request.keys {
            check::key(&self.limits, &key)?;
            let place = Place::of(Address {
                domain: domain.id.0,
                space,
                name: &key,
                element: None,
            });
            places.push((key, place));
        }
        Ok(Read {
            domain: domain.clone(),
            space,
            places,
            promise: Promise::of(request.options.as_ref(), self.roster.cluster_id())?,
        })
    }

    /// Waits for what was asked, then reads.
    pub(super) async fn read_keys(&self, read: Read) -> Result<EventualReadResponse, Error> {
        let shards = read.shards().collect();
        self.keep(&read.promise, &shards).await?;
        self.read_now(&read)
    }

    /// Reads what is here, if it fits in one answer.
    pub(super) fn read_now(&self, read: &Read) -> Result<EventualReadResponse, Error> {
        let mut seen = read.promise.token().clone();
        let mut answer = Answer::of_at_most(self.limits.range_bytes_max);
        for (key, place) in &read.places {
            let shard = place.shard(read.domain.volatile);
            self.tier.used(&read.domain, place);
            let content = self.content(shard, read.space, place, Some(&read.domain))?;
            let cluster = self.roster.cluster_id();
            let entry = entry::entry(cluster, shard, read.space, key, &content, false);
            if let Err(over) = answer.push(entry) {
                return Err(too_much(&answer, over, read.places.len()));
            }
        }
        let shards: BTreeSet<ShardNumber> = read.shards().collect();
        self.saw(&mut seen, shards);
        Ok(EventualReadResponse {
            header: Some(self.eventual_header()),
            entries: answer.entries,
            token: self.token_out(seen),
            age_ms: self.tier.age().map(ms),
        })
    }

    /// With the domain, what comes from the disk for it stays in memory.
    pub(super) fn content(
        &self,
        shard: ShardNumber,
        space: Space,
        place: &Place,
        stays: Option<&EventualDomain>,
    ) -> Result<Content, Error> {
        let content = if space.has_elements() {
            self.tier.read_elements(shard, place, stays).map(Content::Many)
        } else {
            self.tier.read(shard, place, stays).map(Content::One)
        };
        content.map_err(|lost| error::storage(&lost))
    }

    /// The same if nobody wants values: then none is brought from the disk, but those that tell whether others are discarded.
    pub(super) fn content_of_key(&self, shard: ShardNumber, space: Space, place: &Place) -> Result<Content, Error> {
        let now_ms = self.tier.wall_ms();
        let locked = self.tier.store.lock(shard);
        if space.has_elements() {
            return Ok(Content::Many(locked.read_elements(place, now_ms)));
        }
        let held = locked.read(place, now_ms);
        drop(locked);
        match held.siblings.len() {
            0 | 1 => Ok(Content::One(held)),
            _ => self.content(shard, space, place, None),
        }
    }

    /// The client has seen what is here of these shards. Looked up after they were read: it may say more than was seen, never
    /// less.
    pub(super) fn saw(&self, token: &mut Token, shards: impl IntoIterator<Item = ShardNumber>) {
        for shard in shards {
            token.saw(shard, self.clock_of(shard));
        }
    }

    /// What goes back: what every member has is left out.
    pub(super) fn token_out(&self, mut token: Token) -> bytes::Bytes {
        if let Some(peers) = self.tier.peers.everybody() {
            let actors = self.tier.store.actors();
            // Nearly all is of one process.
            let mut found = None;
            token.forget(|shard, actor, number| {
                let place = match found {
                    Some((of, place)) if of == actor => place,
                    _ => found.insert((actor, actors.find(actor))).1,
                };
                place.is_some_and(|place| peers.iter().all(|peer| peer.knows(shard, place, number)))
            });
        }
        token.encode(self.roster.cluster_id()).into()
    }
}

/// The entries of a read are more than one answer may be.
fn too_much(answer: &Answer, over: Over, asked: usize) -> Error {
    let (limit, value, fit) = (answer.bytes_max(), over.bytes, answer.entries.len());
    Error {
        field: "keys".into(),
        limit,
        value,
        ..refused(
            ErrorCode::TooLarge,
            format!(
                "the entries of {} of {asked} keys have {value} bytes; the limit of an answer is {limit} \
                 (limits.range_bytes_max): read fewer keys at once, here {fit}",
                fit + 1
            ),
        )
    }
}
