//! Which policies there are.

use std::fmt;
use std::str::FromStr;

/// Which entries of a domain go first when its memory is short.
///
/// The numbers are part of the stored format; 0 stands for "no eviction" there and is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Policy {
    /// What was not used for the longest time.
    Lru = 1,
    /// What is used least often, with use long ago counting less.
    Lfu = 2,
    /// What expires soonest; of what never expires, what was not used for the longest time.
    Ttl = 3,
    /// What was written first.
    Fifo = 4,
    /// What was used once, or more often: whichever was less worth keeping lately.
    Arc = 5,
    /// Anything.
    Random = 6,
}

/// There is no policy of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no eviction policy is named {name:?}: there are lru, lfu, ttl, fifo, arc and random")]
pub struct UnknownPolicy {
    /// As it was given, cut to 64 characters.
    pub name: String,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 6] = [
        Policy::Lru,
        Policy::Lfu,
        Policy::Ttl,
        Policy::Fifo,
        Policy::Arc,
        Policy::Random,
    ];

    /// The policy of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| *policy as u8 == number)
    }

    /// As in configuration and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Lru => "lru",
            Policy::Lfu => "lfu",
            Policy::Ttl => "ttl",
            Policy::Fifo => "fifo",
            Policy::Arc => "arc",
            Policy::Random => "random",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        let known = Self::ALL.into_iter().find(|policy| policy.name() == name);
        known.ok_or_else(|| UnknownPolicy {
            name: name.chars().take(64).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_frozen() {
        let all: Vec<(u8, &str)> = Policy::ALL
            .iter()
            .map(|policy| (*policy as u8, policy.name()))
            .collect();
        assert_eq!(
            all,
            [
                (1, "lru"),
                (2, "lfu"),
                (3, "ttl"),
                (4, "fifo"),
                (5, "arc"),
                (6, "random")
            ]
        );
        for policy in Policy::ALL {
            assert_eq!(Policy::from_number(policy as u8), Some(policy));
            assert_eq!(policy.name().parse(), Ok(policy));
        }
        assert_eq!((Policy::from_number(0), Policy::from_number(7)), (None, None));
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        let refusal = "LRU".parse::<Policy>().unwrap_err().to_string();
        assert_eq!(
            refusal,
            "no eviction policy is named \"LRU\": there are lru, lfu, ttl, fifo, arc and random"
        );
        assert_eq!(
            "é".repeat(1_000).parse::<Policy>().unwrap_err().name.chars().count(),
            64
        );
    }
}
