//! Ends the stream of entries to a member for which the leader would have to keep its log for ever.
//!
//! openraft purges nothing that a stream may still have to send. A member whose disk stands still, or that is slower than the
//! writes, answers pings all the same, so that its stream never breaks: the leader's log would grow until its own disk is full.
//! When the stream ends with an error the entries may go, and the member gets a snapshot.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::stream::{self, BoxStream, Stream, StreamExt};
use openraft::errors::{RPCError, Unreachable};
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::consensus::{PurgePoint, TypeConfig};

/// Most members that come back are even before this is over, and need no snapshot.
const PATIENCE: Duration = Duration::from_secs(10);
/// The leader looks once a second whether there is something to purge.
const LOOK: Duration = Duration::from_secs(1);

type RpcError = RPCError<TypeConfig>;
type Answer = Result<StreamAppendResult<TypeConfig>, RpcError>;

/// Behind which entry a stream begins. Told by its requests to its answers: while nothing was sent, nothing is needed.
#[derive(Clone, Debug, Default)]
pub(super) struct Begin(Arc<OnceLock<u64>>);

impl Begin {
    /// The first request says it.
    pub(super) fn see(&self, request: &AppendEntriesRequest<TypeConfig>) {
        self.0
            .get_or_init(|| request.prev_log_id.as_ref().map_or(0, |previous| previous.index));
    }
}

/// The same answers, until the one who gives them has lacked what is to be purged for too long.
pub(super) fn with_patience<S>(answers: S, begin: Begin, purge: PurgePoint) -> BoxStream<'static, Answer>
where
    S: Stream<Item = Answer> + Send + Unpin + 'static,
{
    Waiting::new(answers, begin, purge, LOOK, PATIENCE).into_stream()
}

struct Waiting<S> {
    answers: S,
    begin: Begin,
    purge: PurgePoint,
    /// The index up to which the member has said that it has everything.
    matching: u64,
    lacks_since: Option<Instant>,
    look: Interval,
    patience: Duration,
}

