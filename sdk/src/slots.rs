//! The calls that wait for a reply on one connection, found by id without hashing.
//!
//! An id is a slot's index and its generation, so that a reply that comes after its slot was reused finds nobody.

use std::task::Waker;

use tokio::time::Instant;

use crate::session::Stamp;

/// Why an exchange ended without a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The call never left this process.
    NotSent(String),
    /// The connection broke after the call was handed to it.
    Broken(String),
    /// The attempt's time was over; `sent` says whether the call had been handed to the connection.
    TimedOut { sent: bool },
    /// The call is larger than a member takes.
    TooLarge { bytes: usize },
}

/// How an exchange ended, `R` being the response of the stream's protocol.
pub(crate) type Answer<R> = std::result::Result<R, Lost>;

#[derive(Debug)]
enum State<R> {
    Free,
    Waiting(Waker),
    Ready(Answer<R>),
    /// Nobody waits, but until the reply comes the sequence is outstanding.
    Abandoned(Stamp),
}

#[derive(Debug)]
struct Slot<R> {
    generation: u32,
    /// Number of the call on its connection, from 1.
    ticket: u64,
    deadline: Instant,
    state: State<R>,
}

/// A slab of slots.
#[derive(Debug)]
pub(crate) struct Slots<R> {
    slots: Vec<Slot<R>>,
    free: Vec<u32>,
}

impl<R> Default for Slots<R> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

/// What happened to a slot when its reply came.
pub(crate) enum Completed {
    /// Somebody waits for it.
    Wake(Waker),
    /// It is free again; dropping the stamp ends the sequence.
    Freed(Stamp),
    /// No call has this id.
    Nobody,
}

impl<R> Slots<R> {
    /// Slots that are taken, replies not yet collected included.
    pub(crate) fn occupied(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a slot and returns the id of its call.
    pub(crate) fn insert(&mut self, ticket: u64, deadline: Instant, waker: Waker) -> u64 {
        let state = State::Waiting(waker);
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            // Wraps after four thousand million calls through one slot: a reply that late is not possible.
            slot.generation = slot.generation.wrapping_add(1);
            (slot.ticket, slot.deadline, slot.state) = (ticket, deadline, state);
            return id_of(slot.generation, index);
        }
        let index = u32::try_from(self.slots.len()).expect("the connection's limit on calls is a u32");
        self.slots.push(Slot {
            generation: 1,
            ticket,
            deadline,
            state,
        });
        id_of(1, index)
    }

    /// Whether a reply to the call would still be of use.
    pub(crate) fn awaits(&self, id: u64) -> bool {
        let slot = self.slots.get(index_of(id)).filter(|slot| is_call(slot, id));
        slot.is_some_and(|slot| matches!(slot.state, State::Waiting(_) | State::Abandoned(_)))
    }

    /// The number of the call on its connection.
    pub(crate) fn ticket(&self, id: u64) -> Option<u64> {
        self.slots
            .get(index_of(id))
            .filter(|slot| is_call(slot, id))
            .map(|slot| slot.ticket)
    }

    /// Hands a reply to its call.
    pub(crate) fn complete(&mut self, id: u64, answer: Answer<R>) -> Completed {
        let Some(slot) = self.slots.get_mut(index_of(id)).filter(|slot| is_call(slot, id)) else {
            return Completed::Nobody;
        };
        match std::mem::replace(&mut slot.state, State::Free) {
            State::Waiting(waker) => {
                slot.state = State::Ready(answer);
                Completed::Wake(waker)
            }
            State::Abandoned(stamp) => {
                self.free.push(low_half(id));
                Completed::Freed(stamp)
            }
            // A second reply to one call: the first one stands.
            first @ (State::Ready(_) | State::Free) => {
                slot.state = first;
                Completed::Nobody
            }
        }
    }

    /// Collects the answer and frees the slot, or keeps the waker for later.
    pub(crate) fn collect(&mut self, id: u64, waker: &Waker) -> Option<Answer<R>> {
        let slot = self.slots.get_mut(index_of(id)).filter(|slot| is_call(slot, id))?;
        match std::mem::replace(&mut slot.state, State::Free) {
            State::Ready(answer) => {
                self.free.push(low_half(id));
                Some(answer)
            }
            State::Waiting(mut known) => {
                known.clone_from(waker);
                slot.state = State::Waiting(known);
                None
            }
            other @ (State::Free | State::Abandoned(_)) => {
                slot.state = other;
                None
            }
        }
    }

    /// The caller no longer waits. A stamp keeps the slot until the reply comes, if the call was `sent`; otherwise the
    /// slot is free, which is said by returning its ticket and the stamp.
    pub(crate) fn abandon(&mut self, id: u64, stamp: Option<Stamp>, sent: u64) -> Option<(u64, Option<Stamp>)> {
        let slot = self.slots.get_mut(index_of(id)).filter(|slot| is_call(slot, id))?;
        match stamp {
            Some(stamp) if matches!(slot.state, State::Waiting(_)) && slot.ticket <= sent => {
                slot.state = State::Abandoned(stamp);
                None
            }
            stamp => {
                slot.state = State::Free;
                self.free.push(low_half(id));
                Some((slot.ticket, stamp))
            }
        }
    }

    /// Ends every wait whose deadline has passed: `each` is given what became of the slot and whether it was sent. A call
    /// that was not must leave the queue before the next message, since its caller is told so.
    pub(crate) fn expire(&mut self, now: Instant, sent: u64, mut each: impl FnMut(Completed, bool)) {
        self.end_where(
            |slot| slot.deadline <= now,
            |was_sent| Lost::TimedOut { sent: was_sent },
            sent,
            &mut each,
        );
    }

    /// Ends every wait because the connection is gone.
    pub(crate) fn fail(&mut self, reason: &str, sent: u64, mut each: impl FnMut(Completed, bool)) {
        let lost = |was_sent| {
            if was_sent {
                Lost::Broken(reason.to_owned())
            } else {
                Lost::NotSent(reason.to_owned())
            }
        };
        self.end_where(|_| true, lost, sent, &mut each);
    }

    fn end_where(
        &mut self,
        which: impl Fn(&Slot<R>) -> bool,
        lost: impl Fn(bool) -> Lost,
        sent: u64,
        each: &mut impl FnMut(Completed, bool),
    ) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            if matches!(slot.state, State::Waiting(_) | State::Abandoned(_)) && which(slot) {
                let was_sent = slot.ticket <= sent;
                let id = id_of(
                    slot.generation,
                    u32::try_from(index).expect("checked when the slot was made"),
                );
                each(self.complete(id, Err(lost(was_sent))), was_sent);
            }
        }
    }
}

fn id_of(generation: u32, index: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(index)
}

fn low_half(id: u64) -> u32 {
    (id & u64::from(u32::MAX)) as u32
}

fn index_of(id: u64) -> usize {
    low_half(id) as usize
}

fn is_call<R>(slot: &Slot<R>, id: u64) -> bool {
    u64::from(slot.generation) == id >> 32 && !matches!(slot.state, State::Free)
}
