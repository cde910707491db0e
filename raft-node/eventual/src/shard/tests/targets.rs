//! The keys of a run, all of one shard.

use std::sync::LazyLock;

use crate::{Address, Place, ShardNumber, Space, Strategy};

/// Where everything in these tests is.
pub const DOMAIN: u32 = 7;

/// The shard of every target.
pub fn shard_number() -> ShardNumber {
    ShardNumber::new(3).unwrap()
}

/// Something that is written.
#[derive(Clone, Debug)]
pub struct Target {
    pub place: Place,
    pub space: Space,
    pub strategy: Strategy,
}

impl Target {
    pub fn is_counter(&self) -> bool {
        self.space == Space::Counter
    }
}

/// A place of this space in the shard; another for each `number`.
pub fn place(space: Space, element: Option<&[u8]>, number: usize) -> Place {
    (0_u32..)
        .map(|attempt| {
            let name = format!("{number}/{attempt}");
            Place::of(Address {
                domain: DOMAIN,
                space,
                name: name.as_bytes(),
                element,
            })
        })
        .find(|place| place.shard(false) == shard_number())
        .unwrap()
}

/// Everything that runs write: registers of several strategies, a counter, the members of a set.
pub static TARGETS: LazyLock<Vec<Target>> = LazyLock::new(|| {
    let registers = [
        Strategy::Siblings,
        Strategy::LastWrite,
        Strategy::Max,
        Strategy::Union,
        Strategy::Siblings,
    ];
    let mut targets: Vec<Target> = registers
        .into_iter()
        .enumerate()
        .map(|(number, strategy)| Target {
            place: place(Space::Register, None, number),
            space: Space::Register,
            strategy,
        })
        .collect();
    targets.push(Target {
        place: place(Space::Counter, None, 10),
        space: Space::Counter,
        strategy: Strategy::LastWrite,
    });
    for member in [b"ann".as_slice(), b"bob"] {
        targets.push(Target {
            place: place(Space::Set, Some(member), 11),
            space: Space::Set,
            strategy: Strategy::LastWrite,
        });
    }
    targets
});
