use quorate_proto::v1::{self as proto, Error, ErrorCode};

use super::{answer, request};
use crate::grpc::work::Work;
use crate::mvcc::{DefaultLevel, Domain, DomainChange, Evict, EvictPolicy, NewDomain};
use crate::state_machine::Command;
use crate::types::{DomainId, Tier};

fn created(request: proto::DomainCreateRequest) -> Result<NewDomain, Error> {
    match request::create(request)? {
        Work::Mutate {
            command: Command::CreateDomain(create),
            ..
        } => Ok(create.domain),
        _ => panic!("a creation is a command that creates"),
    }
}

fn changed(change: proto::DomainChange) -> Result<DomainChange, Error> {
    let request = proto::DomainChangeRequest {
        name: "orders".to_owned(),
        change: Some(change),
        stamp: None,
    };
    match request::change(request)? {
        Work::Mutate {
            command: Command::ChangeDomain(change),
            ..
        } => Ok(change.change),
        _ => panic!("a change is a command that changes"),
    }
}

fn asked(tier: proto::Tier, settings: proto::DomainSettings) -> proto::DomainCreateRequest {
    proto::DomainCreateRequest {
        name: "orders".to_owned(),
        tier: tier.into(),
        settings: Some(settings),
        ..Default::default()
    }
}

#[test]
fn what_is_not_said_of_a_new_domain_is_as_its_tier_has_it() {
    let strong = created(asked(proto::Tier::Strong, proto::DomainSettings::default())).unwrap();
    assert_eq!(strong.settings.level, Some(DefaultLevel::Strong));
    assert_eq!(strong.settings.strategy, 0);
    let eventual = created(asked(proto::Tier::Eventual, proto::DomainSettings::default())).unwrap();
    assert_eq!((eventual.settings.level, eventual.settings.strategy), (None, 1));
    let mut dropping = proto::DomainSettings::default();
    dropping.set_evict(proto::Evict::Drop);
    let dropping = created(asked(proto::Tier::Eventual, dropping)).unwrap();
    assert_eq!(dropping.settings.policy, EvictPolicy::Lru);
}

#[test]
fn what_a_change_does_not_say_stays() {
    assert_eq!(
        changed(proto::DomainChange::default()).unwrap(),
        DomainChange::default()
    );
    let mut nothing_more = proto::DomainChange {
        bytes_max: Some(0),
        ..Default::default()
    };
    nothing_more.set_evict(proto::Evict::None);
    let change = changed(nothing_more).unwrap();
    assert_eq!(
        (change.bytes_max, change.evict, change.policy),
        (Some(0), Some(Evict::None), None)
    );
}

#[test]
fn every_domain_that_is_shown_can_be_asked_for_again() {
    for domain in Domain::built_in() {
        let shown = answer::shown(&domain);
        let again = created(proto::DomainCreateRequest {
            name: shown.name,
            tier: shown.tier,
            volatile: shown.volatile,
            settings: shown.settings,
            stamp: None,
        });
        let again = again.unwrap();
        assert_eq!(
            (again.tier, again.volatile, again.settings),
            (domain.tier, domain.volatile, domain.settings)
        );
    }
    let other = Domain {
        id: DomainId(8),
        ..Domain::built_in().remove(0)
    };
    assert!(!answer::shown(&other).built_in);
    assert_eq!(other.tier, Tier::Strong);
}

#[test]
fn a_wrong_field_is_named_before_anything_is_proposed() {
    let wrong = |change: fn(&mut proto::DomainCreateRequest)| {
        let mut request = asked(proto::Tier::Eventual, proto::DomainSettings::default());
        change(&mut request);
        let refused = created(request).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidArgument, "{refused:?}");
        refused.field
    };
    let settings = |request: &mut proto::DomainCreateRequest| request.settings.take().unwrap();
    assert_eq!(wrong(|request| request.name = "A".to_owned()), "name");
    assert_eq!(wrong(|request| request.name = String::new()), "name");
    assert_eq!(wrong(|request| request.tier = 0), "tier");
    assert_eq!(wrong(|request| request.tier = 3), "tier");
    assert_eq!(
        wrong(|request| request.settings.as_mut().unwrap().strategy = 7),
        "strategy"
    );
    assert_eq!(wrong(|request| request.settings.as_mut().unwrap().evict = 4), "evict");
    let moves_what_is_nowhere = |request: &mut proto::DomainCreateRequest| {
        request.volatile = true;
        request.settings.as_mut().unwrap().set_evict(proto::Evict::Memory);
    };
    assert_eq!(wrong(moves_what_is_nowhere), "evict");
    assert_eq!(wrong(|request| request.settings.as_mut().unwrap().policy = 7), "policy");
    assert_eq!(wrong(|request| request.settings.as_mut().unwrap().policy = 1), "policy");
    let level = |level| proto::DomainLevel {
        level,
        max_staleness_ms: 0,
    };
    for (tier, of_level, field) in [
        (proto::Tier::Eventual, 1, "level"),
        (proto::Tier::Strong, 2, "level.max_staleness_ms"),
        (proto::Tier::Strong, 4, "level.level"),
    ] {
        let mut request = asked(tier, proto::DomainSettings::default());
        request.settings = Some(proto::DomainSettings {
            level: Some(level(of_level)),
            ..settings(&mut request)
        });
        assert_eq!(created(request).unwrap_err().field, field);
    }
    let unnamed = proto::DomainDropRequest::default();
    assert_eq!(request::drop(unnamed).err().unwrap().field, "name");
}
