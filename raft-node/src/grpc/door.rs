//! The door of a port: who is let in, before any HTTP/2 is spoken.
//!
//! A connection counts from the moment at which it is accepted. It is handed to the server once it has begun as HTTP/2 does,
//! where there are certificates after shaking hands. Until then it has a few seconds, and there are few of them: see
//! [`Newcomers`].
//!
//! Invariants
//! * Nobody who is slow delays who comes behind.
//! * Nobody who is one too many costs a handshake, except those who are told why.
//! * Whoever is refused is told why, as far as that costs little: when too many are being told, the rest is just closed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::connections::OpenIo;
use super::greeting::{self, Greeting};
use super::newcomers::Newcomers;
use super::places::{Place, Places};
use crate::consensus::network::{BoxIo, Incoming};
use crate::metrics::{DoorCounts, OpenOne};
use crate::spoken::Spoken;
use crate::tls::Handshakes;

/// A client shakes hands and says its first bytes as soon as it is connected: some milliseconds and a few exchanges.
pub(super) const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
/// So many are listened to at a time.
const GREETINGS_MAX: usize = 512;
/// So many are told at a time why they are refused.
const FAREWELLS_MAX: usize = 64;
/// Connections that the server has not taken yet.
const READY_MAX: usize = 64;

/// What happens when there are as many connections as there may be.
pub(super) enum Full {
    /// Who comes is refused, with this sentence: it can go elsewhere.
    Refuse(String),
    /// Who was quiet for longest makes room: those who belong here talk all the time.
    PushOut {
        places: Arc<Places>,
        /// So many of them may be taken by those of whom is not known that they belong here.
        strangers_max: usize,
    },
}

/// The door of one port.
pub(super) struct Door {
    /// Connections that may be open.
    pub(super) connections_max: u64,
    pub(super) full: Full,
    /// Where TLS is spoken.
    pub(super) handshakes: Option<Handshakes>,
    pub(super) spoken: Spoken,
    /// A connection has shaken hands and said its first bytes by then.
    pub(super) greeting: Duration,
    pub(super) counts: Arc<DoorCounts>,
}

/// Those of `incoming` that are let in. The work is done where the stream is read first.
pub(super) fn let_in(incoming: Incoming, door: Door) -> impl Stream<Item = io::Result<OpenIo>> {
    let started = async move {
        let (ready, inside) = mpsc::channel(READY_MAX);
        tokio::spawn(keep(incoming, door, ready));
        ReceiverStream::new(inside)
    };
    futures::stream::once(started).flatten()
}

