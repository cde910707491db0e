//! File descriptors: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for files of the stores (512 of the state, twice as many while a snapshot is installed, and those of the eventual tier),
/// connections of members, and visitors of the pages; half of all where that is less.
const KEPT: u64 = 2048;

/// How many connections of clients there are descriptors for, of the `wanted` ones. Raises the limit of the process as far as it
/// may: the lower one that shells and containers start with is there for programs that still use `select`.
pub(super) fn room_for_clients(wanted: u64) -> u64 {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    if before.current != before.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let most = getrlimit(Resource::Nofile).current;
    let room = room(most);
    if room < wanted {
        tracing::warn!(
            open_files = most,
            connections = room,
            "fewer connections of clients than limits.connections_max ({wanted}) are let in: raise the limit of open files \
             (ulimit -Hn, LimitNOFILE), or lower that limit"
        );
    }
    room
}

fn room(descriptors: Option<u64>) -> u64 {
    descriptors.map_or(u64::MAX, |most| most - (most / 2).min(KEPT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_few_descriptors_is_kept_and_some_thousand_of_many() {
        assert_eq!(room(Some(1024)), 512);
        assert_eq!(room(Some(20_000)), 20_000 - KEPT);
        assert_eq!(room(None), u64::MAX);
    }

    #[test]
    fn the_limit_is_as_high_as_it_may_be() {
        room_for_clients(1);
        let limits = getrlimit(Resource::Nofile);
        assert_eq!(limits.current, limits.maximum);
    }
}
