//! What a member has seen of the others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use crate::metrics::Count;
use crate::types::MemberId;

/// Written by the tasks that look, read by whoever asks how the member is.
#[derive(Debug, Default)]
pub struct Outlook {
    reached: ArcSwap<BTreeMap<MemberId, bool>>,
    differs: AtomicBool,
    /// Times that another leader became known.
    pub leader_changes: Count,
}

impl Outlook {
    /// The other members, and whether each answered when it was last asked.
    pub fn reached(&self) -> BTreeMap<MemberId, bool> {
        (**self.reached.load()).clone()
    }

    /// See [`Outlook::reached`].
    pub fn set_reached(&self, reached: BTreeMap<MemberId, bool>) {
        self.reached.store(std::sync::Arc::new(reached));
    }

    /// The state of another member differs from this one's.
    pub fn differs(&self) -> bool {
        self.differs.load(Ordering::Relaxed)
    }

    /// See [`Outlook::differs`].
    pub fn set_differs(&self, differs: bool) {
        self.differs.store(differs, Ordering::Relaxed);
    }
}
