//! The search for an order.
//!
//! Calls and returns stand in one list in the order of time. Any call that stands before the first return may come
//! first; it is taken out of the list with its return, and what is left is searched. When a return comes up, its call
//! should have been taken already: the last decision is undone. Calls that need not have taken effect have no return,
//! and the search is over when only such are left.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::KeyOperation;
use super::effect::{Effect, Register, Values};

/// What a search may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// How long it may take.
    pub time: Duration,
    /// States that are remembered; each costs some hundred bytes.
    pub states_max: usize,
}

impl Default for Budget {
    /// 10 s, and half a million states.
    fn default() -> Self {
        Budget {
            time: Duration::from_secs(10),
            states_max: 500_000,
        }
    }
}

/// Where a search did not get further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The longest order that was found, as indices of the history.
    pub order: Vec<usize>,
    /// The operation that returned and cannot be added to it.
    pub operation: usize,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This order of indices explains every answer. What may not have happened is left out.
    Ok(Vec<usize>),
    /// No order does.
    Illegal(Stop),
    /// The budget was spent.
    Unknown,
}

/// Searches for an order of a whole history of a key that did not exist before.
pub fn search(operations: &[KeyOperation], budget: Budget) -> Outcome {
    let steps: Vec<Step<'_>> = operations.iter().map(Step::of).collect();
    search_steps(&steps, Register::ABSENT, budget)
}

/// A call as the search sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub operation: &'a KeyOperation,
    /// It has taken effect by the time at which it returned; otherwise at any later time or never.
    pub certain: bool,
}

impl<'a> Step<'a> {
    fn of(operation: &'a KeyOperation) -> Step<'a> {
        Step {
            operation,
            certain: operation.is_known(),
        }
    }
}

/// The same of a part of a history.
pub(super) fn search_steps(steps: &[Step<'_>], start: Register, budget: Budget) -> Outcome {
    let mut values = Values::default();
    let effects: Vec<Effect> = steps
        .iter()
        .map(|step| Effect::of(step.operation, &mut values))
        .collect();
    Search::new(steps, effects, start).run(budget)
}

/// Between two looks at the clock.
const STEPS_A_LOOK: u64 = 1_024;

/// An element of the list.
#[derive(Clone, Copy, Debug)]
struct Element {
    /// Which step.
    step: usize,
    /// Its return; otherwise its call.
    is_return: bool,
    previous: usize,
    next: usize,
}

struct Search {
    /// The first is the head and no element; 0 as a successor is the end of the list.
    list: Vec<Element>,
    /// Where the return of a step is; 0 if it has none.
    returns: Vec<usize>,
    effects: Vec<Effect>,
    register: Register,
    taken: Vec<u64>,
    /// Elements of calls, with the register before each.
    decisions: Vec<(usize, Register)>,
    certain_left: usize,
    certain: usize,
}

impl Search {
    fn new(steps: &[Step<'_>], effects: Vec<Effect>, start: Register) -> Search {
        let mut moments: Vec<(Duration, bool, usize)> = Vec::with_capacity(2 * steps.len());
        for (index, step) in steps.iter().enumerate() {
            moments.push((step.operation.invoked, false, index));
            if step.certain {
                moments.push((step.operation.returned.max(step.operation.invoked), true, index));
            }
        }
        // At one moment calls come before returns: what touches overlaps.
        moments.sort_unstable();
        let mut returns = vec![0; steps.len()];
        let head = Element {
            step: usize::MAX,
            is_return: false,
            previous: 0,
            next: usize::from(!moments.is_empty()),
        };
        let mut list = vec![head];
        let last = moments.len();
        for (index, (_, is_return, step)) in moments.into_iter().enumerate() {
            let at = index + 1;
            if is_return {
                returns[step] = at;
            }
            list.push(Element {
                step,
                is_return,
                previous: index,
                next: if at == last { 0 } else { at + 1 },
            });
        }
        let certain = steps.iter().filter(|step| step.certain).count();
        Search {
            list,
            returns,
            effects,
            register: start,
            taken: vec![0; steps.len().div_ceil(64)],
            decisions: Vec::new(),
            certain_left: certain,
            certain,
        }
    }

    fn run(mut self, budget: Budget) -> Outcome {
        let began = Instant::now();
        let mut seen: HashSet<(Box<[u64]>, Register)> = HashSet::new();
        let mut furthest: Option<(usize, Stop)> = None;
        let mut looks: u64 = 0;
        let mut at = self.list[0].next;
        while self.certain_left > 0 {
            looks += 1;
            let late = looks.is_multiple_of(STEPS_A_LOOK) && began.elapsed() > budget.time;
            if late || seen.len() > budget.states_max {
                return Outcome::Unknown;
            }
            let element = self.list[at];
            if at != 0 && !element.is_return {
                at = match self.after(element.step, &mut seen) {
                    Some(register) => self.take(at, register),
                    None => element.next,
                };
                continue;
            }
            // A call that is certain and not taken has its return in the list, so that is what was met.
            let behind = self.certain - self.certain_left;
            if furthest.as_ref().is_none_or(|(most, _)| behind > *most) {
                let stop = Stop {
                    order: self.order(),
                    operation: element.step,
                };
                furthest = Some((behind, stop));
            }
            match self.undo() {
                Some(next) => at = next,
                None => {
                    let stop = furthest.map(|(_, stop)| stop);
                    return stop.map_or(Outcome::Unknown, Outcome::Illegal);
                }
            }
        }
        Outcome::Ok(self.order())
    }

    /// The register after a step, if the step is possible and leads to something new.
    fn after(&mut self, step: usize, seen: &mut HashSet<(Box<[u64]>, Register)>) -> Option<Register> {
        let register = self.effects[step].after(self.register)?;
        self.taken[step / 64] |= 1 << (step % 64);
        let is_new = seen.insert((self.taken.clone().into_boxed_slice(), register));
        self.taken[step / 64] &= !(1 << (step % 64));
        is_new.then_some(register)
    }

    /// Takes a call out of the list, and its return; the first element that is left.
    fn take(&mut self, at: usize, register: Register) -> usize {
        let step = self.list[at].step;
        self.decisions.push((at, self.register));
        self.register = register;
        self.taken[step / 64] |= 1 << (step % 64);
        self.unlink(at);
        let end = self.returns[step];
        if end != 0 {
            self.unlink(end);
            self.certain_left -= 1;
        }
        self.list[0].next
    }

    /// Puts the call of the last decision back; the element after it.
    fn undo(&mut self) -> Option<usize> {
        let (at, register) = self.decisions.pop()?;
        let step = self.list[at].step;
        self.register = register;
        self.taken[step / 64] &= !(1 << (step % 64));
        let end = self.returns[step];
        if end != 0 {
            self.link(end);
            self.certain_left += 1;
        }
        self.link(at);
        Some(self.list[at].next)
    }

    fn unlink(&mut self, at: usize) {
        let Element { previous, next, .. } = self.list[at];
        self.list[previous].next = next;
        if next != 0 {
            self.list[next].previous = previous;
        }
    }

    fn link(&mut self, at: usize) {
        let Element { previous, next, .. } = self.list[at];
        self.list[previous].next = at;
        if next != 0 {
            self.list[next].previous = at;
        }
    }

    fn order(&self) -> Vec<usize> {
        self.decisions.iter().map(|(at, _)| self.list[*at].step).collect()
    }
}
