//! The way round: packets between members go through this process, which is late, loses some, or has room for few.
//!
//! The kernels on which this must run cannot delay packets themselves. But they can wrap them: a member has an interface
//! whose packets come here as datagrams, and those that are sent on arrive at the other member's. Connections that are open
//! stay open when their packets begin to go this way, and when they cease to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::frame;
use crate::HarnessError;

/// That of the datagrams, here and at the members.
pub(super) const PORT: u16 = 4789;

/// No datagram is larger.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Between two looks whether to end, when no packet comes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The least that a socket can be told to wait.
const WAIT_MIN: Duration = Duration::from_micros(100);

/// A packet that would wait for longer because there is no room is lost, as in a router.
const QUEUED_MAX: Duration = Duration::from_millis(500);

/// What happens to packets from one member to another. Nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Each is late by this much.
    pub delay: Duration,
    /// And by up to this much more. Packets do not overtake one another.
    pub jitter: Duration,
    /// So many of a hundred are lost.
    pub loss_percent: u32,
    /// So much there is room for; as much as there is when absent.
    pub bytes_per_second: Option<u32>,
}

/// What went the way round from one member to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Packets that came.
    pub packets: u64,
    /// Of these, those that were not sent on.
    pub lost: u64,
    /// How long one waited here at most.
    pub waited_max: Duration,
}

/// One direction between two members.
#[derive(Debug)]
struct Way {
    quality: Quality,
    random: SmallRng,
    passed: Passed,
    /// When the last of its packets is sent on.
    last_due: Option<Instant>,
    /// When there is room for another.
    room_from: Option<Instant>,
}

impl Way {
    fn new(quality: Quality, seed: u64) -> Way {
        Way {
            quality,
            random: SmallRng::seed_from_u64(seed),
            passed: Passed::default(),
            last_due: None,
            room_from: None,
        }
    }

    /// When a packet of so many bytes that came just now is to be sent on; nothing if it is lost.
    fn due(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        self.passed.packets += 1;
        let due = self.due_unless_lost(now, bytes);
        match due {
            Some(due) => self.passed.waited_max = self.passed.waited_max.max(due - now),
            None => self.passed.lost += 1,
        }
        due
    }

    fn due_unless_lost(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let quality = self.quality;
        if quality.loss_percent > 0 && self.random.random_range(0..100) < quality.loss_percent {
            return None;
        }
        let mut free = now;
        if let Some(bytes_per_second) = quality.bytes_per_second {
            free = self.room_from.map_or(now, |from| from.max(now));
            if free - now > QUEUED_MAX {
                return None;
            }
            let takes = bytes as f64 / f64::from(bytes_per_second.max(1));
            self.room_from = Some(free + Duration::from_secs_f64(takes));
        }
        let late = quality.delay + quality.jitter.mul_f64(self.random.random_range(0.0..=1.0));
        let due = self.last_due.map_or(free + late, |last| last.max(free + late));
        self.last_due = Some(due);
        Some(due)
    }
}

type Ways = Arc<Mutex<BTreeMap<(u64, u64), Way>>>;

/// Sends packets on until it is dropped.
#[derive(Debug)]
pub(super) struct Detour {
    ways: Ways,
    ended: Arc<AtomicBool>,
    /// A thread of its own: what the runtime is busy with must not make packets late.
    sending: Option<JoinHandle<()>>,
}

impl Detour {
    /// Receives at this address, and sends on to those of the members.
    pub(super) fn start(address: &str, members: BTreeMap<u64, String>) -> Result<Detour, HarnessError> {
        let socket = UdpSocket::bind((address, PORT));
        let socket = socket.map_err(HarnessError::io(format!("listen on {address}:{PORT} for packets")))?;
        let ways = Ways::default();
        let ended = Arc::new(AtomicBool::new(false));
        let sender = Sender {
            socket,
            members,
            ways: Arc::clone(&ways),
            ended: Arc::clone(&ended),
            waiting: BinaryHeap::new(),
            received: 0,
        };
        let thread = std::thread::Builder::new().name("detour".to_owned());
        let sending = thread.spawn(move || sender.run());
        Ok(Detour {
            ways,
            ended,
            sending: Some(sending.map_err(HarnessError::io("start a thread"))?),
        })
    }

