//! Lists of workers and tasks. Every list is collected page by page; a page is as the store was when it was read.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::assignment_list::Which;
use quorate_proto::v1::worker_query::Query as WorkerQuery;

use super::call::query_workers;
use super::record::{Assignment, WorkerRecord, WorkerState};
use crate::client::Client;
use crate::error::Result;

/// A list of workers to be read.
#[must_use = "a call is made when it is awaited"]
pub struct ListWorkers<'a> {
    client: &'a Client,
    request: v1::WorkerList,
}

/// A list of tasks to be read.
#[must_use = "a call is made when it is awaited"]
pub struct ListAssignments<'a> {
    pub(super) client: &'a Client,
    pub(super) request: v1::AssignmentList,
}

impl Client {
    /// The workers, by name. Await the builder.
    pub fn workers(&self) -> ListWorkers<'_> {
        ListWorkers {
            client: self,
            request: v1::WorkerList::default(),
        }
    }

    /// The tasks, assigned and waiting, by name, without their data. Await the builder.
    pub fn assignments(&self) -> ListAssignments<'_> {
        ListAssignments {
            client: self,
            request: v1::AssignmentList {
                which: Some(Which::All(v1::Everything {})),
                without_data: true,
                ..Default::default()
            },
        }
    }
}

impl ListWorkers<'_> {
    /// Those in this state, or in one of several when it is called again. Default: in any.
    pub fn state(mut self, state: WorkerState) -> Self {
        self.request.states.push(state.to_wire().into());
        self
    }

    /// Those that carry this label, and every other that is asked for. Default: whatever they carry.
    pub fn label(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.labels.insert(label.into(), value.into());
        self
    }

    async fn send(mut self) -> Result<Vec<WorkerRecord>> {
        let mut workers = Vec::new();
        loop {
            let query = WorkerQuery::List(self.request.clone());
            let page = query_workers(self.client, query, Duration::ZERO).await?;
            for worker in page.workers {
                workers.push(WorkerRecord::from_wire(worker)?);
            }
            if page.next.is_empty() {
                return Ok(workers);
            }
            self.request.after = page.next;
        }
    }
}

impl ListAssignments<'_> {
    /// Those that a worker has. Default: all.
    pub fn of(mut self, worker: impl Into<String>) -> Self {
        self.request.which = Some(Which::Worker(worker.into()));
        self
    }

    /// Those that wait, the longest first. Default: all.
    pub fn pending(mut self) -> Self {
        self.request.which = Some(Which::Pending(v1::Pending {}));
        self
    }

    /// With their data, up to 64 KiB each. Default: without.
    pub fn with_data(mut self) -> Self {
        self.request.without_data = false;
        self
    }

    async fn send(self) -> Result<Vec<Assignment>> {
        let mut tasks = Vec::new();
        let mut request = self.request;
        loop {
            let page = page(self.client, request.clone(), Duration::ZERO).await?;
            tasks.extend(page.assignments.into_iter().map(Assignment::from));
            if page.next.is_empty() {
                return Ok(tasks);
            }
            request.after = page.next;
        }
    }
}

/// One page of a list of tasks.
pub(super) async fn page(client: &Client, request: v1::AssignmentList, wait: Duration) -> Result<v1::WorkerAnswer> {
    query_workers(client, WorkerQuery::Assignments(request), wait).await
}

/// A request for what a worker has, without data, once it has changed after a revision.
pub(super) fn of_worker(worker: &str, known_revision: u64, after: Bytes) -> v1::AssignmentList {
    v1::AssignmentList {
        which: Some(Which::Worker(worker.to_owned())),
        known_revision,
        after,
        without_data: true,
        ..Default::default()
    }
}

impl<'a> IntoFuture for ListWorkers<'a> {
    type Output = Result<Vec<WorkerRecord>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<'a> IntoFuture for ListAssignments<'a> {
    type Output = Result<Vec<Assignment>>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
