//! Assignments at one revision.
//!
//! They are read in pages, each of which says when an assignment last changed: if that differs between two of them, reading
//! begins anew.

use std::collections::BTreeMap;
use std::time::Duration;

use super::list::{ListAssignments, page};
use super::record::Assignment;
use crate::error::{Error, ErrorKind, Outcome, Result};

/// Tasks that a snapshot may have.
const TASKS_MAX: usize = 100_000;
/// How often reading begins anew before it is given up.
const ATTEMPTS: u32 = 16;

/// Assignments as they were at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssignmentsSnapshot {
    /// What [`SyncAssignments::new`](crate::SyncAssignments::new) expects; 0: there never was a task.
    pub revision: u64,
    /// The tasks, in the order of the list that was asked for.
    pub assignments: Vec<Assignment>,
}

impl AssignmentsSnapshot {
    /// The tasks of each worker that has any, by name.
    pub fn by_worker(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in &self.assignments {
            if let Some(worker) = &one.worker {
                all.entry(worker).or_default().push(&one.task);
            }
        }
        all
    }

    /// The tasks that wait.
    pub fn pending(&self) -> impl Iterator<Item = &Assignment> {
        self.assignments.iter().filter(|one| one.worker.is_none())
    }
}

impl ListAssignments<'_> {
    /// The same tasks, all of them as they were at one revision, which is the one that [`Client::sync_assignments`]
    /// expects.
    ///
    /// [`Client::sync_assignments`]: crate::Client::sync_assignments
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if there are more than 100,000, [`Conflict`](ErrorKind::Conflict) if some
    /// assignment changed during each of 16 attempts to read them, and what any call may return.
    pub async fn snapshot(self) -> Result<AssignmentsSnapshot> {
        for _ in 0..ATTEMPTS {
            if let Some(snapshot) = self.attempt().await? {
                return Ok(snapshot);
            }
        }
        let message = format!("assignments changed during each of {ATTEMPTS} attempts to read them");
        Err(Error::new(ErrorKind::Conflict, Outcome::NotAMutation, message))
    }

    async fn attempt(&self) -> Result<Option<AssignmentsSnapshot>> {
        let mut request = self.request.clone();
        let mut revision = None;
        let mut assignments = Vec::new();
        loop {
            let page = page(self.client, request.clone(), Duration::ZERO).await?;
            if *revision.get_or_insert(page.changed_revision) != page.changed_revision {
                return Ok(None);
            }
            assignments.extend(page.assignments.into_iter().map(Assignment::from));
            check(page.changed_revision, assignments.len())?;
            if page.next.is_empty() {
                return Ok(Some(AssignmentsSnapshot {
                    revision: page.changed_revision,
                    assignments,
                }));
            }
            request.after = page.next;
        }
    }
}

fn check(changed_revision: u64, tasks: usize) -> Result<()> {
    if changed_revision == 0 && tasks > 0 {
        let message = "the member does not say when assignments last changed: it runs an older version";
        return Err(Error::new(ErrorKind::Unimplemented, Outcome::NotAMutation, message));
    }
    if tasks <= TASKS_MAX {
        return Ok(());
    }
    let kind = ErrorKind::TooLarge {
        field: "assignments".to_owned(),
        limit: TASKS_MAX as u64,
        value: tasks as u64,
    };
    let message = format!("there are {tasks} tasks or more; a snapshot has at most {TASKS_MAX}: list them");
    Err(Error::new(kind, Outcome::NotAMutation, message))
}
