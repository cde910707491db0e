//! Waiting for a condition, with a deadline that names it.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use crate::HarnessError;

/// Between two looks at a condition.
const POLL: Duration = Duration::from_millis(20);

/// Looks until `look` gives a value. What it says when it does not is what the error shows.
pub async fn until<T, E: Display>(
    condition: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, HarnessError> {
    let end = Instant::now() + deadline;
    loop {
        let last_seen = match look().await {
            Ok(value) => return Ok(value),
            Err(last_seen) => last_seen.to_string(),
        };
        if Instant::now() >= end {
            return Err(HarnessError::TimedOut {
                condition: condition.to_owned(),
                after: deadline,
                last_seen,
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_says_what_was_waited_for_and_what_was_seen() {
        let waited = until("three leaders", Duration::ZERO, async || Err::<(), _>("one leader")).await;
        let message = waited.unwrap_err().to_string();
        assert!(
            message.contains("three leaders") && message.contains("one leader"),
            "{message}"
        );
    }
}
