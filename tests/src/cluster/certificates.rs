//! Certificates for a cluster, made by `quorate certs` as a user makes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use quorate::Tls;

use super::server_binary;
use crate::HarnessError;

/// A directory of `quorate certs`.
#[derive(Clone, Debug)]
pub struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// Makes two authorities, the certificates of members 1 to `members`, and that of a client called `test`.
    pub fn make(directory: &Path, members: u64) -> Result<Certificates, HarnessError> {
        let made = Certificates {
            directory: directory.to_owned(),
        };
        made.run(&["init"], &[])?;
        for member in 1..=members {
            made.issue_member(member, &[])?;
        }
        made.issue_client("test", &[])?;
        Ok(made)
    }

    /// Makes the certificates of a member on loopback; `--renew` among the flags replaces those there are.
    pub fn issue_member(&self, member: u64, flags: &[&str]) -> Result<(), HarnessError> {
        let member = member.to_string();
        let node = ["--member", &member, "--host", "127.0.0.1,localhost"];
        self.run(&["node"], &[&node, flags].concat())
    }

    /// Makes the certificate of a client.
    pub fn issue_client(&self, name: &str, flags: &[&str]) -> Result<(), HarnessError> {
        self.run(&["client"], &[&["--name", name], flags].concat())
    }

    fn run(&self, verb: &[&str], flags: &[&str]) -> Result<(), HarnessError> {
        let output = Command::new(server_binary()?)
            .arg("certs")
            .args(verb)
            .arg(&self.directory)
            .args(flags)
            .output()
            .map_err(HarnessError::io("run quorate certs"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(HarnessError::Broken(format!(
                "quorate certs {verb:?} {flags:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            ))),
        }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file of a member, e.g. `peer.crt`.
    pub fn of_member(&self, member: u64, file: &str) -> PathBuf {
        self.directory.join(format!("member-{member}")).join(file)
    }

    /// A file of a client, e.g. `client.crt`.
    pub fn of_client(&self, name: &str, file: &str) -> PathBuf {
        self.directory.join(format!("client-{name}")).join(file)
    }

    /// What a client of that name gives its builder.
    pub fn tls(&self, name: &str) -> Tls {
        let file = |file| self.of_client(name, file);
        Tls::new(file("client-ca.crt")).identity(file("client.crt"), file("client.key"))
    }

    /// The tables of a member's configuration. Its files are looked at every 200 ms.
    pub fn toml(&self, member: u64) -> String {
        let file = |file| self.of_member(member, file);
        format!(
            "[tls]\nreload_interval_ms = 200\n[tls.client]\ncertificate = {:?}\nkey = {:?}\nclient_ca = \
             {:?}\n[tls.peer]\ncertificate = {:?}\nkey = {:?}\nca = {:?}\n",
            file("server.crt"),
            file("server.key"),
            file("client-ca.crt"),
            file("peer.crt"),
            file("peer.key"),
            file("peer-ca.crt"),
        )
    }
}
