//! Watches of the SDK, which finds a member, and another one when that is lost, by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quorate::{Client, ErrorKind, KeyEventKind, Keys, Record, Watch, WatchEvent, WatchItem, Watched};
use quorate_proto::v1;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Clock, Recorder, Whims, random_start};
use crate::HarnessError;
use crate::watch_check::{Asked, Cancel, Event, KeyEvent, KeyKind, Names, OtherEvent, Space, Start, Told, Watcher};
use crate::watch_check::{Wanted, shortened};

/// Marks tell that a watcher of what rarely happens has not been forgotten.
const MARKS_MS: std::ops::Range<u64> = 100..600;

/// Before another attempt to open a watch.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How long opening may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks at whether it is done.
const LOOK: Duration = Duration::from_millis(100);

/// One watcher, which may use any of these clients.
#[derive(Debug)]
pub struct SdkWatcher {
    /// For people.
    pub name: String,
    /// It begins with any of them.
    pub clients: Vec<Client>,
    /// What it may ask for.
    pub wants: fn(&mut SmallRng) -> Asked,
    /// What it does by itself.
    pub whims: Whims,
    /// Its decisions come from it.
    pub seed: u64,
    /// The clock of the run.
    pub clock: Clock,
    /// The newest revision that the run knows of.
    pub newest: Arc<AtomicU64>,
    /// Once set, it goes on to that revision and is done.
    pub due: watch::Receiver<Option<u64>>,
}

impl SdkWatcher {
    /// Runs until it has got what is due. What it returns has everything that it was told, also before it began anew on a
    /// whim.
    pub async fn run(self) -> Result<Vec<Watcher>, HarnessError> {
        let mut run = Run {
            random: SmallRng::seed_from_u64(self.seed),
            ended: Vec::new(),
            plan: self,
        };
        let mut recorder = run.fresh();
        loop {
            match run.one_watch(&mut recorder).await? {
                Over::Done => {
                    let due = run.plan.due.borrow().unwrap_or(0);
                    run.ended.push(recorder.finish(due));
                    return Ok(run.ended);
                }
                Over::Resume => {}
                Over::GivenUp => {
                    let given_up = std::mem::replace(&mut recorder, run.fresh());
                    run.ended.push(given_up.give_up());
                }
            }
        }
    }
}

struct Run {
    plan: SdkWatcher,
    random: SmallRng,
    ended: Vec<Watcher>,
}

/// Why a watch is over.
enum Over {
    Done,
    /// It goes on where it was.
    Resume,
    /// Another watcher takes its place.
    GivenUp,
}

impl Run {
    fn fresh(&mut self) -> Recorder {
        let name = format!("{}.{}", self.plan.name, self.ended.len());
        let asked = (self.plan.wants)(&mut self.random);
        let start = random_start(&mut self.random, self.plan.newest.load(Ordering::Acquire));
        Recorder::new(name, asked, start)
    }

    async fn one_watch(&mut self, recorder: &mut Recorder) -> Result<Over, HarnessError> {
        let start = recorder.begin(self.plan.clock.now());
        let mut watch = match self.open(recorder.asked(), start).await? {
            Ok(watch) => watch,
            Err(error) => {
                ended(recorder, &error)?;
                tokio::time::sleep(BACK_OFF).await;
                return Ok(Over::Resume);
            }
        };
        recorder.told(Told::Created {
            revision: watch.position(),
            at: self.plan.clock.now(),
        });
        let mut whim = Instant::now() + self.until_next_whim();
        loop {
            let due = *self.plan.due.borrow();
            if due.is_some_and(|due| recorder.has_reached(due)) {
                return Ok(Over::Done);
            }
            tokio::select! {
                item = watch.next() => match item {
                    Some(Ok(item)) => {
                        recorder.told(told(item)?);
                        if self.plan.whims == Whims::Slow && due.is_none() {
                            tokio::time::sleep(Duration::from_millis(self.random.random_range(0..40))).await;
                        }
                    }
                    Some(Err(error)) => {
                        ended(recorder, &error)?;
                        return Ok(Over::Resume);
                    }
                    None => return Err(HarnessError::Broken(format!("{} ended without an error", recorder.name()))),
                },
                () = tokio::time::sleep(LOOK) => {}
                () = tokio::time::sleep_until(whim) => {
                    whim = Instant::now() + self.until_next_whim();
                    if due.is_none() && let Some(over) = self.follow_a_whim().await {
                        return Ok(over);
                    }
                }
            }
        }
    }

    fn until_next_whim(&mut self) -> Duration {
        match self.plan.whims {
            Whims::None => Duration::from_secs(3600),
            Whims::Restless | Whims::Slow => Duration::from_millis(self.random.random_range(200..4000)),
        }
    }

    async fn follow_a_whim(&mut self) -> Option<Over> {
        match (self.plan.whims, self.random.random_range(0..3)) {
            (Whims::Slow, 0..2) => {
                tokio::time::sleep(Duration::from_millis(self.random.random_range(500..3000))).await;
                None
            }
            (_, 0) => Some(Over::GivenUp),
            _ => Some(Over::Resume),
        }
    }