    pub(super) fn set(&self, way: (u64, u64), quality: Quality, seed: u64) {
        self.ways.lock().insert(way, Way::new(quality, seed));
    }

    pub(super) fn passed(&self, way: (u64, u64)) -> Passed {
        self.ways
            .lock()
            .get(&way)
            .map_or_else(Passed::default, |way| way.passed)
    }

    pub(super) fn clear(&self) {
        self.ways.lock().clear();
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(sending) = self.sending.take() {
            let _ = sending.join();
        }
    }
}

/// A datagram that waits: when it is due, its number, to whom it goes, its bytes.
type Waiting = Reverse<(Instant, u64, u64, Vec<u8>)>;

struct Sender {
    socket: UdpSocket,
    members: BTreeMap<u64, String>,
    ways: Ways,
    ended: Arc<AtomicBool>,
    waiting: BinaryHeap<Waiting>,
    received: u64,
}

impl Sender {
    fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while !self.ended.load(Ordering::Acquire) {
            let next = self.waiting.peek().map(|Reverse((due, ..))| *due);
            let wait = next.map_or(LOOK_EVERY, |due| due.saturating_duration_since(Instant::now()));
            if self
                .socket
                .set_read_timeout(Some(wait.clamp(WAIT_MIN, LOOK_EVERY)))
                .is_err()
            {
                return;
            }
            match self.socket.recv(&mut buffer) {
                Ok(length) => self.take(&buffer[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // What another packet met on its way; the next may fare better.
                Err(_) => {}
            }
            self.send_what_is_due();
        }
    }

    /// Packets of ways that nothing was set for are sent on as they are.
    fn take(&mut self, datagram: &[u8]) {
        let Some((from, to)) = frame::ends(datagram) else {
            return;
        };
        let now = Instant::now();
        let due = match self.ways.lock().get_mut(&(from, to)) {
            Some(way) => way.due(now, datagram.len()),
            None => Some(now),
        };
        if let Some(due) = due {
            self.received += 1;
            self.waiting.push(Reverse((due, self.received, to, datagram.to_vec())));
        }
    }

    fn send_what_is_due(&mut self) {
        while let Some(Reverse((due, ..))) = self.waiting.peek() {
            if *due > Instant::now() {
                return;
            }
            let Some(Reverse((_, _, to, mut datagram))) = self.waiting.pop() else {
                return;
            };
            frame::complete_checksum(&mut datagram);
            if let Some(address) = self.members.get(&to) {
                // A packet that cannot be sent is a packet lost.
                let _ = self.socket.send_to(&datagram, (address.as_str(), PORT));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn packets_are_late_and_in_order() {
        let quality = Quality {
            delay: 20 * MS,
            jitter: 30 * MS,
            ..Quality::default()
        };
        let mut way = Way::new(quality, 7);
        let now = Instant::now();
        let mut last = now;
        for number in 0..1000 {
            let came = now + MS * number;
            let due = way.due(came, 100).unwrap();
            assert!(due >= came + 20 * MS && due >= last);
            last = due;
        }
        assert!(way.passed.waited_max > 40 * MS && way.passed.waited_max <= 50 * MS);
        assert_eq!((way.passed.packets, way.passed.lost), (1000, 0));
    }

    #[test]
    fn as_many_are_lost_as_was_said() {
        let quality = Quality {
            loss_percent: 30,
            ..Quality::default()
        };
        let mut way = Way::new(quality, 7);
        let now = Instant::now();
        let arrived = (0..1000).filter_map(|_| way.due(now, 100)).count();
        assert!((650..750).contains(&arrived), "{arrived} of 1000");
        assert_eq!(way.passed.lost, 1000 - arrived as u64);
    }

    #[test]
    fn where_there_is_little_room_packets_wait_and_then_are_lost() {
        let quality = Quality {
            bytes_per_second: Some(100_000),
            ..Quality::default()
        };
        let mut way = Way::new(quality, 7);
        let now = Instant::now();
        // Each takes ten milliseconds.
        let due: Vec<Option<Instant>> = (0..60).map(|_| way.due(now, 1000)).collect();
        assert_eq!(due[0], Some(now));
        assert!(due[10].unwrap() >= now + 99 * MS);
        assert!(due[55].is_none(), "it would wait for longer than a router lets it");
        assert!(way.due(now + 2 * QUEUED_MAX, 1000).is_some(), "there is room again");
    }
}
