//! What files hold: who one is, and whom one trusts.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, RootCertStore};

use crate::Certificate;
use crate::pem::{self, FileError};

/// The files of a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate, and behind it those that lead to the authority, if there are any between.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Which files to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Who one is.
    pub pair: Option<PairFiles>,
    /// Whom one trusts: one certificate or more.
    pub authorities: Option<PathBuf>,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What the certificate says.
    pub certificate: Certificate,
    pub(crate) resolver: Arc<SingleCertAndKey>,
    chain: Vec<CertificateDer<'static>>,
}

/// Whom one trusts.
#[derive(Clone, Debug)]
pub struct Authorities {
    /// What their certificates say.
    pub certificates: Vec<Certificate>,
    /// Where they stand.
    pub path: PathBuf,
    pub(crate) of_servers: Arc<dyn ServerCertVerifier>,
    pub(crate) of_clients: Arc<dyn ClientCertVerifier>,
}

/// What the files held when they were read.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Who one is.
    pub pair: Option<Pair>,
    /// Whom one trusts.
    pub authorities: Option<Authorities>,
}

/// The bytes of the files.
pub(crate) type Contents = Vec<Vec<u8>>;

impl Files {
    pub(crate) fn read(&self) -> Result<Contents, FileError> {
        let pair = self.pair.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        pair.chain(&self.authorities).map(|path| pem::read(path)).collect()
    }
}

impl Credentials {
    /// Reads the files, and checks that they go together. Times are not looked at.
    pub fn read(files: &Files) -> Result<Self, FileError> {
        Self::of(files, &files.read()?)
    }

    pub(crate) fn of(files: &Files, contents: &Contents) -> Result<Self, FileError> {
        let mut contents = contents.iter();
        let mut next = || contents.next().map_or(&[] as &[u8], Vec::as_slice);
        let pair = match &files.pair {
            Some(pair) => Some(Pair::of(pair, next(), next())?),
            None => None,
        };
        let authorities = match &files.authorities {
            Some(path) => Some(Authorities::of(path.clone(), next())?),
            None => None,
        };
        Ok(Self { pair, authorities })
    }
}

impl Pair {
    fn of(files: &PairFiles, certificate: &[u8], key: &[u8]) -> Result<Self, FileError> {
        let chain = pem::certificates(&files.certificate, certificate)?;
        let read = chain.first().and_then(|leaf| Certificate::read(leaf));
        let said = read.ok_or_else(|| pem::damaged(&files.certificate, "certificate", &"it is not X.509"))?;
        let key = pem::private_key(&files.key, key)?;
        let signing = provider().key_provider.load_private_key(key);
        let signing = signing.map_err(|error| pem::damaged(&files.key, "private key", &error))?;
        let key = CertifiedKey::new(chain, signing);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(Self {
                certificate: said,
                chain: key.cert.clone(),
                resolver: Arc::new(key.into()),
            }),
            Err(rustls::Error::InconsistentKeys(_)) => Err(FileError::KeyMismatch {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
                subject: said.subject,
            }),
            Err(error) => Err(pem::damaged(&files.certificate, "certificate", &error)),
        }
    }
}

impl Pair {
    /// Whether those who dial `host`, a name or an address, will take it for that.
    pub fn is_for(&self, host: &str) -> bool {
        let (Ok(name), Some(leaf)) = (ServerName::try_from(host), self.chain.first()) else {
            return false;
        };
        ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
    }

    /// Whether those who trust `authorities` will take it for `name` now; the error goes on from "the certificate".
    pub fn check_signed_by(&self, authorities: &Authorities, name: &str) -> Result<(), String> {
        let name = ServerName::try_from(name).map_err(|_| format!("cannot be for {name:?}, which is no name"))?;
        let chain = &self.chain;
        let (leaf, between) = chain.split_first().ok_or("is not there")?;
        let verified = authorities
            .of_servers
            .verify_server_cert(leaf, between, &name, &[], UnixTime::now());
        let issuer = &self.certificate.issuer;
        verified.map(drop).map_err(|error| match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => format!(
                "is signed by {issuer:?}, and not by an authority in {}: name the authority's file, or have the certificate \
                 signed by it",
                authorities.describe()
            ),
            error => format!("would be refused by others: {error}"),
        })
    }
}

impl Authorities {
    /// Whether one of them has signed the first of `chain`, by those behind it if need be, and its time has come and not passed.
    pub fn have_signed(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((leaf, between)) = chain.split_first() else {
            return false;
        };
        let Some(said) = Certificate::read(leaf) else {
            return false;
        };
        let now = UnixTime::now();
        // One label of a name may stand for any.
        let mut names = said.names.iter().map(|name| name.replacen('*', "any", 1));
        let for_servers = names
            .find_map(|name| ServerName::try_from(name).ok())
            .is_some_and(|name| {
                self.of_servers
                    .verify_server_cert(leaf, between, &name, &[], now)
                    .is_ok()
            });
        for_servers || self.of_clients.verify_client_cert(leaf, between, now).is_ok()
    }

    fn of(path: PathBuf, bytes: &[u8]) -> Result<Self, FileError> {
        let mut roots = RootCertStore::empty();
        let mut certificates = Vec::new();
        for der in pem::certificates(&path, bytes)? {
            let read = Certificate::read(&der);
            let read = read.ok_or_else(|| pem::damaged(&path, "certificate", &"it is not X.509"))?;
            if !read.authority {
                let subject = read.subject;
                return Err(FileError::NoAuthority { path, subject });
            }
            roots
                .add(der)
                .map_err(|error| pem::damaged(&path, "certificate", &error))?;
            certificates.push(read);
        }
        let roots = Arc::new(roots);
        let unfit = |error| pem::damaged(&path, "certificate", &error);
        let of_servers = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider()).build();
        let of_clients = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
        Ok(Self {
            certificates,
            of_servers: of_servers.map_err(unfit)?,
            of_clients: of_clients.map_err(unfit)?,
            path,
        })
    }

    /// `/etc/quorate/ca.crt, which holds "client authority"`.
    pub(crate) fn describe(&self) -> String {
        let subjects = self.certificates.iter().map(|one| format!("{:?}", one.subject));
        let subjects: Vec<String> = subjects.collect();
        format!("{}, which holds {}", self.path.display(), subjects.join(", "))
    }
}

/// The cryptography that all of Quorate uses.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    let provider = PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(provider)
}
