//! Between openraft's types and the messages of `raft.proto`.

use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderRequest};
use openraft::raft::{VoteRequest, VoteResponse};
use openraft::vote::{RaftLeaderId, RaftVote, leader_id_std};
use quorate_proto::internal as proto;

use crate::codec::CodecError;
use crate::consensus::{Entry, LogId, TypeConfig, Vote};
use crate::log_store::{decode_entry_payload, encode_entry_payload};

/// Why a peer's message is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the message lacks {0}")]
    Missing(&'static str),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

pub(super) fn log_id(id: &LogId) -> proto::LogId {
    proto::LogId {
        term: **id.committed_leader_id(),
        index: id.index,
    }
}

pub(super) fn log_id_back(id: proto::LogId) -> LogId {
    LogId::new(leader_id_std::CommittedLeaderId::new(id.term), id.index)
}

pub(super) fn vote(vote: &Vote) -> proto::Vote {
    proto::Vote {
        term: vote.leader_id().term(),
        node: *vote.leader_id().node_id(),
        committed: vote.is_committed(),
    }
}

pub(super) fn vote_back(vote: Option<proto::Vote>) -> Result<Vote, WireError> {
    let vote = vote.ok_or(WireError::Missing("its vote"))?;
    Ok(Vote::from_leader_id(
        leader_id_std::LeaderId::new(vote.term, vote.node),
        vote.committed,
    ))
}

pub(super) fn append(request: AppendEntriesRequest<TypeConfig>) -> Result<proto::AppendRequest, CodecError> {
    let entries = request.entries.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(proto::AppendRequest {
        vote: Some(vote(&request.vote)),
        previous: request.prev_log_id.as_ref().map(log_id),
        leader_commit: request.leader_commit.as_ref().map(log_id),
        entries,
    })
}

pub(super) fn append_back(request: proto::AppendRequest) -> Result<AppendEntriesRequest<TypeConfig>, WireError> {
    Ok(AppendEntriesRequest {
        vote: vote_back(request.vote)?,
        prev_log_id: request.previous.map(log_id_back),
        leader_commit: request.leader_commit.map(log_id_back),
        entries: request.entries.into_iter().map(entry_back).collect::<Result<_, _>>()?,
    })
}

fn entry(entry: &Entry) -> Result<proto::Entry, CodecError> {
    Ok(proto::Entry {
        log_id: Some(log_id(&entry.log_id)),
        payload: encode_entry_payload(&entry.payload)?,
    })
}

fn entry_back(entry: proto::Entry) -> Result<Entry, WireError> {
    let log_id = entry.log_id.ok_or(WireError::Missing("an entry's log id"))?;
    Ok(Entry {
        log_id: log_id_back(log_id),
        payload: decode_entry_payload(entry.payload)?,
    })
}

pub(super) fn appended(result: StreamAppendResult<TypeConfig>) -> proto::AppendResponse {
    use proto::append_response::Result as Answer;
    let answer = match result {
        Ok(matched) => Answer::Matched(proto::Matched {
            log_id: matched.as_ref().map(log_id),
        }),
        Err(StreamAppendError::Conflict(at)) => Answer::Conflict(log_id(&at)),
        Err(StreamAppendError::HigherVote(higher)) => Answer::HigherVote(vote(&higher)),
    };
    proto::AppendResponse { result: Some(answer) }
}

pub(super) fn appended_back(response: proto::AppendResponse) -> Result<StreamAppendResult<TypeConfig>, WireError> {
    use proto::append_response::Result as Answer;
    Ok(match response.result.ok_or(WireError::Missing("its result"))? {
        Answer::Matched(matched) => Ok(matched.log_id.map(log_id_back)),
        Answer::Conflict(at) => Err(StreamAppendError::Conflict(log_id_back(at))),
        Answer::HigherVote(higher) => Err(StreamAppendError::HigherVote(vote_back(Some(higher))?)),
    })
}

pub(super) fn vote_request(request: &VoteRequest<TypeConfig>) -> proto::VoteRequest {
    proto::VoteRequest {
        vote: Some(vote(&request.vote)),
        last_log_id: request.last_log_id.as_ref().map(log_id),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(super) fn vote_request_back(request: proto::VoteRequest) -> Result<VoteRequest<TypeConfig>, WireError> {
    let mut back = VoteRequest::new(vote_back(request.vote)?, request.last_log_id.map(log_id_back));
    back.leadership_transfer = request.leadership_transfer;
    Ok(back)
}

pub(super) fn vote_response(response: &VoteResponse<TypeConfig>) -> proto::VoteResponse {
    proto::VoteResponse {
        vote: Some(vote(&response.vote)),
        granted: response.vote_granted,
        last_log_id: response.last_log_id.as_ref().map(log_id),
    }
}

pub(super) fn vote_response_back(response: proto::VoteResponse) -> Result<VoteResponse<TypeConfig>, WireError> {
    Ok(VoteResponse::new(
        vote_back(response.vote)?,
        response.last_log_id.map(log_id_back),
        response.granted,
    ))
}

pub(super) fn transfer(request: &TransferLeaderRequest<TypeConfig>) -> proto::TransferLeaderRequest {
    proto::TransferLeaderRequest {
        from_leader: Some(vote(request.from_leader())),
        to: *request.to_node_id(),
        last_log_id: request.last_log_id().map(log_id),
    }
}

pub(super) fn transfer_back(
    request: proto::TransferLeaderRequest,
) -> Result<TransferLeaderRequest<TypeConfig>, WireError> {
    Ok(TransferLeaderRequest::new(
        vote_back(request.from_leader)?,
        request.to,
        request.last_log_id.map(log_id_back),
    ))
}
