//! Commands about domains and actors.

use crate::actors::Finals;
use crate::mvcc::{DomainChange, DomainSettings, NewDomain};
use crate::state_machine::{ChangeDomain, Command, CreateDomain, DropDomain, RegisterActor, RetireActor};
use crate::types::{ActorId, MemberId, Tier};

/// A domain of this tier with the settings of its tier.
pub fn new(name: &str, tier: Tier) -> NewDomain {
    NewDomain {
        name: name.to_owned(),
        tier,
        volatile: false,
        settings: DomainSettings::of_tier(tier),
    }
}

/// Creates a domain.
pub fn create(domain: NewDomain) -> Command {
    Command::CreateDomain(CreateDomain { stamp: None, domain })
}

/// Changes a domain.
pub fn change(name: &str, change: DomainChange) -> Command {
    Command::ChangeDomain(ChangeDomain {
        stamp: None,
        name: name.to_owned(),
        change,
    })
}

/// Drops a domain.
pub fn drop(name: &str) -> Command {
    Command::DropDomain(DropDomain {
        stamp: None,
        name: name.to_owned(),
    })
}

/// Registers an actor.
pub fn register_actor(member: MemberId, actor: u64) -> Command {
    Command::RegisterActor(RegisterActor {
        member,
        actor: ActorId(actor),
    })
}

/// Retires an actor.
pub fn retire_actor(actor: u64, finals: &[(u16, u64)]) -> Command {
    Command::RetireActor(RetireActor {
        actor: ActorId(actor),
        finals: Finals(finals.to_vec()),
    })
}
