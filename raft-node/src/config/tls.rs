//! Certificates: for clients, and between members.

use std::path::PathBuf;

use quorate_tls::{Files, PairFiles};
use serde::{Deserialize, Serialize};

/// Files of certificates. They are followed: what is put in their place is used for new connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The port of clients.
    pub client: ClientTls,
    /// The port of members, and this member's connections to others.
    pub peer: PeerTls,
    /// The files are looked at this often, in milliseconds, and on SIGHUP. Default 2,000.
    pub reload_interval_ms: u64,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            client: ClientTls::default(),
            peer: PeerTls::default(),
            reload_interval_ms: 2000,
        }
    }
}

/// TLS for clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTls {
    /// What this member shows to clients, PEM. Default: empty, which is no TLS.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Clients must show a certificate that one of these authorities has signed. Default: empty, which is any client.
    pub client_ca: PathBuf,
    /// Lets clients in that have TLS 1.2 only. Default `false`.
    pub allow_tls_1_2: bool,
}

/// TLS between members. Both sides show a certificate, and it must be that of the member which they say they are: it has the DNS
/// name `member-ID.quorate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeerTls {
    /// What this member shows to the others, PEM. Default: empty, which is no TLS.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authorities that may sign the certificates of members, PEM.
    pub ca: PathBuf,
}

impl ClientTls {
    /// Whether there is TLS for clients.
    pub fn is_set(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }

    /// The files, if there is TLS for clients.
    pub fn files(&self) -> Option<Files> {
        let authorities = (!self.client_ca.as_os_str().is_empty()).then(|| self.client_ca.clone());
        self.is_set().then(|| Files {
            pair: Some(PairFiles {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            }),
            authorities,
        })
    }
}

impl PeerTls {
    /// Whether there is TLS between members. It is there whole: other settings are refused.
    pub fn is_set(&self) -> bool {
        [&self.certificate, &self.key, &self.ca]
            .iter()
            .any(|path| !path.as_os_str().is_empty())
    }

    /// The files, if there is TLS between members.
    pub fn files(&self) -> Option<Files> {
        self.is_set().then(|| Files {
            pair: Some(PairFiles {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            }),
            authorities: Some(self.ca.clone()),
        })
    }
}
