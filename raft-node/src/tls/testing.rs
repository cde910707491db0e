//! Certificates of the moment, for tests.

use std::path::Path;
use std::sync::Arc;

use quorate_tls::{Credentials, DialSettings, Files, member_name};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::{Side, Sides};
use crate::config::NodeConfig;

/// An authority, and the files of one member.
pub(crate) struct Home {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "the authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let directory = tempfile::tempdir().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(directory.path().join("ca.crt"), pem).unwrap();
        Self {
            directory,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a certificate into the place of the one there is.
    pub(crate) fn sign(&self, member: u64, change: impl FnOnce(&mut CertificateParams)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![member_name(member)]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("node {member}"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path().join("own.crt"), certificate.pem()).unwrap();
        std::fs::write(self.path().join("own.key"), key.serialize_pem()).unwrap();
    }

    /// Of member 1.
    pub(crate) fn open(&self) -> Result<Arc<Side>, String> {
        let mut config = NodeConfig {
            member_id: 1,
            ..NodeConfig::default()
        };
        config.tls.peer.certificate = self.path().join("own.crt");
        config.tls.peer.key = self.path().join("own.key");
        config.tls.peer.ca = self.path().join("ca.crt");
        let sides = Sides::open(&config).map_err(|error| error.to_string())?;
        assert_eq!(sides.all().count(), 1);
        Ok(sides.peer.unwrap())
    }

    pub(crate) fn dialling(&self) -> DialSettings {
        let files = Files {
            pair: Some(quorate_tls::PairFiles {
                certificate: self.path().join("own.crt"),
                key: self.path().join("own.key"),
            }),
            authorities: Some(self.path().join("ca.crt")),
        };
        DialSettings {
            credentials: Arc::new(Credentials::read(&files).unwrap()),
            allow_tls_1_2: false,
        }
    }
}
