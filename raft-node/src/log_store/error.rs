//! What can go wrong with the log. Each of these stops the node.

use std::io;
use std::sync::Arc;

use crate::codec::CodecError;

/// Why the log store failed. The first one is final.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The medium refused an operation.
    #[error("log: cannot {operation} {file}: {source}")]
    Io {
        /// A verb: "sync", "write".
        operation: &'static str,
        /// Name of the file within the log's directory.
        file: String,
        /// What the medium said.
        source: Arc<io::Error>,
    },
    /// The disk is full.
    #[error("log: no space to {operation} {file} ({bytes} bytes): free some and restart the node")]
    NoSpace {
        /// A verb: "create", "write".
        operation: &'static str,
        /// Name of the file within the log's directory.
        file: String,
        /// How many bytes were asked for.
        bytes: u64,
    },
    /// Something that was once written whole is not what was written.
    #[error(
        "log: {file} is damaged at offset {offset}: {reason}. What this node acknowledged may be lost, so the log is \
         left as it is: remove the node from the cluster and let it rejoin as a learner under a new id"
    )]
    Corrupt {
        /// Name of the file within the log's directory.
        file: String,
        /// Where the damage begins, in bytes.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A whole record that this build does not understand, or one that cannot be encoded.
    #[error("log: {file}, offset {offset}: {source}")]
    Record {
        /// Name of the file within the log's directory.
        file: String,
        /// Where the record begins, in bytes.
        offset: u64,
        /// Why not.
        source: Arc<CodecError>,
    },
    /// An operation that would leave a hole in the log.
    #[error("log: entry {found} cannot follow; entry {expected} is next")]
    NotConsecutive {
        /// Index that was given.
        found: u64,
        /// Index that would do.
        expected: u64,
    },
    /// An option is outside its limits.
    #[error("log: option {option} is {value}; it must be between {min} and {max}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Its value.
        value: u64,
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// The store was shut down.
    #[error("log: the store is closed")]
    Closed,
}

impl LogError {
    /// Wraps what the medium said; a full disk gets its own error.
    pub(super) fn io(operation: &'static str, file: &str, bytes: u64, source: io::Error) -> Self {
        let file = file.to_owned();
        if source.kind() == io::ErrorKind::StorageFull {
            return LogError::NoSpace { operation, file, bytes };
        }
        LogError::Io {
            operation,
            file,
            source: Arc::new(source),
        }
    }

    pub(super) fn record(file: &str, offset: u64, source: CodecError) -> Self {
        LogError::Record {
            file: file.to_owned(),
            offset,
            source: Arc::new(source),
        }
    }

    pub(super) fn corrupt(file: &str, offset: u64, reason: impl Into<String>) -> Self {
        LogError::Corrupt {
            file: file.to_owned(),
            offset,
            reason: reason.into(),
        }
    }
}

impl From<LogError> for io::Error {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::Io { source, .. } => source.kind(),
            LogError::NoSpace { .. } => io::ErrorKind::StorageFull,
            LogError::Corrupt { .. } | LogError::Record { .. } => io::ErrorKind::InvalidData,
            LogError::NotConsecutive { .. } | LogError::Option { .. } => io::ErrorKind::InvalidInput,
            LogError::Closed => io::ErrorKind::BrokenPipe,
        };
        io::Error::new(kind, error)
    }
}
