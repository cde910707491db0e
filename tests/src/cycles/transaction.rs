//! One transaction over lists.

use std::time::Duration;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was acknowledged.
    Committed,
    /// It certainly had no effect.
    Aborted,
    /// It may have had its effect, or may yet.
    Unknown,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Adds to the end of a list.
    Append {
        /// Which list.
        key: String,
        /// Unique among all that is appended to the list.
        element: u64,
    },
    /// Reads a list.
    Read {
        /// Which list.
        key: String,
        /// All of it, empty for one that does not exist; nothing where no answer came.
        list: Option<Vec<u64>>,
    },
}

/// Its steps happen at once, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Whose; its calls do not overlap.
    pub client: u64,
    /// Just before the call.
    pub invoked: Duration,
    /// Just after the answer.
    pub returned: Duration,
    /// What became of it.
    pub outcome: Outcome,
    /// What it did.
    pub steps: Vec<Step>,
}

impl Transaction {
    /// What it appended.
    pub fn appends(&self) -> impl Iterator<Item = (&str, u64)> {
        self.steps.iter().filter_map(|step| match step {
            Step::Append { key, element } => Some((key.as_str(), *element)),
            Step::Read { .. } => None,
        })
    }

    /// The lists that it was shown: those of a transaction that was not acknowledged mean nothing.
    pub fn reads(&self) -> impl Iterator<Item = (&str, &[u64])> {
        let is_committed = self.outcome == Outcome::Committed;
        self.steps.iter().filter_map(move |step| match step {
            Step::Read { key, list: Some(list) } if is_committed => Some((key.as_str(), list.as_slice())),
            _ => None,
        })
    }

    /// Each list as it was before the transaction, as far as it read it: what it read first, without what it had appended
    /// itself, and whether it had.
    pub(super) fn found(&self) -> Vec<Found<'_>> {
        let mut found: Vec<Found<'_>> = Vec::new();
        for (key, list) in self.reads() {
            if found.iter().any(|known| known.key == key) {
                continue;
            }
            let own = self.appended_before_reading(key);
            found.push(Found {
                key,
                list: list.strip_suffix(own.as_slice()).unwrap_or(list),
                appended: !own.is_empty(),
            });
        }
        found
    }

    fn appended_before_reading(&self, of: &str) -> Vec<u64> {
        let mut own = Vec::new();
        for step in &self.steps {
            match step {
                Step::Append { key, element } if key == of => own.push(*element),
                Step::Read { key, list: Some(_) } if key == of => break,
                _ => {}
            }
        }
        own
    }
}

/// A list as a transaction found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub key: &'a str,
    pub list: &'a [u64],
    /// It had appended to the list before it read it.
    pub appended: bool,
}
