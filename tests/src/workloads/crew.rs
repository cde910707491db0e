//! The clients of a workload.

use std::future::Future;

use tokio::task::JoinSet;

use crate::HarnessError;

/// Tasks that all have to end well.
#[derive(Debug, Default)]
pub(super) struct Crew(JoinSet<Result<(), HarnessError>>);

impl Crew {
    pub(super) fn add(&mut self, client: impl Future<Output = Result<(), HarnessError>> + Send + 'static) {
        self.0.spawn(client);
    }

    /// Waits for all of them; the first error ends the others.
    pub(super) async fn join(mut self) -> Result<(), HarnessError> {
        while let Some(ended) = self.0.join_next().await {
            ended.map_err(|error| HarnessError::Broken(format!("a client of a workload stopped: {error}")))??;
        }
        Ok(())
    }
}
