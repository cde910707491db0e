//! Every property has a history that breaks it and nothing else, and one beside it that does not.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use quorate_proto::v1;

use super::*;
use crate::watch_check::{Event, KeyEvent, KeyKind, Truth};

const DOMAIN: &str = "d";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn place(key: &str) -> Place {
    Place {
        domain: DOMAIN.to_owned(),
        key: Bytes::from(key.to_owned()),
    }
}

/// A history, written as it happened. Client 1 writes; what others are is said where they read.
#[derive(Default)]
struct Case {
    truth: Truth,
    history: History,
}

impl Case {
    /// Revision 2 writes `a`, acknowledged from 10 to 20 ms, and revision 3 replaces it, from 110 to 120 ms. Then there
    /// are what every run needs: a strong read and answers of a cache and of a member, all of another key.
    fn new(coherence: Coherence) -> Case {
        let mut case = Case::default();
        case.history.clients = [(1, Coherence::Uncached), (2, coherence)].into();
        case.history.coherent.insert(DOMAIN.to_owned());
        case.put("a", "old", 10..20);
        case.put("a", "new", 110..120);
        for (asked, source) in [
            (Asked::Strong, Source::Leader),
            (Asked::Local, Source::Replica),
            (Asked::Local, Source::Cache),
        ] {
            case = case.read(2, "other", asked, source, 1..2, 1, None);
        }
        case
    }

    fn event(&mut self, key: &str, kind: KeyKind, value: &str) -> u64 {
        let revision = self.truth.last() + 1;
        let earlier = (2..revision)
            .rev()
            .flat_map(|revision| self.truth.events(revision).iter());
        let mut earlier = earlier.filter_map(|event| match event {
            Event::Key(event) if event.record.key == key => Some(event.clone()),
            _ => None,
        });
        let previous = earlier.next().filter(|event| event.kind == KeyKind::Put);
        let previous = previous.map(|event| event.record);
        let mut record = v1::Record {
            key: Bytes::from(key.to_owned()),
            mod_revision: revision,
            ..v1::Record::default()
        };
        if kind == KeyKind::Put {
            record.value = Bytes::from(value.to_owned());
            record.create_revision = previous.as_ref().map_or(revision, |before| before.create_revision);
            record.version = previous.as_ref().map_or(1, |before| before.version + 1);
        }
        let event = KeyEvent {
            domain: DOMAIN.to_owned(),
            kind,
            record,
            previous,
        };
        self.truth.push(revision, vec![Event::Key(event)]).unwrap();
        revision
    }

    fn put(&mut self, key: &str, value: &str, when: std::ops::Range<u64>) -> u64 {
        let revision = self.event(key, KeyKind::Put, value);
        self.acknowledged(1, key, revision, when)
    }

    fn acknowledged(&mut self, client: u64, key: &str, revision: u64, when: std::ops::Range<u64>) -> u64 {
        self.history.writes.push(Write {
            client,
            places: vec![place(key)],
            began: ms(when.start),
            ended: ms(when.end),
            revision,
        });
        revision
    }

    /// What the key had at that revision, as the truth has it.
    #[allow(clippy::too_many_arguments, reason = "a read has as many sides")]
    fn read(
        mut self,
        client: u64,
        key: &str,
        asked: Asked,
        source: Source,
        when: std::ops::Range<u64>,
        revision: u64,
        staleness_ms: Option<u64>,
    ) -> Case {
        let events = (2..=revision).rev().flat_map(|revision| self.truth.events(revision));
        let mut events = events.filter_map(|event| match event {
            Event::Key(event) if event.record.key == key => Some(event),
            _ => None,
        });
        let event = events.next().filter(|event| event.kind == KeyKind::Put);
        let record = event.map(|event| (event.record.mod_revision, event.record.value.clone()));
        self.history.reads.push(Read {
            client,
            place: place(key),
            asked,
            began: ms(when.start),
            ended: ms(when.end),
            seen: Seen {
                source,
                revision,
                record,
                staleness: staleness_ms.map(ms),
            },
        });
        self
    }

    /// The cache of client 2 answers with `a` as it was before it was replaced.
    fn old(self, asked: Asked, when: std::ops::Range<u64>, staleness_ms: Option<u64>) -> Case {
        self.read(2, "a", asked, Source::Cache, when, 2, staleness_ms)
    }

    fn last(&mut self) -> &mut Read {
        self.history.reads.last_mut().unwrap()
    }

    #[track_caller]
    fn passes(&self) -> Summary {
        check(&self.history, &self.truth).into_result().unwrap()
    }

