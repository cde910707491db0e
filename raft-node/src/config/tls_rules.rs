//! Which addresses need TLS, and which settings of TLS go together. What the files hold is looked at when the member starts.

use std::net::IpAddr;
use std::path::Path;

use quorate_tls::host_of;

use super::{NodeConfig, Problem};

/// What protects a listener beyond loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// `[tls.client]`.
    ClientTls,
    /// `[tls.peer]`.
    PeerTls,
    /// Nothing of its own: the pages show counts, and change nothing from another machine. A member whose clients have TLS may show
    /// them beyond loopback.
    Pages,
    /// `tracing.otlp_ca`: of what is dialled, not of a listener.
    Collector,
}

impl NodeConfig {
    /// The one rule for all addresses: beyond loopback there is TLS, or a word that the network is trusted. `address` is well
    /// formed.
    pub(super) fn check_exposure(&self, key: &str, address: &str, guard: Guard, problems: &mut Vec<Problem>) {
        let (guarded, section, make) = match guard {
            Guard::ClientTls | Guard::Pages => (self.tls.client.is_set(), "[tls.client]", "certificate and key"),
            Guard::PeerTls => (self.tls.peer.is_set(), "[tls.peer]", "certificate, key and ca"),
            Guard::Collector => {
                let has_ca = !self.tracing.otlp_ca.as_os_str().is_empty();
                (
                    has_ca,
                    "tracing.otlp_ca",
                    "the authority of the collector's certificate",
                )
            }
        };
        if guarded || self.insecure_allow_non_loopback || is_loopback(address) {
            return;
        }
        problems.push(Problem::new(
            key,
            format!(
                "{address} is not a loopback address, and the traffic is not encrypted: set {section} ({make}; `quorate \
                 certs` makes them), use 127.0.0.1, or set insecure_allow_non_loopback = true if the network is trusted"
            ),
        ));
    }

    /// Settings that stand alone and mean nothing so.
    pub(super) fn check_tls(&self, problems: &mut Vec<Problem>) {
        let (client, peer) = (&self.tls.client, &self.tls.peer);
        let mut lacks = |key: &str, missing: &Path, reason: &str| {
            if missing.as_os_str().is_empty() {
                problems.push(Problem::new(key, format!("it is not set, {reason}")));
            }
        };
        if client.is_set() || !client.key.as_os_str().is_empty() {
            lacks(
                "tls.client.key",
                &client.key,
                "and tls.client.certificate is: name the file of its key",
            );
            lacks(
                "tls.client.certificate",
                &client.certificate,
                "and tls.client.key is: name the file of its certificate",
            );
        }
        if !client.is_set() && !client.client_ca.as_os_str().is_empty() {
            lacks(
                "tls.client.certificate",
                &client.certificate,
                "and tls.client.client_ca is: clients are asked for certificates only where the server has one; set \
                 tls.client.certificate and tls.client.key, or leave tls.client.client_ca out",
            );
        }
        if peer.is_set() {
            let reason =
                "and another setting of [tls.peer] is: members check each other, so each needs certificate, key and ca";
            lacks("tls.peer.certificate", &peer.certificate, reason);
            lacks("tls.peer.key", &peer.key, reason);
            lacks("tls.peer.ca", &peer.ca, reason);
        }
    }
}

fn is_loopback(address: &str) -> bool {
    let host = host_of(address);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
