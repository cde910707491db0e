//! Tells the cluster which process each member runs, and which processes are gone for good. Only the leader proposes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::background::Background;
use crate::actors::ActorTable;
use crate::eventual::{AskPeers, Retirement, Survey};
use crate::failpoints;
use crate::state_machine::{Command, RegisterActor, RetireActor};
use crate::types::{ActorId, MemberId};

/// A proposal that takes longer is not waited for: what it wants is looked at again.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between two surveys of what members have.
const SURVEY_INTERVAL: Duration = Duration::from_secs(10);

/// Registers the processes that members have just said they run, where the table has others.
pub(super) async fn register(background: &Background, mut said: BTreeMap<MemberId, ActorId>) {
    if !background.raft.is_leader() {
        return;
    }
    said.insert(background.roster.me().member, ActorId(background.tier.store.id().0));
    let table = background.store.actors().load();
    let members = background.roster.members();
    for (member, actor) in to_register(&table, said) {
        if members.contains_key(&member) {
            tracing::info!(member, actor = %format_args!("{:016x}", actor.0), "a member runs another process: it is registered");
            propose(background, Command::RegisterActor(RegisterActor { member, actor })).await;
        }
    }
}

/// 0 is said by a member of a build that does not know of processes.
fn to_register(table: &ActorTable, said: BTreeMap<MemberId, ActorId>) -> Vec<(MemberId, ActorId)> {
    said.into_iter()
        .filter(|(member, actor)| actor.0 != 0 && table.live(*member) != Some(*actor))
        .collect()
}

/// Retires processes that are over, until the member ends.
pub(super) async fn retire(background: Background) {
    let mut retirement = Retirement::default();
    loop {
        tokio::time::sleep(SURVEY_INTERVAL).await;
        let table = background.store.actors().load();
        let members = background.roster.members();
        let over = over(&table, |member| members.contains_key(&member));
        if over.is_empty() || !background.raft.is_leader() {
            retirement.interrupted();
            continue;
        }
        let Some(survey) = survey(&background).await else {
            retirement.interrupted();
            continue;
        };
        for (actor, finals) in retirement.surveyed(&survey, over.into_iter()) {
            tracing::info!(actor = %format_args!("{:016x}", actor.0), "a process is retired: every member has what it wrote");
            propose(&background, Command::RetireActor(RetireActor { actor, finals })).await;
        }
    }
}

/// Processes that their members do not run any more, and those of members that were removed.
fn over(table: &ActorTable, is_member: impl Fn(MemberId) -> bool) -> Vec<ActorId> {
    let removed = table.all_live().filter(|(member, _)| !is_member(*member));
    let over = table.over().map(|(actor, _)| actor);
    over.chain(removed.map(|(_, actor)| actor)).collect()
}

/// None unless every member answers.
async fn survey(background: &Background) -> Option<Survey> {
    if failpoints::pass("eventual-retire").await {
        return None;
    }
    let ask = AskPeers::new(std::sync::Arc::clone(&background.roster), background.network.clone());
    let me = background.roster.me().member;
    let members = background.roster.members();
    let mut answers = vec![Survey::own_answer(&background.tier)];
    for (id, member) in members.iter().filter(|(id, _)| **id != me) {
        answers.push(ask.clocks(*id, member).await.ok()?);
    }
    Survey::of(answers)
}

/// What is refused, or lost with its leader, is looked at again.
async fn propose(background: &Background, command: Command) {
    let proposed = tokio::time::timeout(PROPOSE_TIMEOUT, background.proposer.propose(command)).await;
    if let Ok(Err(error)) = proposed {
        tracing::debug!(%error, "a proposal about a process failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::Actors;
    use crate::storage::MemoryEngine;

    fn table(registered: &[(MemberId, u64)]) -> ActorTable {
        let mut actors = Actors::load(&MemoryEngine::new()).unwrap();
        for (member, actor) in registered {
            actors.register(*member, ActorId(*actor)).unwrap();
        }
        ActorTable::of(&actors, &ActorTable::default())
    }

    #[test]
    fn only_what_differs_from_the_table_is_registered() {
        let table = table(&[(1, 10), (2, 20)]);
        let said = [(1, 10), (2, 21), (3, 30), (4, 0)].map(|(member, actor)| (member, ActorId(actor)));
        let wanted = to_register(&table, said.into_iter().collect());
        assert_eq!(wanted, [(2, ActorId(21)), (3, ActorId(30))]);
    }

    #[test]
    fn processes_before_the_present_ones_and_those_of_removed_members_are_over() {
        let table = table(&[(1, 10), (1, 11), (2, 20), (3, 30)]);
        let over = over(&table, |member| member != 3);
        assert_eq!(over, [ActorId(10), ActorId(30)]);
    }
}
