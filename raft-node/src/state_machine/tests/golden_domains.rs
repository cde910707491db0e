//! The bytes of domains and actors. See `golden.rs`.

use super::golden::{check, check_command, check_record};
use crate::actors::{ActorRow, ActorState, Finals};
use crate::codec;
use crate::mvcc::{
    DefaultLevel, Domain, DomainChange, DomainSettings, Evict, EvictPolicy, NewDomain, NextDomain, keys,
};
use crate::state_machine::testing::domains::{register_actor, retire_actor};
use crate::state_machine::{ChangeDomain, Command, CreateDomain, DropDomain, Reply, Stamp};
use crate::types::{ActorId, ActorRefusal, ClientId, DomainField, DomainId, DomainRefusal, Rejection, Revision, Tier};

fn settings() -> DomainSettings {
    DomainSettings {
        bytes_max: 1000,
        entries_max: 300,
        strategy: 6,
        ttl_ms_default: 5,
        ttl_required: true,
        evict: Evict::Drop,
        policy: EvictPolicy::Random,
        level: None,
        coherent: false,
    }
}

fn stamp() -> Option<Stamp> {
    Some(Stamp {
        client: ClientId(4096),
        sequence: 9,
        answered_up_to: 5,
    })
}

fn new(tier: Tier, level: Option<DefaultLevel>) -> NewDomain {
    NewDomain {
        name: "d".to_owned(),
        tier,
        volatile: tier == Tier::Eventual,
        settings: DomainSettings {
            coherent: level.is_some(),
            level,
            ..settings()
        },
    }
}

fn domain() -> Domain {
    Domain {
        id: DomainId(8),
        name: "d".to_owned(),
        tier: Tier::Eventual,
        volatile: true,
        bytes: 7,
        settings: settings(),
    }
}

#[test]
fn commands_are_frozen() {
    let create = |stamp, domain| Command::CreateDomain(CreateDomain { stamp, domain });
    check_command(
        &create(stamp(), new(Tier::Eventual, None)),
        "0801011700000093e0ea5901fb0010090501640101fbe803fb2c0106050102060000",
    );
    let bounded = DefaultLevel::BoundedStale { max_staleness_ms: 100 };
    check_command(
        &create(None, new(Tier::Strong, Some(bounded))),
        "0801011400000026ff182e0001640000fbe803fb2c01060501020601016401",
    );
    check_command(
        &create(None, new(Tier::Strong, Some(DefaultLevel::Local))),
        "0801011300000072e9c1ec0001640000fbe803fb2c010605010206010201",
    );
    let all = DomainChange {
        bytes_max: Some(1),
        entries_max: Some(2),
        strategy: Some(3),
        ttl_ms_default: Some(4),
        ttl_required: Some(false),
        evict: Some(Evict::Memory),
        policy: Some(EvictPolicy::Arc),
        level: Some(DefaultLevel::Strong),
        coherent: Some(true),
    };
    let change = |change| {
        Command::ChangeDomain(ChangeDomain {
            stamp: stamp(),
            name: "d".to_owned(),
            change,
        })
    };
    check_command(
        &change(DomainChange::default()),
        "09010111000000de3a639e01fb001009050164000000000000000000",
    );
    check_command(
        &change(all),
        "0901011a000000dd7edb3c01fb001009050164010101020103010401000101010501000101",
    );
    check_command(&drop_command(), "0a010103000000e3d8be86000164");
    check_command(
        &register_actor(1, u64::MAX),
        "0b01010a000000b0397d2d01fdffffffffffffffff",
    );
    check_command(
        &retire_actor(u64::MAX, &[(0, 5), (255, 300)]),
        "0c010112000000765372effdffffffffffffffff020005fbff00fb2c01",
    );
}