/// Runs until the server has gone or the listener ends.
async fn keep(mut incoming: Incoming, door: Door, ready: mpsc::Sender<io::Result<OpenIo>>) {
    let door = Arc::new(door);
    let farewells = Arc::new(Semaphore::new(FAREWELLS_MAX));
    let mut newcomers = Newcomers::new(GREETINGS_MAX);
    loop {
        let next = tokio::select! {
            () = ready.closed() => return,
            next = incoming.next() => next,
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
        if let Some(reason) = door.refusal() {
            door.counts.too_many.increment();
            farewell(&farewells, refuse(io, reason, Arc::clone(&door)));
            continue;
        }
        if newcomers.make_room() {
            door.counts.silent.increment();
        }
        let from = io.caller().neighbourhood();
        let open = door.counts.open.one();
        let listening = listen(io, open, Arc::clone(&door), Arc::clone(&farewells), ready.clone());
        newcomers.add(from, tokio::spawn(listening).abort_handle());
    }
}

async fn listen(
    io: BoxIo,
    open: OpenOne,
    door: Arc<Door>,
    farewells: Arc<Semaphore>,
    ready: mpsc::Sender<io::Result<OpenIo>>,
) {
    match tokio::time::timeout(door.greeting, door.hear(io)).await {
        Ok(Heard::Client(io)) => {
            let place = door.place(&io);
            // The server has gone if nobody takes it.
            drop(ready.send(Ok(OpenIo::new(io, open, place))).await);
        }
        Ok(Heard::Other(io)) => {
            door.counts.not_http2.increment();
            farewell(&farewells, greeting::refuse_other(io));
        }
        Ok(Heard::NoHandshake) => door.counts.no_handshake.increment(),
        Ok(Heard::WentAway) => {}
        Err(_) => door.counts.silent.increment(),
    }
}

/// For who is one too many.
async fn refuse(io: BoxIo, reason: String, door: Arc<Door>) {
    let shaken = tokio::time::timeout(door.greeting, door.shake(io)).await;
    if let Ok(Some(io)) = shaken {
        greeting::refuse_http2(io, &reason).await;
    }
}

/// Tells why, if there are not too many who are told.
fn farewell(farewells: &Arc<Semaphore>, telling: impl Future<Output = ()> + Send + 'static) {
    if let Ok(permit) = Arc::clone(farewells).try_acquire_owned() {
        tokio::spawn(async move {
            telling.await;
            drop(permit);
        });
    }
}

/// How somebody began.
enum Heard {
    /// As HTTP/2 does.
    Client(BoxIo),
    /// Otherwise.
    Other(BoxIo),
    NoHandshake,
    WentAway,
}

impl Door {
    /// Waits for as long as the other side does: bound it.
    async fn hear(&self, io: BoxIo) -> Heard {
        let Some(mut io) = self.shake(io).await else {
            return Heard::NoHandshake;
        };
        match greeting::hear(&mut io).await {
            Ok(Greeting::Http2) => Heard::Client(io),
            Ok(Greeting::Tls) => {
                self.speaks_tls(&io);
                Heard::Other(io)
            }
            Ok(Greeting::Other) => Heard::Other(io),
            Err(_) => Heard::WentAway,
        }
    }

    async fn shake(&self, io: BoxIo) -> Option<BoxIo> {
        match &self.handshakes {
            Some(handshakes) => handshakes.shake(io).await,
            None => Some(io),
        }
    }

    /// Somebody speaks TLS to a port that does not.
    fn speaks_tls(&self, io: &BoxIo) {
        let reason = "it speaks TLS, which this port does not: let it connect without (a client leaves --ca out), or give this \
                      member certificates ([tls.client], [tls.peer])";
        if self.spoken.is_news(reason) {
            let from = io.caller().shown();
            tracing::warn!(from, reason, "somebody who connected was refused");
        }
    }

    /// Where there is a place for so many only.
    fn place(&self, io: &BoxIo) -> Option<Place> {
        let Full::PushOut { places, strangers_max } = &self.full else {
            return None;
        };
        let full = places.taken() as u64 >= self.connections_max || places.taken_by_strangers() >= *strangers_max;
        if full && places.push_out_quietest() {
            self.counts.pushed_out.increment();
        }
        let caller = io.caller();
        Some(places.take_from(caller.line().clone(), caller.neighbourhood()))
    }

    /// Why nobody else is let in, if that is so.
    fn refusal(&self) -> Option<String> {
        match &self.full {
            Full::Refuse(reason) if self.counts.open.get() >= self.connections_max => Some(reason.clone()),
            Full::Refuse(_) | Full::PushOut { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_tls::{Remote, dial, member_name};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tonic::transport::server::Connected;

    use super::super::greeting::PREFACE;
    use super::*;
    use crate::tls::testing::Home;

    /// No test takes so long: nobody is given up for having said nothing in time.
    const PATIENT: Duration = Duration::from_secs(60);

    struct Street {
        callers: mpsc::UnboundedSender<io::Result<BoxIo>>,
        inside: std::pin::Pin<Box<dyn Stream<Item = io::Result<OpenIo>> + Send>>,
        counts: Arc<DoorCounts>,
    }

    /// Without TLS; who says nothing is given up soon.
    fn street(connections_max: u64, full: Full) -> Street {
        street_with(connections_max, full, None, Duration::from_millis(300))
    }

    fn street_with(connections_max: u64, full: Full, handshakes: Option<Handshakes>, greeting: Duration) -> Street {
        let (callers, incoming) = mpsc::unbounded_channel();
        let incoming = futures::stream::unfold(incoming, |mut incoming| async move {
            let next = incoming.recv().await?;
            Some((next, incoming))
        });
        let counts = Arc::<DoorCounts>::default();
        let door = Door {
            connections_max,
            full,
            handshakes,
            spoken: Spoken::default(),
            greeting,
            counts: Arc::clone(&counts),
        };
        Street {
            callers,
            inside: Box::pin(let_in(incoming.boxed(), door)),
            counts,
        }
    }

    impl Street {
        fn call(&self) -> DuplexStream {
            let (outside, io) = tokio::io::duplex(4096);
            assert!(self.callers.send(Ok(BoxIo::new(io))).is_ok());
            outside
        }

        async fn enter(&mut self) -> (DuplexStream, OpenIo) {
            let mut outside = self.call();
            outside.write_all(PREFACE).await.unwrap();
            let inside = self.inside.next().await.unwrap().unwrap();
            (outside, inside)
        }
    }

    fn refuse() -> Full {
        Full::Refuse("there are 1 of 1".to_owned())
    }

    #[tokio::test]
    async fn who_is_let_in_is_read_from_the_first_byte_and_counts_until_it_is_gone() {
        let mut street = street(10, refuse());
        let (mut outside, mut inside) = street.enter().await;
        outside.write_all(b"and more").await.unwrap();
        let mut heard = [0; 32];
        inside.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard[..24], PREFACE);
        assert_eq!(&heard[24..], b"and more");
        assert_eq!(street.counts.open.get(), 1);
        drop(inside);
        assert_eq!(street.counts.open.get(), 0);
    }

    #[tokio::test]
    async fn one_too_many_is_told_why_and_the_next_comes_in_when_there_is_room() {
        let mut street = street(1, refuse());
        let (_outside, inside) = street.enter().await;
        let mut refused = street.call();
        let inner = &mut street.inside;
        let mut said = Vec::new();
        tokio::select! {
            read = refused.read_to_end(&mut said) => drop(read.unwrap()),
            _ = inner.next() => panic!("it was let in"),
        }
        assert!(said.ends_with(b"there are 1 of 1"), "{said:?}");
        assert_eq!(street.counts.too_many.get(), 1);
        drop(inside);
        street.enter().await;
    }

    #[tokio::test]
    async fn who_does_not_speak_http2_is_told_so() {
        let mut street = street(10, refuse());
        let mut visitor = street.call();
        visitor.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
        let mut said = String::new();
        tokio::select! {
            read = visitor.read_to_string(&mut said) => drop(read.unwrap()),
            _ = street.inside.next() => panic!("it was let in"),
        }
        assert!(
            said.starts_with("HTTP/1.1 400") && said.contains("listen_http"),
            "{said}"
        );
        assert_eq!(street.counts.not_http2.get(), 1);
    }

    #[tokio::test]
    async fn those_who_say_nothing_push_each_other_out_and_nobody_else() {
        let mut street = street(10_000, refuse());
        let silent: Vec<DuplexStream> = (0..GREETINGS_MAX + 50).map(|_| street.call()).collect();
        street.enter().await;
        assert!(street.counts.silent.get() >= 50);
        assert!(street.counts.open.get() <= GREETINGS_MAX as u64 + 1);
        drop(silent);
    }

    #[tokio::test]
    async fn who_says_nothing_for_too_long_is_closed() {
        let mut street = street(10, refuse());
        let mut silent = street.call();
        let mut said = Vec::new();
        tokio::select! {
            read = silent.read_to_end(&mut said) => drop(read.unwrap()),
            _ = street.inside.next() => panic!("it was let in"),
        }
        assert_eq!((street.counts.silent.get(), street.counts.open.get()), (1, 0));
    }

    #[tokio::test]
    async fn where_room_is_made_the_quietest_has_to_go() {
        let full = Full::PushOut {
            places: Arc::default(),
            strangers_max: 100,
        };
        let mut street = street(2, full);
        let (mut talks, mut talking) = street.enter().await;
        let (_quiet, mut silent) = street.enter().await;
        let mut heard = [0; 25];
        talks.write_all(b"x").await.unwrap();
        talking.read_exact(&mut heard).await.unwrap();
        let mut preface = [0; 24];
        silent.read_exact(&mut preface).await.unwrap();
        talks.write_all(b"x").await.unwrap();
        talking.read_exact(&mut heard[..1]).await.unwrap();
        let (_third, _inside) = street.enter().await;
        let gone = silent.read_exact(&mut heard).await.unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::ConnectionAborted);
        talks.write_all(b"x").await.unwrap();
        talking.read_exact(&mut heard[..1]).await.unwrap();
        assert_eq!(street.counts.pushed_out.get(), 1);
    }

    #[tokio::test]
    async fn strangers_have_some_of_the_places_and_who_belongs_here_the_rest() {
        let full = Full::PushOut {
            places: Arc::default(),
            strangers_max: 2,
        };
        let mut street = street(100, full);
        let (mut outside, mut member) = street.enter().await;
        member.connect_info().line().know();
        let mut strangers = Vec::new();
        for _ in 0..10 {
            strangers.push(street.enter().await);
        }
        assert_eq!(street.counts.pushed_out.get(), 8);
        outside.write_all(b"x").await.unwrap();
        let mut heard = [0; 25];
        member.read_exact(&mut heard).await.unwrap();
        for (at, (_, stranger)) in strangers.iter_mut().enumerate() {
            let heard = stranger.read_exact(&mut heard[..24]).await;
            assert_eq!(heard.is_ok(), at >= 8, "{at}");
        }
    }

    #[tokio::test]
    async fn where_tls_is_spoken_those_who_say_nothing_count_and_keep_nobody_out() {
        let home = Home::new();
        home.sign(1, |_| ());
        let handshakes = Handshakes::new(home.open().unwrap());
        let mut street = street_with(10_000, refuse(), Some(handshakes), PATIENT);
        let mut silent: Vec<DuplexStream> = (0..GREETINGS_MAX + 50).map(|_| street.call()).collect();
        let outside = street.call();
        let (settings, name) = (home.dialling(), member_name(1));
        let entering = async {
            let mut dialled = dial(outside, &name, Remote::Member(1), &settings).await.unwrap();
            dialled.write_all(PREFACE).await.unwrap();
            dialled.flush().await.unwrap();
            dialled
        };
        let (_dialled, inside) = tokio::join!(entering, street.inside.next());
        let inside = inside.unwrap().unwrap();
        assert_eq!(inside.connect_info().members(), Some(&[1][..]));
        assert!(street.counts.silent.get() >= 50);
        assert!(
            street.counts.open.get() > GREETINGS_MAX as u64 / 2,
            "they count before they shook hands"
        );
        assert!(
            street.counts.open.get() <= GREETINGS_MAX as u64 + 1,
            "the others were given up"
        );
        // Which is long before their time was over: their connections have ended.
        let ended = tokio::time::timeout(PATIENT / 2, silent[0].read(&mut [0])).await;
        assert_eq!(ended.unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn where_tls_is_spoken_one_too_many_is_told_why_behind_the_handshake() {
        let home = Home::new();
        home.sign(1, |_| ());
        let handshakes = Handshakes::new(home.open().unwrap());
        let mut street = street_with(1, refuse(), Some(handshakes), PATIENT);
        // It has not shaken hands, and counts all the same.
        let silent = street.call();
        let outside = street.call();
        let (settings, name) = (home.dialling(), member_name(1));
        let refused = async {
            let mut dialled = dial(outside, &name, Remote::Member(1), &settings).await.unwrap();
            let mut said = Vec::new();
            dialled.read_to_end(&mut said).await.unwrap();
            said
        };
        tokio::select! {
            said = refused => assert!(said.ends_with(b"there are 1 of 1"), "{said:?}"),
            _ = street.inside.next() => panic!("it was let in"),
        }
        drop(silent);
    }
}
