//! An authority: makes itself, comes back from its files, and signs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_tls::{Certificate, read_certificates};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::files::{self, NewFile};
use crate::cli::exit::Failure;
use crate::environment::{Clock, Random, SystemClock, SystemRandom};

/// A machine whose clock is behind by less than this takes a new certificate.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);
const DAY: Duration = Duration::from_secs(86_400);

/// Which authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Signs the certificates that members show each other.
    Peer,
    /// Signs those of servers for clients, and those of clients.
    Client,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Peer => "peer",
            Kind::Client => "client",
        }
    }

    /// The file of its certificate, the same name wherever it is copied to.
    pub(super) fn certificate(self, directory: &Path) -> PathBuf {
        directory.join(format!("{}-ca.crt", self.word()))
    }

    fn key(self, directory: &Path) -> PathBuf {
        directory.join(format!("{}-ca.key", self.word()))
    }
}

/// What one certificate is for.
pub(super) struct Wanted {
    pub(super) subject: String,
    pub(super) names: Vec<String>,
    pub(super) server: bool,
    pub(super) client: bool,
    pub(super) days: u32,
}

/// A certificate and its key, PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// An authority with its key.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub(super) certificate: String,
}

impl Authority {
    /// The files of a new one.
    pub(super) fn make(kind: Kind, directory: &Path, days: u32) -> Result<[NewFile; 2], Failure> {
        let key = KeyPair::generate().map_err(failed)?;
        // So that authorities of two clusters have two names.
        let number = SystemRandom.nonzero_u64() >> 32;
        let mut params = params(&format!("quorate {} authority {number:08x}", kind.word()));
        validity(&mut params, days);
        let certificate = params.self_signed(&key).map_err(failed)?.pem();
        Ok([
            NewFile::public(kind.certificate(directory), certificate),
            NewFile::secret(kind.key(directory), key.serialize_pem()),
        ])
    }

    /// One that `certs init` has made.
    pub(super) fn open(kind: Kind, directory: &Path) -> Result<Self, Failure> {
        let path = kind.certificate(directory);
        let certificate = files::read(&path)?;
        let key = files::read(&kind.key(directory))?;
        let unfit = |reason: String| Failure::usage(format!("{}: {reason}", path.display()));
        let chain = read_certificates(&path).map_err(|error| Failure::usage(error.to_string()))?;
        let said = chain.first().and_then(|der| Certificate::read(der));
        let said = said.filter(|said| said.authority && said.self_issued);
        let said = said.ok_or_else(|| unfit("it is not the certificate of an authority".to_owned()))?;
        let key =
            KeyPair::from_pem(&key).map_err(|error| unfit(format!("the key beside it cannot be used: {error}")))?;
        let params = params(&said.subject);
        // What is signed names its authority byte for byte; that of another program may be written in another way.
        let made_here = chain
            .iter()
            .any(|der| holds(der, key.public_key_raw()) && holds(der, &name_bytes(&params)));
        if !made_here {
            return Err(unfit(
                "it was not made by `quorate certs init`, or the key beside it is another one's: sign with the program that \
                 made it"
                    .to_owned(),
            ));
        }
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// Signs a new key.
    pub(super) fn issue(&self, wanted: Wanted) -> Result<Issued, Failure> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(wanted.names).map_err(|error| {
            Failure::usage(format!(
                "--host: {error}: write a host name or an IP address, without a port"
            ))
        })?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, wanted.subject);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if wanted.server {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        if wanted.client {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, wanted.days);
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// What all authorities are made with. Its subject is all that may differ, so that it can be made again.
fn params(subject: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn validity(params: &mut CertificateParams, days: u32) {
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(SystemClock.wall_ms());
    params.not_before = now - CLOCKS_DIFFER;
    params.not_after = now + DAY * days;
}

/// How the subject is written within a certificate: a UTF-8 string.
fn name_bytes(params: &CertificateParams) -> Vec<u8> {
    match params.distinguished_name.get(&DnType::CommonName) {
        Some(rcgen::DnValue::Utf8String(name)) => {
            let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
            [&[0x0c, length], name.as_bytes()].concat()
        }
        _ => Vec::new(),
    }
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}

fn failed(error: rcgen::Error) -> Failure {
    Failure::local(format!("a certificate could not be made: {error}"))
}
