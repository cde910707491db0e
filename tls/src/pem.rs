//! Files of certificates and keys.

use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A chain is a few KiB; a longer file is some other file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a file does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {reason}: check that it exists and that this process may read it", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It is longer than any chain.
    #[error("{}: it is longer than {bytes_max} bytes, which is the limit: it is no certificate and no key", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// It does not hold what it should.
    #[error("{}: it holds no {wanted}: {hint}", path.display())]
    Lacks {
        /// Which file.
        path: PathBuf,
        /// `certificate` or `private key`.
        wanted: &'static str,
        /// What it holds instead, and what to do.
        hint: String,
    },
    /// What it holds is damaged.
    #[error("{}: the {what} in it is damaged ({reason}): copy it once more, or make a new one", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The key is not that of the certificate.
    #[error(
        "the key in {} does not fit the certificate of {subject:?} in {}: give the key that was made with it (a certificate \
         that is being replaced fits again when both files are there)", key.display(), certificate.display()
    )]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Whose certificate.
        subject: String,
    },
    /// What is trusted is no authority.
    #[error(
        "{}: the certificate of {subject:?} may sign no others, so it is no authority: give the file of the authority, \
         which `quorate certs init` calls peer-ca.crt or client-ca.crt", path.display()
    )]
    NoAuthority {
        /// Which file.
        path: PathBuf,
        /// Whose certificate.
        subject: String,
    },
}

/// The bytes of a file, bounded while reading.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| FileError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLong {
            path: path.to_owned(),
            bytes_max: FILE_BYTES_MAX,
        });
    }
    Ok(bytes)
}

/// All certificates of a file, at least one, in their order.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    certificates(path, &read(path)?)
}

pub(crate) fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| damaged(path, "certificate", &error))?;
    if found.is_empty() {
        return Err(lacks(path, "certificate", bytes));
    }
    Ok(found)
}

pub(crate) fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, FileError> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => lacks(path, "private key", bytes),
        error => damaged(path, "private key", &error),
    })
}

pub(crate) fn damaged(path: &Path, what: &'static str, reason: &impl std::fmt::Display) -> FileError {
    FileError::Damaged {
        path: path.to_owned(),
        what,
        reason: reason.to_string(),
    }
}

fn lacks(path: &Path, wanted: &'static str, bytes: &[u8]) -> FileError {
    let text = String::from_utf8_lossy(bytes);
    let hint = if bytes.is_empty() {
        "it is empty"
    } else if text.contains("ENCRYPTED PRIVATE KEY") {
        "its key is encrypted with a password: decrypt it first, e.g. with `openssl pkey`"
    } else if text.contains("PRIVATE KEY-----") {
        "it holds a private key: certificate and key may be exchanged"
    } else if text.contains("BEGIN CERTIFICATE-----") {
        "it holds a certificate: certificate and key may be exchanged"
    } else if bytes.first() == Some(&0x30) {
        "it seems to be DER: convert it to PEM, e.g. with `openssl x509 -inform der`"
    } else {
        "it is not PEM, which begins with a line -----BEGIN ...-----"
    };
    FileError::Lacks {
        path: path.to_owned(),
        wanted,
        hint: hint.to_owned(),
    }
}
