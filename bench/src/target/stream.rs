//! Quorate through its SDK.

use std::time::Duration;

use bytes::Bytes;
use quorate::{Client, Consistency, Tls};

use super::Swap;

/// All clients share one SDK client, as the tasks of one program would.
#[derive(Clone, Debug)]
pub struct StreamSession {
    client: Client,
}

impl StreamSession {
    pub(super) async fn connect(
        endpoints: &[String],
        connections: usize,
        call_timeout: Duration,
    ) -> Result<StreamSession, String> {
        let client = client(endpoints, connections, call_timeout).await?;
        Ok(StreamSession { client })
    }

    pub(super) async fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), String> {
        self.client.put(key, value).await.map_err(|error| error.to_string())?;
        Ok(())
    }

    pub(super) async fn eventual_put(&mut self, key: Bytes, value: Bytes) -> Result<(), String> {
        let put = self.client.eventual().put(key, value).await;
        put.map_err(|error| error.to_string())?;
        Ok(())
    }

    pub(super) async fn get(&mut self, key: Bytes) -> Result<u64, String> {
        let reply = self.client.get(key).consistency(Consistency::Strong).await;
        let reply = reply.map_err(|error| error.to_string())?;
        Ok(reply.record.map_or(0, |record| record.mod_revision))
    }

    pub(super) async fn compare_and_swap(&mut self, key: Bytes, expected: u64, value: Bytes) -> Result<Swap, String> {
        let reply = self.client.compare_and_swap(key, expected, value).await;
        let reply = reply.map_err(|error| error.to_string())?;
        Ok(match reply.swapped {
            true => Swap::Done(reply.revision),
            false => Swap::Lost(reply.current.map_or(0, |record| record.mod_revision)),
        })
    }
}

/// An SDK client; with TLS where the variables of `quorate` say so, `QUORATE_CA`, `QUORATE_CERTIFICATE` and `QUORATE_KEY`.
pub(super) async fn client(endpoints: &[String], connections: usize, call_timeout: Duration) -> Result<Client, String> {
    let mut builder = Client::builder()
        .endpoints(endpoints.iter().cloned())
        .name("bench")
        .connections(u32::try_from(connections).unwrap_or(u32::MAX))
        .call_timeout(call_timeout);
    let file = |variable| std::env::var_os(variable);
    if let Some(ca) = file("QUORATE_CA") {
        let tls = Tls::new(ca);
        builder = builder.tls(match file("QUORATE_CERTIFICATE").zip(file("QUORATE_KEY")) {
            Some((certificate, key)) => tls.identity(certificate, key),
            None => tls,
        });
    }
    builder
        .connect()
        .await
        .map_err(|error| format!("cannot connect to {}: {error}", endpoints.join(",")))
}
