//! A queue of a depth that stays: what is claimed and acknowledged is the oldest, what is pushed goes to the end.

use std::path::Path;
use std::time::Duration;

use quorate_node::coordination::queues::{
    BATCH_MAX, Claim, DEPTH_MAX, NewItem, QueueConfig, QueueOperation, QueueReply, Receipt,
};
use quorate_node::state_machine::{Operation, OperationReply};

use super::store::Store;
use super::{Case, GROUP};
use crate::work::value;

const QUEUE: &str = "bench";
const PAYLOAD_BYTES: usize = 256;

/// The queue.
pub struct Queues {
    store: Store,
}

impl Queues {
    /// Fills it.
    pub fn new(directory: &Path, size: u32) -> Result<Queues, String> {
        let mut store = Store::new(directory)?;
        let create = QueueOperation::Create {
            queue: QUEUE.to_owned(),
            config: QueueConfig {
                depth_max: DEPTH_MAX,
                ..QueueConfig::default()
            },
        };
        store.apply(vec![Operation::Queue(create)])?;
        let mut left = size;
        while left > 0 {
            let mut pushes = Vec::new();
            for _ in 0..GROUP {
                let items = left.min(BATCH_MAX);
                left -= items;
                pushes.extend((items > 0).then(|| push(items)));
            }
            store.apply(pushes)?;
        }
        Ok(Queues { store })
    }

    fn claimed(&mut self) -> Result<(Vec<Receipt>, Duration), String> {
        let claim = || {
            Operation::Queue(QueueOperation::Claim(Claim {
                queue: QUEUE.to_owned(),
                count: 1,
                lease: None,
                worker: String::new(),
                visibility_ms: None,
            }))
        };
        let (replies, spent) = self.store.apply((0..GROUP).map(|_| claim()).collect())?;
        let mut receipts = Vec::with_capacity(replies.len());
        for reply in replies {
            match reply {
                OperationReply::Queue(QueueReply::Claimed { items, .. }) if items.len() == 1 => {
                    receipts.extend(items.into_iter().map(|item| item.receipt));
                }
                other => return Err(format!("a claim of one item was answered with {other:?}")),
            }
        }
        Ok((receipts, spent))
    }
}

impl Case for Queues {
    fn step(&mut self) -> Result<Duration, String> {
        let (_, pushing) = self.store.apply((0..GROUP).map(|_| push(1)).collect())?;
        let (receipts, claiming) = self.claimed()?;
        let acks = receipts.into_iter().map(|receipt| {
            Operation::Queue(QueueOperation::Ack {
                queue: QUEUE.to_owned(),
                receipt,
            })
        });
        let (_, acknowledging) = self.store.apply(acks.collect())?;
        Ok(pushing + claiming + acknowledging)
    }
}

fn push(items: u32) -> Operation {
    let item = || NewItem {
        payload: value(PAYLOAD_BYTES),
        ..NewItem::default()
    };
    Operation::Queue(QueueOperation::Enqueue {
        queue: QUEUE.to_owned(),
        items: (0..items).map(|_| item()).collect(),
    })
}
