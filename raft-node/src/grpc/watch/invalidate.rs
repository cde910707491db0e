//! Invalidation of what caches hold, at every member.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use prost::Message;
use quorate_proto::internal as peer;
use quorate_proto::internal::caches_server::Caches;
use quorate_proto::v1::{self as proto, CacheSelector, Error, cache_selector};
use tonic::{Request, Response, Status};

use super::{cache, newest};
use crate::config::Limits;
use crate::consensus::Member;
use crate::grpc::admission::Permit;
use crate::grpc::api::Api;
use crate::grpc::error::{self, invalid};
use crate::grpc::validate;
use crate::grpc::work::TIMEOUT_DEFAULT;
use crate::mvcc::DomainTable;
use crate::types::MemberId;

/// The longest that a caller may wait, in milliseconds.
const WAIT_MS_MAX: u64 = 60_000;
/// Where nobody waits, another member is told within this or not at all.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(2);
/// What is kept of the time to wait for the way back from another member, at most.
const WAY_BACK_MAX: Duration = Duration::from_millis(100);

/// What comes of it at one member.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    told: u64,
    acknowledged: u64,
}

/// Does it everywhere.
pub(super) async fn invalidate(
    api: &Arc<Api>,
    request: proto::InvalidateRequest,
) -> Result<proto::InvalidateResponse, Error> {
    validate::request_size(&api.limits, request.encoded_len())?;
    let permit = Arc::new(api.waits.admit(0)?);
    if request.wait_ms > WAIT_MS_MAX {
        let message = format!(
            "{} ms is too long to wait; the limit is {WAIT_MS_MAX} ms",
            request.wait_ms
        );
        return Err(Error {
            limit: WAIT_MS_MAX,
            value: request.wait_ms,
            ..invalid("wait_ms", message)
        });
    }
    let what = request
        .what
        .ok_or_else(|| invalid("what", "nothing is named: give keys, or a tag"))?;
    if !what.domain.is_empty() && api.store.domains().load().tier(&what.domain).is_none() {
        // Whether it exists only the quorum knows.
        newest(api, TIMEOUT_DEFAULT).await?;
    }
    let what = checked(&api.limits, &api.store.domains().load(), what)?;
    let wait = Duration::from_millis(request.wait_ms);
    let (count, unreached) = everywhere(api, &what, wait, &permit).await;
    Ok(proto::InvalidateResponse {
        header: Some(api.header_now()),
        told: count.told,
        acknowledged: count.acknowledged,
        unreached,
    })
}

/// With its domain named.
fn checked(limits: &Limits, table: &DomainTable, what: CacheSelector) -> Result<CacheSelector, Error> {
    let (_, domain) = cache::strong(table, &what.domain)?;
    match &what.which {
        None => return Err(invalid("what", "nothing is selected: give keys, or a tag")),
        Some(cache_selector::Which::Keys(keys)) => drop(validate::selector(limits, Some(keys))?),
        Some(cache_selector::Which::Tag(tag)) => validate::tag_size(limits, tag).map_err(|error| Error {
            field: "what.tag".to_owned(),
            ..error
        })?,
    }
    Ok(CacheSelector { domain, ..what })
}

/// Tells the caches of every member. Where nobody waits, only those of this one are counted, and nobody is known not to be
/// reached.
async fn everywhere(
    api: &Arc<Api>,
    what: &CacheSelector,
    wait: Duration,
    permit: &Arc<Permit>,
) -> (Count, Vec<MemberId>) {
    let own = api.watches.invalidate(what);
    let me = api.roster.me().member;
    let others: BTreeMap<MemberId, Member> = api.roster.members().iter().map(|(id, m)| (*id, m.clone())).collect();
    let others = others.into_iter().filter(|(id, _)| *id != me);
    if wait.is_zero() {
        for (id, member) in others {
            let (api, what, permit) = (Arc::clone(api), what.clone(), Arc::clone(permit));
            tokio::spawn(async move {
                // It counts for as long as something is done for it.
                let _permit = permit;
                if let Err(status) = at_peer(&api, id, &member, &what, wait, BACKGROUND_TIMEOUT).await {
                    tracing::info!(member = id, %status, "the caches of a member were not told to drop records");
                }
            });
        }
        let told = own.told();
        return (Count { told, acknowledged: 0 }, Vec::new());
    }
    // Its answer has to come back in time.
    let wait_there = wait - (wait / 4).min(WAY_BACK_MAX);
    let asked = others.map(|(id, member)| async move {
        let answer = at_peer(api, id, &member, what, wait_there, wait).await;
        (id, answer)
    });
    let (acknowledged, answers) = futures::join!(own.acknowledged(wait), join_all(asked));
    let mut count = Count {
        told: own.told(),
        acknowledged,
    };
    let mut unreached = Vec::new();
    for (id, answer) in answers {
        match answer {
            Ok(answer) => {
                count.told += answer.told;
                count.acknowledged += answer.acknowledged;
            }
            Err(status) => {
                tracing::info!(member = id, %status, "the caches of a member were not told to drop records, or did not say so");
                unreached.push(id);
            }
        }
    }
    (count, unreached)
}

async fn at_peer(
    api: &Api,
    id: MemberId,
    member: &Member,
    what: &CacheSelector,
    wait: Duration,
    timeout: Duration,
) -> Result<Count, Status> {
    let client = api.peers.caches_client(id, member);
    let mut client = client.ok_or_else(|| Status::unavailable("its address is none"))?;
    let request = peer::CacheInvalidateRequest {
        what: what.encode_to_vec().into(),
        wait_ms: u64::try_from(wait.as_millis()).unwrap_or(WAIT_MS_MAX),
    };
    let request = api.roster.stamp(request, id, member.directory);
    let answer = tokio::time::timeout(timeout, client.invalidate(request)).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("it did not answer in time"))??;
    let answer = answer.into_inner();
    Ok(Count {
        told: answer.told,
        acknowledged: answer.acknowledged,
    })
}

/// What other members may ask of the caches of this one.
pub struct CachePeers(pub Arc<Api>);

#[tonic::async_trait]
impl Caches for CachePeers {
    async fn invalidate(
        &self,
        request: Request<peer::CacheInvalidateRequest>,
    ) -> Result<Response<peer::CacheInvalidateResponse>, Status> {
        self.0.roster.check(&request)?;
        let (api, request) = (Arc::clone(&self.0), request.into_inner());
        // Not on the runtime that this call came on: Raft's heartbeats are there.
        let invalidating = self
            .0
            .runtime
            .spawn(async move { invalidate_here(&api, request).await });
        let answer = invalidating
            .await
            .map_err(|error| Status::internal(error.to_string()))??;
        Ok(Response::new(answer))
    }
}

async fn invalidate_here(
    api: &Api,
    request: peer::CacheInvalidateRequest,
) -> Result<peer::CacheInvalidateResponse, Status> {
    let what = CacheSelector::decode(request.what).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let _permit = api.waits.admit(0).map_err(error::status)?;
    let wait = Duration::from_millis(request.wait_ms.min(WAIT_MS_MAX));
    let own = api.watches.invalidate(&what);
    let acknowledged = match wait.is_zero() {
        true => 0,
        false => own.acknowledged(wait).await,
    };
    Ok(peer::CacheInvalidateResponse {
        told: own.told(),
        acknowledged,
    })
}