    async fn open(&mut self, asked: &Asked, start: Start) -> Result<Result<Watch, quorate::Error>, HarnessError> {
        let none = || HarnessError::Broken("a watcher needs a client and a selector".to_owned());
        let client = self.plan.clients.choose(&mut self.random).ok_or_else(none)?;
        let mut wanted = asked.wanted.iter().map(watched);
        let mut open = client.watch(wanted.next().ok_or_else(none)?);
        for watched in wanted {
            open = open.and(watched);
        }
        open = match start {
            Start::Now => open.now(),
            Start::From(revision) => open.from(revision),
        };
        if !asked.puts {
            open = open.deletes_only();
        }
        if !asked.deletes {
            open = open.puts_only();
        }
        if self.plan.whims == Whims::Slow {
            open = open.buffer(self.random.random_range(1..32));
            if self.random.random_bool(0.5) {
                open = open.fail_when_lagging();
            }
        }
        let marks = Duration::from_millis(self.random.random_range(MARKS_MS));
        let open = open.previous(asked.previous).keys_only(asked.keys_only).marks(marks);
        Ok(open.timeout(OPEN_TIMEOUT).await)
    }
}

/// The end of a watch; an error if it is none that a watcher has to expect.
fn ended(recorder: &mut Recorder, error: &quorate::Error) -> Result<(), HarnessError> {
    let cancel = match error.kind() {
        ErrorKind::Compacted { boundary } => Cancel::Compacted(*boundary),
        ErrorKind::Lagged { resume } => Cancel::Lagged(*resume),
        ErrorKind::DeadlineExceeded | ErrorKind::Unavailable => Cancel::Other,
        _ => return Err(HarnessError::Broken(format!("{}: {error}", recorder.name()))),
    };
    recorder.told(Told::Canceled(cancel));
    Ok(())
}

fn watched(wanted: &Wanted) -> Watched {
    let keys = match &wanted.names {
        Names::One(name) => Keys::key(name.clone()),
        Names::Prefix(prefix) => Keys::prefix(prefix.clone()),
        Names::Interval { start, end } => Keys::interval(start.clone(), end.clone()),
        Names::Pattern(pattern) => Keys::pattern(pattern.clone()),
    };
    match &wanted.space {
        Space::Keys(domain) => Watched::keys(keys).domain(domain.clone()),
        Space::Leases => Watched::leases(keys),
        Space::Locks => Watched::locks(keys),
        Space::Queues => Watched::queues(keys),
        Space::Workers => Watched::workers(keys),
        Space::Tasks => Watched::tasks(keys),
    }
}

fn told(item: WatchItem) -> Result<Told, HarnessError> {
    let unknown =
        |what: &dyn std::fmt::Debug| HarnessError::Broken(format!("the SDK yields what is not known here: {what:?}"));
    match item {
        WatchItem::Mark { revision, .. } => Ok(Told::Mark { revision, probed: None }),
        WatchItem::Events(batch) => {
            let events = batch.events.into_iter();
            let events = events.map(|event| of_sdk(event).ok_or_else(|| unknown(&"an event")));
            Ok(Told::Events {
                revision: batch.revision,
                events: events.collect::<Result<_, _>>()?,
                more: false,
            })
        }
        other => Err(unknown(&other)),
    }
}

/// What the SDK makes of events of coordination is tested beside it; here it is enough that they come.
fn of_sdk(event: WatchEvent) -> Option<Event> {
    let (space, name) = match event {
        WatchEvent::Key(event) => {
            return Some(Event::Key(KeyEvent {
                domain: event.domain,
                kind: match event.kind {
                    KeyEventKind::Put => KeyKind::Put,
                    KeyEventKind::Delete => KeyKind::Delete,
                    KeyEventKind::Expire => KeyKind::Expire,
                },
                record: record(event.record),
                previous: event.previous.map(record),
            }));
        }
        WatchEvent::Lease(event) => (Space::Leases, event.lease.to_string()),
        WatchEvent::Lock(event) => (Space::Locks, event.lock),
        WatchEvent::Queue(event) => (Space::Queues, event.queue),
        WatchEvent::Worker(event) => (Space::Workers, event.worker),
        WatchEvent::Task(event) => (Space::Tasks, event.task),
        _ => return None,
    };
    Some(Event::Other(OtherEvent {
        space,
        name: Bytes::from(name),
        what: None,
    }))
}

fn record(record: Record) -> v1::Record {
    shortened(v1::Record {
        key: record.key,
        value: record.value,
        create_revision: record.create_revision,
        mod_revision: record.mod_revision,
        version: record.version,
        lease: record.lease.unwrap_or(0),
        expires_at_ms: record.expires_at_ms.unwrap_or(0),
        tags: record.tags,
    })
}
