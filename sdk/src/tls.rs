//! TLS of a client: whom it trusts, and who it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_tls::{Credentials, FileError, Files, PairFiles, Refreshed, Reloading};

use crate::error::{Error, Result};

/// How often files are looked at that do not fit, before that is an error: a fifth of a second.
const LOOKS_MAX: u32 = 11;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How a client makes sure of the servers, and they of it. Given to [`ClientBuilder::tls`](crate::ClientBuilder::tls).
///
/// The files are read again for each new connection, so that certificates can be replaced while the client runs: open
/// connections live on, and a file that is broken or half-written changes nothing.
///
/// ```no_run
/// # async fn example() -> quorate::Result<()> {
/// use quorate::{Client, Tls};
///
/// let tls = Tls::new("certs/client-ca.crt").identity("certs/agent.crt", "certs/agent.key");
/// let client = Client::builder().endpoints(["10.0.0.1:7401"]).tls(tls).connect().await?;
/// # drop(client);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is given to a builder"]
pub struct Tls {
    files: Files,
    server_name: Option<String>,
    allow_tls_1_2: bool,
}

impl Tls {
    /// Trusts servers whose certificate was signed by an authority in this PEM file, and is for the host of the address that is
    /// dialled. The authorities of the operating system are not trusted. TLS 1.3 alone.
    pub fn new(ca: impl Into<PathBuf>) -> Self {
        Self {
            files: Files {
                pair: None,
                authorities: Some(ca.into()),
            },
            server_name: None,
            allow_tls_1_2: false,
        }
    }

    /// The certificate that servers are shown and its private key, PEM files. Default: none, which servers with
    /// `tls.client.client_ca` refuse.
    pub fn identity(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.files.pair = Some(PairFiles {
            certificate: certificate.into(),
            key: key.into(),
        });
        self
    }

    /// The name that the certificates of all servers must be for, whatever address is dialled: for addresses that go through a
    /// relay. Default: the host of the address.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Whether TLS 1.2 will do where a server has no 1.3. Default: `false`.
    pub fn allow_tls_1_2(mut self, allow: bool) -> Self {
        self.allow_tls_1_2 = allow;
        self
    }

    /// Reads the files for the first time. A certificate and its key are two files: where they do not fit they may be on
    /// their way to being replaced, and are looked at again for a moment.
    pub(crate) async fn open(&self) -> Result<Trust> {
        let mut looks = 1;
        let credentials = loop {
            match Reloading::open(self.files.clone()) {
                Err(FileError::KeyMismatch { .. }) if looks < LOOKS_MAX => tokio::time::sleep(BETWEEN_LOOKS).await,
                opened => break opened.map_err(|error| Error::invalid("tls", error.to_string()))?,
            }
            looks += 1;
        };
        Ok(Trust {
            credentials,
            refused: Mutex::new(None),
            server_name: self.server_name.clone(),
            allow_tls_1_2: self.allow_tls_1_2,
        })
    }
}

/// The certificates of a client, as they are now.
#[derive(Debug)]
pub(crate) struct Trust {
    credentials: Reloading,
    /// What was said last of files that cannot be used: it is said once.
    refused: Mutex<Option<String>>,
    pub(crate) server_name: Option<String>,
    pub(crate) allow_tls_1_2: bool,
}

impl Trust {
    /// For one new connection.
    pub(crate) fn credentials(&self) -> Arc<Credentials> {
        let mut refused = self.refused.lock();
        match self.credentials.refresh() {
            Refreshed::Same | Refreshed::Renewed(_) => *refused = None,
            Refreshed::Kept(reason) => {
                if refused.as_ref() != Some(&reason) {
                    tracing::warn!(reason, "new certificates cannot be used, the old ones stay in force");
                    *refused = Some(reason);
                }
            }
        }
        self.credentials.current()
    }
}
