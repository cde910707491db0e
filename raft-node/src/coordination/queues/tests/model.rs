//! Random operations, time and restarts, against the model: every answer is the same, every item is in one state, no
//! item is lost, and no receipt works twice.

use proptest::prelude::*;

use super::model_queue::{Handed, ModelQueue, Place, Worthless};
use super::model_sync::{Wish, wish};
use super::replay::{Replay, Seen};
use super::{check_rules, operate, rules, run_timers};
use crate::coordination::queues::{
    Claim, Enqueued, ItemState, NewItem, QueueConfig, QueueOperation, QueueReply, Receipt, query,
};
use crate::coordination::sessions::LeaseOperation;
use crate::state_machine::testing::events::Told;
use crate::state_machine::testing::{self, Store};
use crate::state_machine::{Command, Operation, Reply};
use crate::storage::Engine;
use crate::types::{LeaseId, QueueRefusal, Rejection, Revision};

pub const QUEUES: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Step {
    Configure {
        queue: usize,
        config: QueueConfig,
    },
    Enqueue {
        queue: usize,
        items: Vec<NewItem>,
    },
    Claim {
        queue: usize,
        count: u32,
        leased: bool,
        visibility_ms: Option<u64>,
    },
    Ack {
        pick: usize,
    },
    Nack {
        pick: usize,
        delay_ms: u64,
        dead: bool,
    },
    Extend {
        pick: usize,
        visibility_ms: u64,
    },
    Checkpoint {
        pick: usize,
        data: u8,
    },
    Redrive {
        queue: usize,
        count: u32,
    },
    RedriveOne {
        queue: usize,
        item: u64,
    },
    Purge {
        queue: usize,
        state: ItemState,
        count: u32,
    },
    Pause {
        queue: usize,
        paused: bool,
    },
    Time {
        ms: u64,
    },
    Timers {
        most: u32,
    },
    Sync {
        queue: usize,
        wish: Wish,
    },
    EndLease,
    Reopen,
}

fn config() -> impl Strategy<Value = QueueConfig> {
    (1_u32..4, 3_u64..30, 0_u64..5, 0_u64..3).prop_map(|(attempts_max, depth_max, claimed_max, group_claimed_max)| {
        QueueConfig {
            visibility_ms: 200,
            attempts_max,
            depth_max,
            claimed_max,
            group_claimed_max,
            dedupe_window_ms: 300,
        }
    })
}

pub fn new_item() -> impl Strategy<Value = NewItem> {
    let key = prop_oneof![3 => Just(None), 1 => (0..3_u8).prop_map(|key| Some(format!("k{key}")))];
    let delay = prop_oneof![4 => Just(0), 1 => 1_u64..250];
    ("[ab]?", 0_u8..3, key, delay, any::<u8>()).prop_map(|(group, priority, dedupe_key, delay_ms, payload)| NewItem {
        priority: priority * 100,
        group,
        dedupe_key,
        delay_ms,
        payload: vec![payload],
    })
}

fn state() -> impl Strategy<Value = ItemState> {
    prop::sample::select(vec![
        ItemState::Ready,
        ItemState::Delayed,
        ItemState::Claimed,
        ItemState::Dead,
    ])
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly the first queue, so that much happens in it.
    let queue = || prop_oneof![5 => Just(0_usize), 1 => Just(1)];
    let pick = || 0_usize..40;
    let visibility = prop_oneof![2 => Just(None), 1 => (100_u64..600).prop_map(Some)];
    let delay = prop_oneof![2 => Just(0), 1 => 1_u64..250];
    prop_oneof![
        1 => (queue(), config()).prop_map(|(queue, config)| Step::Configure { queue, config }),
        8 => (queue(), prop::collection::vec(new_item(), 1..5))
            .prop_map(|(queue, items)| Step::Enqueue { queue, items }),
        8 => (queue(), 1_u32..5, any::<bool>(), visibility)
            .prop_map(|(queue, count, leased, visibility_ms)| Step::Claim { queue, count, leased, visibility_ms }),
        5 => pick().prop_map(|pick| Step::Ack { pick }),
        4 => (pick(), delay, prop::bool::weighted(0.1))
            .prop_map(|(pick, delay_ms, dead)| Step::Nack { pick, delay_ms, dead }),
        2 => (pick(), 100_u64..600).prop_map(|(pick, visibility_ms)| Step::Extend { pick, visibility_ms }),
        2 => (pick(), any::<u8>()).prop_map(|(pick, data)| Step::Checkpoint { pick, data }),
        1 => (queue(), 1_u32..4).prop_map(|(queue, count)| Step::Redrive { queue, count }),
        1 => (queue(), 1_u64..20).prop_map(|(queue, item)| Step::RedriveOne { queue, item }),
        1 => (queue(), state(), 1_u32..4).prop_map(|(queue, state, count)| Step::Purge { queue, state, count }),
        1 => (queue(), any::<bool>()).prop_map(|(queue, paused)| Step::Pause { queue, paused }),
        4 => (0_u64..150).prop_map(|ms| Step::Time { ms }),
        4 => (1_u32..6).prop_map(|most| Step::Timers { most }),
        5 => (queue(), wish()).prop_map(|(queue, wish)| Step::Sync { queue, wish }),
        1 => Just(Step::EndLease),
        1 => Just(Step::Reopen),
    ]
}