    /// The one property that is broken.
    #[track_caller]
    fn breaks(&self, property: Property) {
        match check(&self.history, &self.truth) {
            Verdict::Illegal(violations) => {
                let broken: Vec<Property> = violations.iter().map(|violation| violation.property).collect();
                assert_eq!(broken, [property], "{violations:?}");
            }
            other => panic!("it passed: {other:?}"),
        }
    }
}

#[test]
fn a_value_that_nobody_wrote_is_not_real() {
    let mut case = Case::new(Coherence::Eventual).old(Asked::Local, 30..31, None);
    case.passes();
    case.last().seen.record = Some((2, Bytes::from_static(b"else")));
    case.breaks(Property::Real);
}

#[test]
fn a_record_without_the_revision_that_it_had_is_not_real() {
    let mut case = Case::new(Coherence::Eventual).old(Asked::Local, 130..131, None);
    // The old record at the revision of the new one.
    case.last().seen.revision = 3;
    case.breaks(Property::Real);
    case.last().seen.revision = 2;
    case.passes();
}

/// A cache that is told that all is well, and is not told what changed, says of old records that they are new.
#[test]
fn an_old_record_is_no_younger_for_the_revision_that_it_is_said_to_be_of() {
    let mut case = Case::new(Coherence::Eventual).old(Asked::Bounded(ms(50)), 175..176, Some(10));
    case.last().seen.revision = 3;
    let Verdict::Illegal(violations) = check(&case.history, &case.truth) else {
        panic!("it passed");
    };
    let broken: Vec<Property> = violations.iter().map(|violation| violation.property).collect();
    assert_eq!(broken, [Property::Real, Property::Bounded, Property::Staleness]);
}

#[test]
fn a_key_that_was_deleted_or_expired_is_absent_and_not_before() {
    for kind in [KeyKind::Delete, KeyKind::Expire] {
        let mut case = Case::new(Coherence::Eventual);
        let gone = case.event("a", kind, "");
        let mut case = case.read(2, "a", Asked::Local, Source::Cache, 200..201, gone, None);
        assert_eq!(case.last().seen.record, None);
        case.passes();
        case.last().seen.revision = gone - 1;
        case.breaks(Property::Real);
    }
}

#[test]
fn an_answer_from_before_its_write_is_of_the_future() {
    let told = |when| Case::new(Coherence::Eventual).read(2, "a", Asked::Local, Source::Replica, when, 3, None);
    told(105..115).passes();
    told(105..109).breaks(Property::Future);
}

#[test]
fn a_strong_read_is_not_for_caches_and_a_look_up_not_for_members() {
    let strong = |source| Case::new(Coherence::Eventual).read(2, "a", Asked::Strong, source, 130..131, 3, Some(0));
    strong(Source::Leader).passes();
    strong(Source::Replica).passes();
    strong(Source::Cache).breaks(Property::Source);
    let look_up =
        |source| Case::new(Coherence::Eventual).read(2, "a", Asked::CacheOnly(None), source, 130..131, 3, None);
    look_up(Source::Cache).passes();
    look_up(Source::Replica).breaks(Property::Source);
}

#[test]
fn a_strong_read_misses_nothing_that_was_acknowledged_before() {
    let old = |when| Case::new(Coherence::Eventual).read(2, "a", Asked::Strong, Source::Leader, when, 2, None);
    old(119..130).passes();
    old(121..130).breaks(Property::Strong);
}

#[test]
fn a_strong_read_misses_nothing_that_another_client_was_shown_before() {
    let mut case = Case::new(Coherence::Eventual);
    // Whoever wrote it was never told.
    case.history.writes.pop();
    let case = case.read(1, "a", Asked::Local, Source::Replica, 112..113, 3, None);
    case.read(2, "a", Asked::Strong, Source::Leader, 114..116, 2, None)
        .breaks(Property::Strong);
}

#[test]
fn a_bounded_read_misses_nothing_that_was_acknowledged_longer_before_than_its_bound() {
    let old = |when| Case::new(Coherence::Eventual).old(Asked::Bounded(ms(50)), when, None);
    old(165..166).passes();
    old(175..176).breaks(Property::Bounded);
    let look_up = |when| Case::new(Coherence::Eventual).old(Asked::CacheOnly(Some(ms(50))), when, None);
    look_up(165..166).passes();
    look_up(175..176).breaks(Property::Bounded);
}

#[test]
fn an_expiry_is_as_old_as_the_first_write_that_shows_it() {
    let mut case = Case::new(Coherence::Eventual);
    case.event("a", KeyKind::Expire, "");
    case.put("b", "later", 200..210);
    let case = case.read(2, "a", Asked::Bounded(ms(50)), Source::Cache, 259..260, 3, None);
    case.passes();
    let case = case.read(2, "a", Asked::Bounded(ms(50)), Source::Cache, 261..262, 3, None);
    case.breaks(Property::Bounded);
}