impl<S: Stream<Item = Answer> + Send + Unpin + 'static> Waiting<S> {
    fn new(answers: S, begin: Begin, purge: PurgePoint, every: Duration, patience: Duration) -> Self {
        let mut look = tokio::time::interval(every);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            answers,
            begin,
            purge,
            matching: 0,
            lacks_since: None,
            look,
            patience,
        }
    }

    fn into_stream(self) -> BoxStream<'static, Answer> {
        // None: it has ended.
        stream::unfold(Some(self), |waiting| async move {
            let mut waiting = waiting?;
            let answer = waiting.next().await?;
            let ends = answer.is_err();
            Some((answer, (!ends).then_some(waiting)))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Answer> {
        loop {
            tokio::select! {
                biased;
                now = self.look.tick() => if self.lacks_too_long(now) {
                    return Some(Err(self.given_up()));
                },
                answer = self.answers.next() => {
                    if let Some(Ok(Ok(Some(matching)))) = &answer {
                        self.matching = self.matching.max(matching.index);
                    }
                    return answer;
                }
            }
        }
    }

    fn lacks_too_long(&mut self, now: Instant) -> bool {
        let needed = self.needed_behind();
        if needed.is_none_or(|needed| needed >= self.purge.index()) {
            self.lacks_since = None;
            return false;
        }
        now - *self.lacks_since.get_or_insert(now) >= self.patience
    }

    /// What is behind this entry may have to be sent yet.
    fn needed_behind(&self) -> Option<u64> {
        self.begin.0.get().map(|begin| self.matching.max(*begin))
    }

    fn given_up(&self) -> RpcError {
        let (matching, patience) = (self.needed_behind().unwrap_or_default(), self.patience);
        RpcError::Unreachable(Unreachable::from_string(format!(
            "it has the log up to entry {matching} only, and lacks for {patience:?} what is to be purged up to {}: it gets a \
             snapshot",
            self.purge.index()
        )))
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::{empty, pending};

    use super::*;
    use crate::consensus::log_id_of;

    fn matched(index: u64) -> Answer {
        Ok(Ok(Some(log_id_of((1, index)))))
    }

    fn from(index: u64) -> Begin {
        Begin(Arc::new(OnceLock::from(index)))
    }

    /// Whether it is given up at each of these seconds, at which it has so much and so much is to be purged.
    fn given_up_at(begin: Begin, course: &[(u64, u64, u64)]) -> Vec<bool> {
        let purge = PurgePoint::default();
        let mut waiting = Waiting::new(empty(), begin, purge.clone(), LOOK, PATIENCE);
        let began = Instant::now();
        let looks = course.iter().map(|(second, matching, purged)| {
            waiting.matching = *matching;
            purge.set(*purged);
            waiting.lacks_too_long(began + Duration::from_secs(*second))
        });
        looks.collect()
    }

    #[tokio::test]
    async fn a_member_that_lacks_nothing_may_be_silent_for_ever() {
        assert_eq!(given_up_at(from(0), &[(0, 7, 7), (3600, 7, 7)]), [false, false]);
    }

    #[tokio::test]
    async fn one_that_was_sent_nothing_needs_nothing() {
        assert_eq!(
            given_up_at(Begin::default(), &[(0, 0, 7), (3600, 0, 7)]),
            [false, false]
        );
    }

    #[tokio::test]
    async fn one_that_had_everything_before_may_take_its_time_for_what_is_new() {
        assert_eq!(given_up_at(from(7), &[(0, 0, 7), (3600, 0, 7)]), [false, false]);
        assert_eq!(given_up_at(from(7), &[(0, 0, 8), (10, 0, 8)]), [false, true]);
    }

    #[tokio::test]
    async fn one_that_lacks_what_is_to_be_purged_is_given_up_after_a_while() {
        let course = [(0, 7, 0), (60, 7, 8), (69, 7, 8), (70, 7, 8)];
        assert_eq!(given_up_at(from(0), &course), [false, false, false, true]);
    }

    #[tokio::test]
    async fn one_that_answers_and_never_catches_up_is_given_up_too() {
        let course = [(0, 1, 10), (5, 20, 30), (9, 40, 50), (10, 50, 60)];
        assert_eq!(given_up_at(from(0), &course), [false, false, false, true]);
    }

    #[tokio::test]
    async fn one_that_catches_up_in_time_stays() {
        let course = [(0, 1, 10), (9, 10, 10), (10, 10, 20), (19, 15, 20), (20, 20, 20)];
        assert_eq!(given_up_at(from(0), &course), [false; 5]);
    }

    #[tokio::test]
    async fn answers_come_through_and_the_end_is_an_error_that_says_why() {
        let purge = PurgePoint::default();
        purge.set(8);
        let answers = stream::iter([matched(5), matched(7)]).chain(pending());
        let (every, patience) = (Duration::from_millis(1), Duration::from_millis(20));
        let answers: Vec<_> = Waiting::new(answers, from(0), purge, every, patience)
            .into_stream()
            .collect()
            .await;
        let [
            Ok(Ok(Some(first))),
            Ok(Ok(Some(second))),
            Err(RpcError::Unreachable(why)),
        ] = &answers[..]
        else {
            panic!("{answers:?}");
        };
        assert_eq!((first.index, second.index), (5, 7));
        assert!(
            why.to_string().contains("entry 7") && why.to_string().contains("up to 8"),
            "{why}"
        );
    }

    #[tokio::test]
    async fn a_stream_that_ends_by_itself_ends() {
        let answers = Waiting::new(
            stream::iter([matched(5)]),
            from(0),
            PurgePoint::default(),
            LOOK,
            PATIENCE,
        );
        assert_eq!(answers.into_stream().collect::<Vec<_>>().await.len(), 1);
    }
}
