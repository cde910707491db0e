//! How a writer reaches members: through the SDK, or by single calls over plain gRPC.

use std::time::Duration;

use bytes::Bytes;
use quorate::{Client, EventualContext, EventualEntry, Outcome};
use quorate_proto::v1;
use quorate_proto::v1::eventual_client::EventualClient;
use quorate_proto::v1::eventual_write::Change as WireChange;
use quorate_proto::v1::eventual_write_result::Result as WireResult;
use tonic::transport::{Channel, Endpoint};

use super::keys::{self, entry_type, held, strategy, ttl_ms};
use crate::HarnessError;
use crate::eventual_check::{self as check, Change, Held, Key, Kind};

/// A call that takes longer has an unknown end.
const CALL_TIMEOUT: Duration = Duration::from_millis(2500);

/// Members are waited for less long than the call may take, so that the answer says how many there were.
const ACKS_TIMEOUT_MS: u64 = 1500;

/// What a member said of a write.
pub(super) struct Answer {
    pub(super) member: u64,
    pub(super) outcome: check::Outcome,
}

/// A way to the members.
pub(super) enum Port {
    /// It retries, and chooses the member.
    Sdk(Client),
    /// One member, asked once.
    Raw {
        member: u64,
        client: EventualClient<Channel>,
    },
}

impl Port {
    pub(super) fn raw(member: u64, address: &str) -> Result<Port, HarnessError> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| HarnessError::Broken(format!("{address}: {error}")))?;
        let endpoint = endpoint.connect_timeout(Duration::from_secs(1));
        Ok(Port::Raw {
            member,
            client: EventualClient::new(endpoint.connect_lazy()),
        })
    }

    /// What it sends is done once at most.
    pub(super) fn sends_once(&self) -> bool {
        matches!(self, Port::Raw { .. })
    }

    pub(super) async fn write(&self, key: &Key, change: &Change, context: Option<&Bytes>, acks: u32) -> Answer {
        match self {
            Port::Sdk(client) => sdk_write(client, key, change, context, acks).await,
            Port::Raw { member, client } => raw_write(*member, client.clone(), key, change, context, acks).await,
        }
    }

    /// What is there, and its context; nothing if that cannot be had now.
    pub(super) async fn read(&self, key: &Key) -> Option<(Held, Bytes)> {
        match self {
            Port::Sdk(client) => {
                let read = client.eventual_in(key.domain).get(key.name.clone());
                let reply = read.of(entry_type(key.kind)).timeout(CALL_TIMEOUT).await.ok()?;
                let held = reply.entry.as_ref().map(|entry| held(key.kind, entry));
                let context = Bytes::copy_from_slice(reply.context.as_bytes());
                Some((held.unwrap_or_default(), context))
            }
            Port::Raw { client, .. } => {
                let mut asked = v1::EventualReadRequest {
                    domain: key.domain.to_owned(),
                    keys: vec![key.name.clone().into()],
                    ..Default::default()
                };
                asked.set_type(wire_type(key.kind));
                let mut request = tonic::Request::new(asked);
                request.set_timeout(CALL_TIMEOUT);
                let mut client = client.clone();
                let read = tokio::time::timeout(CALL_TIMEOUT, client.read(request))
                    .await
                    .ok()?
                    .ok()?;
                let entry = read.into_inner().entries.pop()?;
                let context = entry.context.clone();
                let held = entry.exists.then(|| held(key.kind, &EventualEntry::from(entry)));
                Some((held.unwrap_or_default(), context))
            }
        }
    }
}

