//! Whoever takes or awaits a lock dies, and its lease with it.

use std::time::Duration;

use quorate::{Client, ErrorKind, LockHold, LockOp, Op};
use quorate_proto::v1;
use quorate_proto::v1::kv_client::KvClient;
use quorate_proto::v1::lock_operation::Operation as LockOperation;
use quorate_proto::v1::lock_result::Result as LockResult;
use quorate_proto::v1::operation::Operation;
use quorate_proto::v1::operation_result::Result as OperationResult;

use super::{Kept, PATIENCE};
use crate::cluster::Cluster;
use crate::{HarnessError, wait};

const LOCK: &str = "l";
const TTL: Duration = Duration::from_secs(1);

/// A waiter dies in the queue; the lock is released, and the next one has it.
pub(super) async fn is_granted_to_the_living() -> Result<Kept, HarnessError> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    let holder = client.lock(LOCK).acquire().await;
    let holder = holder.map_err(HarnessError::call("take the lock"))?;
    let (dead, answer) = acquire_and_die(&mut cluster, &client).await?;
    if !matches!(answer, LockResult::Queued(_)) {
        return Err(HarnessError::Broken(format!(
            "a lock that is held was answered {answer:?}"
        )));
    }
    wait_until_ended(&client, dead).await?;
    let released = holder.release().await;
    released.map_err(HarnessError::call("release the lock"))?;
    let next = client.lock(LOCK).acquire_within(PATIENCE).await;
    if let Some(guard) = next.map_err(HarnessError::call("take the lock after the dead waiter"))? {
        return Ok(Kept::Kept(format!(
            "the waiter with lease {dead} died, and token {} went to the next one",
            guard.token()
        )));
    }
    let seen = client.find_lock(LOCK).await;
    Err(HarnessError::Broken(format!(
        "the lock was granted to a waiter whose lease {dead} had ended, and to nobody else within {PATIENCE:?}: {seen:?}"
    )))
}

/// A holder dies, the next one writes, and the dead one's write arrives.
pub(super) async fn fences_off_the_dead() -> Result<Kept, HarnessError> {
    let mut cluster = Cluster::start(3).await?;
    let client = cluster.client().await?;
    let (dead, answer) = acquire_and_die(&mut cluster, &client).await?;
    let LockResult::Granted(granted) = answer else {
        return Err(HarnessError::Broken(format!("a free lock was answered {answer:?}")));
    };
    let token = granted.holds.first().map_or(0, |hold| hold.token);
    let late = LockHold {
        lock: LOCK.to_owned(),
        lease: dead,
        token,
        request: 0,
    };
    let next = client.lock(LOCK).acquire_within(PATIENCE).await;
    let Some(guard) = next.map_err(HarnessError::call("take the lock after the dead holder"))? else {
        return Err(HarnessError::Broken(format!(
            "nobody was granted the lock within {PATIENCE:?} after its holder's lease {dead} had ended"
        )));
    };
    let put = client.txn().then(guard.fence()).then(Op::put("k", "next")).await;
    put.map_err(HarnessError::call("write under the lock"))?;
    let stale = client.txn().then(LockOp::fence(&late)).then(Op::put("k", "late")).await;
    match stale {
        Err(error) if *error.kind() == ErrorKind::Fenced => Ok(Kept::Kept(format!(
            "a write under token {token} was refused after token {} was granted",
            guard.token()
        ))),
        Err(error) => Err(HarnessError::call("write under the hold that is over")(error)),
        Ok(reply) => Err(HarnessError::Broken(format!(
            "a write under token {token} was accepted at revision {}, although the lease of that hold had ended and token \
             {} was granted since",
            reply.revision,
            guard.token()
        ))),
    }
}

/// Takes the lock or its place in the queue under a lease that nobody renews; over plain gRPC, since the SDK would give
/// the lock up. Answers the lease.
async fn acquire_and_die(cluster: &mut Cluster, client: &Client) -> Result<(u64, LockResult), HarnessError> {
    let lease = client.grant_lease(TTL).await;
    let lease = lease.map_err(HarnessError::call("grant a lease"))?.lease;
    let leader = cluster.wait_for_leader().await?;
    let acquire = v1::LockAcquire {
        lease,
        request: 1,
        names: vec![LOCK.to_owned()],
        wait: true,
        ..v1::LockAcquire::default()
    };
    let lock = v1::LockOperation {
        operation: Some(LockOperation::Acquire(acquire)),
    };
    let request = v1::TxnRequest {
        then: vec![v1::Operation {
            operation: Some(Operation::Lock(lock)),
        }],
        ..v1::TxnRequest::default()
    };
    let address = format!("http://{}", cluster.member(leader)?.client_address());
    let failed = |error: &dyn std::fmt::Display| HarnessError::Broken(format!("acquire over plain gRPC: {error}"));
    let mut direct = KvClient::connect(address).await.map_err(|error| failed(&error))?;
    let reply = direct
        .txn(request)
        .await
        .map_err(|status| failed(&status))?
        .into_inner();
    let result = reply.results.into_iter().next().and_then(|result| result.result);
    match result {
        Some(OperationResult::Lock(v1::LockResult { result: Some(result) })) => Ok((lease, result)),
        other => Err(failed(&format!("answered {other:?}"))),
    }
}

async fn wait_until_ended(client: &Client, lease: u64) -> Result<(), HarnessError> {
    wait::until("the waiter's lease to end", PATIENCE, async || {
        let found = client.lease(lease).await.map_err(|error| error.to_string())?;
        found.is_none().then_some(()).ok_or("it lives".to_owned())
    })
    .await
}
