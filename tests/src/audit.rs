//! Reads back what the store says happened: the one change of every revision.
//!
//! The state is read at each revision in turn. Between two neighbours exactly one key may differ, by a record that
//! carries the later revision or by its absence; anything else breaks the promise that revisions are dense, and that
//! history does not change afterwards. Must keep up with compaction: call it once a round, not once a run.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use quorate::{Client, Keys};

use crate::HarnessError;
use crate::model::Versioned;

/// Reads in flight.
const CONCURRENT_READS: usize = 32;

/// Keys under the prefix; a workload uses a handful.
const KEYS_MAX: u64 = 1_000;

/// What one revision did to the keys under the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This key was written.
    Put {
        /// The key.
        key: Bytes,
        /// As it was afterwards.
        record: Versioned,
    },
    /// This key was deleted.
    Delete {
        /// The key.
        key: Bytes,
    },
    /// None of the keys was touched.
    Nothing,
    /// None of the keys was touched, and that is right: it was somebody else's revision.
    Elsewhere,
}

type State = BTreeMap<Bytes, Versioned>;

/// The changes of every revision after the one at which it began.
#[derive(Debug)]
pub struct Audit {
    prefix: Bytes,
    base: u64,
    state: State,
    changes: BTreeMap<u64, Change>,
    /// Others write other keys.
    among_others: bool,
}

impl Audit {
    /// Begins at the current revision, where no key with this prefix may exist.
    pub async fn begin(client: &Client, prefix: &str) -> Result<Audit, HarnessError> {
        let page = client
            .range(Keys::prefix(prefix))
            .await
            .map_err(HarnessError::call("read the empty prefix"))?;
        if page.count != 0 {
            return Err(HarnessError::Broken(format!(
                "{} keys begin with {prefix:?} already",
                page.count
            )));
        }
        Ok(Audit {
            prefix: Bytes::copy_from_slice(prefix.as_bytes()),
            base: page.revision,
            state: State::new(),
            changes: BTreeMap::new(),
            among_others: false,
        })
    }

    /// From here on a revision that touched none of the keys is somebody else's, and not one that should not be.
    pub fn among_others(mut self) -> Audit {
        self.among_others = true;
        self
    }

    /// The revision at which it began.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The last revision whose change is known.
    pub fn last(&self) -> u64 {
        self.changes
            .last_key_value()
            .map_or(self.base, |(revision, _)| *revision)
    }

    /// The changes, by revision.
    pub fn changes(&self) -> &BTreeMap<u64, Change> {
        &self.changes
    }

    /// Reads on, up to the current revision, which it returns.
    pub async fn advance(&mut self, client: &Client) -> Result<u64, HarnessError> {
        let now = client.range(Keys::prefix(&self.prefix)).await;
        let now = now.map_err(HarnessError::call("read the current revision"))?.revision;
        let prefix = self.prefix.clone();
        let mut states = futures::stream::iter(self.last() + 1..=now)
            .map(|revision| state_at(client, &prefix, revision))
            .buffered(CONCURRENT_READS);
        let mut known = Vec::new();
        let mut state = self.state.clone();
        while let Some((revision, next)) = states.try_next().await? {
            let change = match change_between(&state, &next, revision)? {
                Change::Nothing if self.among_others => Change::Elsewhere,
                change => change,
            };
            known.push((revision, change));
            state = next;
        }
        drop(states);
        self.changes.extend(known);
        self.state = state;
        Ok(now)
    }
}

async fn state_at(client: &Client, prefix: &Bytes, revision: u64) -> Result<(u64, State), HarnessError> {
    let page = client
        .range(Keys::prefix(prefix))
        .limit(KEYS_MAX)
        .at_revision(revision)
        .await;
    let page = page.map_err(HarnessError::call(format!("read the state at revision {revision}")))?;
    if page.more {
        return Err(HarnessError::Broken(format!(
            "more than {KEYS_MAX} keys at revision {revision}"
        )));
    }
    let records = page.records.into_iter().map(|record| {
        let versioned = Versioned {
            value: record.value,
            mod_revision: record.mod_revision,
            version: record.version,
        };
        (record.key, versioned)
    });
    Ok((revision, records.collect()))
}

/// The one difference between the states at `revision - 1` and at `revision`.
fn change_between(before: &State, after: &State, revision: u64) -> Result<Change, HarnessError> {
    let mut changes = Vec::new();
    for (key, record) in after {
        if before.get(key) != Some(record) {
            changes.push(Change::Put {
                key: key.clone(),
                record: record.clone(),
            });
        }
    }
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    changes.extend(gone.map(|key| Change::Delete { key: key.clone() }));
    match changes.as_slice() {
        [] => Ok(Change::Nothing),
        [Change::Put { record, .. }] if record.mod_revision != revision => Err(HarnessError::Broken(format!(
            "revision {revision} shows a new record that claims revision {}: history changed afterwards",
            record.mod_revision
        ))),
        [change] => Ok(change.clone()),
        several => Err(HarnessError::Broken(format!(
            "revision {revision} made more than one change: {several:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(records: &[(&'static str, &'static str, u64, u64)]) -> State {
        let records = records.iter().map(|(key, value, mod_revision, version)| {
            let record = Versioned {
                value: Bytes::from_static(value.as_bytes()),
                mod_revision: *mod_revision,
                version: *version,
            };
            (Bytes::from_static(key.as_bytes()), record)
        });
        records.collect()
    }

    #[test]
    fn one_write_and_one_delete_are_told_apart() {
        let before = state(&[("a", "1", 2, 1)]);
        let written = change_between(&before, &state(&[("a", "2", 3, 2)]), 3).unwrap();
        assert!(matches!(written, Change::Put { record, .. } if record.version == 2));
        assert!(matches!(
            change_between(&before, &state(&[]), 3).unwrap(),
            Change::Delete { .. }
        ));
        assert_eq!(change_between(&before, &before, 3).unwrap(), Change::Nothing);
    }

    #[test]
    fn two_changes_in_one_revision_are_refused() {
        let after = state(&[("a", "1", 3, 1), ("b", "2", 3, 1)]);
        let error = change_between(&state(&[]), &after, 3).unwrap_err().to_string();
        assert!(error.contains("more than one change"), "{error}");
    }

    #[test]
    fn a_record_with_another_revision_is_refused() {
        let error = change_between(&state(&[]), &state(&[("a", "1", 2, 1)]), 3)
            .unwrap_err()
            .to_string();
        assert!(error.contains("history changed afterwards"), "{error}");
    }
}
