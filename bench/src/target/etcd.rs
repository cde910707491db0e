//! etcd, with one gRPC call per operation.

use bytes::Bytes;
use tonic::transport::Channel;
use tonic::transport::channel::Change;

use self::api::kv_client::KvClient;
use self::api::maintenance_client::MaintenanceClient;
use super::{Swap, describe};

#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
pub(super) mod api {
    tonic::include_proto!("etcdserverpb");
}

/// Members that a channel takes in turns.
const BALANCED_MAX: usize = 64;

/// One connection, or one to each member.
#[derive(Clone, Debug)]
pub struct EtcdSession {
    kv: KvClient<Channel>,
}

impl EtcdSession {
    pub(super) async fn connect(endpoint: &str) -> Result<EtcdSession, String> {
        let kv = KvClient::new(super::channel(endpoint).await?);
        Ok(EtcdSession { kv })
    }

    /// One channel over all members, which takes them in turns: what the crate `etcd-client` (0.21) does, call for call.
    /// The crate itself is not used, since it cannot be built without the program `protoc`.
    pub(super) async fn balanced(endpoints: &[String]) -> Result<EtcdSession, String> {
        let (channel, members) = Channel::balance_channel(BALANCED_MAX);
        for endpoint in endpoints {
            let member = tonic::transport::Endpoint::from_shared(format!("http://{endpoint}"))
                .map_err(|error| format!("{endpoint:?} is not host:port: {error}"))?;
            let insert = Change::Insert(endpoint.clone(), member);
            members
                .send(insert)
                .await
                .map_err(|_| "the channel was closed".to_owned())?;
        }
        Ok(EtcdSession {
            kv: KvClient::new(channel),
        })
    }

    /// Whether the member at this endpoint leads.
    pub(super) async fn leads(endpoint: &str) -> Result<bool, String> {
        let mut maintenance = MaintenanceClient::new(super::channel(endpoint).await?);
        let status = maintenance.status(api::StatusRequest {}).await;
        let status = status.map_err(|error| format!("status of {endpoint}: {}", error.message()))?;
        let status = status.into_inner();
        let member_id = status.header.unwrap_or_default().member_id;
        Ok(status.leader != 0 && status.leader == member_id)
    }

    pub(super) async fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), String> {
        let request = api::PutRequest { key, value };
        self.kv.put(request).await.map_err(|error| describe(&error))?;
        Ok(())
    }

    pub(super) async fn get(&mut self, key: Bytes) -> Result<u64, String> {
        let request = api::RangeRequest {
            key,
            serializable: false,
        };
        let reply = self.kv.range(request).await.map_err(|error| describe(&error))?;
        revision_of(reply.into_inner().kvs.first())
    }

    pub(super) async fn compare_and_swap(&mut self, key: Bytes, expected: u64, value: Bytes) -> Result<Swap, String> {
        let expected = i64::try_from(expected).map_err(|_| format!("revision {expected} is beyond etcd's range"))?;
        let compare = api::Compare {
            result: api::compare::CompareResult::Equal.into(),
            target: api::compare::CompareTarget::Mod.into(),
            key: key.clone(),
            target_union: Some(api::compare::TargetUnion::ModRevision(expected)),
        };
        let put = api::PutRequest {
            key: key.clone(),
            value,
        };
        let request = api::TxnRequest {
            compare: vec![compare],
            success: vec![operation(api::request_op::Request::RequestPut(put))],
            failure: vec![operation(api::request_op::Request::RequestRange(api::RangeRequest {
                key,
                serializable: false,
            }))],
        };
        let reply = self.kv.txn(request).await.map_err(|error| describe(&error))?;
        let reply = reply.into_inner();
        if reply.succeeded {
            let revision = reply.header.unwrap_or_default().revision;
            return Ok(Swap::Done(unsigned(revision)?));
        }
        let found = reply.responses.iter().find_map(|response| match &response.response {
            Some(api::response_op::Response::ResponseRange(range)) => range.kvs.first(),
            _ => None,
        });
        Ok(Swap::Lost(revision_of(found)?))
    }
}

/// Whether a key is there; linearizably, or as the member has it.
pub(crate) async fn range(channel: Channel, key: Bytes, linearizable: bool) -> Result<bool, String> {
    let request = api::RangeRequest {
        key,
        serializable: !linearizable,
    };
    let reply = KvClient::new(channel).range(request).await;
    let reply = reply.map_err(|error| describe(&error))?;
    Ok(!reply.into_inner().kvs.is_empty())
}

fn operation(request: api::request_op::Request) -> api::RequestOp {
    api::RequestOp { request: Some(request) }
}

fn revision_of(record: Option<&api::KeyValue>) -> Result<u64, String> {
    record.map_or(Ok(0), |record| unsigned(record.mod_revision))
}

fn unsigned(revision: i64) -> Result<u64, String> {
    u64::try_from(revision).map_err(|_| format!("etcd answered with revision {revision}"))
}
