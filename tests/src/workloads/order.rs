//! Real-time order: what begins after something returned speaks of no earlier revision; a write makes a later one.

use std::fmt::Debug;

use crate::journal::Operation;

/// When an operation took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    /// Of which it speaks.
    pub revision: u64,
    /// It made that revision.
    pub writes: bool,
}

/// Two operations in the wrong order, if there are any. `effect` says when an operation took effect, if it did; it may be
/// found for those of unknown outcome too, which can take effect at any time after they began. All of them are demanded
/// to be linearizable.
pub(super) fn check<C: Debug, A: Debug>(
    operations: &[Operation<C, A>],
    effect: impl Fn(usize, &Operation<C, A>) -> Option<Effect>,
) -> Result<(), String> {
    let effects: Vec<Option<Effect>> = operations
        .iter()
        .enumerate()
        .map(|(index, operation)| effect(index, operation))
        .collect();
    let mut by_invocation: Vec<usize> = (0..operations.len())
        .filter(|index| effects[*index].is_some())
        .collect();
    let returned = by_invocation
        .iter()
        .copied()
        .filter(|index| operations[*index].answer.done().is_some());
    let mut by_return: Vec<usize> = returned.collect();
    by_invocation.sort_by_key(|index| operations[*index].invoked);
    by_return.sort_by_key(|index| operations[*index].returned);
    let mut returned = by_return.into_iter().peekable();
    let mut newest: Option<(u64, usize)> = None;
    for index in by_invocation {
        let invoked = operations[index].invoked;
        while let Some(earlier) = returned.next_if(|earlier| operations[*earlier].returned < invoked) {
            let revision = effects[earlier].map_or(0, |effect| effect.revision);
            if newest.is_none_or(|(known, _)| revision > known) {
                newest = Some((revision, earlier));
            }
        }
        let (Some(effect), Some((known, earlier))) = (effects[index], newest) else {
            continue;
        };
        let in_order = effect.revision > known || (effect.revision == known && !effect.writes);
        if !in_order {
            return Err(format!(
                "out of order: {:?} takes effect at revision {}, and before it began {known} had been seen by {:?}",
                operations[index], effect.revision, operations[earlier]
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::journal::Answer;

    fn operation(invoked: u64, returned: u64, revision: u64) -> Operation<(), u64> {
        Operation {
            client: 0,
            invoked: Duration::from_micros(invoked),
            returned: Duration::from_micros(returned),
            call: (),
            answer: Answer::Done(revision),
        }
    }

    fn reads(operations: &[Operation<(), u64>]) -> Result<(), String> {
        check(operations, |_, operation| {
            let revision = *operation.answer.done()?;
            Some(Effect {
                revision,
                writes: false,
            })
        })
    }

    #[test]
    fn a_read_of_what_was_older_already_is_found() {
        assert_eq!(
            reads(&[operation(0, 10, 5), operation(5, 15, 4)]),
            Ok(()),
            "they overlap"
        );
        assert_eq!(reads(&[operation(0, 10, 5), operation(11, 15, 5)]), Ok(()));
        let stale = reads(&[operation(0, 10, 5), operation(11, 15, 4)]).unwrap_err();
        assert!(stale.contains("out of order"), "{stale}");
    }

    #[test]
    fn two_writes_do_not_make_the_same_revision() {
        let both = [operation(0, 10, 5), operation(11, 15, 5)];
        let order = check(&both, |_, operation| {
            let revision = *operation.answer.done()?;
            Some(Effect { revision, writes: true })
        });
        assert!(order.is_err());
    }
}
