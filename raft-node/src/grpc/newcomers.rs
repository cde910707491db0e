//! Those who have come to a door and are not inside yet.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use tokio::task::AbortHandle;

/// There is room for few of them. Beyond it somebody goes: of those who came from the address that most came from, the one who
/// came first. It has had the longest time, so a flood that says nothing only pushes itself out, however fast it comes; who
/// comes from elsewhere is not pushed at all.
pub(super) struct Newcomers {
    room: usize,
    here: VecDeque<Newcomer>,
    /// How many of these came from where: in a flood each that comes is looked at.
    crowds: HashMap<Option<IpAddr>, usize>,
}

struct Newcomer {
    from: Option<IpAddr>,
    task: AbortHandle,
}

impl Newcomers {
    /// For so many.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            here: VecDeque::new(),
            crowds: HashMap::new(),
        }
    }

    /// Makes room for one more. Says whether somebody had to go for it.
    pub(super) fn make_room(&mut self) -> bool {
        if self.here.len() >= self.room {
            let crowds = &mut self.crowds;
            self.here.retain(|one| {
                let stays = !one.task.is_finished();
                if !stays {
                    leave(crowds, one.from);
                }
                stays
            });
        }
        if self.here.len() < self.room {
            return false;
        }
        let largest = self.crowds.iter().max_by_key(|(_, count)| **count);
        let Some(from) = largest.map(|(from, _)| *from) else {
            return false;
        };
        let first = self.here.iter().position(|one| one.from == from);
        if let Some(first) = first.and_then(|at| self.here.remove(at)) {
            first.task.abort();
            leave(&mut self.crowds, from);
        }
        true
    }

    /// One whom `task` listens to.
    pub(super) fn add(&mut self, from: Option<IpAddr>, task: AbortHandle) {
        self.here.push_back(Newcomer { from, task });
        *self.crowds.entry(from).or_default() += 1;
    }
}

fn leave(crowds: &mut HashMap<Option<IpAddr>, usize>, from: Option<IpAddr>) {
    if let Some(count) = crowds.get_mut(&from) {
        *count -= 1;
        if *count == 0 {
            crowds.remove(&from);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    /// Says nothing.
    fn silent() -> JoinHandle<()> {
        tokio::spawn(std::future::pending())
    }

    async fn was_sent_away(one: JoinHandle<()>) -> bool {
        tokio::task::yield_now().await;
        one.is_finished()
    }

    #[tokio::test]
    async fn the_first_goes_of_the_address_that_most_came_from() {
        let [alone, crowd] = [[127, 0, 0, 1], [127, 0, 0, 2]].map(|address| Some(IpAddr::from(address)));
        let mut newcomers = Newcomers::new(3);
        let tasks: Vec<JoinHandle<()>> = [alone, crowd, crowd]
            .into_iter()
            .map(|from| {
                assert!(!newcomers.make_room());
                let task = silent();
                newcomers.add(from, task.abort_handle());
                task
            })
            .collect();
        assert!(newcomers.make_room());
        let mut gone = Vec::new();
        for task in tasks {
            gone.push(was_sent_away(task).await);
        }
        assert_eq!(gone, [false, true, false]);
        assert_eq!(newcomers.crowds, HashMap::from([(alone, 1), (crowd, 1)]));
    }

    #[tokio::test]
    async fn who_is_inside_or_gone_takes_no_room() {
        let mut newcomers = Newcomers::new(1);
        let task = tokio::spawn(async {});
        newcomers.add(None, task.abort_handle());
        task.await.unwrap();
        assert!(!newcomers.make_room());
        assert!(newcomers.crowds.is_empty());
    }
}
