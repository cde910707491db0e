//! Which cluster a client talks to. Addresses get mixed up: a list of endpoints names members of two clusters, or an address
//! is given to another one. Then a write would go to whichever answers.

use std::sync::atomic::{AtomicU64, Ordering};

use quorate_proto::v1;
use quorate_proto::v1::cluster_client::ClusterClient;
use tonic::Code;
use tonic::transport::Channel;

use crate::connection::reason;

/// The cluster of a client: that of the first member that it was connected to.
#[derive(Debug, Default)]
pub(crate) struct Identity(AtomicU64);

impl Identity {
    /// Asks the member at the other end which cluster it belongs to. The error says that it is another one, or that it does
    /// not answer.
    pub(crate) async fn check(&self, channel: Channel) -> Result<(), String> {
        let status = ClusterClient::new(channel).status(v1::StatusRequest {}).await;
        match status {
            Ok(status) => self.agree(status.into_inner().header.unwrap_or_default().cluster_id),
            // It does not say.
            Err(status) if status.code() == Code::Unimplemented => Ok(()),
            Err(status) => Err(reason(&status)),
        }
    }

    /// 0: a member that is not of a cluster yet.
    fn agree(&self, cluster: u64) -> Result<(), String> {
        if cluster == 0 {
            return Ok(());
        }
        match self.0.compare_exchange(0, cluster, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            Err(mine) if mine == cluster => Ok(()),
            Err(mine) => Err(format!(
                "the member belongs to cluster {cluster:016x}, and this client talks to cluster {mine:016x}: take its \
                 address out of the endpoints"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cluster_is_the_one() {
        let identity = Identity::default();
        assert_eq!(identity.agree(0), Ok(()));
        assert_eq!(identity.agree(7), Ok(()));
        assert_eq!(identity.agree(7), Ok(()));
        assert_eq!(identity.agree(0), Ok(()));
        let refused = identity.agree(8).unwrap_err();
        assert!(refused.contains("0000000000000008") && refused.contains("0000000000000007"));
    }
}
