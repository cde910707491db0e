//! A worker of this process.

use std::collections::BTreeMap;
use std::fmt;

use futures::future::BoxFuture;
use quorate_proto::v1;
use quorate_proto::v1::worker_operation::Operation as WorkerOperation;

use super::call::{deregister, drain, send};
use super::changes::Assignments;
use super::op::{WorkerOp, WorkerOpReply};
use crate::client::Client;
use crate::error::Result;
use crate::lease::{Session, not_expected};

/// A worker to be registered.
#[must_use = "a call is made when it is awaited"]
pub struct RegisterWorker<'a> {
    client: &'a Client,
    session: Session,
    request: v1::WorkerRegister,
}

impl Client {
    /// Registers a worker for as long as a session lives; a session registers one worker. Await the builder.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn example(client: quorate::Client) -> quorate::Result<()> {
    /// let session = client.session(Duration::from_secs(10)).await?;
    /// let worker = client.register_worker("worker-1", &session).label("zone", "a").capacity(4).await?;
    /// let mut assignments = worker.assignments();
    /// while let Some(changes) = assignments.next().await? {
    ///     for task in changes.ended {
    ///         println!("stop {}, if it still runs", task.task);
    ///     }
    ///     for task in changes.gained {
    ///         // The result is written only if the task is still this worker's.
    ///         let result = quorate::Op::put(format!("results/{}", task.task), "42");
    ///         client.txn().then(task.complete_op()).then(result).await?;
    ///     }
    /// }
    /// println!("the registration is over: stop everything");
    /// # Ok(())
    /// # }
    /// ```
    pub fn register_worker(&self, worker: impl Into<String>, session: &Session) -> RegisterWorker<'_> {
        RegisterWorker {
            client: self,
            session: session.clone(),
            request: v1::WorkerRegister {
                worker: worker.into(),
                lease: session.id(),
                capacity: 1,
                ..Default::default()
            },
        }
    }
}

impl RegisterWorker<'_> {
    /// A label that tasks may ask for; at most 16, of at most 128 bytes, as their values. Default: none.
    pub fn label(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.labels.insert(label.into(), value.into());
        self
    }

    /// How many tasks it may have at a time, at most 10,000; with 0 it is assigned none. Default: 1.
    pub fn capacity(mut self, tasks: u32) -> Self {
        self.request.capacity = tasks;
        self
    }

    async fn send(self) -> Result<Worker> {
        let name = self.request.worker.clone();
        let operation = WorkerOp::of(WorkerOperation::Register(self.request));
        match send(self.client, operation).await?.0 {
            WorkerOpReply::Registered { registered_revision } => Ok(Worker {
                client: self.client.clone(),
                session: self.session,
                name,
                registered_revision,
            }),
            other => Err(not_expected("register", &other)),
        }
    }
}

impl<'a> IntoFuture for RegisterWorker<'a> {
    type Output = Result<Worker>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A worker that this process registered. It is registered until its session ends, which dropping this does not do while
/// there is another clone of the session, or until [`deregister`](Self::deregister).
#[derive(Clone)]
pub struct Worker {
    pub(super) client: Client,
    session: Session,
    name: String,
    registered_revision: u64,
}

impl Worker {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The session it is registered under.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The revision of the registration.
    pub fn registered_revision(&self) -> u64 {
        self.registered_revision
    }

    /// What is assigned to it, and what changes of that.
    pub fn assignments(&self) -> Assignments {
        Assignments::new(self.clone())
    }

    /// Changes how many tasks it may have at a time.
    ///
    /// # Errors
    ///
    /// [`NoCapacity`](crate::ErrorKind::NoCapacity) if it has more, [`Fenced`](crate::ErrorKind::Fenced) if the
    /// registration is over, and what any call may return.
    pub async fn set_capacity(&self, tasks: u32) -> Result<()> {
        self.update(Some(tasks), None).await
    }

    /// Changes its labels, all of them. Tasks that it has stay, whatever they ask for.
    ///
    /// # Errors
    ///
    /// [`Fenced`](crate::ErrorKind::Fenced) if the registration is over, and what any call may return.
    pub async fn set_labels(&self, labels: BTreeMap<String, String>) -> Result<()> {
        self.update(None, Some(labels)).await
    }

    async fn update(&self, capacity: Option<u32>, labels: Option<BTreeMap<String, String>>) -> Result<()> {
        let labels = labels.map(|labels| v1::Labels {
            labels: labels.into_iter().collect(),
        });
        let update = v1::WorkerUpdate {
            worker: self.name.clone(),
            lease: self.session.id(),
            capacity,
            labels,
        };
        match send(&self.client, WorkerOp::of(WorkerOperation::Update(update)))
            .await?
            .0
        {
            WorkerOpReply::Updated => Ok(()),
            other => Err(not_expected("update", &other)),
        }
    }

    /// Takes nothing new from now on, and finishes what it has. Returns how many tasks that is.
    ///
    /// # Errors
    ///
    /// As [`Client::drain_worker`].
    pub async fn drain(&self) -> Result<u32> {
        drain(&self.client, self.name.clone(), true).await
    }

    /// Takes tasks again. Returns how many it has.
    ///
    /// # Errors
    ///
    /// As [`Client::drain_worker`].
    pub async fn resume(&self) -> Result<u32> {
        drain(&self.client, self.name.clone(), false).await
    }

    /// Ends the registration, and not the session: the worker is forgotten, and its tasks wait. Returns how many.
    ///
    /// # Errors
    ///
    /// [`UnknownWorker`](crate::ErrorKind::UnknownWorker) or [`Fenced`](crate::ErrorKind::Fenced) if it was over before,
    /// and what any call may return.
    pub async fn deregister(&self) -> Result<u32> {
        deregister(&self.client, self.name.clone(), self.session.id()).await
    }
}

/// Changes how many tasks a worker may have at a time; refused unless it is registered under this lease.
pub(crate) fn capacity_op(worker: &str, lease: u64, tasks: u32) -> WorkerOp {
    WorkerOp::of(WorkerOperation::Update(v1::WorkerUpdate {
        worker: worker.to_owned(),
        lease,
        capacity: Some(tasks),
        labels: None,
    }))
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.name)
            .field("session", &self.session)
            .field("registered_revision", &self.registered_revision)
            .finish()
    }
}
