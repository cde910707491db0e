//! One connection to one member: a single bidirectional stream that carries every call in batches.
//!
//! The stream's sending side is polled by the transport's own task, so that a call passes through no other task on its
//! way out; on its way back it passes through the reader alone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::Stream;
use tokio::sync::{SemaphorePermit, TryAcquireError};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::connector::Connector;
use crate::error::Error;
use crate::followed::Attempt;
use crate::identity::Identity;
use crate::pipeline::Pipeline;
use crate::session::Stamp;
use crate::slots::{Answer, Lost};
use crate::wire::Wire;

/// What a client takes as one message of replies.
pub(crate) const REPLY_BYTES_MAX: usize = 64 << 20;
/// How exactly a time-out is kept: one sweep for all calls costs less than a timer for each.
const SWEEP_INTERVAL: Duration = Duration::from_millis(10);

/// An open connection; dropping it ends its calls.
pub(crate) struct Connection<W: Wire> {
    pipeline: Arc<Pipeline<W>>,
    process: u64,
    /// Drawn for it: names its calls at the member, too.
    number: u64,
    tasks: [JoinHandle<()>; 2],
}

impl<W: Wire> Connection<W> {
    /// Connects, makes sure of the cluster, and opens the stream; if the protocol begins with a hello, waits for it. The inner
    /// error is a member's refusal of a protocol that it may do without.
    pub(crate) async fn open(
        connector: &Connector,
        identity: &Identity,
        outstanding_max: u32,
    ) -> Result<Result<Self, Error>, String> {
        let channel = connector.connect().await?;
        identity.check(channel.clone()).await?;
        let pipeline = Arc::new(Pipeline::new(outstanding_max));
        let outgoing = Outgoing(Arc::clone(&pipeline));
        let number = rand::random();
        let mut replies = match W::open(channel, outgoing, number).await {
            Ok(replies) => replies,
            Err(status) if W::GREETS => return Error::of_refused_stream(&status).map(Err),
            Err(status) => return Err(reason(&status)),
        };
        let mut process = 0;
        if W::GREETS {
            match replies.message().await.map_err(|status| status.to_string())? {
                Some(first) => {
                    process = W::process(&first).ok_or("the member began its stream without a hello")?;
                    pipeline.complete(first, &mut Vec::new());
                }
                None => return Err("the member ended the stream before its hello".to_owned()),
            }
        }
        let reader = tokio::spawn(read(Arc::clone(&pipeline), replies));
        let sweeper = tokio::spawn(sweep(Arc::clone(&pipeline)));
        Ok(Ok(Self {
            pipeline,
            process,
            number,
            tasks: [reader, sweeper],
        }))
    }

    /// The member's process, as its hello names it; 0 if the protocol has none.
    pub(crate) fn process(&self) -> u64 {
        self.process
    }

    /// What it is called by, at both ends.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.pipeline.is_alive()
    }

    /// Ends the connection and every call on it.
    pub(crate) fn close(&self, reason: &str) {
        self.pipeline.fail(reason);
    }

    /// Sends one call and waits for its reply until `deadline`. If this future is dropped while a reply may still come,
    /// `stamp` is taken and stays outstanding until it does; in every other case it is left where it is. `attempt` learns how far the
    /// call came.
    pub(crate) async fn exchange(
        &self,
        request: W::Request,
        deadline: Instant,
        stamp: &mut Option<Stamp>,
        attempt: &mut Attempt,
    ) -> Answer<W::Response> {
        let permits = &self.pipeline.permits;
        let permit = match permits.try_acquire() {
            Ok(permit) => Ok(permit),
            Err(TryAcquireError::Closed) => Err(self.not_sent()),
            Err(TryAcquireError::NoPermits) => match tokio::time::timeout_at(deadline, permits.acquire()).await {
                Ok(permit) => permit.map_err(|_closed| self.not_sent()),
                Err(_elapsed) => Err(Lost::TimedOut { sent: false }),
            },
        };
        let step = Step::Queue {
            request,
            permit: permit?,
        };
        Exchange {
            pipeline: &self.pipeline,
            stamp,
            attempt,
            deadline,
            step,
        }
        .await
    }

    fn not_sent(&self) -> Lost {
        Lost::NotSent(self.pipeline.failure().unwrap_or_default())
    }
}

impl<W: Wire> Drop for Connection<W> {
    fn drop(&mut self) {
        self.pipeline.fail("the connection was dropped");
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// A call on its way: queued when first polled, abandoned when dropped early.
struct Exchange<'a, W: Wire> {
    pipeline: &'a Pipeline<W>,
    stamp: &'a mut Option<Stamp>,
    attempt: &'a mut Attempt,
    deadline: Instant,
    step: Step<'a, W::Request>,
}

// Lives in the caller's future; a box for its largest variant would cost an allocation per call.
enum Step<'a, Q> {
    Queue { request: Q, permit: SemaphorePermit<'a> },
    Wait { id: u64 },
    Done,
}

// Nothing in it points into itself.
impl<W: Wire> Unpin for Exchange<'_, W> {}

impl<W: Wire> Future for Exchange<'_, W> {
    type Output = Answer<W::Response>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.step, Step::Done) {
            Step::Queue { request, permit } => {
                let id = match self.pipeline.submit(request, self.deadline, context.waker()) {
                    Ok(id) => id,
                    Err(lost) => return Poll::Ready(Err(lost)),
                };
                // Given back when the slot becomes free.
                permit.forget();
                self.attempt.queued(id);
                self.step = Step::Wait { id };
                Poll::Pending
            }
            Step::Wait { id } => {
                if self.attempt.wanted {
                    self.attempt.sent = self.pipeline.sent_at(id);
                }
                match self.pipeline.collect(id, context.waker()) {
                    Some(answer) => Poll::Ready(answer),
                    None => {
                        self.step = Step::Wait { id };
                        Poll::Pending
                    }
                }
            }
            Step::Done => Poll::Pending,
        }
    }
}

impl<W: Wire> Drop for Exchange<'_, W> {
    fn drop(&mut self) {
        if let Step::Wait { id } = self.step {
            self.pipeline.abandon(id, self.stamp.take());
        }
    }
}

/// The sending side of the stream.
pub(crate) struct Outgoing<W: Wire>(Arc<Pipeline<W>>);

impl<W: Wire> Stream for Outgoing<W> {
    type Item = W::Calls;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<W::Calls>> {
        self.0.poll_batch(context)
    }
}

async fn read<W: Wire>(pipeline: Arc<Pipeline<W>>, mut replies: tonic::Streaming<W::Replies>) {
    let mut wakers: Vec<Waker> = Vec::new();
    let reason = loop {
        match replies.message().await {
            Ok(Some(batch)) => pipeline.complete(batch, &mut wakers),
            Ok(None) => break "the member ended the stream".to_owned(),
            Err(status) => break status.to_string(),
        }
    };
    tracing::debug!(reason, "connection lost");
    pipeline.fail(&reason);
}

async fn sweep<W: Wire>(pipeline: Arc<Pipeline<W>>) {
    while pipeline.has_calls().await {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        pipeline.expire(Instant::now());
    }
}

/// The transport's errors say what happened in their sources only.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        // Some repeat what their source says.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = error.source();
    }
    text
}

/// What a status says, and what the transport says to it.
pub(crate) fn reason(status: &tonic::Status) -> String {
    use std::error::Error;
    match status.source().map(chain) {
        Some(source) if source.starts_with(status.message()) => source,
        Some(source) => format!("{}: {source}", status.message()),
        None => status.message().to_owned(),
    }
}
