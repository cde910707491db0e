//! Whether a member still hears from the others: one that is cut off answers, and has no news. Pure.

use std::time::Duration;

use quorate_proto::v1;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Outcome, Result};

/// What was asked last, and what came since.
#[derive(Debug, Default)]
pub(super) struct Probing {
    asked: Option<Asked>,
    last_id: u64,
    /// The member had no room for the last question that it answered.
    put_off: bool,
}

#[derive(Debug)]
struct Asked {
    probe_id: u64,
    at: Instant,
    /// It was answered, or events came.
    in_touch: bool,
}

impl Probing {
    /// The first question, if none was asked.
    pub(super) fn first(&mut self, now: Instant) -> Option<v1::WatchProbe> {
        self.asked.is_none().then(|| self.ask(now))
    }

    /// When the last question was asked.
    pub(super) fn asked_at(&self) -> Option<Instant> {
        self.asked.as_ref().map(|asked| asked.at)
    }

    /// The next question. An error if the last one was not answered within its time, which is over.
    pub(super) fn next(&mut self, now: Instant, patience: Duration) -> Result<v1::WatchProbe> {
        if self.asked.as_ref().is_some_and(|asked| !asked.in_touch) {
            let message = format!("no answer within {patience:?} whether the member is in touch with a majority");
            return Err(Error::new(ErrorKind::Unavailable, Outcome::NotAMutation, message));
        }
        Ok(self.ask(now))
    }

    /// An id for a question of somebody else's: it is answered there.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn ask(&mut self, now: Instant) -> v1::WatchProbe {
        self.last_id += 1;
        self.asked = Some(Asked {
            probe_id: self.last_id,
            at: now,
            in_touch: false,
        });
        v1::WatchProbe {
            probe_id: self.last_id,
            watch_ids: Vec::new(),
            linearizable: true,
        }
    }

    /// Events came. They show that something is on its way, not that the member hears from the others: it reads up on its
    /// own history without them. But an answer, and the error of a member that is cut off, comes after whatever was sent
    /// before it, and a slow network takes its time for that.
    pub(super) fn moved(&mut self) {
        if let Some(asked) = &mut self.asked {
            asked.in_touch = true;
        }
    }

    /// A mark came; the error is the member's. The first mark of a question answers it, for whichever watches it is, perhaps
    /// none: those that still read up on history get theirs later, and say nothing of the member.
    ///
    /// That it has no room for the question is an answer of the member, though not of a majority. It counts once: a
    /// member under load is not left for that, and one that is cut off, where questions pile up, keeps its watches for one
    /// interval more and not for ever.
    pub(super) fn answered(&mut self, probe_id: u64, error: Option<v1::Error>) -> Result<()> {
        if let Some(error) = error {
            let error = Error::of_reply(error).with_outcome(Outcome::NotAMutation);
            if matches!(error.kind(), ErrorKind::Overloaded { .. }) {
                if self.is_of(probe_id) && !std::mem::replace(&mut self.put_off, true) {
                    self.moved();
                }
                return Ok(());
            }
            return Err(error.with_context("the member is not in touch with a majority"));
        }
        if self.is_of(probe_id) {
            self.put_off = false;
            self.moved();
        }
        Ok(())
    }

    /// Whether this is the last question.
    fn is_of(&self, probe_id: u64) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.probe_id == probe_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn asked(now: Instant) -> Probing {
        let mut probing = Probing::default();
        assert_eq!(probing.first(now).unwrap().probe_id, 1);
        assert_eq!(probing.first(now), None);
        probing
    }

    #[test]
    fn a_member_that_does_not_answer_in_time_is_out_of_touch() {
        let now = Instant::now();
        let mut probing = asked(now);
        probing.answered(0, None).unwrap();
        let error = probing.next(now + PATIENCE, PATIENCE).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unavailable);
    }

    #[test]
    fn an_answer_or_an_event_shows_that_it_is_in_touch() {
        let now = Instant::now();
        let mut probing = asked(now);
        probing.answered(1, None).unwrap();
        assert_eq!(probing.next(now + PATIENCE, PATIENCE).unwrap().probe_id, 2);
        probing.answered(1, None).unwrap();
        assert!(probing.next(now + 2 * PATIENCE, PATIENCE).is_err());
        probing.moved();
        assert_eq!(probing.next(now + 2 * PATIENCE, PATIENCE).unwrap().probe_id, 3);
    }

    #[test]
    fn an_error_is_believed() {
        let error = v1::Error {
            code: v1::ErrorCode::Unavailable.into(),
            message: "no quorum".to_owned(),
            ..Default::default()
        };
        let error = asked(Instant::now()).answered(1, Some(error)).unwrap_err();
        assert_eq!(error.message(), "the member is not in touch with a majority: no quorum");
    }

    #[test]
    fn a_member_without_room_for_a_question_has_one_interval_more() {
        let full = || {
            Some(v1::Error {
                code: v1::ErrorCode::Overloaded.into(),
                ..Default::default()
            })
        };
        let start = Instant::now();
        let mut probing = asked(start);
        probing.answered(1, full()).unwrap();
        assert_eq!(probing.next(start + PATIENCE, PATIENCE).unwrap().probe_id, 2);
        probing.answered(2, None).unwrap();
        assert_eq!(probing.next(start + 2 * PATIENCE, PATIENCE).unwrap().probe_id, 3);
        probing.answered(2, full()).unwrap();
        probing.answered(3, full()).unwrap();
        assert_eq!(probing.next(start + 3 * PATIENCE, PATIENCE).unwrap().probe_id, 4);
        probing.answered(4, full()).unwrap();
        let error = probing.next(start + 4 * PATIENCE, PATIENCE).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unavailable);
    }
}