#[test]
fn a_cache_that_goes_on_without_its_watch_is_found_by_the_bound() {
    let mut case = Case::new(Coherence::Eventual);
    for began in (130..1_000).step_by(10) {
        case = case.old(Asked::Bounded(ms(500)), began..began + 1, None);
    }
    match check(&case.history, &case.truth) {
        Verdict::Illegal(violations) => {
            assert!(
                violations
                    .iter()
                    .all(|violation| violation.property == Property::Bounded)
            );
            assert!(violations.len() > 30, "{}", violations.len());
        }
        other => panic!("it passed: {other:?}"),
    }
}

#[test]
fn an_answer_is_no_older_than_it_says() {
    let old = |staleness_ms| Case::new(Coherence::Eventual).old(Asked::Local, 175..176, Some(staleness_ms));
    old(60).passes();
    old(50).breaks(Property::Staleness);
}

#[test]
fn an_answer_does_not_say_that_it_is_older_than_it_may_be() {
    let asked = Asked::Bounded(ms(50));
    let old = |staleness_ms| Case::new(Coherence::Eventual).old(asked, 125..126, Some(staleness_ms));
    old(50).passes();
    old(51).breaks(Property::Staleness);
}

#[test]
fn an_answer_that_had_to_be_proved_may_say_that_this_took_longer_than_its_bound() {
    let asked = Asked::Bounded(ms(5));
    let case = |staleness_ms| {
        let case = Case::new(Coherence::Eventual);
        case.read(2, "a", asked, Source::Replica, 130..150, 3, Some(staleness_ms))
    };
    case(26).passes();
    case(27).breaks(Property::Staleness);
}

#[test]
fn a_client_is_not_shown_anything_older_than_before() {
    let case = |when| {
        let case = Case::new(Coherence::Eventual).read(2, "a", Asked::Local, Source::Replica, 130..140, 3, None);
        case.old(Asked::Local, when, None)
    };
    case(139..150).passes();
    case(141..150).breaks(Property::Monotonic);
}

#[test]
fn what_a_client_was_shown_of_one_key_holds_for_others() {
    let case = |revision| {
        let mut case = Case::new(Coherence::Eventual);
        let later = case.put("b", "later", 125..128);
        assert_eq!(later, 4);
        let case = case.read(2, "b", Asked::Local, Source::Replica, 130..140, revision, None);
        case.old(Asked::Local, 145..150, None)
    };
    case(2).passes();
    case(4).breaks(Property::Monotonic);
}

#[test]
fn what_others_were_shown_binds_nobody() {
    let case = Case::new(Coherence::Eventual).read(1, "a", Asked::Local, Source::Replica, 130..140, 3, None);
    case.old(Asked::Local, 145..150, None).passes();
}

#[test]
fn a_client_is_shown_what_it_has_written() {
    let case = |client| {
        let mut case = Case::new(Coherence::Eventual);
        let replaced = case.history.writes.pop().unwrap();
        case.acknowledged(client, "a", replaced.revision, 110..120);
        case.old(Asked::Local, 130..140, None)
    };
    case(1).passes();
    case(2).breaks(Property::Own);
}

#[test]
fn a_write_of_a_coherent_domain_is_in_every_coherent_cache() {
    let old = |coherence, when| Case::new(coherence).old(Asked::Bounded(ms(1_000)), when, None);
    old(Coherence::Eventual, 121..122).passes();
    old(Coherence::Strong, 119..122).passes();
    old(Coherence::Strong, 121..122).breaks(Property::Coherent);
}

#[test]
fn caches_of_other_domains_are_not_waited_for() {
    let mut case = Case::new(Coherence::Strong).old(Asked::Local, 121..122, None);
    case.history.coherent.clear();
    case.passes();
}

#[test]
fn a_write_of_another_key_does_not_wait() {
    let mut case = Case::new(Coherence::Strong);
    // It expired, which waits for nobody.
    let expired = case.event("a", KeyKind::Expire, "");
    assert_eq!(case.put("b", "later", 130..140), expired + 1);
    case.read(2, "a", Asked::Local, Source::Cache, 150..151, 3, None)
        .passes();
}

#[test]
fn what_a_member_answers_instead_of_a_coherent_cache_may_be_older() {
    let case = Case::new(Coherence::Strong);
    case.read(2, "a", Asked::Local, Source::Replica, 150..151, 2, None)
        .passes();
}

