//! The side that is connected to.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::credentials::provider;
use crate::explain::Context;
use crate::{Credentials, Explained, Refusal, Remote};

/// Who was refused may read why for so long, and gets so much read in the meantime.
const FAREWELL: Duration = Duration::from_millis(200);
const FAREWELL_BYTES_MAX: usize = 16 << 10;

/// How one lets others in.
#[derive(Clone, Debug)]
pub struct AcceptSettings {
    /// Who one is. Callers have to show a certificate if there are authorities.
    pub credentials: Arc<Credentials>,
    /// Whether TLS 1.2 will do where the other side has no 1.3.
    pub allow_tls_1_2: bool,
}

static TLS_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
static TLS_1_2_TOO: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

pub(crate) fn versions(allow_tls_1_2: bool) -> &'static [&'static SupportedProtocolVersion] {
    if allow_tls_1_2 { TLS_1_2_TOO } else { TLS_1_3 }
}

/// Shakes hands with who is at the other end of `io`. Waits for as long as the other side does: bound it.
pub async fn accept<S>(io: S, settings: &AcceptSettings) -> Result<Explained<TlsStream<S>>, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(pair) = &settings.credentials.pair else {
        return Err(Refusal("this side has no certificate".to_owned()));
    };
    let context = Context::new(Remote::Caller, Arc::clone(&settings.credentials));
    let verifier: Arc<dyn ClientCertVerifier> = match &settings.credentials.authorities {
        Some(authorities) => Arc::new(Remembers {
            verifier: Arc::clone(&authorities.of_clients),
            context: Arc::clone(&context),
        }),
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(settings.allow_tls_1_2))
        .map_err(|error| Refusal(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(&pair.resolver) as Arc<_>);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    match TlsAcceptor::from(Arc::new(config)).accept(io).into_fallible().await {
        Ok(stream) => Ok(Explained::new(stream, context)),
        Err((error, io)) => {
            let refusal = context.refusal(&error);
            farewell(io).await;
            Err(refusal)
        }
    }
}

/// Closes a connection on which was said why. One that is closed while something is unread is reset, and what was said may be
/// lost with it: so a little is read, for a moment.
pub async fn farewell(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let farewell = async {
        io.shutdown().await?;
        let mut ignored = [0; 1024];
        let mut bytes = 0;
        while bytes < FAREWELL_BYTES_MAX {
            match io.read(&mut ignored).await? {
                0 => break,
                read => bytes += read,
            }
        }
        Ok::<(), std::io::Error>(())
    };
    // Whether it listened is its own affair.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

/// Leaves every decision to `verifier`, and remembers what it had to decide on.
#[derive(Debug)]
struct Remembers {
    verifier: Arc<dyn ClientCertVerifier>,
    context: Arc<Context>,
}

impl ClientCertVerifier for Remembers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.context.saw(certificate);
        self.verifier.verify_client_cert(certificate, intermediates, now)
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
}
