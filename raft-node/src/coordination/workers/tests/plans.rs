//! Plans that are applied leave nothing to plan, and respect labels and capacities on the way.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Labels, done, labels, rules, store_with};
use crate::coordination::workers::{
    self, Destination, Filter, PlannedMove, Which, WorkerOperation, WorkerRow, WorkerState,
};
use crate::state_machine::testing::Store;

fn workers_of(store: &Store) -> Vec<(String, WorkerRow)> {
    workers::list(&store.engine, &Filter::default(), None, 1000)
        .unwrap()
        .found
}

fn apply(store: &mut Store, one: PlannedMove) {
    let PlannedMove {
        task,
        from,
        generation,
        to,
    } = one;
    done(
        store,
        WorkerOperation::Move {
            task,
            from,
            generation,
            to,
        },
    );
}

/// Where a task could go that would be less loaded with it than its worker is now; or anywhere, off one that drains.
fn better(workers: &[(String, WorkerRow)], from: &WorkerRow, asks: &Labels) -> Option<String> {
    let fits = |to: &WorkerRow| {
        let evens = (u64::from(to.assigned) + 1) * u64::from(from.capacity);
        let evens = evens < u64::from(from.assigned) * u64::from(to.capacity);
        to.has_room() && to.carries(asks) && (evens || from.state == WorkerState::Draining)
    };
    let found = workers.iter().find(|(_, row)| fits(row));
    found.map(|(worker, _)| worker.clone())
}

fn asked() -> impl Strategy<Value = Labels> {
    prop::sample::select(["", "", "g=1", "z=1"].as_slice()).prop_map(labels)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_plan_can_be_applied_and_leaves_nothing_to_plan(
        workers in prop::collection::vec((prop::sample::select(["", "g=1", "g=1,z=1"].as_slice()), 1..9_u32), 1..6),
        tasks in prop::collection::vec((any::<prop::sample::Index>(), asked()), 0..30),
        draining in prop::collection::vec(any::<prop::sample::Index>(), 0..2),
        moves_max in prop_oneof![1..5_usize, Just(1000)],
    ) {
        let names: Vec<String> = (0..workers.len()).map(|number| format!("w{number}")).collect();
        let described: Vec<_> = names.iter().zip(&workers).map(|(name, (of, most))| (name.as_str(), *of, *most)).collect();
        let mut store = store_with(&described);
        for (number, (at, asks)) in tasks.into_iter().enumerate() {
            let found = workers_of(&store);
            let fit: Vec<_> = found.into_iter().filter(|(_, row)| row.has_room() && row.carries(&asks)).collect();
            if fit.is_empty() {
                continue;
            }
            let to = Destination::Worker(at.get(&fit).0.clone());
            let (task, data) = (format!("t{number:02}"), Vec::new());
            done(&mut store, WorkerOperation::Assign { task, to, labels: asks, data, expected_generation: None });
        }
        for at in draining {
            let worker = at.get(&names).clone();
            done(&mut store, WorkerOperation::Drain { worker, draining: true });
        }
        let mut rounds = 0;
        loop {
            let plan = workers::plan(&store.engine, moves_max).unwrap();
            prop_assert!(plan.moves.len() <= moves_max);
            let moved: BTreeSet<_> = plan.moves.iter().map(|one| &one.task).collect();
            prop_assert_eq!(moved.len(), plan.moves.len(), "a task is moved once");
            let complete = plan.complete;
            for one in plan.moves {
                apply(&mut store, one);
            }
            rules::check(&store);
            rounds += 1;
            prop_assert!(rounds < 100);
            if complete && workers::plan(&store.engine, moves_max).unwrap().moves.is_empty() {
                break;
            }
        }
        let found = workers_of(&store);
        for (name, row) in &found {
            for (task, of, _) in workers::assignments(&store.engine, &Which::Of(name.clone()), None, 1000, false).unwrap().found {
                prop_assert!(row.carries(&of.labels));
                prop_assert_eq!(better(&found, row, &of.labels), None, "{} of {}", task, name);
            }
        }
    }
}