#[test]
fn a_relaxed_cache_answers_within_its_time_to_live() {
    let relaxed = Coherence::Relaxed { ttl: ms(100) };
    let case = |asked, when| {
        let case = Case::new(relaxed).read(2, "a", asked, Source::Replica, 100..105, 2, None);
        case.old(Asked::Local, when, None)
    };
    case(Asked::Local, 205..206).passes();
    case(Asked::Local, 206..207).breaks(Property::Relaxed);
}

#[test]
fn a_relaxed_cache_keeps_a_bound_and_what_its_client_wrote_of_the_key() {
    let relaxed = Coherence::Relaxed { ttl: ms(100) };
    let case = |writer, asked| {
        let mut case = Case::new(relaxed);
        let replaced = case.history.writes.pop().unwrap();
        case.acknowledged(writer, "a", replaced.revision, 110..120);
        let case = case.read(2, "a", Asked::Local, Source::Replica, 100..105, 2, None);
        case.old(asked, 150..151, None)
    };
    case(1, Asked::Bounded(ms(35))).passes();
    case(1, Asked::Bounded(ms(25))).breaks(Property::Bounded);
    case(2, Asked::Bounded(ms(35))).breaks(Property::Own);
}

#[test]
fn a_relaxed_cache_may_fall_behind_what_its_client_was_shown_and_wrote_elsewhere() {
    let mut case = Case::new(Coherence::Relaxed { ttl: ms(100) });
    let later = case.event("b", KeyKind::Put, "later");
    case.acknowledged(2, "b", later, 125..128);
    let case = case.read(2, "a", Asked::Local, Source::Replica, 100..105, 2, None);
    let case = case.read(2, "b", Asked::Local, Source::Replica, 130..131, later, None);
    case.old(Asked::Local, 150..151, None).passes();
}

#[test]
fn what_nobody_had_told_a_relaxed_cache_is_not_its_to_answer() {
    let case = Case::new(Coherence::Relaxed { ttl: ms(100) });
    case.read(2, "a", Asked::Local, Source::Cache, 130..131, 3, None)
        .breaks(Property::Relaxed);
}

#[test]
fn an_answer_beyond_the_end_of_the_log_is_no_pass() {
    let mut case = Case::new(Coherence::Eventual);
    case.last().seen.revision = 9;
    assert!(matches!(check(&case.history, &case.truth), Verdict::Unknown(_)));
}

#[test]
fn without_a_hit_there_is_no_verdict() {
    let mut case = Case::new(Coherence::Eventual);
    case.history.reads.retain(|read| read.seen.source != Source::Cache);
    assert!(matches!(check(&case.history, &case.truth), Verdict::Unknown(_)));
}

#[test]
fn hits_are_counted_by_what_went_on() {
    let mut case = Case::new(Coherence::Strong).read(2, "a", Asked::Local, Source::Cache, 150..151, 3, None);
    case.history.faults = vec![(ms(140), ms(151))];
    let summary = case.passes();
    assert_eq!((summary.hits, summary.hits_during_faults), (2, 1));
    assert_eq!((summary.coherent_hits, summary.misses, summary.strong), (2, 1, 1));
}

/// A cache that follows the rules: told of each write some time after it was acknowledged, its proofs as old.
fn followed(lags: &[u64], bound_ms: u64, lie_ms: u64) -> Verdict {
    let mut case = Case::default();
    case.history.clients = [(1, Coherence::Uncached), (2, Coherence::Eventual)].into();
    case = case.read(2, "a", Asked::Strong, Source::Leader, 0..1, 1, None);
    case = case.read(2, "a", Asked::Local, Source::Replica, 1..2, 1, None);
    for (number, lag) in lags.iter().enumerate() {
        let began = 100 + number as u64 * 50;
        let revision = case.put("a", &number.to_string(), began..began + 10);
        // Until the news of it is there, the record before is shown, as old as it may be.
        let when = began + 10 + lag + lie_ms;
        let asked = Asked::Bounded(ms(bound_ms));
        if *lag <= bound_ms {
            case = case.read(2, "a", asked, Source::Cache, when..when + 1, revision - 1, None);
        }
        case = case.read(2, "a", asked, Source::Cache, when + 2..when + 3, revision, None);
    }
    check(&case.history, &case.truth)
}

proptest! {
    #[test]
    fn a_cache_within_its_bound_passes_and_one_beyond_it_does_not(
        lags in prop::collection::vec(0_u64..30, 1..20),
        late in 0_usize..20,
    ) {
        let verdict = followed(&lags, 30, 0);
        prop_assert!(matches!(verdict, Verdict::Ok(_)), "{:?}", verdict);
        let mut lags = lags;
        let late = late % lags.len();
        lags[late] = 30;
        let verdict = followed(&lags, 30, 1);
        prop_assert!(matches!(verdict, Verdict::Illegal(_)), "{:?}", verdict);
    }
}
