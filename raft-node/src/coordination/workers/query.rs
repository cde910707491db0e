//! What can be read of workers and assignments. Every list comes in pages: how much is looked at for one is bounded.

use std::ops::ControlFlow;

use super::rows::{self, Cursor, TaskRow, WorkerRow, WorkerState};
use crate::storage::{StorageError, View};

/// Rows that are looked at for one page.
const LOOKED_AT_MAX: usize = 10_000;
/// Bytes of data in one page; one task more may pass it.
const DATA_BYTES_PER_PAGE: usize = 1 << 20;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, At> {
    /// Those of the part.
    pub found: Vec<T>,
    /// After which one to go on; none at the end of the list.
    pub next: Option<At>,
}

/// Which workers are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those in one of these states; empty: in any.
    pub states: Vec<WorkerState>,
    /// Those that carry all of these.
    pub labels: rows::Labels,
}

/// Workers after `after`, by name. A page may be short, even empty, though there are more.
pub fn list(
    view: &dyn View,
    filter: &Filter,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<(String, WorkerRow), String>, StorageError> {
    let mut page = Page {
        found: Vec::new(),
        next: None,
    };
    let (mut looked_at, mut last) = (0, None);
    rows::scan_workers(view, after, &mut |worker, row| {
        if page.found.len() == limit || looked_at == LOOKED_AT_MAX {
            page.next = last.take();
            return Ok(ControlFlow::Break(()));
        }
        looked_at += 1;
        last = Some(worker.clone());
        let state = filter.states.is_empty() || filter.states.contains(&row.state);
        if state && row.carries(&filter.labels) {
            page.found.push((worker, row));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(page)
}

/// Which tasks are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them, by name.
    All,
    /// Those of a worker, by name.
    Of(String),
    /// Those that wait, the longest first.
    Waiting,
}

/// A task's name, its row, and its data where that is wanted.
pub type FoundTask = (String, TaskRow, Vec<u8>);

/// Tasks after `after`, with their data if that is wanted.
pub fn assignments(
    view: &dyn View,
    which: &Which,
    after: Option<&Cursor>,
    limit: usize,
    data: bool,
) -> Result<Page<FoundTask, Cursor>, StorageError> {
    let mut page: Page<FoundTask, Cursor> = Page {
        found: Vec::new(),
        next: None,
    };
    let mut bytes = 0;
    let mut add = |task: String| {
        if page.found.len() == limit || bytes >= DATA_BYTES_PER_PAGE {
            page.next = page.found.last().map(|(task, row, _)| Cursor {
                generation: row.generation,
                task: task.clone(),
            });
            return Ok(ControlFlow::Break(()));
        }
        let row = rows::decoded(rows::find_task(view, &task)?)?;
        let data = if data {
            rows::read_data(view, &task, &row)?
        } else {
            Vec::new()
        };
        bytes += data.len();
        page.found.push((task, row, data));
        Ok(ControlFlow::Continue(()))
    };
    match which {
        Which::All => rows::scan_tasks(view, after, &mut add)?,
        Which::Of(worker) => rows::scan_tasks_of(view, worker, after, &mut add)?,
        Which::Waiting => rows::scan_waiting(view, after, &mut |waiting| add(waiting.task))?,
    }
    Ok(page)
}
