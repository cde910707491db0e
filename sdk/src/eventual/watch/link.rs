//! The stream of one watch to one member.

use std::collections::VecDeque;

use futures::StreamExt;
use prost::Message as _;
use quorate_proto::v1;
use quorate_proto::v1::watch_client::WatchClient;
use quorate_proto::v1::watch_event::Event;
use quorate_proto::v1::watch_message::Message;
use quorate_proto::v1::watch_request::Request;
use tokio::sync::oneshot;

use super::item::{EventualUpdate, EventualWatchItem};
use crate::connection::REPLY_BYTES_MAX;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// The only watch of its stream.
const WATCH_ID: u64 = 1;
/// A small window: what a member has sent and nobody has taken grows old.
const WINDOW_BYTES: u32 = 64 << 10;

/// An open stream. Dropping it ends the watch at the member.
pub(super) struct Link {
    responses: tonic::Streaming<v1::WatchResponse>,
    messages: VecDeque<v1::WatchMessage>,
    /// Keeps the sending side open.
    _open: oneshot::Sender<()>,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The member has the watch.
    Created,
    /// For the consumer.
    Item(EventualWatchItem),
}

impl Link {
    /// Connects and asks for the watch. The outer error is of the connection, the inner one an answer that came over it.
    pub(super) async fn open(
        endpoint: &Endpoint,
        create: v1::WatchCreate,
    ) -> std::result::Result<Result<Self>, String> {
        let address = endpoint.address();
        let channel = endpoint.connect_with(|transport| {
            transport
                .initial_stream_window_size(WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES)
        });
        let channel = channel.await?;
        let request = v1::WatchRequest {
            request: Some(Request::Create(v1::WatchCreate {
                watch_id: WATCH_ID,
                ..create
            })),
        };
        // The member ends the stream when this side is closed: while it is open, the transport keeps the stream alive, even
        // if nobody reads it.
        let (open, closed) = oneshot::channel::<()>();
        let open_until_dropped = futures::stream::once(closed).filter_map(|_| std::future::ready(None));
        let requests = futures::stream::once(std::future::ready(request)).chain(open_until_dropped);
        let mut client = WatchClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
        match client.open(requests).await {
            Ok(responses) => Ok(Ok(Self {
                responses: responses.into_inner(),
                messages: VecDeque::new(),
                _open: open,
            })),
            Err(status) => Error::of_refused_stream(&status).map(|error| Err(error.with_context(address))),
        }
    }

    /// What comes next: several things at once, perhaps none.
    pub(super) async fn next(&mut self) -> Result<Vec<Told>> {
        if self.messages.is_empty() {
            match self.responses.message().await {
                Ok(Some(response)) => self.messages.extend(response.messages),
                Ok(None) => return Err(lost("the member ended the stream")),
                // Without a reason of the member's own it was lost on the way.
                Err(status) => return Err(Error::of_refused_stream(&status).unwrap_or_else(|reason| lost(&reason))),
            }
        }
        let message = self.messages.pop_front().and_then(|message| message.message);
        match message {
            Some(Message::Created(_)) => Ok(vec![Told::Created]),
            Some(Message::Events(events)) => events.events.into_iter().filter_map(told).collect(),
            Some(Message::Mark(mark)) => Ok(vec![Told::Item(if mark.again {
                EventualWatchItem::Restarted
            } else {
                EventualWatchItem::CaughtUp
            })]),
            Some(Message::Canceled(canceled)) => Err(canceled.error.map_or_else(
                || lost("the member cancelled the watch and did not say why"),
                |error| Error::of_reply(error).with_outcome(Outcome::NotAMutation),
            )),
            // Of caches, or of a later version.
            Some(Message::CacheKeysChanged(_) | Message::CacheInvalidate(_)) | None => Ok(Vec::new()),
        }
    }
}

/// None for what a later version tells.
fn told(event: bytes::Bytes) -> Option<Result<Told>> {
    match v1::WatchEvent::decode(event) {
        Ok(v1::WatchEvent {
            event: Some(Event::Key(event)),
        }) => EventualUpdate::of_wire(event).map(|update| Ok(Told::Item(EventualWatchItem::Changed(update)))),
        Ok(_) => None,
        Err(error) => {
            let message = format!("an event cannot be read: {error}");
            Some(Err(Error::new(ErrorKind::Protocol, Outcome::NotAMutation, message)))
        }
    }
}

fn lost(message: &str) -> Error {
    Error::new(ErrorKind::ConnectionLost, Outcome::NotAMutation, message)
}
