//! Workers and tasks as somebody knows them who has seen every event and nothing else.

use std::collections::BTreeMap;

use crate::types::{Event, TaskEvent, TaskWait, WorkerEvent};

#[derive(Clone, Debug, PartialEq)]
pub struct ReplayedWorker {
    pub lease: u64,
    pub live: bool,
    pub draining: bool,
    pub capacity: u32,
}

/// Who has a task, if somebody has, and the generation.
pub type ReplayedTask = (Option<String>, u64);

/// What the events so far say, by name.
#[derive(Debug, Default)]
pub struct Replay {
    pub workers: BTreeMap<String, ReplayedWorker>,
    pub tasks: BTreeMap<String, ReplayedTask>,
}

impl Replay {
    /// Panics if the event cannot follow those before it.
    pub fn see(&mut self, event: Event) {
        match event {
            Event::Worker { worker, what } => self.see_worker(worker, &what),
            Event::Task { task, what } => self.see_task(task, what),
            Event::Lease { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    fn see_worker(&mut self, name: String, event: &WorkerEvent) {
        if let WorkerEvent::Registered { lease, capacity } = *event {
            let worker = ReplayedWorker {
                lease: lease.0,
                live: true,
                draining: false,
                capacity,
            };
            let before = self.workers.insert(name, worker);
            assert!(before.is_none_or(|before| !before.live), "it is registered twice");
            return;
        }
        let worker = self.workers.get_mut(&name).expect("the worker is there");
        match *event {
            WorkerEvent::Registered { .. } => {}
            WorkerEvent::Updated { capacity } => {
                assert!(worker.live, "{name:?} is offline");
                worker.capacity = capacity;
            }
            WorkerEvent::Draining => assert!(!std::mem::replace(&mut worker.draining, true), "it drains twice"),
            WorkerEvent::Resumed => assert!(std::mem::replace(&mut worker.draining, false), "it does not drain"),
            WorkerEvent::Offline { lease } => {
                assert_eq!((worker.live, worker.lease), (true, lease.0), "{name:?}");
                (worker.live, worker.draining) = (false, false);
            }
            WorkerEvent::Deregistered => drop(self.workers.remove(&name)),
        }
    }

    fn see_task(&mut self, name: String, event: TaskEvent) {
        let before = self.tasks.remove(&name);
        let holder = before.clone().and_then(|(worker, _)| worker);
        let known = before.is_some();
        let after = match event {
            TaskEvent::Assigned {
                worker,
                generation,
                from,
            } => {
                assert_eq!(from, holder, "{name:?}");
                Some((Some(worker), generation))
            }
            TaskEvent::Waiting { generation, from, why } => {
                assert_eq!(from, holder, "{name:?}");
                assert!(why == TaskWait::NoWorker || from.is_some(), "{name:?} waited: {why:?}");
                Some((None, generation))
            }
            TaskEvent::Completed { worker, generation } => {
                assert_eq!(before, Some((Some(worker), generation)), "{name:?}");
                None
            }
            TaskEvent::Cancelled { generation, from } => {
                assert_eq!(before, Some((from, generation)), "{name:?}");
                None
            }
        };
        assert!(known || after.is_some(), "{name:?} ends, but is not there");
        self.tasks.extend(after.map(|task| (name, task)));
    }
}
