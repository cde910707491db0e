//! Who came to a port, and who was sent away.

use super::{Count, Open};

/// Of one port.
#[derive(Debug, Default)]
pub struct DoorCounts {
    /// Connections that are open.
    pub open: Open,
    /// Refused, since there were as many as there may be.
    pub too_many: Count,
    /// Closed, since they said nothing, or not enough, in time or before others needed the room.
    pub silent: Count,
    /// Refused, since they did not shake hands as TLS does, or not with a certificate that will do.
    pub no_handshake: Count,
    /// Refused, since they began otherwise than HTTP/2 does.
    pub not_http2: Count,
    /// Closed to make room for others: strangers first, from where most came, the quietest of them.
    pub pushed_out: Count,
}

impl DoorCounts {
    /// What the metric tells apart.
    pub fn refused(&self) -> [(&'static str, u64); 5] {
        [
            ("too_many", self.too_many.get()),
            ("silent", self.silent.get()),
            ("no_handshake", self.no_handshake.get()),
            ("not_http2", self.not_http2.get()),
            ("pushed_out", self.pushed_out.get()),
        ]
    }
}
