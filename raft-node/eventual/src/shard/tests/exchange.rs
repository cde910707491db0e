//! What members send each other, and what becomes of it.

use rand::Rng;

use super::checks;
use super::cluster::{Cluster, Flaw, Outcome};
use super::targets::{Target, shard_number};
use crate::frame::{Frame, split};
use crate::shard::Action;
use crate::{ActorId, Applied, Clock, Life, Strategy};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Send {
    /// The sender's own operations.
    Own,
    /// Everything that the peer lacks.
    Missing,
}

/// Frames that are on their way, between two processes.
pub struct Late {
    from: usize,
    to: usize,
    processes: (ActorId, ActorId),
    bytes: Vec<u8>,
}

/// As many are on their way at most.
const LATE_MAX: usize = 6;

impl Cluster {
    /// Sends something, which comes at once or later.
    pub fn send(&mut self, from: usize, to: usize) -> Outcome {
        let kind = if self.rng.random_bool(0.7) {
            Send::Own
        } else {
            Send::Missing
        };
        let bytes = self.encode(from, to, kind);
        if self.late.len() < LATE_MAX && self.rng.random_bool(0.2) {
            let processes = (self.nodes[from].actor, self.nodes[to].actor);
            self.late.push(Late {
                from,
                to,
                processes,
                bytes,
            });
            return Ok(());
        }
        self.deliver(from, to, &bytes)?;
        checks::after_step(self, to)
    }

    /// One of those that are on their way comes, in any order. A stream ends with each of its two processes.
    pub fn deliver_late(&mut self) -> Outcome {
        if self.late.is_empty() {
            return Ok(());
        }
        let place = self.rng.random_range(0..self.late.len());
        let Late {
            from,
            to,
            processes,
            bytes,
        } = self.late.swap_remove(place);
        if processes == (self.nodes[from].actor, self.nodes[to].actor) {
            self.deliver(from, to, &bytes)?;
            checks::after_step(self, to)?;
        }
        Ok(())
    }

    /// How far the peer is, as the sender knows.
    fn told(&mut self, from: usize, to: usize) -> Clock {
        let process = self.nodes[to].actor;
        let never_asks = self.options.flaw == Some(Flaw::ClockOfEarlierProcess);
        let told = self.nodes[from].told.get(&to);
        let believed = told.filter(|(of, _)| *of == process || never_asks);
        let numbers = match believed {
            Some((_, numbers)) if never_asks || self.rng.random_bool(0.5) => numbers.clone(),
            _ => {
                let with_retired = self.rng.random_bool(0.5);
                let numbers = self.nodes[to].numbers(with_retired);
                self.nodes[from].told.insert(to, (process, numbers.clone()));
                numbers
            }
        };
        self.nodes[from].clock_of(&numbers)
    }

    pub fn encode(&mut self, from: usize, to: usize, kind: Send) -> Vec<u8> {
        let have = self.told(from, to);
        let node = &self.nodes[from];
        let mut bytes = Vec::new();
        let number = shard_number();
        let own = kind == Send::Own
            && node
                .shard
                .encode_own(number, have.get(node.shard.me()), &mut bytes)
                .is_ok();
        let fetched = node.fetched();
        if !own && node.shard.encode_missing(number, &have, &fetched, &mut bytes).is_err() {
            // Where a value is lost, nothing is sent, and what is there is found to be wrong.
            let _ = node.shard.encode_state(number, &have, &fetched, &mut bytes);
        }
        bytes
    }

