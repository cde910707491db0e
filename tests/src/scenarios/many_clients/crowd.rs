//! Clients that come together and go together.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use quorate::{Client, Keys, Watch};
use quorate_proto::v1::watch_client::WatchClient;
use quorate_proto::v1::{WatchRequest, watch_message, watch_request};

use crate::HarnessError;
use crate::cluster::Cluster;
use crate::watch_check::{Asked, Names, Space, Start, Wanted};
use crate::watchers::create;

/// Clients that do the same thing at the same time.
const TOGETHER: usize = 16;

/// Idle watches are not asked about more often: the point is how many there are.
const WATCH_PROBE: Duration = Duration::from_secs(60);

/// So many connections on few processors are slow, which is no reason to try elsewhere.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// Thousands at once on two processors take their time.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// Requests for watches that are under way.
const REQUESTS: usize = 64;

/// One of them.
struct Guest {
    name: String,
    client: Client,
    watch: Option<Watch>,
}

/// Clients that are there at once.
pub(super) struct Crowd {
    guests: Vec<Guest>,
}

impl Crowd {
    /// Connects this many, each with another member first.
    pub(super) async fn arrive(endpoints: &[String], name: &str, clients: u64) -> Result<Crowd, HarnessError> {
        let guests = futures::stream::iter(0..clients).map(|number| {
            let mut endpoints = endpoints.to_vec();
            let first = usize::try_from(number).unwrap_or(0) % endpoints.len().max(1);
            endpoints.rotate_left(first);
            let name = name_of(name, number);
            async move {
                let builder = Client::builder().nearest(endpoints[0].clone()).endpoints(endpoints);
                let builder = builder.watch_probe(WATCH_PROBE).attempt_timeout(ATTEMPT_TIMEOUT);
                let client = builder.name("guest").call_timeout(CALL_TIMEOUT).connect().await;
                Ok::<_, HarnessError>(Guest {
                    client: client.map_err(HarnessError::call(format!("connect {name}")))?,
                    name,
                    watch: None,
                })
            }
        });
        Ok(Crowd {
            guests: guests.buffer_unordered(TOGETHER).try_collect().await?,
        })
    }

    /// Each watches a key of its own, and writes it in both tiers.
    pub(super) async fn write(&mut self) -> Result<(), HarnessError> {
        let guests = futures::stream::iter(self.guests.iter_mut()).map(|guest| async move {
            let failed = |doing: &str| HarnessError::call(format!("{doing} of {}", guest.name));
            let (name, client) = (guest.name.clone(), &guest.client);
            let watch = client.watch(Keys::key(name.clone())).timeout(CALL_TIMEOUT).await;
            guest.watch = Some(watch.map_err(failed("watch"))?);
            let put = client.put(name.clone(), name.clone()).await;
            put.map_err(failed("put"))?;
            let put = client.eventual().put(name.clone(), name.clone()).acks(2).await;
            put.map_err(failed("eventual put"))?;
            Ok::<_, HarnessError>(())
        });
        guests.buffer_unordered(TOGETHER).try_collect().await
    }

    /// Half of them close in order, the others are dropped.
    pub(super) async fn leave(self) {
        futures::stream::iter(self.guests.into_iter().enumerate())
            .for_each_concurrent(TOGETHER, |(number, guest)| async move {
                if number % 2 == 0 {
                    guest.client.close().await;
                }
                drop(guest);
            })
            .await;
    }
}

/// The key that a client writes, and its value.
pub(super) fn name_of(crowd: &str, number: u64) -> String {
    format!("crowd/{crowd}/{number}")
}

/// What the eventual tier has of crowds, at the member of this client.
pub(super) async fn eventual_keys(client: &Client) -> Result<BTreeMap<String, Bytes>, HarnessError> {
    let entries = client.eventual().scan(Keys::prefix("crowd/")).all(10_000_000).await;
    let entries = entries.map_err(HarnessError::call("scan the eventual tier"))?;
    let named = entries.into_iter().map(|entry| {
        let name = String::from_utf8_lossy(&entry.key).into_owned();
        (name, entry.value)
    });
    Ok(named.collect())
}

/// Every member has room for as many watches as it may have, and not for one more: nobody's is left.
pub(super) async fn check_room_for_watches(cluster: &Cluster, watches: u64) -> Result<(), HarnessError> {
    let asked = Asked {
        wanted: vec![Wanted {
            space: Space::Keys("default".to_owned()),
            names: Names::One(Bytes::from_static(b"nobody's")),
        }],
        puts: true,
        deletes: true,
        previous: false,
        keys_only: false,
    };
    let broken = |what: String| HarnessError::Broken(what);
    for id in cluster.ids() {
        let address = format!("http://{}", cluster.member(id)?.client_address());
        let client = WatchClient::connect(address).await;
        let mut client = client.map_err(|error| broken(format!("member {id}: {error}")))?;
        let (requests, waiting) = tokio::sync::mpsc::channel(REQUESTS);
        let asked = asked.clone();
        let asking = tokio::spawn(async move {
            for watch_id in 1..=watches + 1 {
                let create = watch_request::Request::Create(create(watch_id, &asked, Start::Now, 0));
                let request = WatchRequest { request: Some(create) };
                if requests.send(request).await.is_err() {
                    return None;
                }
            }
            // The stream ends with the sender.
            Some(requests)
        });
        let responses = client.open(tokio_stream::wrappers::ReceiverStream::new(waiting)).await;
        let mut responses = responses
            .map_err(|status| broken(format!("member {id}: {status}")))?
            .into_inner();
        let (mut created, mut refused) = (0, 0);
        while created + refused <= watches {
            let response = tokio::time::timeout(CALL_TIMEOUT, responses.message()).await;
            let response = response.map_err(|_| broken(format!("member {id} opened {created} watches only")))?;
            let response = response.map_err(|status| broken(format!("member {id}: {status}")))?;
            let Some(response) = response else {
                return Err(broken(format!("member {id} ended the stream after {created} watches")));
            };
            for message in response.messages {
                match message.message {
                    Some(watch_message::Message::Created(_)) => created += 1,
                    Some(watch_message::Message::Canceled(_)) => refused += 1,
                    _ => {}
                }
            }
        }
        drop(asking.await);
        if (created, refused) != (watches, 1) {
            return Err(broken(format!(
                "member {id} may have {watches} watches, opened {created} and refused {refused}"
            )));
        }
    }
    Ok(())
}
