//! Reads of workers, assignments and plans.

use quorate_proto::v1::{self as proto, Error, assignment_list, worker_query};

use super::field;
use crate::coordination::workers::{
    self, Cursor, Filter, Labels, TaskRow, WORKER_BYTES_MAX, Which, WorkerRow, WorkerState,
};
use crate::grpc::error::{invalid, too_large};
use crate::signals::Topic;
use crate::storage::{StorageError, View, corrupt};

/// Workers, tasks or moves in one answer.
const LIST_MAX: u32 = 1000;

/// Checks what a query asks, before it waits for anything.
pub fn check(query: &proto::WorkerQuery) -> Result<(), Error> {
    parse(query).map(|_| ())
}

/// Answers a query that was checked.
pub fn query(view: &dyn View, query: &proto::WorkerQuery) -> Result<proto::WorkerAnswer, StorageError> {
    let asked = parse(query).map_err(|refused| corrupt("answering a query", &refused.message))?;
    match asked {
        Asked::Worker(worker) => {
            let found = workers::find_worker(view, &worker)?;
            Ok(proto::WorkerAnswer {
                workers: found.map(|row| self::worker(worker, row)).into_iter().collect(),
                ..proto::WorkerAnswer::default()
            })
        }
        Asked::Workers { filter, after, limit } => {
            let page = workers::list(view, &filter, after.as_deref(), limit)?;
            Ok(proto::WorkerAnswer {
                workers: page.found.into_iter().map(|(name, row)| worker(name, row)).collect(),
                next: page.next.unwrap_or_default().into_bytes().into(),
                ..proto::WorkerAnswer::default()
            })
        }
        Asked::Assignments(asked) => assignments(view, &asked),
        Asked::Task(task) => {
            let mut answer = proto::WorkerAnswer::default();
            if let Some(row) = workers::find_task(view, &task)? {
                let data = workers::read_data(view, &task, &row)?;
                answer.assignments.push(assignment(task, row, data));
            }
            Ok(answer)
        }
        Asked::Plan { moves_max } => {
            let plan = workers::plan(view, moves_max)?;
            let moves = plan.moves.into_iter().map(|one| proto::TaskMove {
                task: one.task,
                from: one.from,
                generation: one.generation,
                to: one.to,
            });
            Ok(proto::WorkerAnswer {
                moves: moves.collect(),
                complete: plan.complete,
                ..proto::WorkerAnswer::default()
            })
        }
    }
}

/// What a query waits for.
pub fn topic(query: &proto::WorkerQuery) -> Option<Topic> {
    waited_for(query).map(|(worker, _)| Topic::Worker(worker.to_owned()))
}

/// What a query waits for has come: the worker has changed since it was last seen, or is not registered.
pub fn settled(view: &dyn View, query: &proto::WorkerQuery) -> Result<bool, StorageError> {
    let Some((worker, known_revision)) = waited_for(query) else {
        return Ok(true);
    };
    let found = workers::find_worker(view, worker)?;
    Ok(found.is_none_or(|row| row.state == WorkerState::Offline || row.changed.0 > known_revision))
}

fn waited_for(query: &proto::WorkerQuery) -> Option<(&str, u64)> {
    match &query.query {
        Some(worker_query::Query::Assignments(proto::AssignmentList {
            which: Some(assignment_list::Which::Worker(worker)),
            known_revision,
            ..
        })) => Some((worker, *known_revision)),
        _ => None,
    }
}

/// A query, checked.
enum Asked {
    Worker(String),
    Workers {
        filter: Filter,
        after: Option<String>,
        limit: usize,
    },
    Assignments(Assignments),
    Task(String),
    Plan {
        moves_max: usize,
    },
}

struct Assignments {
    which: Which,
    after: Option<Cursor>,
    limit: usize,
    data: bool,
}

