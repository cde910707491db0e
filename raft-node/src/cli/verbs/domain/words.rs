//! What domains are made of, as words of the command line.

use std::time::Duration;

use clap::ValueEnum;
use quorate::Consistency;

/// Where the keys of a domain live.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Tier {
    /// Linearizable, with revisions
    Strong,
    /// At every member, converging
    Eventual,
}

/// What happens when an eventual domain is full.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Evict {
    /// Writes that grow it are refused
    None,
    /// Values leave the memory of each member and stay on its disk; not for a volatile domain
    Memory,
    /// Entries are deleted, at every member
    Drop,
}

/// Which entries go first.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Policy {
    /// Those not used for longest
    Lru,
    /// Those used least often
    Lfu,
    /// Those that end soonest
    Ttl,
    /// Those written first
    Fifo,
    /// By recency and by frequency, whichever served better lately
    Arc,
    /// Any
    Random,
}

impl Tier {
    pub(super) fn of_domain(self) -> quorate::Tier {
        match self {
            Tier::Strong => quorate::Tier::Strong,
            Tier::Eventual => quorate::Tier::Eventual,
        }
    }
}

impl Evict {
    pub(super) fn of_domain(self) -> quorate::Evict {
        match self {
            Evict::None => quorate::Evict::None,
            Evict::Memory => quorate::Evict::Memory,
            Evict::Drop => quorate::Evict::Drop,
        }
    }
}

impl Policy {
    pub(super) fn of_domain(self) -> quorate::EvictPolicy {
        match self {
            Policy::Lru => quorate::EvictPolicy::Lru,
            Policy::Lfu => quorate::EvictPolicy::Lfu,
            Policy::Ttl => quorate::EvictPolicy::Ttl,
            Policy::Fifo => quorate::EvictPolicy::Fifo,
            Policy::Arc => quorate::EvictPolicy::Arc,
            Policy::Random => quorate::EvictPolicy::Random,
        }
    }
}

/// `strong`, `local`, or how old an answer may be.
pub(super) fn level(text: &str) -> Result<Consistency, String> {
    match text {
        "strong" => Ok(Consistency::Strong),
        "local" => Ok(Consistency::Local),
        bound => match humantime::parse_duration(bound) {
            Ok(Duration::ZERO) => Err("a bound of 0 cannot be met: write strong".to_owned()),
            Ok(bound) => Ok(Consistency::BoundedStale(bound)),
            Err(error) => Err(format!(
                "{error}: write strong, local, or how old an answer may be, as 100ms"
            )),
        },
    }
}

/// The same, to be read.
pub(super) fn level_text(consistency: Consistency) -> String {
    match consistency {
        Consistency::Strong => "strong".to_owned(),
        Consistency::Local => "local".to_owned(),
        Consistency::BoundedStale(bound) => humantime::format_duration(bound).to_string(),
        _ => "eventual".to_owned(),
    }
}

/// `last-write`, `union`, ...
pub(super) fn strategy(text: &str) -> Result<quorate::Strategy, String> {
    text.parse().map_err(|error: quorate::Error| error.message().to_owned())
}

/// Digits alone: what the letters of a unit mean differs from tool to tool.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "write a number of bytes in digits, without a unit, as 2000000, or 0 for no limit".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_digits_and_what_is_not_is_told_so() {
        assert_eq!(bytes("2000000"), Ok(2_000_000));
        for wrong in ["", "2MB", "-1", "2_000", "99999999999999999999"] {
            assert!(
                bytes(wrong).unwrap_err().contains("in digits, without a unit"),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_level_is_read_as_it_is_shown() {
        for text in ["strong", "local", "100ms", "2s"] {
            assert_eq!(level_text(level(text).unwrap()), text);
        }
        for wrong in ["", "eventual", "0s", "100"] {
            assert!(level(wrong).is_err(), "{wrong:?}");
        }
    }
}
