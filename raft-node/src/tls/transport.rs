//! Connections to other members.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use quorate_tls::{DialSettings, Remote, dial, member_name};

use super::Side;
use crate::consensus::network::{BoxIo, Incoming, Transport};
use crate::spoken::Spoken;
use crate::types::MemberId;

/// With the connection itself this is what a peer may take to be connected.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);
/// The same failure is logged again after this.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// TLS between members over another transport.
pub struct SecureTransport {
    plain: Arc<dyn Transport>,
    side: Arc<Side>,
    spoken: Arc<Spoken>,
}

impl SecureTransport {
    /// `side` is that of members.
    pub fn new(plain: Arc<dyn Transport>, side: Arc<Side>) -> Self {
        Self {
            plain,
            side,
            spoken: Arc::new(Spoken::new(SAY_AGAIN)),
        }
    }
}

impl Transport for SecureTransport {
    fn connect(&self, address: String, member: MemberId) -> BoxFuture<'static, io::Result<BoxIo>> {
        let connecting = self.plain.connect(address.clone(), member);
        let (side, spoken) = (Arc::clone(&self.side), Arc::clone(&self.spoken));
        Box::pin(async move {
            let io = connecting.await?;
            let settings = DialSettings {
                credentials: side.credentials(),
                allow_tls_1_2: false,
            };
            let name = member_name(member);
            let dialling = dial(io, &name, Remote::Member(member), &settings);
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, dialling).await? {
                Ok(stream) => Ok(BoxIo::new(stream)),
                Err(refusal) => {
                    let reason = refusal.to_string();
                    if spoken.is_news(&format!("{address} {reason}")) {
                        tracing::warn!(member, address, reason, "a member cannot be connected to");
                    }
                    Err(refusal.into())
                }
            }
        })
    }

    /// Who connects is to shake hands at the door.
    fn listen(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<(SocketAddr, Incoming)>> {
        self.plain.listen(address)
    }
}
