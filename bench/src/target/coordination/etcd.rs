//! etcd, with one gRPC call per operation: its lock service and its leases.

use tonic::transport::Channel;

use self::lock::lock_client::LockClient;
use super::super::describe;
use super::super::etcd::api;
use super::super::etcd::api::lease_client::LeaseClient;
use super::renewals::Renewals;
use super::{HOLDER_TTL, LEASE_IS_GONE, LEASE_TTL, NO_LEASE, Verb};

#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
mod lock {
    tonic::include_proto!("v3lockpb");
}

/// One client.
#[derive(Debug)]
pub struct EtcdVerbs {
    leases: LeaseClient<Channel>,
    locks: LockClient<Channel>,
    lease: Option<i64>,
    renewals: Renewals<api::LeaseKeepAliveRequest, api::LeaseKeepAliveResponse>,
}

impl EtcdVerbs {
    pub(super) async fn open(channel: Channel, verb: Verb) -> Result<EtcdVerbs, String> {
        let mut verbs = EtcdVerbs {
            leases: LeaseClient::new(channel.clone()),
            locks: LockClient::new(channel),
            lease: None,
            renewals: Renewals::default(),
        };
        if verb == Verb::Lock {
            verbs.lease = Some(verbs.grant(HOLDER_TTL.as_secs()).await?);
        }
        Ok(verbs)
    }

    pub(super) async fn lock_and_unlock(&mut self, name: &str) -> Result<(), String> {
        let request = lock::LockRequest {
            name: name.to_owned().into(),
            lease: self.lease.ok_or(NO_LEASE)?,
        };
        let held = self.locks.lock(request).await.map_err(|status| describe(&status))?;
        let key = held.into_inner().key;
        let request = lock::UnlockRequest { key };
        self.locks.unlock(request).await.map_err(|status| describe(&status))?;
        Ok(())
    }

    pub(super) async fn grant_renew_revoke(&mut self) -> Result<(), String> {
        let id = self.grant(LEASE_TTL.as_secs()).await?;
        let question = api::LeaseKeepAliveRequest { id };
        let mut leases = self.leases.clone();
        let open = |questions| async move { leases.lease_keep_alive(questions).await };
        let renewed = self.renewals.ask(question, open).await?;
        if renewed.id != id || renewed.ttl <= 0 {
            return Err(LEASE_IS_GONE.to_owned());
        }
        let request = api::LeaseRevokeRequest { id };
        let revoked = self.leases.lease_revoke(request).await;
        revoked.map_err(|status| describe(&status))?;
        Ok(())
    }

    async fn grant(&mut self, ttl_s: u64) -> Result<i64, String> {
        let ttl = i64::try_from(ttl_s).map_err(|error| error.to_string())?;
        let granted = self.leases.lease_grant(api::LeaseGrantRequest { ttl }).await;
        let granted = granted.map_err(|status| describe(&status))?.into_inner();
        match granted.error.is_empty() {
            true => Ok(granted.id),
            false => Err(granted.error),
        }
    }
}
