//! Plans which tasks to move so that workers are evenly loaded.
//!
//! A plan is made of one view and changes nothing. Whoever asked for it looks at it, and applies it as transactions of
//! moves, each of which is refused if its task has changed since. First the workers that are draining are emptied; then
//! tasks go from the most to the least loaded worker, while that leaves the one that gets it less loaded than the other
//! was. Labels and capacities are respected at every step, in the order of the moves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::load::load;
use super::rows::{self, Labels, WorkerRow, WorkerState};
use crate::storage::{StorageError, View};

/// Workers and tasks that are looked at for a plan. One that needs more is cut off.
const STEPS_MAX: u64 = 2_000_000;

/// One task to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMove {
    /// Which.
    pub task: String,
    /// Who has it.
    pub from: String,
    /// Of that assignment.
    pub generation: u64,
    /// Who is to have it.
    pub to: String,
}

/// Moves, in the order in which they are to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The moves.
    pub moves: Vec<PlannedMove>,
    /// With these moves workers are as evenly loaded as their labels and capacities allow; otherwise the plan was cut
    /// off, and another can be made once this one is applied.
    pub complete: bool,
}

/// Plans at most `moves_max` moves.
pub fn plan(view: &dyn View, moves_max: usize) -> Result<Plan, StorageError> {
    let mut planner = Planner::load(view, moves_max)?;
    for worker in planner.draining() {
        while planner.relieve(&worker, None)? {}
    }
    while planner.balance()? {}
    Ok(Plan {
        complete: !planner.cut_off,
        moves: planner.moves,
    })
}

/// A task that has not been moved yet.
struct Movable {
    task: String,
    generation: u64,
    labels: Labels,
}

struct Planner<'v> {
    view: &'v dyn View,
    moves_max: usize,
    steps: u64,
    /// As they would be after the moves; those that are offline are left out.
    workers: BTreeMap<String, WorkerRow>,
    /// Those that have room, the one first that would be least loaded with one task more.
    targets: BTreeSet<(u64, String)>,
    /// What each has that was not moved, read when it is first relieved.
    tasks: BTreeMap<String, Vec<Movable>>,
    moves: Vec<PlannedMove>,
    cut_off: bool,
}

impl<'v> Planner<'v> {
    fn load(view: &'v dyn View, moves_max: usize) -> Result<Self, StorageError> {
        let mut planner = Self {
            view,
            moves_max,
            steps: STEPS_MAX,
            workers: BTreeMap::new(),
            targets: BTreeSet::new(),
            tasks: BTreeMap::new(),
            moves: Vec::new(),
            cut_off: false,
        };
        rows::scan_workers(view, None, &mut |worker, row| {
            if row.state != WorkerState::Offline {
                planner.set(worker, row);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(planner)
    }

    fn draining(&self) -> Vec<String> {
        let draining = self
            .workers
            .iter()
            .filter(|(_, row)| row.state == WorkerState::Draining);
        draining.map(|(worker, _)| worker.clone()).collect()
    }

    /// Takes tasks from the most loaded workers until none of them can be relieved. False if nothing was moved.
    fn balance(&mut self) -> Result<bool, StorageError> {
        let before = self.moves.len();
        let active = self.workers.iter().filter(|(_, row)| row.state == WorkerState::Active);
        let mut sources: BTreeSet<(u64, String)> = active
            .map(|(worker, row)| (load(row.assigned, row.capacity), worker.clone()))
            .collect();
        // After each task another may be the most loaded. One that cannot be relieved is not asked again.
        while let Some((loaded, worker)) = sources.pop_last() {
            if self.relieve(&worker, Some(loaded))? {
                sources.extend(self.loaded(&worker));
                // The one that got the task is among the sources under its old load, which is below this one: should
                // it be reached, it is relieved by what that load allows, or in the next round.
            }
        }
        Ok(self.moves.len() > before && !self.cut_off)
    }

    fn loaded(&self, worker: &str) -> Option<(u64, String)> {
        let row = self.workers.get(worker)?;
        Some((load(row.assigned, row.capacity), worker.to_owned()))
    }

    /// Moves one task away from a worker, to one that is then loaded less than `below`. False if there is none.
    fn relieve(&mut self, from: &str, below: Option<u64>) -> Result<bool, StorageError> {
        if self.cut_off || !self.targets.first().is_some_and(|(after, _)| is_below(*after, below)) {
            return Ok(false);
        }
        let tasks = match self.tasks.remove(from) {
            Some(tasks) => tasks,
            None => self.read_tasks(from)?,
        };
        let found = self.first_movable(&tasks, below);
        let tasks = self.tasks.entry(from.to_owned()).or_insert(tasks);
        let Some((at, to)) = found else { return Ok(false) };
        if self.moves.len() == self.moves_max {
            self.cut_off = true;
            return Ok(false);
        }
        let movable = tasks.remove(at);
        self.shift(from, |assigned| assigned.saturating_sub(1));
        self.shift(&to, |assigned| assigned.saturating_add(1));
        self.moves.push(PlannedMove {
            task: movable.task,
            from: from.to_owned(),
            generation: movable.generation,
            to,
        });
        Ok(true)
    }

    /// The first of these tasks that has somewhere to go.
    fn first_movable(&mut self, tasks: &[Movable], below: Option<u64>) -> Option<(usize, String)> {
        let mut hopeless = BTreeSet::new();
        for (at, movable) in tasks.iter().enumerate() {
            if hopeless.contains(&&movable.labels) {
                continue;
            }
            if let Some(to) = self.target(&movable.labels, below) {
                return Some((at, to));
            }
            hopeless.insert(&movable.labels);
        }
        None
    }

    fn target(&mut self, labels: &Labels, below: Option<u64>) -> Option<String> {
        for (after, worker) in &self.targets {
            if self.steps == 0 {
                self.cut_off = true;
                return None;
            }
            self.steps -= 1;
            if !is_below(*after, below) {
                return None;
            }
            if self.workers.get(worker).is_some_and(|row| row.carries(labels)) {
                return Some(worker.clone());
            }
        }
        None
    }

    fn read_tasks(&self, worker: &str) -> Result<Vec<Movable>, StorageError> {
        let mut tasks = Vec::new();
        for task in rows::tasks_of(self.view, worker)? {
            let row = rows::decoded(rows::find_task(self.view, &task)?)?;
            tasks.push(Movable {
                task,
                generation: row.generation,
                labels: row.labels,
            });
        }
        Ok(tasks)
    }

    fn shift(&mut self, worker: &str, change: impl FnOnce(u32) -> u32) {
        if let Some(mut row) = self.workers.remove(worker) {
            self.targets.remove(&with_one_more(worker, &row));
            row.assigned = change(row.assigned);
            self.set(worker.to_owned(), row);
        }
    }

    fn set(&mut self, worker: String, row: WorkerRow) {
        if row.has_room() {
            self.targets.insert(with_one_more(&worker, &row));
        }
        self.workers.insert(worker, row);
    }
}

fn with_one_more(worker: &str, row: &WorkerRow) -> (u64, String) {
    (load(row.assigned.saturating_add(1), row.capacity), worker.to_owned())
}

fn is_below(load: u64, bound: Option<u64>) -> bool {
    bound.is_none_or(|bound| load < bound)
}
