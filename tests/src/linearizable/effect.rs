//! A call and its answer as one step of a register.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Answer, Call, Expected, KeyOperation};

/// A value by its number in [`Values`], the absent key, or whatever suits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Register(u32);

impl Register {
    /// The key does not exist.
    pub(super) const ABSENT: Register = Register(0);

    /// Nothing is known of it: the first step that demands anything says what it was.
    pub(super) const ANY: Register = Register(u32::MAX);
}

/// Numbers for values.
#[derive(Debug, Default)]
pub(super) struct Values<'a> {
    numbers: HashMap<&'a Bytes, u32>,
}

impl<'a> Values<'a> {
    fn number(&mut self, value: &'a Bytes) -> Register {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX - 2) + 1;
        Register(*self.numbers.entry(value).or_insert(next))
    }

    fn shown(&mut self, value: Option<&'a Bytes>) -> Register {
        value.map_or(Register::ABSENT, |value| self.number(value))
    }
}

/// What the register must be for the step to be possible.
#[derive(Clone, Copy, Debug)]
enum Demand {
    Nothing,
    Present,
    Is(Register),
    /// No register answers so.
    Never,
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect {
    demand: Demand,
    /// Nothing: it stays as it is.
    becomes: Option<Register>,
}

impl Effect {
    /// The step that this call was, if it took effect at all.
    pub(super) fn of<'a>(operation: &'a KeyOperation, values: &mut Values<'a>) -> Effect {
        let (demand, becomes) = match (&operation.call, &operation.answer) {
            (Call::Put(value), Answer::Done | Answer::Unknown) => (Demand::Nothing, Some(values.number(value))),
            (Call::CompareAndSwap(expected, value), Answer::Done | Answer::Unknown) => {
                let demand = match expected {
                    Expected::Absent => Demand::Is(Register::ABSENT),
                    Expected::Value(value) => Demand::Is(values.number(value)),
                    Expected::Present => Demand::Present,
                };
                (demand, Some(values.number(value)))
            }
            (Call::CompareAndSwap(expected, _), Answer::Unchanged(shown)) => {
                let should_have_changed = match expected {
                    Expected::Absent => shown.is_none(),
                    Expected::Value(value) => shown.as_ref() == Some(value),
                    Expected::Present => false,
                };
                match should_have_changed {
                    true => (Demand::Never, None),
                    false => (Demand::Is(values.shown(shown.as_ref())), None),
                }
            }
            (Call::Delete, Answer::Done | Answer::Unknown) => (Demand::Present, Some(Register::ABSENT)),
            (Call::Delete, Answer::Unchanged(None)) => (Demand::Is(Register::ABSENT), None),
            (Call::Get, Answer::Read(value)) => (Demand::Is(values.shown(value.as_ref())), None),
            (Call::Get, Answer::Unknown) => (Demand::Nothing, None),
            _ => (Demand::Never, None),
        };
        Effect { demand, becomes }
    }

    /// The register after the step; nothing if the step is impossible there.
    pub(super) fn after(&self, register: Register) -> Option<Register> {
        let possible = match self.demand {
            Demand::Nothing => true,
            Demand::Present => register != Register::ABSENT,
            Demand::Is(demanded) => register == demanded || register == Register::ANY,
            Demand::Never => false,
        };
        let stays = match self.demand {
            Demand::Is(demanded) => demanded,
            _ => register,
        };
        possible.then(|| self.becomes.unwrap_or(stays))
    }
}
