//! Shakes hands with whoever connects.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use quorate_tls::{AcceptSettings, accept};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::Side;
use super::spoken::Spoken;
use crate::consensus::network::{BoxIo, Incoming};

/// Shaking hands takes a few milliseconds and a few exchanges; who needs longer does not mean it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// So many are under way. Beyond it the oldest is given up: it has had the longest time, so a flood of connections that say
/// nothing only pushes itself out.
const HANDSHAKES_MAX: usize = 512;
/// Connections that the server has not taken yet.
const READY_MAX: usize = 64;
/// The same refusal is logged again after this.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// Connections with TLS, out of plain ones. The work is done where the stream is read first.
pub fn secure(plain: Incoming, side: Arc<Side>) -> Incoming {
    let started = async move {
        let (ready, secured) = mpsc::channel(READY_MAX);
        tokio::spawn(shake_hands(plain, side, ready));
        ReceiverStream::new(secured)
    };
    futures::stream::once(started).flatten().boxed()
}

/// Runs until the server has gone or the listener ends.
async fn shake_hands(mut plain: Incoming, side: Arc<Side>, ready: mpsc::Sender<io::Result<BoxIo>>) {
    let spoken = Arc::new(Spoken::new(SAY_AGAIN));
    let mut under_way: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let next = tokio::select! {
            () = ready.closed() => return,
            next = plain.next() => next,
        };
        let io = match next {
            Some(Ok(io)) => io,
            Some(Err(error)) => {
                if ready.send(Err(error)).await.is_err() {
                    return;
                }
                continue;
            }
            None => return,
        };
        if under_way.len() >= HANDSHAKES_MAX {
            under_way.retain(|one| !one.is_finished());
        }
        if under_way.len() >= HANDSHAKES_MAX
            && let Some(oldest) = under_way.pop_front()
        {
            oldest.abort();
        }
        let from = io.caller().shown();
        let (side, ready, spoken) = (Arc::clone(&side), ready.clone(), Arc::clone(&spoken));
        let shaking = tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, let_in(io, &side)).await {
                // The server has gone if nobody takes it.
                Ok(Ok(io)) => drop(ready.send(Ok(io)).await),
                Ok(Err(reason)) if spoken.is_news(&reason) => {
                    tracing::warn!(side = side.name(), from, reason, "somebody who connected was refused");
                }
                Ok(Err(_)) => {}
                Err(_) => tracing::debug!(
                    side = side.name(),
                    from,
                    "somebody connected and did not shake hands in time"
                ),
            }
        });
        under_way.push_back(shaking.abort_handle());
    }
}

async fn let_in(io: BoxIo, side: &Side) -> Result<BoxIo, String> {
    let settings = AcceptSettings {
        credentials: side.credentials(),
        allow_tls_1_2: side.allow_tls_1_2(),
    };
    let caller = io.caller().clone();
    let stream = accept(io, &settings).await.map_err(|refusal| refusal.to_string())?;
    if !side.is_of_members() {
        return Ok(BoxIo::of(stream, caller));
    }
    let members = stream.presented().map(|shown| shown.members()).unwrap_or_default();
    Ok(BoxIo::of(stream, caller.with_certificate_for(members)))
}
