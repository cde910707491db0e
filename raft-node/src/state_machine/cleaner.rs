//! Deletes what compaction has put out of reach, in the background.

use super::fatal::Fatal;
use super::head::Head;
use crate::mvcc;
use crate::storage::{Durability, Engine};

/// The one background writer beside apply. What it deletes nobody can read any more, so it needs no agreement: each
/// member cleans at its own pace, and the running hash takes no notice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cleaner;

impl Cleaner {
    /// Deletes the garbage of at most `revisions_max` revisions, and notes how far it came in the same batch. Returns
    /// of how many revisions it was; 0 when there is none left.
    pub fn step(&self, engine: &dyn Engine, revisions_max: usize) -> Result<usize, Fatal> {
        let view = engine.view();
        let Some(head) = Head::load(&*view)? else { return Ok(0) };
        let (batch, revisions) = mvcc::garbage(&*view, head.compacted, revisions_max)?;
        if !batch.is_empty() {
            engine.write(batch, Durability::Memory)?;
        }
        Ok(revisions)
    }
}
