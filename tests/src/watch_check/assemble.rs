//! Puts the parts of revisions together: what a watcher may act on.

use super::events::Event;
use super::record::{Cancel, Incarnation, Start, Told, Watcher};
use super::violation::{Violation, Wrong};

/// Things told at the beginning and at the end that a violation shows.
const SHOWN: usize = 20;

/// Whole revisions and marks, in the order in which they came.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Revision {
        revision: u64,
        events: Vec<Event>,
    },
    Mark {
        revision: u64,
        probed: Option<std::time::Duration>,
    },
}

/// An incarnation with its revisions put together. Parts of a revision that never became whole are not in it.
#[derive(Debug)]
pub(super) struct Assembled<'a> {
    pub watcher: &'a Watcher,
    pub number: usize,
    pub incarnation: &'a Incarnation,
    /// The revision after which it says that everything comes; nothing before it was there.
    pub created: Option<(u64, std::time::Duration)>,
    pub steps: Vec<Step>,
    pub canceled: Option<Cancel>,
}

impl<'a> Assembled<'a> {
    pub(super) fn new(watcher: &'a Watcher, number: usize, incarnation: &'a Incarnation) -> Result<Self, Violation> {
        let mut assembled = Assembled {
            watcher,
            number,
            incarnation,
            created: None,
            steps: Vec::new(),
            canceled: None,
        };
        let mut partial: Option<(u64, Vec<Event>)> = None;
        for told in &incarnation.told {
            if assembled.canceled.is_some() {
                return Err(assembled.broken(Wrong::Canceled {
                    how: format!("{told:?} came after the end"),
                }));
            }
            match told {
                Told::Created { revision, at } if assembled.created.is_none() => {
                    assembled.created = Some((*revision, *at))
                }
                Told::Created { revision, .. } => {
                    return Err(assembled.broken(Wrong::NotCreated {
                        what: format!("a second start, after revision {revision},"),
                    }));
                }
                Told::Canceled(cancel) => assembled.canceled = Some(*cancel),
                told if assembled.created.is_none() => {
                    return Err(assembled.broken(Wrong::NotCreated {
                        what: format!("{told:?}"),
                    }));
                }
                Told::Events { revision, events, more } => {
                    let (begun, mut all) = partial.take().unwrap_or((*revision, Vec::new()));
                    if begun != *revision {
                        return Err(assembled.split(begun, format!("revision {revision} came in between")));
                    }
                    all.extend(events.iter().cloned());
                    match more {
                        true => partial = Some((begun, all)),
                        false => assembled.steps.push(Step::Revision {
                            revision: begun,
                            events: all,
                        }),
                    }
                }
                Told::Mark { revision, probed } => {
                    if let Some((begun, _)) = partial {
                        return Err(assembled.split(begun, format!("a mark at {revision} came in between")));
                    }
                    assembled.steps.push(Step::Mark {
                        revision: *revision,
                        probed: *probed,
                    });
                }
            }
        }
        Ok(assembled)
    }

    /// The first revision that may come; none before the watch was there.
    pub(super) fn first(&self) -> Option<u64> {
        let (created, _) = self.created?;
        Some(match self.incarnation.start {
            Start::Now => created + 1,
            Start::From(first) => first,
        })
    }

    /// Everything up to here has come.
    pub(super) fn position(&self) -> Option<u64> {
        let start = self.first()?.saturating_sub(1);
        let last = self.steps.iter().map(Step::revision).max();
        Some(last.map_or(start, |last| last.max(start)))
    }

    /// The whole revisions, in the order in which they came.
    pub(super) fn revisions(&self) -> impl Iterator<Item = (u64, &[Event])> {
        self.steps.iter().filter_map(|step| match step {
            Step::Revision { revision, events } => Some((*revision, events.as_slice())),
            Step::Mark { .. } => None,
        })
    }

    /// The violation, with whose it is.
    pub(super) fn broken(&self, wrong: Wrong) -> Violation {
        Violation {
            watcher: self.watcher.name.clone(),
            incarnation: self.number,
            start: self.incarnation.start,
            asked: Box::new(self.watcher.asked.clone()),
            told: in_short(&self.incarnation.told),
            wrong,
        }
    }

    fn split(&self, revision: u64, how: String) -> Violation {
        self.broken(Wrong::Atomic { revision, how })
    }
}

/// The first and the last things, without what is in them.
fn in_short(told: &[Told]) -> String {
    let shown = told
        .iter()
        .enumerate()
        .filter(|(index, _)| *index < SHOWN || index + SHOWN >= told.len());
    let mut words = Vec::new();
    let mut next = 0;
    for (index, told) in shown {
        if index > next {
            words.push(format!("{} more", index - next));
        }
        next = index + 1;
        words.push(match told {
            Told::Created { revision, .. } => format!("created after {revision}"),
            Told::Events { revision, events, more } => {
                let rest = if *more { " and more" } else { "" };
                format!("{revision} ({}{rest})", events.len())
            }
            Told::Mark { revision, probed } => {
                let kind = if probed.is_some() { "probed mark" } else { "mark" };
                format!("{kind} {revision}")
            }
            Told::Canceled(cancel) => format!("{cancel:?}"),
        });
    }
    words.join(", ")
}

impl Step {
    pub(super) fn revision(&self) -> u64 {
        match self {
            Step::Revision { revision, .. } | Step::Mark { revision, .. } => *revision,
        }
    }
}
