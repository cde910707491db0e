//! What a member says of itself, asked over plain gRPC so that a fault of the SDK cannot hide one of the server.

use std::time::Duration;

use quorate_proto::v1::cluster_client::ClusterClient;
use quorate_proto::v1::{StatusRequest, StatusResponse};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::Certificates;

/// A member on this machine that does not answer by then is not well.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);

/// The status of the member at `endpoint`, or why there is none.
pub async fn status_of(endpoint: &str) -> Result<StatusResponse, String> {
    let plain = Endpoint::from_shared(format!("http://{endpoint}"));
    ask(plain.map_err(|error| error.to_string())?, endpoint).await
}

/// The same with TLS, with the certificate of a client. The TLS is tonic's, and not that of the SDK.
pub async fn status_over_tls(
    endpoint: &str,
    certificates: &Certificates,
    client: &str,
) -> Result<StatusResponse, String> {
    let read = |file: &str| {
        let path = certificates.of_client(client, file);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let (host, _) = endpoint.rsplit_once(':').ok_or("no port")?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("client-ca.crt")?))
        .identity(Identity::from_pem(read("client.crt")?, read("client.key")?))
        .domain_name(host);
    let secured = Endpoint::from_shared(format!("https://{endpoint}")).and_then(|plain| plain.tls_config(tls));
    ask(secured.map_err(|error| format!("{error:?}"))?, endpoint).await
}

async fn ask(transport: Endpoint, endpoint: &str) -> Result<StatusResponse, String> {
    let channel = transport
        .connect_timeout(STATUS_TIMEOUT)
        .timeout(STATUS_TIMEOUT)
        .connect()
        .await
        .map_err(|error| format!("cannot connect to {endpoint}: {error:?}"))?;
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
