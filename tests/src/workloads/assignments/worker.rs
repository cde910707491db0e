//! One who does tasks, for as long as its registration lives, and sometimes for longer.

use std::time::Duration;

use quorate::{Client, ErrorKind, Op, WorkerOp};
use quorate_proto::v1;
use rand::Rng;
use rand::rngs::SmallRng;

use super::record::{Assignment, Call, Done};
use super::workload::{Assignments, KEYS};
use crate::HarnessError;
use crate::journal::Answer;
use crate::workloads::Ground;
use crate::workloads::coordination::{Direct, NoAnswer};
use crate::workloads::leases::{self, revoke, whole_ms};

/// Of a registration, in milliseconds.
const TTL_MS: std::ops::Range<u64> = 1000..2500;

const CAPACITY_MAX: u32 = 4;

/// Of a registration under a name that is taken.
const TRIES: u32 = 20;

const PAUSE: Duration = Duration::from_millis(100);

/// A worker of [`Assignments`].
pub(super) struct WorkerClient {
    number: u64,
    ground: Ground,
    client: Client,
    direct: Direct,
    random: SmallRng,
    name: String,
    /// What it believes to have.
    tasks: Vec<Assignment>,
}

impl WorkerClient {
    pub(super) async fn new(ground: &Ground, name: String) -> Result<WorkerClient, HarnessError> {
        let number = ground.client_number();
        Ok(WorkerClient {
            number,
            client: ground.connect(number).await?,
            direct: Direct::new(ground.endpoints.clone()),
            random: ground.random(number),
            ground: ground.clone(),
            name,
            tasks: Vec::new(),
        })
    }

    pub(super) async fn run(mut self) -> Result<(), HarnessError> {
        while self.ground.turn().await {
            let ttl_ms = self.random.random_range(TTL_MS);
            let Some(lease) = self.grant(ttl_ms).await else {
                continue;
            };
            if self.register(lease).await {
                self.live(lease, ttl_ms).await;
            }
            // Otherwise nobody renews it, and it goes by itself.
            if self.random.random_bool(0.4) {
                self.lease(leases::Call::Revoke { lease }, async {
                    revoke(&self.client, lease).await
                })
                .await;
            }
            self.work_too_late(ttl_ms).await;
        }
        Ok(())
    }

    /// A life, until it is told that it is over, or has had enough.
    async fn live(&mut self, lease: u64, ttl_ms: u64) {
        for _ in 0..self.random.random_range(20..60) {
            if !self.ground.turn().await {
                return;
            }
            match self.random.random_range(0..100) {
                0..40 => {
                    if self.keep_alive(lease).await == Answer::Done(Done::Lease(leases::Done::Dead)) {
                        return;
                    }
                }
                40..60 => self.list().await,
                60..61 => self.rest(Duration::from_millis(ttl_ms) * 3 / 2).await,
                number => self.work(number < 80).await,
            }
        }
    }

    /// As a process does that was paused: some of it is in time, where the lease lives.
    async fn work_too_late(&mut self, ttl_ms: u64) {
        let percent = self.random.random_range(50..200);
        self.rest(Duration::from_millis(ttl_ms) * percent / 100).await;
        while !self.tasks.is_empty() && self.ground.turn().await {
            let completes = self.random.random_bool(0.5);
            let before = self.tasks.len();
            self.work(completes).await;
            if self.tasks.len() == before {
                self.tasks.pop();
            }
        }
    }

    async fn work(&mut self, completes: bool) {
        if self.tasks.is_empty() {
            return;
        }
        let index = self.random.random_range(0..self.tasks.len());
        let assignment = self.tasks[index].clone();
        let answer = match completes {
            true => self.complete(assignment).await,
            false => self.put(assignment).await,
        };
        if matches!(answer, Answer::Done(Done::Ended { .. } | Done::Fenced)) {
            self.tasks.swap_remove(index);
        }
    }

    /// An assignment that is over is an answer.
    async fn call(&self, call: Call, calling: impl Future<Output = Result<Done, quorate::Error>>) -> Answer<Done> {
        let calling = async {
            match calling.await {
                Err(error) if matches!(error.kind(), ErrorKind::Fenced | ErrorKind::UnknownTask) => Ok(Done::Fenced),
                other => other,
            }
        };
        self.ground.call::<Assignments>(self.number, call, calling).await
    }

