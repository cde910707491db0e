//! Assigning a task.

use futures::future::BoxFuture;

use super::call::send;
use super::op::{AssignOp, WorkerOp, WorkerOpReply};
use crate::client::Client;
use crate::error::Result;
use crate::lease::not_expected;
use crate::record::IntoBytes;

/// A task to be assigned.
#[must_use = "a call is made when it is awaited"]
pub struct Assign<'a> {
    client: &'a Client,
    operation: AssignOp,
}

/// A task that was assigned, or that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskAssigned {
    /// The task.
    pub task: String,
    /// Who has it; none: it waits.
    pub worker: Option<String>,
    /// Of this assignment.
    pub generation: u64,
    /// The revision of the store after it.
    pub revision: u64,
}

impl Client {
    /// Assigns a task, to the least loaded worker unless one is named. Await the builder.
    ///
    /// ```no_run
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let assigned = client.assign("reindex/7").label("zone", "a").data("shard=7").or_wait().await?;
    /// match assigned.worker {
    ///     Some(worker) => println!("{worker} has it"),
    ///     None => println!("it waits for a worker in zone a"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn assign(&self, task: impl Into<String>) -> Assign<'_> {
        Assign {
            client: self,
            operation: WorkerOp::assign(task),
        }
    }
}

impl Assign<'_> {
    /// Who is to have it. Default: the least loaded worker that carries the labels, the first by name among equals.
    pub fn to(mut self, worker: impl Into<String>) -> Self {
        self.operation = self.operation.to(worker);
        self
    }

    /// It goes to the least loaded worker, and waits if nobody can take it. Default: that is refused as
    /// [`NoWorker`](crate::ErrorKind::NoWorker).
    pub fn or_wait(mut self) -> Self {
        self.operation = self.operation.or_wait();
        self
    }

    /// A label that a worker must carry to have it; at most 16. Default: none.
    pub fn label(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.operation = self.operation.label(label, value);
        self
    }

    /// What the worker is to know of it, at most 64 KiB. Default: nothing.
    pub fn data(mut self, data: impl IntoBytes) -> Self {
        self.operation = self.operation.data(data);
        self
    }

    /// It takes the place of what the task is at this generation; 0: there must be no such task. Otherwise refused as
    /// [`Conflict`](crate::ErrorKind::Conflict). Default: the task must be new, or wait, or be just as is asked.
    pub fn replacing(mut self, generation: u64) -> Self {
        self.operation = self.operation.replacing(generation);
        self
    }

    async fn send(self) -> Result<TaskAssigned> {
        let task = self.operation.task().to_owned();
        let (reply, revision) = send(self.client, self.operation).await?;
        match reply {
            WorkerOpReply::Assigned { worker, generation } => Ok(TaskAssigned {
                task,
                worker,
                generation,
                revision,
            }),
            other => Err(not_expected("assign", &other)),
        }
    }
}

impl<'a> IntoFuture for Assign<'a> {
    type Output = Result<TaskAssigned>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