    /// Frames come, or are lost; what was applied is acknowledged.
    pub fn deliver(&mut self, from: usize, to: usize, bytes: &[u8]) -> Outcome {
        let mut rest = bytes;
        let flaw = self.options.flaw;
        while !rest.is_empty() {
            let (body, next) = split(rest).map_err(|damaged| damaged.to_string())?;
            rest = next;
            let lost = self.rng.random_bool(0.05);
            if lost && flaw != Some(Flaw::AcknowledgedBeforeApplied) {
                continue;
            }
            let node = &mut self.nodes[to];
            let mut frame = Frame::decode(body, &node.actors).map_err(|unusable| unusable.to_string())?;
            if flaw == Some(Flaw::FrameAppliedInPart) && self.rng.random_bool(0.5) {
                frame.cut(self.rng.random_range(1..8));
            }
            if flaw == Some(Flaw::EndsCountedFromArrival) {
                let end = self.now_ms + node.ahead_ms + 2_000;
                frame.change_values(|sibling| {
                    if sibling.life.ends() {
                        sibling.life = Life::new(end, sibling.life.strategy());
                    }
                });
            }
            let numbers = if lost {
                frame
                    .numbers()
                    .map(|(actor, number)| (node.actors.id(actor), number))
                    .collect()
            } else {
                match frame.apply(&mut node.shard) {
                    Ok(applied) => self.merge_written(to, applied)?,
                    // It is told how far the peer is, and starts again from there.
                    Err(_) if flaw == Some(Flaw::ClockOfEarlierProcess) => continue,
                    Err(_) => {
                        self.nodes[from].told.remove(&to);
                        continue;
                    }
                }
                self.nodes[to].numbers(false)
            };
            let (process, writer) = (self.nodes[to].actor, self.nodes[from].actor);
            if let Some((_, number)) = numbers.iter().find(|(actor, _)| *actor == writer) {
                self.acknowledged.push((to, process, writer, *number));
            }
            self.nodes[from].told.insert(to, (process, numbers));
        }
        Ok(())
    }

    fn merge_written(&mut self, node: usize, applied: Applied) -> Outcome {
        if self.options.flaw == Some(Flaw::MergeWritten) && applied.conflicts > 0 {
            for target in 0..self.targets.len() {
                let Target { place, strategy, .. } = self.targets[target].clone();
                let mut held = self.nodes[node].shard.read(&place, self.now_of(node));
                held.fill(&self.nodes[node].fetched());
                if held.siblings.len() > 1 && !self.targets[target].is_counter() {
                    let newest = held.siblings.iter().max_by_key(|(_, sibling)| sibling.hlc).unwrap();
                    let value = newest.1.value.clone();
                    let action = Action::Put {
                        value: value.bytes(),
                        strategy: if strategy == Strategy::Siblings {
                            strategy
                        } else {
                            Strategy::LastWrite
                        },
                        written: None,
                    };
                    self.write(node, target, action, None, 0)?;
                }
            }
        }
        Ok(())
    }

    /// What a process said that it has, it has.
    pub fn broken_promise(&self) -> Option<String> {
        self.acknowledged
            .iter()
            .filter(|(node, process, ..)| self.nodes[*node].actor == *process)
            .find(|(node, _, writer, number)| self.nodes[*node].number(*writer) < *number)
            .map(|promise| format!("acknowledged and not there: {promise:?}"))
    }

    /// Everybody reaches everybody. Frames of a round are encoded before any of them is delivered.
    pub fn heal(&mut self) -> Outcome {
        self.cut.clear();
        self.late.clear();
        for _ in 0..12 {
            let count = self.nodes.len();
            let pairs: Vec<(usize, usize)> = (0..count)
                .flat_map(|from| (0..count).map(move |to| (from, to)))
                .filter(|(from, to)| from != to)
                .collect();
            let frames: Vec<Vec<u8>> = pairs
                .iter()
                .map(|(from, to)| self.encode(*from, *to, Send::Missing))
                .collect();
            for ((from, to), bytes) in pairs.iter().zip(&frames) {
                self.deliver(*from, *to, bytes)?;
                checks::after_step(self, *to)?;
            }
            if checks::all_have_the_same(self) {
                return Ok(());
            }
        }
        Err("members that reach each other did not become equal in 12 rounds".into())
    }
}
