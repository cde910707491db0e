//! Shakes hands with whoever connects.

use std::sync::Arc;

use quorate_tls::{AcceptSettings, accept};

use super::Side;
use crate::consensus::network::BoxIo;
use crate::spoken::Spoken;

/// The handshakes of one port.
#[derive(Debug)]
pub struct Handshakes {
    side: Arc<Side>,
    spoken: Spoken,
}

impl Handshakes {
    /// With the certificates that are in force when somebody connects.
    pub fn new(side: Arc<Side>) -> Self {
        Self {
            side,
            spoken: Spoken::default(),
        }
    }

    /// The connection inside; none for whoever was refused, which is logged once in a while. Waits for as long as the other
    /// side does: bound it.
    pub async fn shake(&self, io: BoxIo) -> Option<BoxIo> {
        let from = io.caller().shown();
        match self.let_in(io).await {
            Ok(io) => Some(io),
            Err(reason) => {
                if self.spoken.is_news(&reason) {
                    tracing::warn!(
                        side = self.side.name(),
                        from,
                        reason,
                        "somebody who connected was refused"
                    );
                }
                None
            }
        }
    }

    async fn let_in(&self, io: BoxIo) -> Result<BoxIo, String> {
        let settings = AcceptSettings {
            credentials: self.side.credentials(),
            allow_tls_1_2: self.side.allow_tls_1_2(),
        };
        let caller = io.caller().clone();
        let stream = accept(io, &settings).await.map_err(|refusal| refusal.to_string())?;
        if !self.side.is_of_members() {
            return Ok(BoxIo::of(stream, caller));
        }
        let members = stream.presented().map(|shown| shown.members()).unwrap_or_default();
        Ok(BoxIo::of(stream, caller.with_certificate_for(members)))
    }
}