async fn sdk_write(client: &Client, key: &Key, change: &Change, context: Option<&Bytes>, acks: u32) -> Answer {
    let (eventual, name) = (client.eventual_in(key.domain), key.name.clone());
    let context = context.map(|context| EventualContext::from_bytes(context.clone()));
    let written = match change {
        Change::Put { value, .. } => {
            let mut put = eventual
                .put(name, payload(key.kind, value))
                .strategy(strategy(key.kind));
            if let Some(context) = &context {
                put = put.context(context);
            }
            if ttl_ms(key) > 0 {
                put = put.ttl(Duration::from_millis(ttl_ms(key)));
            }
            put.acks(acks).timeout(CALL_TIMEOUT).await
        }
        other => {
            let mut change = match other {
                Change::Add(number) => eventual.counter(name).add(*number),
                Change::Insert(member) => eventual.set(name).add([member.clone()]),
                Change::Remove(member) => eventual.set(name).remove([member.clone()]),
                Change::Delete { .. } | Change::Put { .. } => eventual.delete(name),
            };
            if let Some(context) = &context {
                change = change.context(context);
            }
            change.acks(acks).timeout(CALL_TIMEOUT).await
        }
    };
    match written {
        Ok(written) => Answer {
            member: written.member,
            outcome: check::Outcome::Acked(written.acked),
        },
        Err(error) => Answer {
            member: 0,
            outcome: match error.outcome() {
                Outcome::NotApplied => check::Outcome::Refused(error.to_string()),
                _ => check::Outcome::Unknown(error.to_string()),
            },
        },
    }
}

async fn raw_write(
    member: u64,
    mut client: EventualClient<Channel>,
    key: &Key,
    change: &Change,
    context: Option<&Bytes>,
    acks: u32,
) -> Answer {
    let write = v1::EventualWrite {
        key: key.name.clone().into(),
        change: Some(wire_change(key.kind, change)),
        ttl_ms: if matches!(change, Change::Put { .. }) {
            ttl_ms(key)
        } else {
            0
        },
        context: context.cloned().unwrap_or_default(),
    };
    let mut request = tonic::Request::new(v1::EventualWriteRequest {
        domain: key.domain.to_owned(),
        writes: vec![write],
        acks,
        timeout_ms: ACKS_TIMEOUT_MS,
        ..Default::default()
    });
    request.set_timeout(CALL_TIMEOUT);
    let outcome = match tokio::time::timeout(CALL_TIMEOUT, client.write(request)).await {
        Err(_elapsed) => check::Outcome::Unknown("no answer in time".to_owned()),
        Ok(Err(status)) => check::Outcome::Unknown(status.to_string()),
        Ok(Ok(response)) => {
            let response = response.into_inner();
            match response.results.into_iter().next().and_then(|result| result.result) {
                Some(WireResult::Written(_)) => check::Outcome::Acked(response.acked),
                Some(WireResult::Error(error)) => check::Outcome::Refused(error.message),
                None => check::Outcome::Unknown("an answer without a result".to_owned()),
            }
        }
    };
    Answer { member, outcome }
}

fn wire_change(kind: Kind, change: &Change) -> WireChange {
    match change {
        Change::Put { value, .. } => {
            let mut put = v1::EventualPut {
                value: payload(kind, value).into(),
                ..Default::default()
            };
            put.set_strategy(wire_strategy(kind));
            WireChange::Put(put)
        }
        Change::Delete { .. } => WireChange::Delete(v1::EventualDelete {
            r#type: wire_type(kind).into(),
        }),
        Change::Add(number) => WireChange::Add(*number),
        Change::Insert(member) => WireChange::Set(v1::EventualSetChange {
            add: vec![member.clone().into()],
            remove: Vec::new(),
        }),
        Change::Remove(member) => WireChange::Set(v1::EventualSetChange {
            add: Vec::new(),
            remove: vec![member.clone().into()],
        }),
    }
}

/// The value as it is written.
fn payload(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Union => format!("[{value:?}]"),
        _ => value.to_owned(),
    }
}

fn wire_type(kind: Kind) -> v1::EventualType {
    match keys::entry_type(kind) {
        quorate::EventualType::Counter => v1::EventualType::Counter,
        quorate::EventualType::Set => v1::EventualType::Set,
        _ => v1::EventualType::Register,
    }
}

fn wire_strategy(kind: Kind) -> v1::EventualStrategy {
    match kind {
        Kind::Siblings => v1::EventualStrategy::Siblings,
        Kind::Union => v1::EventualStrategy::Union,
        Kind::Max => v1::EventualStrategy::Max,
        Kind::LastWrite | Kind::Counter | Kind::Set => v1::EventualStrategy::LastWrite,
    }
}
