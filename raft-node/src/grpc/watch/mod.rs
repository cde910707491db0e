//! Watches: many on one stream.
//!
//! Requests are read one by one, and only while the client reads the answers to those before. What needs a round with
//! the quorum (a start now, a linearizable probe) is waited for beside the stream, so that rounds are shared.

mod cache;
mod coherent;
mod invalidate;
mod latest;
mod request;

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::Stream;
use prost::Message;
use quorate_proto::v1::watch_server::Watch;
use quorate_proto::v1::{self as proto, WatchMark, WatchRequest, WatchResponse, watch_request};
use tonic::{Request, Response, Status, Streaming};

use super::api::Api;
use super::error::{self, invalid};
use super::validate;
use super::work::{TIMEOUT_DEFAULT, timed_out};
use crate::canary::{self, Canary};
use crate::types::Revision;
use crate::watch::{AtLeast, Ending, WatchStream};
pub(super) use coherent::follow_leadership;
pub use invalidate::CachePeers;
use request::Start;

/// The watch service.
pub struct WatchService(pub Arc<Api>);

#[tonic::async_trait]
impl Watch for WatchService {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn open(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Self::OpenStream>, Status> {
        let stream = self.0.watches.open();
        tokio::spawn(receive(
            Arc::clone(&self.0),
            request.into_inner(),
            Arc::downgrade(&stream),
        ));
        // The stream of responses owns the watches: when the connection drops it, they end.
        let responses = futures::stream::unfold(Some(stream), |stream| async move {
            let stream = stream?;
            match stream.outbox().take().await? {
                Ok(response) => Some((Ok(response), Some(stream))),
                Err(broken) => Some((Err(error::status(broken)), None)),
            }
        });
        Ok(Response::new(Box::pin(responses)))
    }

    async fn invalidate(
        &self,
        request: Request<proto::InvalidateRequest>,
    ) -> Result<Response<proto::InvalidateResponse>, Status> {
        let answer = invalidate::invalidate(&self.0, request.into_inner()).await;
        answer.map(Response::new).map_err(error::status)
    }
}

/// Ends when the client closes its side, when the connection breaks, or at a request that breaks the rules of the stream.
async fn receive(api: Arc<Api>, mut requests: Streaming<WatchRequest>, stream: Weak<WatchStream>) {
    loop {
        let message = requests.message().await;
        let Some(stream) = stream.upgrade() else { return };
        let outbox = Arc::clone(stream.outbox());
        match message {
            Ok(Some(request)) => {
                // Whether it exists only the quorum knows; what comes behind on the stream waits for that, too.
                let caught_up = match request::names_unknown_domain(&api.store.domains().load(), &request) {
                    true => newest(&api, TIMEOUT_DEFAULT).await.map(|_| ()),
                    false => Ok(()),
                };
                // Looked up in its turn: the answers come in the order of the requests.
                let taken = match request.request {
                    Some(watch_request::Request::CacheKeys(keys)) => {
                        let size = validate::request_size(&api.limits, keys.encoded_len());
                        cache::change_keys(&api, &stream, keys, size.and(caught_up)).await
                    }
                    _ => take(&api, &stream, request, caught_up),
                };
                if let Err(broken) = taken {
                    return outbox.fail(broken);
                }
            }
            Ok(None) => return outbox.close(),
            Err(status) => {
                tracing::debug!(%status, "a stream of watches ended");
                return outbox.close();
            }
        }
        drop(stream);
        outbox.room_for_answers().await;
    }
}

/// Does one request. An error ends the stream: the client does not know what it says.
fn take(
    api: &Arc<Api>,
    stream: &Arc<WatchStream>,
    request: WatchRequest,
    caught_up: Result<(), proto::Error>,
) -> Result<(), proto::Error> {
    let size = validate::request_size(&api.limits, request.encoded_len());
    match request.request {
        // It concerns this watch, not the others of the stream.
        Some(watch_request::Request::Create(create)) => create_watch(api, stream, &create, size.and(caught_up)),
        _ if size.is_err() => size,
        None => Err(invalid(
            "request",
            "the request is empty, or of a kind that this version does not know",
        )),
        Some(watch_request::Request::Cancel(cancel)) => {
            stream.cancel(cancel.watch_id);
            Ok(())
        }
        Some(watch_request::Request::Probe(probe)) => {
            if probe.probe_id == 0 {
                return Err(invalid("probe_id", "the id of a probe is at least 1"));
            }
            answer_probe(api, stream, probe);
            Ok(())
        }
        Some(watch_request::Request::CacheApplied(applied)) => {
            stream.cache_applied(applied.watch_id, Revision(applied.revision));
            Ok(())
        }
        Some(watch_request::Request::CacheInvalidated(invalidated)) => {
            stream.invalidated(invalidated.watch_id, invalidated.invalidation_id);
            Ok(())
        }
        // Each is waited for, where the requests are read.
        Some(watch_request::Request::CacheKeys(_)) => Err(invalid("request", "keys of a cache are not changed here")),
    }
}

fn create_watch(
    api: &Arc<Api>,
    stream: &Arc<WatchStream>,
    create: &proto::WatchCreate,
    ready: Result<(), proto::Error>,
) -> Result<(), proto::Error> {
    let id = create.watch_id;
    if id == 0 {
        return Err(invalid("watch_id", "the id of a watch is at least 1"));
    }
    // A refusal would speak of the watch that has this id.
    if stream.outbox().is_in_use(id) {
        return Err(Ending::IdInUse(id).error());
    }
    let coherent = create.cache.is_some_and(|cache| cache.coherent);
    let domains = api.store.domains().load();
    let checked = ready
        .and_then(|()| request::start(create))
        .and_then(|start| Ok((start, request::spec(&api.limits, &domains, create)?)))
        .and_then(|(start, spec)| {
            let existing = spec.latest.is_some().then(|| latest::is_existing_wanted(start));
            Ok((start, existing.transpose()?, spec))
        });
    let led = |checked| match coherent && !api.raft.is_leader() {
        true => Err(coherent::not_leader(api)),
        false => Ok(checked),
    };
    let (start, existing, spec) = match checked.and_then(led) {
        Ok(checked) => checked,
        Err(refused) => {
            stream.outbox().refused(id, refused);
            return Ok(());
        }
    };
    let key = match stream.add(id, spec) {
        Ok(key) => key,
        Err(broken @ Ending::IdInUse(_)) => return Err(broken.error()),
        Err(refused) => {
            stream.outbox().refused(id, refused.error());
            return Ok(());
        }
    };
    // It asks nobody: what it tells is what this member has in its memory.
    if let Some(existing) = existing {
        stream.subscribe(key, &api.subscriptions, existing);
        return Ok(());
    }
    match start {
        Start::From(revision) => {
            let oldest = api.store.applied().compacted;
            match revision < oldest {
                true => stream.fail(
                    key,
                    Ending::Compacted {
                        asked: revision,
                        oldest,
                    }
                    .error(),
                ),
                false => {
                    let again = u64::from(canary::is(Canary::EventSentTwice));
                    stream.begin(key, Revision((revision.0 - 1).saturating_sub(again)));
                }
            }
        }
        Start::Now => {
            // It counts among the reads that wait: without a quorum, watches could be asked for and given up for ever.
            let permit = match api.waits.admit(0) {
                Ok(permit) => permit,
                Err(refused) => {
                    stream.fail(key, refused);
                    return Ok(());
                }
            };
            let (api, stream) = (Arc::clone(api), Arc::downgrade(stream));
            tokio::spawn(async move {
                let newest = match coherent {
                    true => coherent::newest_as_leader(&api, TIMEOUT_DEFAULT).await,
                    false => newest(&api, TIMEOUT_DEFAULT).await,
                };
                drop(permit);
                let Some(stream) = stream.upgrade() else { return };
                match newest {
                    Ok(newest) => stream.begin(key, newest),
                    Err(refused) => stream.fail(key, refused),
                }
            });
        }
    }
    Ok(())
}

fn answer_probe(api: &Arc<Api>, stream: &Arc<WatchStream>, probe: proto::WatchProbe) {
    let permit = match stream.admit_probe() {
        Ok(permit) => permit,
        Err(refused) => return stream.outbox().mark(unanswered(probe.probe_id, refused.error())),
    };
    let (api, stream) = (Arc::clone(api), Arc::downgrade(stream));
    tokio::spawn(async move {
        let any_coherent = |stream: &Weak<WatchStream>| {
            stream
                .upgrade()
                .is_some_and(|stream| stream.any_coherent(&probe.watch_ids))
        };
        let at_least = match probe.linearizable {
            true if any_coherent(&stream) => newest_for_coherent(&api).await,
            true => newest(&api, TIMEOUT_DEFAULT).await.map(|revision| AtLeast::Newest {
                revision,
                as_leader: false,
            }),
            false => Ok(AtLeast::Applied(api.store.applied().revision)),
        };
        let Some(stream) = stream.upgrade() else { return };
        match at_least {
            Ok(at_least) => stream.probe(probe.probe_id, permit, &probe.watch_ids, at_least),
            Err(refused) => stream.outbox().mark(unanswered(probe.probe_id, refused)),
        }
    });
}

/// Where this member does not lead, the coherent caches of the stream end; its other watches get their marks.
async fn newest_for_coherent(api: &Api) -> Result<AtLeast, proto::Error> {
    let (as_leader, revision) = match coherent::newest_as_leader(api, TIMEOUT_DEFAULT).await {
        Ok(revision) => (true, revision),
        Err(error) if error.code() == proto::ErrorCode::NotLeader => (false, newest(api, TIMEOUT_DEFAULT).await?),
        Err(error) => return Err(error),
    };
    Ok(AtLeast::Newest { revision, as_leader })
}

fn unanswered(probe_id: u64, error: proto::Error) -> WatchMark {
    WatchMark {
        probe_id,
        error: Some(error),
        ..WatchMark::default()
    }
}

/// The newest revision of the cluster, which this member has applied by then.
async fn newest(api: &Api, timeout: Duration) -> Result<Revision, proto::Error> {
    match tokio::time::timeout(timeout, api.reads.strong()).await {
        Ok(Ok(_)) => Ok(api.store.applied().revision),
        Ok(Err(failed)) => Err(error::read(&failed)),
        Err(_) => Err(timed_out(timeout)),
    }
}
