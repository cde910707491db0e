//! Watchers of etcd: those of one connection share a stream, as its own client has it.

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;
use tonic::Streaming;

use super::Received;
use crate::target::describe;
use crate::target::etcd::api::watch_client::WatchClient;
use crate::target::etcd::api::watch_request::RequestUnion;
use crate::target::etcd::api::{WatchCreateRequest, WatchRequest, WatchResponse};

pub(super) async fn open(
    endpoint: &str,
    watchers: usize,
    prefix: &str,
    received: &mpsc::Sender<Received>,
) -> Result<(), String> {
    let mut client = WatchClient::new(super::super::lasting_channel(endpoint).await?);
    let (requests, outgoing) = mpsc::channel(watchers.max(1));
    for number in 1..=watchers {
        let create = WatchCreateRequest {
            key: Bytes::copy_from_slice(prefix.as_bytes()),
            range_end: Bytes::from(quorate_node::mvcc::keys::successor(prefix.as_bytes()).unwrap_or_default()),
            watch_id: i64::try_from(number).map_err(|error| error.to_string())?,
        };
        let request = WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(create)),
        };
        requests.send(request).await.map_err(|error| error.to_string())?;
    }
    let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
    let mut responses = client
        .watch(outgoing)
        .await
        .map_err(|status| describe(&status))?
        .into_inner();
    for _ in 0..watchers {
        created(&mut responses).await?;
    }
    let received = received.clone();
    tokio::spawn(async move {
        // The stream lasts as long as its requests.
        let _requests = requests;
        while let Ok(Some(response)) = responses.message().await {
            let events = response.events.into_iter();
            let values = events.filter_map(|event| event.kv).map(|kv| kv.value).collect();
            let at = Instant::now();
            if received.send(Received { at, values }).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

async fn created(responses: &mut Streaming<WatchResponse>) -> Result<(), String> {
    match responses.message().await {
        Ok(Some(response)) if response.created && !response.canceled => Ok(()),
        Ok(other) => Err(format!("etcd did not create a watch: {other:?}")),
        Err(status) => Err(describe(&status)),
    }
}
