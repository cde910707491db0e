//! Why a watch is refused, or cannot go on.

use quorate_proto::v1::{Error, ErrorCode, Outcome};

use crate::storage::StorageError;
use crate::types::Revision;

/// Whatever it is, the client can resume elsewhere or later from the revision after the last one that it got.
#[derive(Debug, thiserror::Error)]
pub enum Ending {
    /// The member serves as many as it may.
    #[error("{watches} watches are open at this member; the limit is {watches_max} (limits.watches_max)")]
    TooMany {
        /// How many there are.
        watches: u64,
        /// How many there may be.
        watches_max: u64,
    },
    /// The member remembers no more of what is watched.
    #[error("the selectors of all watches at this member would have {bytes} bytes; the limit is {bytes_max}")]
    TooLarge {
        /// How many it would be.
        bytes: u64,
        /// How many it may be.
        bytes_max: u64,
    },
    /// The id is taken.
    #[error("watch {0} of this stream has not ended: choose another id")]
    IdInUse(u64),
    /// The client asks faster than it can be answered.
    #[error("{probes_max} probes of this stream wait, which is the limit")]
    TooManyProbes {
        /// How many may wait.
        probes_max: u64,
    },
    /// The events are gone.
    #[error("revision {asked} was compacted: the oldest that a watch can start from is {oldest}")]
    Compacted {
        /// What comes next for the watch.
        asked: Revision,
        /// The oldest revision that there is.
        oldest: Revision,
    },
    /// The client does not read.
    #[error(
        "nothing of the stream was read for {stall_ms} ms while events of the watch waited (limits.watch_stall_ms_max): \
         resume from revision {resume}"
    )]
    Lagged {
        /// The first revision that did not get through.
        resume: Revision,
        /// How long the client may let events wait.
        stall_ms: u64,
    },
    /// A cache, which never reads up on history, missed events.
    #[error(
        "events of the cache are no longer at hand: its client reads too slowly, or this member had to catch up itself. Ask \
         for another watch and name the keys again"
    )]
    CacheLagged {
        /// The first revision that did not get through.
        resume: Revision,
    },
    /// A cache has keys of a domain that was dropped: another of its name may be there.
    #[error("a domain of which the cache has keys was dropped: ask for another watch and name the keys again")]
    CacheDomainGone,
    /// A coherent cache has keys of a domain whose writes do not wait for it any more.
    #[error(
        "a domain of which the coherent cache has keys is coherent no more: make the domain coherent, or the cache not"
    )]
    CacheDomainIncoherent,
    /// The member is in trouble.
    #[error("{0}")]
    Storage(StorageError),
}

impl Ending {
    /// As the wire has it.
    pub fn error(&self) -> Error {
        let (code, limit, value, boundary) = match self {
            Ending::TooMany { watches, watches_max } => (ErrorCode::LimitReached, *watches_max, *watches + 1, 0),
            Ending::TooLarge { bytes, bytes_max } => (ErrorCode::LimitReached, *bytes_max, *bytes, 0),
            Ending::IdInUse(id) => (ErrorCode::InvalidArgument, 0, *id, 0),
            Ending::TooManyProbes { probes_max } => (ErrorCode::Overloaded, *probes_max, *probes_max + 1, 0),
            Ending::Compacted { asked, oldest } => (ErrorCode::Compacted, 0, asked.0, oldest.0),
            Ending::Lagged { resume, .. } | Ending::CacheLagged { resume } => (ErrorCode::Lagged, 0, 0, resume.0),
            Ending::CacheDomainIncoherent => (ErrorCode::InvalidArgument, 0, 0, 0),
            Ending::CacheDomainGone => (ErrorCode::UnknownDomain, 0, 0, 0),
            Ending::Storage(_) => (ErrorCode::Stopped, 0, 0, 0),
        };
        let field = match self {
            Ending::IdInUse(_) => "watch_id",
            Ending::Compacted { .. } => "from_revision",
            _ => "",
        };
        Error {
            code: code.into(),
            message: self.to_string(),
            field: field.to_owned(),
            limit,
            value,
            boundary,
            outcome: Outcome::NotApplied.into(),
            ..Error::default()
        }
    }
}