    async fn lease(
        &self,
        call: leases::Call,
        calling: impl Future<Output = Result<leases::Done, quorate::Error>>,
    ) -> Answer<Done> {
        let calling = async {
            match calling.await {
                Err(error) if *error.kind() == ErrorKind::UnknownLease => Ok(Done::Lease(leases::Done::Dead)),
                other => other.map(Done::Lease),
            }
        };
        self.call(Call::Lease(call), calling).await
    }

    async fn grant(&self, ttl_ms: u64) -> Option<u64> {
        let granting = async {
            let granted = self.client.grant_lease(Duration::from_millis(ttl_ms)).await?;
            Ok(leases::Done::Granted {
                lease: granted.lease,
                ttl_ms: whole_ms(granted.ttl),
                revision: granted.revision,
            })
        };
        match self.lease(leases::Call::Grant { ttl_ms }, granting).await {
            Answer::Done(Done::Lease(leases::Done::Granted { lease, .. })) => Some(lease),
            _ => None,
        }
    }

    async fn keep_alive(&self, lease: u64) -> Answer<Done> {
        let renewing = async {
            let renewed = self.client.keep_alive(&[lease]).await?;
            Ok(match renewed.first().copied().flatten() {
                Some(ttl) => leases::Done::Renewed { ttl_ms: whole_ms(ttl) },
                None => leases::Done::Dead,
            })
        };
        self.lease(leases::Call::KeepAlive { lease }, renewing).await
    }

    /// Once the one who was called so before is gone.
    async fn register(&mut self, lease: u64) -> bool {
        let capacity = self.random.random_range(1..=CAPACITY_MAX);
        for _ in 0..TRIES {
            let register = v1::WorkerRegister {
                worker: self.name.clone(),
                lease,
                capacity,
                ..v1::WorkerRegister::default()
            };
            let invoked = self.ground.clock.now();
            let answer = match self.direct.register(register).await {
                Ok(revision) => Answer::Done(Done::Registered { revision }),
                Err(NoAnswer::Refused(_)) => Answer::Done(Done::Refused),
                Err(NoAnswer::NotDone) => Answer::NotDone,
                Err(NoAnswer::Unknown) => Answer::Unknown,
            };
            let call = Call::Register {
                worker: self.name.clone(),
                lease,
                capacity,
            };
            let answer = self.ground.record::<Assignments>(self.number, invoked, call, answer);
            if let Answer::Done(Done::Registered { .. }) = answer {
                return true;
            }
            self.rest(PAUSE).await;
            if !self.ground.turn().await {
                return false;
            }
            if self.keep_alive(lease).await == Answer::Done(Done::Lease(leases::Done::Dead)) {
                return false;
            }
        }
        false
    }

    async fn list(&mut self) {
        let call = Call::List {
            worker: self.name.clone(),
        };
        let listing = async {
            let listed = self.client.assignments().of(self.name.clone()).await?;
            let assignments = listed.into_iter().map(|listed| Assignment {
                task: listed.task,
                worker: listed.worker.unwrap_or_default(),
                generation: listed.generation,
            });
            Ok(Done::Listed {
                assignments: assignments.collect(),
            })
        };
        if let Answer::Done(Done::Listed { assignments }) = self.call(call, listing).await {
            self.tasks = assignments;
        }
    }

    async fn put(&self, assignment: Assignment) -> Answer<Done> {
        let Assignment {
            task,
            worker,
            generation,
        } = &assignment;
        let fence = WorkerOp::fence(task.clone(), worker.clone(), *generation);
        let put = Op::put(format!("{KEYS}{task}"), format!("{worker} {generation}"));
        let writing = async {
            let reply = self.client.txn().then(fence).then(put).await?;
            Ok(Done::Put {
                revision: reply.revision,
            })
        };
        let call = Call::Put {
            assignment: assignment.clone(),
        };
        self.call(call, writing).await
    }

    async fn complete(&self, assignment: Assignment) -> Answer<Done> {
        let Assignment {
            task,
            worker,
            generation,
        } = &assignment;
        let operation = WorkerOp::complete(task.clone(), worker.clone(), *generation);
        let completing = async {
            let reply = self.client.txn().then(operation).await?;
            Ok(Done::Ended {
                revision: reply.revision,
            })
        };
        let call = Call::Complete {
            assignment: assignment.clone(),
        };
        self.call(call, completing).await
    }

    /// Waits, but not beyond the end of the run.
    async fn rest(&self, time: Duration) {
        let mut stop = self.ground.stop.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}
