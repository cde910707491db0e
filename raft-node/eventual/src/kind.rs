//! What a key stands for, and how values of it that were written concurrently become one.

/// What a name stands for. Part of the address of an entry: a counter and a register of one name are two things.
///
/// The numbers are part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// One value, or several siblings.
    Register = 1,
    /// A sum: one sibling for each process that added to it.
    Counter = 2,
    /// Members, each an entry of its own.
    Set = 3,
    /// Fields, each an entry of its own.
    Map = 4,
    /// An entry if it is on.
    Flag = 5,
}

/// How values of a register that were written concurrently become one.
///
/// The numbers are part of the stored format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Strategy {
    /// The newest by hybrid logical clock; the others are discarded and counted.
    #[default]
    LastWrite = 1,
    /// JSON arrays: every element of each, once.
    Union = 2,
    /// JSON objects: fields of each, those of nested objects too; for other values the newest.
    Merge = 3,
    /// JSON numbers: the greatest.
    Max = 4,
    /// JSON numbers: the least.
    Min = 5,
    /// All are kept until a client writes with the context of a read of them.
    Siblings = 6,
}

impl Space {
    /// Every space.
    pub const ALL: [Space; 5] = [Space::Register, Space::Counter, Space::Set, Space::Map, Space::Flag];

    /// The space of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|space| *space as u8 == number)
    }

    /// Its entries are parts of a collection: members, fields.
    pub fn has_elements(self) -> bool {
        matches!(self, Space::Set | Space::Map)
    }
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Strategy; 6] = [
        Strategy::LastWrite,
        Strategy::Union,
        Strategy::Merge,
        Strategy::Max,
        Strategy::Min,
        Strategy::Siblings,
    ];

    /// The strategy of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| *strategy as u8 == number)
    }
}
