//! The side that connects.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::accept::versions;
use crate::credentials::provider;
use crate::explain::Context;
use crate::{Credentials, Explained, Refusal, Remote};

/// How one connects.
#[derive(Clone, Debug)]
pub struct DialSettings {
    /// Whom one trusts, and who one is if the other side wants to know.
    pub credentials: Arc<Credentials>,
    /// Whether TLS 1.2 will do where the other side has no 1.3.
    pub allow_tls_1_2: bool,
}

/// Shakes hands with who is at the other end of `io`, which must be `name`, a host name or an IP address. Waits for as long as the
/// other side does: bound it.
pub async fn dial<S>(
    io: S,
    name: &str,
    remote: Remote,
    settings: &DialSettings,
) -> Result<Explained<TlsStream<S>>, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| Refusal(format!("{name:?} is neither a host name nor an IP address")))?;
    let Some(authorities) = &settings.credentials.authorities else {
        return Err(Refusal(
            "there is no authority to trust: give its file (--ca)".to_owned(),
        ));
    };
    let context = Context::new(remote, Arc::clone(&settings.credentials));
    let verifier = Remembers {
        verifier: Arc::clone(&authorities.of_servers),
        context: Arc::clone(&context),
    };
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(settings.allow_tls_1_2))
        .map_err(|error| Refusal(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &settings.credentials.pair {
        Some(pair) => config.with_client_cert_resolver(Arc::clone(&pair.resolver) as Arc<_>),
        None => config.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"h2".to_vec()];
    match TlsConnector::from(Arc::new(config)).connect(name, io).await {
        Ok(stream) => Ok(Explained::new(stream, context)),
        Err(error) => Err(context.refusal(&error)),
    }
}

/// Leaves every decision to `verifier`, and remembers what it had to decide on.
#[derive(Debug)]
struct Remembers {
    verifier: Arc<dyn ServerCertVerifier>,
    context: Arc<Context>,
}

impl ServerCertVerifier for Remembers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.context.saw(certificate);
        self.verifier
            .verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.verifier.root_hint_subjects()
    }
}

/// The host of `host:port`, which a certificate must name; of `[::1]:7401` it is `::1`.
pub fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}
