//! Connections to other members where this one has no certificates.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use quorate_tls::{FirstByte, SPEAKS_TLS_MEMBER};

use crate::consensus::network::{BoxIo, Incoming, Transport};
use crate::types::MemberId;

/// Another transport, whose connections say so when the other side speaks TLS.
pub struct PlainTransport {
    plain: Arc<dyn Transport>,
}

impl PlainTransport {
    /// What is connected and accepted stays that of `plain`.
    pub fn new(plain: Arc<dyn Transport>) -> Self {
        Self { plain }
    }
}

impl Transport for PlainTransport {
    fn connect(&self, address: String, member: MemberId) -> BoxFuture<'static, io::Result<BoxIo>> {
        let connecting = self.plain.connect(address, member);
        Box::pin(async move { Ok(BoxIo::new(FirstByte::new(connecting.await?, SPEAKS_TLS_MEMBER))) })
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<(SocketAddr, Incoming)>> {
        self.plain.listen(address)
    }
}
