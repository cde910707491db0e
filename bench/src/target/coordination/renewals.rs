//! A stream of renewals, one answer for each question.

use std::future::Future;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use tonic::{Response, Status, Streaming};

use super::super::describe;

/// The stream, which the first question opens: servers need not answer before.
#[derive(Debug)]
pub struct Renewals<Q, R> {
    open: Option<(UnboundedSender<Q>, Streaming<R>)>,
}

impl<Q, R> Default for Renewals<Q, R> {
    fn default() -> Self {
        Renewals { open: None }
    }
}

impl<Q, R> Renewals<Q, R> {
    /// Asks, and awaits the answer.
    pub async fn ask<F>(&mut self, question: Q, open: impl FnOnce(UnboundedReceiver<Q>) -> F) -> Result<R, String>
    where
        F: Future<Output = Result<Response<Streaming<R>>, Status>>,
    {
        // Put back only by an answer, so that a stream that broke is opened anew.
        let (questions, mut answers) = match self.open.take() {
            Some((questions, answers)) => {
                questions.unbounded_send(question).map_err(|error| error.to_string())?;
                (questions, answers)
            }
            None => {
                let (questions, asked) = unbounded();
                questions.unbounded_send(question).map_err(|error| error.to_string())?;
                let answers = open(asked).await.map_err(|status| describe(&status))?;
                (questions, answers.into_inner())
            }
        };
        let answer = answers.message().await.map_err(|status| describe(&status))?;
        let answer = answer.ok_or("the stream of renewals ended")?;
        self.open = Some((questions, answers));
        Ok(answer)
    }
}
