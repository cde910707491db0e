//! Whether this member leads, as it changes.

use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;

use super::Raft;

/// The term in which this member leads, or none, for as long as somebody listens.
pub fn leadership(raft: &Raft) -> watch::Receiver<Option<u64>> {
    let leads = |raft: &Raft| raft.is_leader().then(|| super::term(raft));
    let (tell, told) = watch::channel(leads(raft));
    let raft = raft.clone();
    tokio::spawn(async move {
        let mut metrics = raft.server_metrics();
        loop {
            let now = leads(&raft);
            tell.send_if_modified(|before| std::mem::replace(before, now) != now);
            tokio::select! {
                changed = metrics.changed() => if changed.is_err() { return },
                () = tell.closed() => return,
            }
        }
    });
    told
}
