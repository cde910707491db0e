//! Quorate with one gRPC call per operation.
//!
//! The calls carry no client stamp: like etcd's, they promise nothing to a retry, so that both do the same work.

use bytes::Bytes;
use quorate_proto::v1;
use quorate_proto::v1::cluster_client::ClusterClient;
use quorate_proto::v1::kv_client::KvClient;
use tonic::transport::Channel;

use super::{Swap, describe};

/// One connection.
#[derive(Clone, Debug)]
pub struct UnarySession {
    kv: KvClient<Channel>,
}

impl UnarySession {
    pub(super) async fn connect(endpoint: &str) -> Result<UnarySession, String> {
        let kv = KvClient::new(super::channel(endpoint).await?);
        Ok(UnarySession { kv })
    }

    /// Whether the member at this endpoint leads.
    pub(super) async fn leads(endpoint: &str) -> Result<bool, String> {
        let mut cluster = ClusterClient::new(super::channel(endpoint).await?);
        let status = cluster.status(v1::StatusRequest {}).await;
        let status = status.map_err(|error| format!("status of {endpoint}: {}", error.message()))?;
        let status = status.into_inner();
        let member_id = status.header.unwrap_or_default().member_id;
        Ok(status.leader_id != 0 && status.leader_id == member_id)
    }

    pub(super) async fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), String> {
        let request = put_request(key, value);
        self.kv.put(request).await.map_err(|error| describe(&error))?;
        Ok(())
    }

    pub(super) async fn get(&mut self, key: Bytes) -> Result<u64, String> {
        let request = v1::GetRequest {
            key,
            read: Some(v1::ReadOptions {
                level: v1::Level::Strong.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let reply = self.kv.get(request).await.map_err(|error| describe(&error))?;
        Ok(reply.into_inner().record.map_or(0, |record| record.mod_revision))
    }

    pub(super) async fn compare_and_swap(&mut self, key: Bytes, expected: u64, value: Bytes) -> Result<Swap, String> {
        let compare = v1::Compare {
            key: key.clone(),
            operator: v1::compare::Operator::Equal.into(),
            operand: Some(v1::compare::Operand::ModRevision(expected)),
            ..Default::default()
        };
        let read = v1::RangeRequest {
            keys: Some(v1::KeySelector {
                kind: Some(v1::key_selector::Kind::Key(key.clone())),
            }),
            keys_only: true,
            ..Default::default()
        };
        let request = v1::TxnRequest {
            compares: vec![compare],
            then: vec![operation(v1::operation::Operation::Put(put_request(key, value)))],
            otherwise: vec![operation(v1::operation::Operation::Range(read))],
            stamp: None,
        };
        let reply = self.kv.txn(request).await.map_err(|error| describe(&error))?;
        let reply = reply.into_inner();
        if reply.succeeded {
            return Ok(Swap::Done(reply.header.unwrap_or_default().revision));
        }
        let found = reply.results.into_iter().find_map(|result| match result.result {
            Some(v1::operation_result::Result::Range(range)) => range.records.into_iter().next(),
            _ => None,
        });
        Ok(Swap::Lost(found.map_or(0, |record| record.mod_revision)))
    }
}

fn put_request(key: Bytes, value: Bytes) -> v1::PutRequest {
    v1::PutRequest {
        key,
        value,
        ..Default::default()
    }
}

fn operation(operation: v1::operation::Operation) -> v1::Operation {
    v1::Operation {
        operation: Some(operation),
    }
}
