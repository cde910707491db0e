//! Reads of one moment.

use super::head::Head;
use crate::codec;
use crate::mvcc::{self, DomainTable, Range, RangeReply, Record, corrupt};
use crate::storage::{StorageError, View};
use crate::types::{DomainId, LogTimeMs, Rejection, Revision};

/// From which point of the log an answer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadHeader {
    /// The newest revision.
    pub revision: Revision,
    /// The oldest revision that can be read.
    pub compacted: Revision,
    /// Index of the last entry that was applied.
    pub applied_index: u64,
    /// Log time.
    pub log_time: LogTimeMs,
}

/// Reads one view, so that answers and header agree.
pub struct Reader<'v> {
    view: &'v dyn View,
    /// Saves reading the rows of the domains.
    domains: Option<&'v DomainTable>,
}

impl<'v> Reader<'v> {
    /// Reads this moment.
    pub fn new(view: &'v dyn View) -> Self {
        Self { view, domains: None }
    }

    /// Reads this moment, and finds domains in a table that is as new.
    pub fn with_domains(view: &'v dyn View, domains: &'v DomainTable) -> Self {
        Self {
            view,
            domains: Some(domains),
        }
    }

    /// From which point of the log the answers speak.
    pub fn header(&self) -> Result<ReadHeader, StorageError> {
        let Some(head) = Head::load(self.view)? else {
            return Err(corrupt("reading the head", &"the store has none"));
        };
        Ok(ReadHeader {
            revision: head.revision,
            compacted: head.compacted,
            applied_index: head.applied_index(),
            log_time: head.log_time,
        })
    }

    /// The record of a key, as it is or as it was at a revision.
    pub fn get(
        &self,
        domain: &str,
        key: &[u8],
        revision: Option<Revision>,
    ) -> Result<Result<Option<Record>, Rejection>, StorageError> {
        let domain = match self.domain(domain)? {
            Ok(domain) => domain,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let at = match self.moment(revision)? {
            Ok(at) => at,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let Some(stored) = mvcc::record_at(self.view, domain, key, at)? else {
            return Ok(Ok(None));
        };
        match codec::decode(&stored) {
            Ok(record) => Ok(Ok(Some(record))),
            Err(error) => Err(corrupt("reading a record", &error)),
        }
    }

    /// The records of a selector, as they are or as they were at a revision.
    pub fn range(&self, range: &Range) -> Result<Result<RangeReply, Rejection>, StorageError> {
        let domain = match self.domain(&range.domain)? {
            Ok(domain) => domain,
            Err(rejection) => return Ok(Err(rejection)),
        };
        match self.moment(range.revision)? {
            Ok(at) => mvcc::range(self.view, domain, range, at).map(Ok),
            Err(rejection) => Ok(Err(rejection)),
        }
    }

    fn domain(&self, name: &str) -> Result<Result<DomainId, Rejection>, StorageError> {
        match self.domains {
            Some(table) => Ok(table.strong(name).map(|domain| domain.id)),
            None => mvcc::resolve_strong(self.view, name),
        }
    }

    /// The revision to read at; none where that is the newest.
    fn moment(&self, revision: Option<Revision>) -> Result<Result<Option<Revision>, Rejection>, StorageError> {
        let Some(asked) = revision else { return Ok(Ok(None)) };
        let header = self.header()?;
        let readable = mvcc::readable(asked, header.compacted, header.revision);
        Ok(readable.map(|at| (at != header.revision).then_some(at)))
    }
}