fn parse(query: &proto::WorkerQuery) -> Result<Asked, Error> {
    use worker_query::Query;
    Ok(match &query.query {
        None => return Err(invalid("query", "the query is empty")),
        Some(Query::Get(get)) => Asked::Worker(field::worker("worker", &get.worker)?),
        Some(Query::List(list)) => Asked::Workers {
            filter: filter(list)?,
            after: worker_after(&list.after)?,
            limit: limit("limit", list.limit)?,
        },
        Some(Query::Assignments(list)) => Asked::Assignments(Assignments {
            which: match &list.which {
                None => {
                    return Err(invalid(
                        "which",
                        "which tasks is not said: a worker's, those that wait, or all",
                    ));
                }
                Some(assignment_list::Which::Worker(worker)) => Which::Of(field::worker("worker", worker)?),
                Some(assignment_list::Which::Pending(_)) => Which::Waiting,
                Some(assignment_list::Which::All(_)) => Which::All,
            },
            after: field::cursor("after", &list.after)?,
            limit: limit("limit", list.limit)?,
            data: !list.without_data,
        }),
        Some(Query::Task(get)) => Asked::Task(field::task(&get.task)?),
        Some(Query::Plan(plan)) => Asked::Plan {
            moves_max: limit("moves_max", plan.moves_max)?,
        },
    })
}

fn limit(field: &str, asked: u32) -> Result<usize, Error> {
    match asked {
        0 => Ok(LIST_MAX as usize),
        1..=LIST_MAX => Ok(asked as usize),
        _ => Err(too_large(field, "fixed", LIST_MAX.into(), asked.into(), "entries")),
    }
}

fn filter(list: &proto::WorkerList) -> Result<Filter, Error> {
    let mut states = Vec::new();
    for state in &list.states {
        states.push(match proto::WorkerState::try_from(*state) {
            Ok(proto::WorkerState::Active) => WorkerState::Active,
            Ok(proto::WorkerState::Draining) => WorkerState::Draining,
            Ok(proto::WorkerState::Offline) => WorkerState::Offline,
            Ok(proto::WorkerState::Unspecified) | Err(_) => {
                let message = format!("state {state} is unknown: 1 active, 2 draining, 3 offline");
                return Err(invalid("states", message));
            }
        });
    }
    Ok(Filter {
        states,
        labels: field::labels(&list.labels)?,
    })
}

fn worker_after(after: &[u8]) -> Result<Option<String>, Error> {
    field::bytes("after", after.len(), WORKER_BYTES_MAX)?;
    match std::str::from_utf8(after) {
        Ok(name) => Ok(Some(name.to_owned()).filter(|name| !name.is_empty())),
        Err(_) => Err(invalid("after", "this is not the name of a worker")),
    }
}

fn assignments(view: &dyn View, asked: &Assignments) -> Result<proto::WorkerAnswer, StorageError> {
    let page = workers::assignments(view, &asked.which, asked.after.as_ref(), asked.limit, asked.data)?;
    let mut answer = proto::WorkerAnswer {
        next: field::written(page.next).into(),
        changed_revision: workers::changed(view)?.0,
        ..proto::WorkerAnswer::default()
    };
    if let Which::Of(name) = &asked.which {
        let found = workers::find_worker(view, name)?;
        answer.workers.extend(found.map(|row| worker(name.clone(), row)));
    }
    let found = page.found.into_iter();
    answer.assignments = found.map(|(task, row, data)| assignment(task, row, data)).collect();
    Ok(answer)
}

fn worker(name: String, row: WorkerRow) -> proto::Worker {
    let state = match row.state {
        WorkerState::Active => proto::WorkerState::Active,
        WorkerState::Draining => proto::WorkerState::Draining,
        WorkerState::Offline => proto::WorkerState::Offline,
    };
    proto::Worker {
        worker: name,
        state: state.into(),
        lease: row.lease.0,
        labels: pairs(row.labels),
        capacity: row.capacity,
        assigned: row.assigned,
        registered_revision: row.registered.0,
        changed_revision: row.changed.0,
        since_ms: row.since.0,
        since_wall_ms: row.since_wall_ms,
    }
}

fn assignment(task: String, row: TaskRow, data: Vec<u8>) -> proto::Assignment {
    proto::Assignment {
        task,
        worker: row.worker.unwrap_or_default(),
        generation: row.generation,
        labels: pairs(row.labels),
        data: data.into(),
        created_revision: row.created.0,
        since_ms: row.since.0,
        since_wall_ms: row.since_wall_ms,
        data_bytes: row.data_bytes,
    }
}

fn pairs(labels: Labels) -> std::collections::HashMap<String, String> {
    labels.into_iter().collect()
}