pub struct Run {
    pub store: Store,
    pub queues: [ModelQueue; 2],
    /// Every receipt that was ever handed out, and its queue.
    pub receipts: Vec<(usize, Receipt)>,
    pub lease: LeaseId,
    /// The queues as they were when their last changes were noted.
    noted: [ModelQueue; 2],
    told: Told,
    replay: Replay,
}

impl Run {
    fn new() -> Run {
        let mut store = Store::new();
        let told = Told::new(&store);
        let queues = QUEUES.map(|name| {
            operate(&mut store, super::create(name, QueueConfig::default())).unwrap();
            ModelQueue::made_at(store.state.revision().0)
        });
        let mut run = Run {
            store,
            noted: queues.clone(),
            queues,
            receipts: Vec::new(),
            lease: LeaseId(1),
            told,
            replay: Replay::default(),
        };
        run.grant();
        run
    }

    fn grant(&mut self) {
        let grant = LeaseOperation::Grant {
            lease: Some(self.lease),
            ttl_ms: 1000,
            name: String::new(),
        };
        self.store.transact(testing::transaction(vec![Operation::Lease(grant)]));
    }

    pub fn operate(&mut self, operation: QueueOperation) -> Result<QueueReply, QueueRefusal> {
        let before = self.store.dump();
        operate(&mut self.store, operation).map_err(|rejection| {
            let head = |rows: testing::Dump| {
                rows.into_iter()
                    .filter(|(table, ..)| *table != crate::storage::Table::Meta)
            };
            assert!(head(before).eq(head(self.store.dump())), "a refusal changes nothing");
            match rejection {
                Rejection::Queue { refusal, .. } => refusal,
                other => panic!("{other:?}"),
            }
        })
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Configure { queue, config } => {
                let reply = self.operate(super::create(QUEUES[queue], config.clone())).unwrap();
                assert_eq!(reply, QueueReply::Created { new: false });
                self.queues[queue].config = config;
            }
            Step::Enqueue { queue, items } => self.enqueue(queue, items),
            Step::Claim {
                queue,
                count,
                leased,
                visibility_ms,
            } => self.claim(queue, count, leased, visibility_ms),
            Step::Ack { .. } | Step::Nack { .. } | Step::Extend { .. } | Step::Checkpoint { .. } => {
                self.use_receipt(step)
            }
            Step::Redrive { queue, count } => self.redrive(queue, count),
            Step::RedriveOne { queue, item } => self.redrive_one(queue, item),
            Step::Purge { queue, state, count } => self.purge(queue, state, count),
            Step::Pause { queue, paused } => {
                let name = QUEUES[queue].to_owned();
                let reply = self.operate(QueueOperation::SetPaused { queue: name, paused }).unwrap();
                let changed = std::mem::replace(&mut self.queues[queue].paused, paused) != paused;
                assert_eq!(reply, QueueReply::Paused { changed });
            }
            Step::Time { ms } => self.store.now += ms,
            Step::Timers { most } => self.timers(most),
            Step::Sync { queue, wish } => self.sync(queue, wish),
            Step::EndLease => self.end_lease(),
            Step::Reopen => {
                let store = std::mem::replace(&mut self.store, Store::new());
                let now = store.now;
                self.store = store.reopen();
                self.store.now = now;
            }
        }
    }

    fn enqueue(&mut self, queue: usize, items: Vec<NewItem>) {
        let (now, name) = (self.store.now, QUEUES[queue]);
        let mut after = self.queues[queue].clone();
        let expected: Option<Vec<_>> = items.iter().map(|item| after.push(item.clone(), now)).collect();
        match (self.operate(super::enqueue(name, items)), expected) {
            (Ok(QueueReply::Enqueued { items }), Some(expected)) => {
                let enqueued = expected
                    .into_iter()
                    .map(|(item, duplicate)| Enqueued { item, duplicate });
                assert!(enqueued.eq(items));
                self.queues[queue] = after;
            }
            (Err(QueueRefusal::Full { .. }), None) => {}
            other => panic!("{other:?}"),
        }
    }

    fn claim(&mut self, queue: usize, count: u32, leased: bool, visibility_ms: Option<u64>) {
        let before = self.store.state.revision();
        let lease = leased.then_some(self.lease);
        let claim = QueueOperation::Claim(Claim {
            queue: QUEUES[queue].to_owned(),
            count,
            lease,
            worker: "w".to_owned(),
            visibility_ms,
        });
        let QueueReply::Claimed { items, .. } = self.operate(claim).unwrap() else {
            panic!("a claim is answered by what was claimed");
        };
        let model = &mut self.queues[queue];
        let deadline = self.store.now + visibility_ms.unwrap_or(model.config.visibility_ms);
        let token = before.next();
        let expected = model.claim(count, token.0, lease.map(|lease| lease.0), deadline);
        let handed = items.iter().map(|one| Handed {
            item: one.receipt.item,
            attempt: one.attempt,
            checkpoint: one.checkpoint.clone(),
            payload: one.payload.clone(),
        });
        assert_eq!(handed.collect::<Vec<_>>(), expected, "what is next");
        for one in items {
            assert_eq!(one.receipt.token, token);
            self.receipts.push((queue, one.receipt));
        }
    }

    /// The last receipts are picked more often than old ones; both are.
    fn picked(&self, pick: usize) -> Option<(usize, Receipt)> {
        self.receipts
            .iter()
            .rev()
            .nth(pick % self.receipts.len().max(1))
            .copied()
    }

    fn use_receipt(&mut self, step: Step) {
        let (Step::Ack { pick } | Step::Nack { pick, .. } | Step::Extend { pick, .. } | Step::Checkpoint { pick, .. }) =
            &step
        else {
            return;
        };
        let Some((queue, receipt)) = self.picked(*pick) else {
            return;
        };
        let (item, name) = (receipt.item, QUEUES[queue].to_owned());
        let now = self.store.now;
        let operation = match &step {
            Step::Ack { .. } => QueueOperation::Ack { queue: name, receipt },
            Step::Nack { delay_ms, dead, .. } => QueueOperation::Nack {
                queue: name,
                receipt,
                delay_ms: *delay_ms,
                dead: *dead,
                reason: "because".to_owned(),
            },
            Step::Extend { visibility_ms, .. } => QueueOperation::Extend {
                queue: name,
                receipt,
                visibility_ms: Some(*visibility_ms),
            },
            Step::Checkpoint { data, .. } => QueueOperation::Checkpoint {
                queue: name,
                receipt,
                data: vec![*data],
            },
            _ => return,
        };
        let reply = self.operate(operation);
        let model = &mut self.queues[queue];
        if let Err(worthless) = model.check(item, receipt.token.0, now) {
            let refusal = reply.expect_err("a receipt that is over works no more");
            assert_eq!(kind(&refusal), Some(worthless), "{refusal}");
            return;
        }
        let reply = reply.expect("a receipt of a claim that lasts works");
        match step {
            Step::Ack { .. } => {
                model.remove(item);
                assert_eq!(reply, QueueReply::Acked);
            }
            Step::Nack { delay_ms, dead, .. } => {
                let place = match (dead, delay_ms) {
                    (true, _) => Place::Dead,
                    (false, 0) => Place::Ready,
                    (false, delay) => Place::Delayed { due: now + delay },
                };
                let state = model.back(item, place);
                assert_eq!(reply, QueueReply::Nacked { state });
            }
            Step::Extend { visibility_ms, .. } => {
                let Place::Claimed { deadline, .. } = &mut model.items.get_mut(&item).unwrap().place else {
                    panic!("it is claimed");
                };
                *deadline = now + visibility_ms;
                assert_eq!(reply, QueueReply::Extended { visibility_ms });
            }
            Step::Checkpoint { data, .. } => {
                model.items.get_mut(&item).unwrap().checkpoint = Some(vec![data]);
                assert_eq!(reply, QueueReply::Checkpointed);
            }
            _ => {}
        }
    }

    fn redrive(&mut self, queue: usize, count: u32) {
        let operation = QueueOperation::Redrive {
            queue: QUEUES[queue].to_owned(),
            count,
            item: None,
        };
        let reply = self.operate(operation).unwrap();
        let model = &mut self.queues[queue];
        let dead: Vec<_> = model.listed(ItemState::Dead).into_iter().take(count as usize).collect();
        dead.iter().for_each(|item| model.revive(*item));
        let items = u32::try_from(dead.len()).unwrap();
        let remaining = model.count(ItemState::Dead) as u64;
        assert_eq!(reply, QueueReply::Redriven { items, remaining });
    }

    fn redrive_one(&mut self, queue: usize, item: u64) {
        let operation = QueueOperation::Redrive {
            queue: QUEUES[queue].to_owned(),
            count: 1,
            item: Some(item),
        };
        let reply = self.operate(operation);
        let model = &mut self.queues[queue];
        match (model.items.get(&item).map(|item| item.state()), reply) {
            (Some(ItemState::Dead), Ok(QueueReply::Redriven { items: 1, .. })) => model.revive(item),
            (Some(_), Err(QueueRefusal::NotDead { .. })) | (None, Err(QueueRefusal::UnknownItem { .. })) => {}
            other => panic!("{other:?}"),
        }
    }

    fn purge(&mut self, queue: usize, state: ItemState, count: u32) {
        let operation = QueueOperation::Purge {
            queue: QUEUES[queue].to_owned(),
            state,
            count,
        };
        let reply = self.operate(operation).unwrap();
        let model = &mut self.queues[queue];
        let gone: Vec<_> = model.listed(state).into_iter().take(count as usize).collect();
        gone.iter().for_each(|item| model.remove(*item));
        let items = u32::try_from(gone.len()).unwrap();
        let remaining = model.count(state) as u64;
        assert_eq!(reply, QueueReply::Purged { items, remaining });
    }

    fn timers(&mut self, most: u32) {
        let now = self.store.now;
        let mut due = Vec::new();
        for (number, queue) in self.queues.iter().enumerate() {
            for (item, held) in &queue.items {
                match held.place {
                    Place::Delayed { due: at } => due.push((at, 1, number, *item, None)),
                    Place::Claimed { deadline, .. } => due.push((deadline, 2, number, *item, None)),
                    Place::Ready | Place::Dead => {}
                }
            }
            for (key, (item, until)) in &queue.keys {
                due.push((*until, 3, number, *item, Some(key.clone())));
            }
        }
        due.sort();
        let next = due.first().map(|timer| timer.0);
        assert_eq!(self.store.state.next_timer().map(|at| at.0), next);
        due.retain(|timer| timer.0 <= now);
        due.truncate(most as usize);
        let done = run_timers(&mut self.store, most);
        assert_eq!(done, due.len() as u64);
        for (_, kind, queue, item, key) in due {
            let queue = &mut self.queues[queue];
            match kind {
                1 => queue.move_to(item, Place::Ready),
                2 => drop(queue.back(item, Place::Ready)),
                _ => drop(queue.keys.remove(&key.unwrap())),
            }
        }
    }

    fn end_lease(&mut self) {
        let lease = self.lease;
        let before = self.store.state.revision();
        let revoke = Operation::Lease(LeaseOperation::Revoke { lease });
        match self
            .store
            .apply_one(Command::Transaction(testing::transaction(vec![revoke])))
        {
            Reply::Transaction(reply) => assert_eq!(reply.revision, before.next(), "everything goes at one revision"),
            other => panic!("{other:?}"),
        }
        for queue in &mut self.queues {
            let of_lease = |place: &Place| matches!(place, Place::Claimed { lease: Some(own), .. } if *own == lease.0);
            let held: Vec<_> = queue
                .items
                .iter()
                .filter(|(_, item)| of_lease(&item.place))
                .map(|(id, _)| *id)
                .collect();
            for item in held {
                queue.back(item, Place::Ready);
            }
        }
        self.note_changes();
        self.lease = LeaseId(lease.0 + 1);
        self.grant();
    }

    /// What is another now than when this was called last has changed at the last revision.
    fn note_changes(&mut self) {
        for (queue, noted) in self.queues.iter_mut().zip(&mut self.noted) {
            if !queue.looks_like(noted) {
                queue.changed = self.store.state.revision().0;
                noted.clone_from(queue);
            }
        }
    }

    /// Whoever has seen every event knows where every item is.
    fn check_events(&mut self) {
        for (revision, event) in self.told.read(&self.store) {
            self.replay.see(revision, event);
        }
        for (name, model) in QUEUES.iter().zip(&self.queues) {
            let replayed = &self.replay.queues[*name];
            assert_eq!(replayed.paused, model.paused, "{name}");
            let items = model.items.iter().map(|(id, item)| {
                let claim = match item.place {
                    Place::Claimed { token, lease, .. } => Some((token, lease)),
                    Place::Ready | Place::Delayed { .. } | Place::Dead => None,
                };
                let state = item.state();
                (*id, Seen { state, claim })
            });
            assert!(items.eq(replayed.items.clone()), "{name}: {:?}", replayed.items);
        }
    }

    fn check(&self) {
        check_rules(&self.store);
        let view = self.store.engine.view();
        for (name, model) in QUEUES.iter().zip(&self.queues) {
            let row = query::find(&*view, name).unwrap().unwrap();
            let mut depth = 0;
            for (state, count) in rules::counts(&row) {
                assert_eq!(count, model.count(state) as u64, "{state:?} of {name}");
                depth += count;
            }
            assert_eq!(depth, model.items.len() as u64, "no item is lost");
            assert_eq!(
                (row.items, row.dedupe_keys),
                (model.handed_out, model.keys.len() as u64)
            );
            assert_eq!(row.changed.0, model.changed, "the last change of {name}");
            for state in [
                ItemState::Ready,
                ItemState::Delayed,
                ItemState::Claimed,
                ItemState::Dead,
            ] {
                let (items, _) = query::peek(&*view, &row, state, &[], usize::MAX).unwrap();
                let listed: Vec<_> = items.iter().map(|one| one.item).collect();
                assert_eq!(listed, model.listed(state), "{state:?} of {name}");
            }
        }
    }
}

fn kind(refusal: &QueueRefusal) -> Option<Worthless> {
    match refusal {
        QueueRefusal::UnknownItem { .. } => Some(Worthless::Unknown),
        QueueRefusal::ClaimTimedOut { .. } => Some(Worthless::TimedOut),
        QueueRefusal::ClaimedByAnother { .. } => Some(Worthless::Another),
        QueueRefusal::ClaimOver { .. } => Some(Worthless::Over),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn queues_do_what_the_model_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
            run.note_changes();
            run.check();
            run.check_events();
        }
    }
}

#[test]
fn a_receipt_is_worth_nothing_with_another_token() {
    let mut run = Run::new();
    run.enqueue(0, vec![super::item("x")]);
    run.claim(0, 1, false, None);
    let (_, receipt) = run.receipts[0];
    for token in [receipt.token.0 - 1, receipt.token.0 + 1, u64::MAX] {
        let receipt = Receipt {
            token: Revision(token),
            ..receipt
        };
        let queue = QUEUES[0].to_owned();
        let refusal = run.operate(QueueOperation::Ack { queue, receipt }).unwrap_err();
        assert_eq!(kind(&refusal), Some(Worthless::Another));
    }
}
