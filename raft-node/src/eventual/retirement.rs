//! Whether a process whose end is known can be left out of clocks.
//!
//! It can when every member has the same of what it wrote, and nobody runs it. Members are asked one after the other, and
//! something may still be on its way between two of them; so the same answer is wanted twice in a row, with time
//! between. What is agreed on is then proposed through Raft, and each member leaves the process out of a clock when it
//! has exactly what was agreed on.

use std::collections::BTreeMap;

use quorate_eventual::SHARDS;
use quorate_proto::internal as proto;

use super::Tier;
use super::replication::all_clocks;
use crate::actors::Finals;
use crate::types::ActorId;

/// What members have, as each told at about the same moment.
#[derive(Debug)]
pub struct Survey {
    members: Vec<Told>,
}

#[derive(Debug)]
struct Told {
    process: ActorId,
    /// By shard: actor -> number.
    clocks: Vec<BTreeMap<ActorId, u64>>,
}

/// Follows what surveys find.
#[derive(Debug, Default)]
pub struct Retirement {
    /// What the survey before found of each process that all members had the same of.
    agreed: BTreeMap<ActorId, Finals>,
}

impl Survey {
    /// Of the answers of all members. None if one of them is not of all shards.
    pub fn of(answers: Vec<proto::ClocksResponse>) -> Option<Self> {
        let members = answers.into_iter().map(Told::of).collect::<Option<Vec<_>>>()?;
        Some(Survey { members })
    }

    /// What this member has, as it would answer.
    pub fn own_answer(tier: &Tier) -> proto::ClocksResponse {
        proto::ClocksResponse {
            process: tier.store.id().0,
            clocks: all_clocks(tier),
        }
    }

    /// Where the process ended, if all members have the same of it and none of them runs it.
    fn finals(&self, actor: ActorId) -> Option<Finals> {
        if self.members.iter().any(|told| told.process == actor) {
            return None;
        }
        let (first, others) = self.members.split_first()?;
        let mut finals = Vec::new();
        for shard in 0..SHARDS {
            let number = first.number(shard, actor);
            if others.iter().any(|told| told.number(shard, actor) != number) {
                return None;
            }
            if number > 0 {
                finals.push((shard, number));
            }
        }
        Some(Finals(finals))
    }
}

impl Told {
    fn of(answer: proto::ClocksResponse) -> Option<Self> {
        let mut clocks = vec![None; usize::from(SHARDS)];
        for clock in answer.clocks {
            let numbers = clock.actors.into_iter().map(ActorId).zip(clock.numbers);
            *clocks.get_mut(usize::try_from(clock.shard).ok()?)? = Some(numbers.collect());
        }
        Some(Told {
            process: ActorId(answer.process),
            clocks: clocks.into_iter().collect::<Option<Vec<_>>>()?,
        })
    }

    fn number(&self, shard: u16, actor: ActorId) -> u64 {
        self.clocks[usize::from(shard)].get(&actor).copied().unwrap_or(0)
    }
}

impl Retirement {
    /// Which of the processes that are over can be retired, and where each ended: those of which this survey and the one
    /// before it found the same.
    pub fn surveyed(&mut self, survey: &Survey, over: impl Iterator<Item = ActorId>) -> Vec<(ActorId, Finals)> {
        let now: BTreeMap<ActorId, Finals> = over.filter_map(|actor| Some((actor, survey.finals(actor)?))).collect();
        let before = std::mem::replace(&mut self.agreed, now);
        let same = |(actor, finals): &(&ActorId, &Finals)| before.get(actor) == Some(*finals);
        let ready = self.agreed.iter().filter(same);
        ready.map(|(actor, finals)| (*actor, finals.clone())).collect()
    }

    /// The survey failed: what is found next is the first of two again.
    pub fn interrupted(&mut self) {
        self.agreed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer of a member that runs `process` and has so much of the others in two shards.
    fn answer(process: u64, first: &[(u64, u64)], last: &[(u64, u64)]) -> proto::ClocksResponse {
        let clock = |shard: u16| {
            let numbers = match shard {
                0 => first,
                _ if shard == SHARDS - 1 => last,
                _ => &[],
            };
            proto::ShardClock {
                shard: u32::from(shard),
                actors: numbers.iter().map(|(actor, _)| *actor).collect(),
                numbers: numbers.iter().map(|(_, number)| *number).collect(),
            }
        };
        proto::ClocksResponse {
            process,
            clocks: (0..SHARDS).map(clock).collect(),
        }
    }

    fn survey(answers: &[proto::ClocksResponse]) -> Survey {
        Survey::of(answers.to_vec()).unwrap()
    }

    const OVER: ActorId = ActorId(9);

    #[test]
    fn it_is_retired_when_two_surveys_find_that_all_have_the_same() {
        let answers = [answer(1, &[(9, 5)], &[(9, 2), (1, 3)]), answer(2, &[(9, 5)], &[(9, 2)])];
        let mut retirement = Retirement::default();
        let found = retirement.surveyed(&survey(&answers), [OVER].into_iter());
        assert_eq!(found, [], "once is not enough");
        let found = retirement.surveyed(&survey(&answers), [OVER].into_iter());
        assert_eq!(found, [(OVER, Finals(vec![(0, 5), (SHARDS - 1, 2)]))]);
    }

    #[test]
    fn it_is_not_retired_while_one_lacks_something_or_something_came_in_between() {
        let even = survey(&[answer(1, &[(9, 5)], &[]), answer(2, &[(9, 5)], &[])]);
        let uneven = survey(&[answer(1, &[(9, 6)], &[]), answer(2, &[(9, 5)], &[])]);
        let later = survey(&[answer(1, &[(9, 6)], &[]), answer(2, &[(9, 6)], &[])]);
        let mut retirement = Retirement::default();
        for survey in [&even, &uneven, &even, &later] {
            assert_eq!(retirement.surveyed(survey, [OVER].into_iter()), []);
        }
        assert_eq!(retirement.surveyed(&later, [OVER].into_iter()).len(), 1);
        let mut retirement = Retirement::default();
        retirement.surveyed(&even, [OVER].into_iter());
        retirement.interrupted();
        assert_eq!(retirement.surveyed(&even, [OVER].into_iter()), []);
    }

    /// The table may be wrong about it; the member that runs it is not.
    #[test]
    fn one_that_runs_is_never_retired() {
        let even = survey(&[answer(1, &[(9, 5)], &[]), answer(9, &[(9, 5)], &[])]);
        let mut retirement = Retirement::default();
        for _ in 0..3 {
            assert_eq!(retirement.surveyed(&even, [OVER].into_iter()), []);
        }
    }

    #[test]
    fn one_that_wrote_nothing_ends_nowhere() {
        let even = survey(&[answer(1, &[], &[]), answer(2, &[], &[])]);
        let mut retirement = Retirement::default();
        retirement.surveyed(&even, [OVER].into_iter());
        let found = retirement.surveyed(&even, [OVER].into_iter());
        assert_eq!(found, [(OVER, Finals(Vec::new()))]);
    }

    #[test]
    fn an_answer_that_is_not_of_all_shards_says_nothing() {
        let mut short = answer(2, &[], &[]);
        short.clocks.pop();
        assert!(Survey::of(vec![answer(1, &[], &[]), short]).is_none());
    }
}
