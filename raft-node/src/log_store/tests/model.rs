//! Random operations and power failures, against a model.

use openraft::storage::{RaftLogReader, RaftLogStorage};
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// Appends this many entries; waits for the acknowledgement or not.
    Append {
        count: u64,
        wait: bool,
    },
    /// Keeps this many of the entries that are left.
    Truncate {
        keep: u64,
    },
    /// Purges this many of the entries that are left.
    Purge {
        count: u64,
    },
    Vote,
    Committed,
    /// The power fails; this many bytes that were not synced survive.
    Crash {
        torn_bytes: usize,
    },
    /// A clean stop and start.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u64..12, any::<bool>()).prop_map(|(count, wait)| Step::Append { count, wait }),
        2 => (0_u64..20).prop_map(|keep| Step::Truncate { keep }),
        1 => (0_u64..20).prop_map(|count| Step::Purge { count }),
        1 => Just(Step::Vote),
        1 => Just(Step::Committed),
        3 => prop_oneof![Just(0), 0_usize..3000].prop_map(|torn_bytes| Step::Crash { torn_bytes }),
        1 => Just(Step::Restart),
    ]
}

/// A log as it is after some step.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    vote: Option<Vote>,
    purged: Option<LogId>,
    entries: Vec<Entry>,
}

impl Model {
    fn last(&self) -> Option<LogId> {
        self.entries.last().map(|entry| entry.log_id).or(self.purged)
    }

    fn next_index(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }

    async fn of(store: &mut LogStore) -> Model {
        Model {
            vote: store.read_vote().await.unwrap(),
            purged: store.get_log_state().await.unwrap().last_purged_log_id,
            entries: all(store).await,
        }
    }
}

/// The states that the log went through since the last one that is known to be durable. A crash may land on any of
/// them, or between two: an append is one entry after the other.
struct History {
    states: Vec<Model>,
}

impl History {
    fn now(&self) -> &Model {
        self.states.last().expect("there is always one")
    }

    fn push(&mut self, model: Model) {
        self.states.push(model);
    }

    fn durable(&mut self) {
        self.states.drain(..self.states.len() - 1);
    }
}

async fn take(step: &Step, store: &mut LogStore, history: &mut History, term: u64) {
    let mut model = history.now().clone();
    match step {
        Step::Append { count, wait } => {
            let new = entries(term, model.next_index()..model.next_index() + count);
            for entry in &new {
                model.entries.push(entry.clone());
                history.push(model.clone());
            }
            if *wait {
                append(store, new).await;
                history.durable();
            } else {
                append_and_forget(store, new).await;
            }
        }
        Step::Truncate { keep } => {
            model.entries.truncate(*keep as usize);
            store.truncate_after(model.last()).await.unwrap();
            history.push(model);
        }
        Step::Purge { count } => {
            let count = (*count as usize).min(model.entries.len());
            let Some(purged) = model.entries.drain(..count).next_back() else {
                return;
            };
            store.purge(purged.log_id).await.unwrap();
            model.purged = Some(purged.log_id);
            history.push(model);
        }
        Step::Vote => {
            store.save_vote(&votes(term)).await.unwrap();
            model.vote = Some(votes(term));
            history.push(model);
            history.durable();
        }
        Step::Committed => store.save_committed(model.last()).await.unwrap(),
        Step::Crash { .. } | Step::Restart => {}
    }
}

async fn run(steps: Vec<Step>, tail_bytes: u64) -> Result<(), TestCaseError> {
    let options = LogOptions { tail_bytes, ..small() };
    let mut disk = LossyDisk::new();
    let mut store = LogStore::open(disk.clone(), options).unwrap();
    let mut history = History {
        states: vec![Model::default()],
    };
    for (term, step) in (1..).zip(&steps) {
        take(step, &mut store, &mut history, term).await;
        match step {
            Step::Crash { torn_bytes } => disk = disk.crash(*torn_bytes),
            Step::Restart => {
                store.shutdown().await.unwrap();
                history.durable();
                disk = disk.crash(0);
            }
            _ => {
                prop_assert_eq!(&Model::of(&mut store).await, history.now());
                continue;
            }
        }
        store = LogStore::open(disk.clone(), options).unwrap();
        let found = Model::of(&mut store).await;
        prop_assert!(
            history.states.contains(&found),
            "{found:?} was never the state, nor acknowledged"
        );
        history.states = vec![found];
        let committed = store.read_committed().await.unwrap();
        prop_assert!(committed <= history.now().last());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_lands_on_a_state_the_log_was_in_and_keeps_what_was_acknowledged(
        steps in prop::collection::vec(step(), 1..40),
        tail_bytes in prop_oneof![Just(0), Just(1500), Just(1 << 20)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps, tail_bytes))?;
    }
}
