//! The systems under load, behind one set of three operations on keys, and one of three of coordination.
//!
//! A [`Target`] is a set of open connections; each client takes a [`Session`] from it, or has [`Verbs`] of its own. All
//! connections of the two gRPC-call-per-operation systems go to the leader, where a call costs least; the SDK finds the
//! leader itself. Redis is one server, and does the queue alone.

mod coordination;
mod etcd;
mod session;
mod stream;
mod unary;
mod watch;

pub use coordination::{Verb, Verbs};
pub(crate) use etcd::range as etcd_range;
pub use session::{Session, Swap, System, Target};
pub use watch::{Received, Watchers};

/// Opens a channel to `host:port`.
async fn channel(endpoint: &str) -> Result<tonic::transport::Channel, String> {
    connect(endpoint, |channel| channel.timeout(CALL_TIMEOUT)).await
}

/// Opens a channel to `host:port` whose calls last as long as they do.
pub(crate) async fn lasting_channel(endpoint: &str) -> Result<tonic::transport::Channel, String> {
    connect(endpoint, |channel| channel).await
}

async fn connect(
    endpoint: &str,
    limit: impl FnOnce(tonic::transport::Endpoint) -> tonic::transport::Endpoint,
) -> Result<tonic::transport::Channel, String> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{endpoint}"))
        .map_err(|error| format!("{endpoint:?} is not host:port: {error}"))?
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT);
    let connected = limit(channel).connect().await;
    connected.map_err(|error| format!("cannot connect to {endpoint}: {error}"))
}

/// A server on the same machine that does not answer by then is not there.
const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// A call that takes longer is counted as failed.
const CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

fn describe(status: &tonic::Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// An SDK client.
pub(crate) async fn sdk_client(endpoints: &[String], connections: usize) -> Result<quorate::Client, String> {
    stream::client(endpoints, connections, CALL_TIMEOUT).await
}
