//! What went wrong between two sides, in a sentence that names the certificate at fault and what to do.
//!
//! The sentences speak of the other side as "it": who prints them knows its address, and puts that before.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use crate::{Certificate, Credentials, Refusal, date};

/// Whom one expects at the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A server for clients, by its host name or IP address.
    Server,
    /// A member, by its id.
    Member(u64),
    /// Whoever connects.
    Caller,
}

/// One connection, for whoever has to explain what becomes of it.
#[derive(Debug)]
pub(crate) struct Context {
    remote: Remote,
    own: Arc<Credentials>,
    presented: Mutex<Option<Certificate>>,
}

impl Context {
    pub(crate) fn new(remote: Remote, own: Arc<Credentials>) -> Arc<Self> {
        Arc::new(Self {
            remote,
            own,
            presented: Mutex::new(None),
        })
    }

    /// The other side has shown its certificate, which is not trusted yet.
    pub(crate) fn saw(&self, certificate: &CertificateDer<'_>) {
        *self.presented.lock() = Certificate::read(certificate);
    }

    pub(crate) fn presented(&self) -> Option<Certificate> {
        self.presented.lock().clone()
    }

    /// Says what an error of a stream means, if TLS is at fault.
    pub(crate) fn explain_io(&self, error: io::Error) -> io::Error {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(cause) => Refusal(self.explain(cause)).into(),
            None => error,
        }
    }

    /// The same while hands are shaken.
    pub(crate) fn refusal(&self, error: &io::Error) -> Refusal {
        Refusal(match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(cause) => self.explain(cause),
            None if error.kind() == io::ErrorKind::UnexpectedEof => match self.remote {
                Remote::Caller => "it ended the connection during the TLS handshake".to_owned(),
                _ => "it ended the connection during the TLS handshake: it may not speak TLS there, or may be stopping; its \
                      log says why"
                    .to_owned(),
            },
            None => format!("the TLS handshake failed: {error}"),
        })
    }

    fn explain(&self, error: &Error) -> String {
        match error {
            Error::InvalidCertificate(error) => self.bad_certificate(error),
            Error::AlertReceived(alert) => self.refused_by_it(*alert),
            Error::NoCertificatesPresented => format!(
                "it gave no certificate, and one is demanded here: give it a certificate and its key (a client has \
                 --certificate and --key) that is signed by an authority in {}",
                self.trusted()
            ),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => match self.remote {
                Remote::Server => "it does not speak TLS there: connect without TLS (leave --ca out), or give the server \
                                   [tls.client]"
                    .to_owned(),
                Remote::Member(_) => "it does not speak TLS there: give that member [tls.peer] too".to_owned(),
                Remote::Caller => "it does not speak TLS: give a client the authority (--ca), a member [tls.peer]".to_owned(),
            },
            Error::PeerIncompatible(_) => {
                "it has no version of TLS in common with this side, which speaks TLS 1.3: update it (for clients that cannot \
                 be updated there is tls.client.allow_tls_1_2)"
                    .to_owned()
            }
            other => format!("the TLS connection failed: {other}"),
        }
    }

    fn bad_certificate(&self, error: &CertificateError) -> String {
        let presented = self.presented();
        let whose = presented
            .as_ref()
            .map_or_else(String::new, |certificate| format!(" {}", certificate.describe()));
        let names = presented
            .as_ref()
            .map_or_else(|| "other names".to_owned(), Certificate::names_shown);
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                let namesake = presented.is_some_and(|certificate| self.trusts_a_namesake(&certificate.issuer));
                let hint = if namesake {
                    "an authority of that name is there, but with another key: one of the two was made anew; use certificates \
                     of the same authority on both sides"
                } else {
                    "give this side the file of the authority that signed it, or that side a certificate signed by one that \
                     is trusted here (`quorate certs show FILE` says who signed what)"
                };
                format!(
                    "its certificate{whose} is not signed by an authority in {}: {hint}",
                    self.trusted()
                )
            }
            CertificateError::Expired => format!("its certificate{whose} has expired: {RENEW}"),
            CertificateError::ExpiredContext { time, not_after } => format!(
                "its certificate{whose} expired on {}, and the clock here says {}: {RENEW}",
                shown(not_after.as_secs()),
                shown(time.as_secs())
            ),
            CertificateError::NotValidYet => format!("its certificate{whose} is not valid yet: {CLOCKS}"),
            CertificateError::NotValidYetContext { time, not_before } => format!(
                "its certificate{whose} is valid from {} on, and the clock here says {}: {CLOCKS}",
                shown(not_before.as_secs()),
                shown(time.as_secs())
            ),
            CertificateError::NotValidForName => self.wrong_name(&names, "the name that was dialled"),
            CertificateError::NotValidForNameContext { expected, .. } => self.wrong_name(&names, &expected.to_str()),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => match self.remote {
                Remote::Caller => format!(
                    "its certificate{whose} is one for servers only: give it one for clients (`quorate certs client` makes \
                     one)"
                ),
                _ => format!(
                    "its certificate{whose} is not one for servers: give it one for servers (`quorate certs node` makes one)"
                ),
            },
            other => format!("its certificate{whose} is refused: {other}"),
        }
    }

    fn wrong_name(&self, names: &str, expected: &str) -> String {
        match self.remote {
            Remote::Member(member) => format!(
                "it is not member {member}: its certificate is for {names}. Correct the address of member {member}, or give \
                 the member that listens there a certificate made with `--member {member}`"
            ),
            _ => format!(
                "its certificate is for {names}, and not for {expected}: connect to one of these names, or make the \
                 certificate with `--host {expected}`"
            ),
        }
    }

    /// The other side looked at what this side showed.
    fn refused_by_it(&self, alert: AlertDescription) -> String {
        let own = match &self.own.pair {
            Some(pair) => format!("this side's certificate {}", pair.certificate.describe()),
            None => "this side, which shows no certificate".to_owned(),
        };
        match alert {
            AlertDescription::UnknownCA => format!(
                "it does not know the authority that signed {own}: have the certificate signed by an authority that the other \
                 side trusts, or add the authority to the file it trusts"
            ),
            AlertDescription::CertificateExpired => format!(
                "it says that the time of {own} is over or has not come: make a new one, or set the clocks of both machines \
                 right"
            ),
            AlertDescription::CertificateRequired => {
                "it demands a certificate: give one and its key (--certificate and --key, or `Tls::identity` in a program) that \
                 is signed by the authority it trusts for clients"
                    .to_owned()
            }
            AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
                format!("it does not accept {own}; its log says why")
            }
            AlertDescription::UnsupportedCertificate => format!("it does not accept {own}, which is made for another use"),
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => {
                "it has no version of TLS in common with this side, which speaks TLS 1.3: update it".to_owned()
            }
            other => format!("it ended the TLS connection with the alert {other:?}; its log says why"),
        }
    }

    fn trusted(&self) -> String {
        let authorities = self.own.authorities.as_ref();
        authorities.map_or_else(|| "no file at all".to_owned(), |authorities| authorities.describe())
    }

    fn trusts_a_namesake(&self, issuer: &str) -> bool {
        let trusted = self
            .own
            .authorities
            .iter()
            .flat_map(|authorities| &authorities.certificates);
        trusted.into_iter().any(|authority| authority.subject == issuer)
    }
}

const RENEW: &str =
    "make a new one (`quorate certs node` or `quorate certs client`); a server takes up the new files by itself";
const CLOCKS: &str = "set the clocks of both machines right";

fn shown(unix_s: u64) -> String {
    date(i64::try_from(unix_s).unwrap_or(i64::MAX / 2))
}
