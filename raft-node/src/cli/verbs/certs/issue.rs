//! `quorate certs node` and `quorate certs client`: everything that belongs on one machine, in one directory.

use std::path::Path;

use quorate_tls::member_name;
use serde_json::json;

use super::authority::{Authority, Kind, Wanted};
use super::files::{self, NewFile};
use crate::cli::connect::Global;
use crate::cli::exit::{Exit, Failure};

const NAME_BYTES_MAX: usize = 60;

/// Makes the certificates of a member.
pub(super) fn node(
    directory: &Path,
    member: u64,
    hosts: &[String],
    days: u32,
    renew: bool,
    global: &Global,
) -> Result<Exit, Failure> {
    if let Some(host) = hosts.iter().find(|host| !is_host(host)) {
        return Err(Failure::usage(format!(
            "--host {host}: it is neither a host name nor an IP address: write it without a port and without brackets"
        )));
    }
    let (peers, clients) = (
        Authority::open(Kind::Peer, directory)?,
        Authority::open(Kind::Client, directory)?,
    );
    let subject = format!("quorate member {member}");
    let mut names = vec![member_name(member)];
    names.extend_from_slice(hosts);
    let peer = peers.issue(Wanted {
        subject: subject.clone(),
        names,
        server: true,
        client: true,
        days,
    })?;
    let client = clients.issue(Wanted {
        subject,
        names: hosts.to_vec(),
        server: true,
        client: false,
        days,
    })?;
    let place = directory.join(format!("member-{member}"));
    let made = [
        NewFile::secret(place.join("peer.key"), peer.key),
        NewFile::public(place.join("peer.crt"), peer.certificate),
        NewFile::secret(place.join("server.key"), client.key),
        NewFile::public(place.join("server.crt"), client.certificate),
        NewFile::public(Kind::Peer.certificate(&place), peers.certificate),
        NewFile::public(Kind::Client.certificate(&place), clients.certificate),
    ];
    files::write(&made, renew)?;
    show(&made, global, || {
        let place = place.display();
        format!(
            "The certificates of member {member} are in {place}. Copy that directory to its machine, and put into its \
             configuration, with the path that it has there:\n\n[tls.client]\ncertificate = \"{place}/server.crt\"\nkey = \
             \"{place}/server.key\"\n# Clients must show a certificate too:\nclient_ca = \
             \"{place}/client-ca.crt\"\n\n[tls.peer]\ncertificate = \"{place}/peer.crt\"\nkey = \"{place}/peer.key\"\nca = \
             \"{place}/peer-ca.crt\""
        )
    })
}

/// Makes the certificate of a client.
pub(super) fn client(directory: &Path, name: &str, days: u32, renew: bool, global: &Global) -> Result<Exit, Failure> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('.') || !name.bytes().all(word) {
        return Err(Failure::usage(format!(
            "--name {name}: 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.' are allowed, and no '.' at its beginning: it \
             becomes the name of a directory"
        )));
    }
    let clients = Authority::open(Kind::Client, directory)?;
    let issued = clients.issue(Wanted {
        subject: name.to_owned(),
        names: Vec::new(),
        server: false,
        client: true,
        days,
    })?;
    let place = directory.join(format!("client-{name}"));
    let made = [
        NewFile::secret(place.join("client.key"), issued.key),
        NewFile::public(place.join("client.crt"), issued.certificate),
        NewFile::public(Kind::Client.certificate(&place), clients.certificate),
    ];
    files::write(&made, renew)?;
    show(&made, global, || {
        let place = place.display();
        format!(
            "The certificate of {name:?} is in {place}. With it:\n  quorate --ca {place}/client-ca.crt --certificate \
             {place}/client.crt --key {place}/client.key status\nor in the environment:\n  export \
             QUORATE_CA={place}/client-ca.crt QUORATE_CERTIFICATE={place}/client.crt QUORATE_KEY={place}/client.key"
        )
    })
}

fn show(made: &[NewFile], global: &Global, text: impl FnOnce() -> String) -> Result<Exit, Failure> {
    let paths: Vec<_> = made.iter().map(|file| &file.path).collect();
    global.output.show(&json!({ "files": paths }), text)?;
    Ok(Exit::Success)
}

/// An IP address, or labels of letters, digits and hyphens with dots between them.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // One label may stand for any host of a domain.
    let plain = host.strip_prefix("*.").unwrap_or(host);
    host.parse::<std::net::IpAddr>().is_ok() || (host.len() <= 253 && plain.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_without_a_port() {
        for host in ["localhost", "node-1.example", "127.0.0.1", "::1", "*.quorate.svc"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["", "127.0.0.1:7401", "[::1]", "a b", "node_1", "http://a", "a..b"] {
            assert!(!is_host(host), "{host}");
        }
    }
}
