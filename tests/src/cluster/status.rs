//! What a member says of itself, asked over plain gRPC so that a fault of the SDK cannot hide one of the server.

use std::time::Duration;

use quorate_proto::v1::cluster_client::ClusterClient;
use quorate_proto::v1::{StatusRequest, StatusResponse};

/// A member on this machine that does not answer by then is not well.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// The status of the member at `endpoint`, or why there is none.
pub async fn status_of(endpoint: &str) -> Result<StatusResponse, String> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{endpoint}"))
        .map_err(|error| error.to_string())?
        .connect_timeout(STATUS_TIMEOUT)
        .timeout(STATUS_TIMEOUT)
        .connect()
        .await
        .map_err(|error| format!("cannot connect to {endpoint}: {error}"))?;
    let status = ClusterClient::new(channel).status(StatusRequest {}).await;
    let status = status.map_err(|error| format!("{endpoint}: {:?}: {}", error.code(), error.message()))?;
    Ok(status.into_inner())
}

/// The state that all members share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EqualState {
    /// The log index that all have applied.
    pub applied_index: u64,
    /// The hash of every logical write up to it.
    pub state_hash: u64,
    /// The revision there.
    pub revision: u64,
}
