//! A scan that is pulled instead of pushed, so that two of them can be merged.

use std::collections::VecDeque;
use std::ops::{Bound, ControlFlow};

use crate::storage::{StorageError, Table, View};

const PAGE_ROWS: usize = 256;
const PAGE_BYTES: usize = 1 << 20;

/// Reads a table in ascending order, a bounded page at a time.
pub struct Pager<'v> {
    view: &'v dyn View,
    table: Table,
    from: Bound<Vec<u8>>,
    to: Option<Vec<u8>>,
    page: VecDeque<(Vec<u8>, Vec<u8>)>,
    exhausted: bool,
}

impl<'v> Pager<'v> {
    /// Reads from `from`; `to` is out, none is no bound.
    pub fn new(view: &'v dyn View, table: Table, from: Bound<Vec<u8>>, to: Option<Vec<u8>>) -> Self {
        Self {
            view,
            table,
            from,
            to,
            page: VecDeque::new(),
            exhausted: false,
        }
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<(Vec<u8>, Vec<u8>)>, StorageError> {
        if self.page.is_empty() && !self.exhausted {
            self.fill()?;
        }
        Ok(self.page.pop_front())
    }

    /// Goes on at `from`, which lies ahead.
    pub fn seek(&mut self, from: Bound<Vec<u8>>) {
        self.page.clear();
        self.exhausted = false;
        self.from = from;
    }

    fn fill(&mut self) -> Result<(), StorageError> {
        let mut bytes = 0;
        let mut full = false;
        let page = &mut self.page;
        let from = match &self.from {
            Bound::Included(from) => Bound::Included(from.as_slice()),
            Bound::Excluded(from) => Bound::Excluded(from.as_slice()),
            Bound::Unbounded => Bound::Unbounded,
        };
        let to = self
            .to
            .as_ref()
            .map_or(Bound::Unbounded, |to| Bound::Excluded(to.as_slice()));
        self.view.scan(self.table, from, to, false, &mut |key, value| {
            page.push_back((key.to_vec(), value.to_vec()));
            bytes += key.len() + value.len();
            full = page.len() >= PAGE_ROWS || bytes >= PAGE_BYTES;
            if full {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        self.exhausted = !full;
        if let Some((last, _)) = self.page.back() {
            self.from = Bound::Excluded(last.clone());
        }
        Ok(())
    }
}
