//! Lets the news of a commit travel with the next entries, where entries are about to follow.
//!
//! A follower learns what was committed from the request after it. openraft has one sent for that alone whenever there are
//! no entries to send, which is the case after every group: the next one is made when the one before was applied. Under
//! load that is a moment later, and the request without entries, its answer, and what each of them wakes at both ends cost
//! nearly as much as the group's own. So while commands wait to become a group, the news waits for it.
//!
//! A request that is left out needs no answer: an answer acknowledges everything up to where it matches.

use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use openraft::raft::AppendEntriesRequest;

use crate::consensus::{Backlog, TypeConfig};

/// The news waits no longer, whatever became of the group: followers answer reads, and tell those who watch.
const HELD_MAX: Duration = Duration::from_millis(3);

type Append = AppendEntriesRequest<TypeConfig>;

/// The same requests, without those that say nothing that the next one does not say as well.
pub(super) fn with_next_entries<S>(requests: S, backlog: Backlog) -> impl Stream<Item = Append>
where
    S: Stream<Item = Append> + Unpin,
{
    stream::unfold((requests.fuse(), backlog), |(mut requests, backlog)| async move {
        let mut request = requests.next().await?;
        if request.entries.is_empty() && !backlog.is_empty() {
            let held_long_enough = tokio::time::sleep(HELD_MAX);
            tokio::pin!(held_long_enough);
            while request.entries.is_empty() {
                tokio::select! {
                    biased;
                    next = requests.next() => match next {
                        Some(next) => request = next,
                        None => break,
                    },
                    () = &mut held_long_enough => break,
                }
            }
        }
        Some((request, (requests, backlog)))
    })
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::UnboundedReceiverStream;

    use super::*;
    use crate::consensus::{Entry, Vote, log_id_of};
    use crate::environment::{Clock, SystemClock};

    fn request(committed: u64, entries: &[u64]) -> Append {
        Append {
            vote: Vote::new_committed(1, 1),
            prev_log_id: None,
            entries: entries
                .iter()
                .map(|index| Entry {
                    log_id: log_id_of((1, *index)),
                    payload: EntryPayload::Blank,
                })
                .collect(),
            leader_commit: Some(log_id_of((1, committed))),
        }
    }

    /// What goes out, by the commit that it tells and the number of its entries.
    async fn sent(requests: Vec<Append>, backlog: &Backlog) -> Vec<(u64, usize)> {
        with_next_entries(stream::iter(requests), backlog.clone())
            .map(|request| (request.leader_commit.unwrap().index, request.entries.len()))
            .collect()
            .await
    }

    #[tokio::test]
    async fn while_nothing_waits_every_request_goes_out() {
        let all = vec![request(0, &[1]), request(1, &[]), request(1, &[2]), request(2, &[])];
        let out = sent(all, &Backlog::default()).await;
        assert_eq!(out, [(0, 1), (1, 0), (1, 1), (2, 0)]);
    }

    #[tokio::test]
    async fn while_commands_wait_a_commit_goes_out_with_the_next_entries() {
        let backlog = Backlog::default();
        backlog.add();
        let all = vec![
            request(0, &[1]),
            request(1, &[]),
            request(2, &[]),
            request(2, &[3]),
            request(3, &[]),
        ];
        let out = sent(all, &backlog).await;
        assert_eq!(out, [(0, 1), (2, 1), (3, 0)], "the last one has nothing to wait for");
    }

    #[tokio::test]
    async fn a_commit_is_held_for_entries_and_goes_out_without_them() {
        let backlog = Backlog::default();
        backlog.add();
        let (queue, requests) = mpsc::unbounded_channel();
        queue.send(request(1, &[])).unwrap();
        let mut out = Box::pin(with_next_entries(UnboundedReceiverStream::new(requests), backlog));
        let began = SystemClock.monotonic();
        let first = tokio::time::timeout(Duration::from_secs(30), out.next()).await;
        let first = first.expect("it is not held for ever").unwrap();
        assert_eq!(first.leader_commit, Some(log_id_of((1, 1))));
        assert!(SystemClock.monotonic() - began >= HELD_MAX);
        queue.send(request(2, &[3])).unwrap();
        assert_eq!(out.next().await.unwrap().entries.len(), 1);
    }
}