#[test]
fn rows_are_frozen() {
    check_record(
        &domain(),
        "0302021300000089210ebf080164010107fbe803fb2c0106050102060000",
    );
    check_record(&NextDomain { id: DomainId(9) }, "0b020101000000d0b7c26a09");
    check(
        "the key of the next id",
        &NextDomain::key(),
        "00006e6578742d646f6d61696e",
    );
    check(
        "the key of a domain",
        &keys::domain(DomainId(258)),
        "0000646f6d61696e2f00000102",
    );
    let actor = |state| ActorRow { member: 2, state };
    check_record(&actor(ActorState::Live), "0c020102000000ac1eebdb0200");
    check_record(&actor(ActorState::Over), "0c020102000000af9d80290201");
    check_record(
        &actor(ActorState::Retired(Finals(vec![(0, 5), (255, 300)]))),
        "0c02010b000000070462320202020005fbff00fb2c01",
    );
}

#[test]
fn the_row_of_before_domains_could_be_created_is_read_with_the_settings_of_today() {
    let row = bytes_of("0302010e000000c8fc509e0605636163686501fc00a3e11105");
    let domain = Domain::from_row(&row).unwrap();
    let today = Domain::built_in()
        .into_iter()
        .find(|domain| domain.name == "cache")
        .unwrap();
    assert_eq!(domain, Domain { bytes: 5, ..today });
    assert_eq!(codec::encode(&domain).unwrap()[2], 2);
}

#[test]
fn answers_are_frozen() {
    let revision = Revision(300);
    check_record(
        &Reply::Domain {
            domain: domain(),
            revision,
        },
        "080201170000004b097a5a04080164010107fbe803fb2c0106050102060000fb2c01",
    );
    let golden = [
        "08020108000000a76f568d030f016400fb2c01",
        "080201080000001fc51350030f016401fb2c01",
        "080201090000002cf429ef030f01640201fb2c01",
        "08020109000000809b38d7030f01640301fb2c01",
        "08020108000000545e74f6030f016404fb2c01",
        "08020108000000ecf4312b030f016405fb2c01",
        "0802010a00000068e56c22030f0164060401fb2c01",
        "08020109000000423738f3030f01640707fb2c01",
        "08020108000000410c127b030f016408fb2c01",
        "08020108000000f9a657a6030f016409fb2c01",
        "08020108000000c02f75c4030f01640afb2c01",
        "0802010a000000f1c0c88f030f01640b0201fb2c01",
        "08020108000000b23d3000030f01640cfb2c01",
        "08020107000000771bf6e803100005fb2c01",
        "08020107000000db74e7d003100105fb2c01",
        "080201070000002fc4d49803100205fb2c01",
        "08020107000000709ae7db03100301fb2c01",
        "080201090000005da9b754031004fb0001fb2c01",
    ];
    let refusals = refusals();
    assert_eq!(refusals.len(), golden.len());
    for (rejection, golden) in refusals.into_iter().zip(golden) {
        check_record(&Reply::Rejected { rejection, revision }, golden);
    }
}

/// One of each, in the order of the enums.
fn refusals() -> Vec<Rejection> {
    let domains = [
        DomainRefusal::Exists,
        DomainRefusal::BuiltIn,
        DomainRefusal::InUse { bytes: 1 },
        DomainRefusal::TooMany { domains_max: 1 },
        DomainRefusal::IdsUsedUp,
        DomainRefusal::Name,
        DomainRefusal::NotOfTier {
            field: DomainField::Level,
            tier: Tier::Eventual,
        },
        DomainRefusal::UnknownStrategy { number: 7 },
        DomainRefusal::EvictWithoutPolicy,
        DomainRefusal::VolatileOnDisk,
        DomainRefusal::BoundOfZero,
        DomainRefusal::TtlTooLong {
            ttl_ms: 2,
            ttl_ms_max: 1,
        },
        DomainRefusal::TtlRequired,
    ];
    let actor = ActorId(5);
    let actors = [
        ActorRefusal::Unknown { actor },
        ActorRefusal::Used { actor },
        ActorRefusal::Retired { actor },
        ActorRefusal::TooMany { actors_max: 1 },
        ActorRefusal::Finals { shards: 256 },
    ];
    let domains = domains.into_iter().map(|refusal| Rejection::of_domain("d", refusal));
    domains.chain(actors.into_iter().map(Rejection::from)).collect()
}

fn drop_command() -> Command {
    Command::DropDomain(DropDomain {
        stamp: None,
        name: "d".to_owned(),
    })
}

fn bytes_of(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
