//! The rules that make the algorithm safe. In tests, one of them can be broken, to see that the tests notice.
//!
//! Not a feature of the crate: a build that is not a test has no way to break a rule, whatever is enabled.

/// Which rules a shard follows.
#[cfg(not(test))]
#[derive(Clone, Copy, Debug)]
pub struct Rules {}

/// Which rules a shard follows.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The one that is broken.
    pub broken: Option<Rule>,
}

/// A rule of the algorithm.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A dot that is superseded before it comes is remembered.
    KeepPending,
    /// A value that a peer superseded is kept until every peer has had it.
    KeepOrphans,
    /// ... also where it was superseded by a join.
    KeepOrphansOfJoins,
    /// A value that lost keeps its dot until an operation supersedes it.
    KeepLosers,
    /// Own operations are sent alone only while every value that a peer superseded is kept.
    SendOwnWithOrphans,
    /// Shares of counters are taken over only from processes that are retired here, all of them.
    InheritWhenRetired,
    /// A state lists values that are on the disk alone like any others.
    SendCold,
}

impl Rules {
    /// Every rule.
    pub const ALL: Rules = Rules {
        #[cfg(test)]
        broken: None,
    };
}

macro_rules! rules {
    ($($name:ident => $rule:ident),+ $(,)?) => {
        #[allow(clippy::unused_self, reason = "in tests it matters which")]
        impl Rules {
            $(
                pub(crate) const fn $name(self) -> bool {
                    #[cfg(test)]
                    {
                        !matches!(self.broken, Some(Rule::$rule))
                    }
                    #[cfg(not(test))]
                    {
                        true
                    }
                }
            )+
        }
    };
}

rules! {
    keep_pending => KeepPending,
    keep_orphans => KeepOrphans,
    keep_orphans_of_joins => KeepOrphansOfJoins,
    send_own_with_orphans => SendOwnWithOrphans,
    inherit_when_retired => InheritWhenRetired,
    send_cold => SendCold,
}
