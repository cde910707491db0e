//! Reads the commands of scripts. A generation is written `REVISION.OPERATION`, which is what it is made of.

use std::collections::{BTreeMap, BTreeSet};

use super::{grant, labels, revoke};
use crate::coordination::workers::{Cursor, Destination, SyncAssignments, WorkerOperation};
use crate::mvcc::Put;
use crate::state_machine::{Operation, testing};
use crate::types::{LeaseId, Revision};

/// The words of a command: places first, then options in any order.
pub struct Words<'s> {
    words: Vec<&'s str>,
    at: usize,
}

impl<'s> Words<'s> {
    pub fn new(line: &'s str) -> Self {
        Self {
            words: line.split_whitespace().collect(),
            at: 0,
        }
    }

    pub fn next(&mut self) -> &'s str {
        self.at += 1;
        let word = self.words.get(self.at - 1);
        word.unwrap_or_else(|| panic!("a word is missing in {:?}", self.words))
    }

    pub fn owned(&mut self) -> String {
        self.next().to_owned()
    }

    pub fn number(&mut self) -> u64 {
        self.next().parse().unwrap()
    }

    pub fn option(&self, name: &str) -> Option<&'s str> {
        let mut words = self.words.iter();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix(':'))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.words[self.at..].contains(&name)
    }

    /// `WORKER=TASK,TASK..`, each.
    fn tasks_of_workers(&self) -> BTreeMap<String, BTreeSet<String>> {
        let pairs = self.words.iter().filter_map(|word| word.split_once('='));
        pairs
            .map(|(worker, tasks)| {
                let tasks = tasks.split(',').filter(|task| !task.is_empty());
                (worker.to_owned(), tasks.map(str::to_owned).collect())
            })
            .collect()
    }

    fn lease(&self) -> Option<LeaseId> {
        self.option("lease").map(|lease| LeaseId(lease.parse().unwrap()))
    }

    fn capacity(&self) -> Option<u32> {
        self.option("capacity").map(|capacity| capacity.parse().unwrap())
    }
}

pub fn operation(words: &mut Words<'_>) -> Operation {
    use WorkerOperation as O;
    Operation::Worker(match words.next() {
        "grant" => return grant(words.number()),
        "revoke" => return revoke(words.number()),
        "put" => {
            let (key, value) = (words.next(), words.next());
            return Operation::Put(Put {
                ..testing::put(key, value)
            });
        }
        "register" => O::Register {
            worker: words.owned(),
            lease: words.lease().unwrap(),
            labels: labels(words.option("labels").unwrap_or("")),
            capacity: words.capacity().unwrap(),
        },
        "update" => O::Update {
            worker: words.owned(),
            lease: words.lease().unwrap(),
            capacity: words.capacity(),
            labels: words.option("labels").map(labels),
        },
        "drain" => O::Drain {
            worker: words.owned(),
            draining: true,
        },
        "resume" => O::Drain {
            worker: words.owned(),
            draining: false,
        },
        "deregister" => O::Deregister {
            worker: words.owned(),
            lease: words.lease(),
        },
        "assign" => O::Assign {
            task: words.owned(),
            to: match words.option("to") {
                Some(worker) => Destination::Worker(worker.to_owned()),
                None => Destination::LeastLoaded {
                    or_wait: words.flag("or-wait"),
                },
            },
            labels: labels(words.option("labels").unwrap_or("")),
            data: words.option("data").unwrap_or("").as_bytes().to_vec(),
            expected_generation: words.option("expect").map(generation),
        },
        "unassign" => O::Unassign {
            task: words.owned(),
            generation: words.option("at").map(generation),
        },
        "complete" => O::Complete {
            task: words.owned(),
            worker: words.owned(),
            generation: generation(words.next()),
        },
        "cancel" => O::Cancel {
            task: words.owned(),
            generation: words.option("at").map(generation),
        },
        "fence" => O::Fence {
            task: words.owned(),
            worker: words.owned(),
            generation: generation(words.next()),
        },
        "move" => O::Move {
            task: words.owned(),
            from: words.owned(),
            generation: generation(words.next()),
            to: words.owned(),
        },
        "assign-pending" => O::AssignPending {
            count: u32::try_from(words.number()).unwrap(),
            after: words.option("after").map(|after| {
                let (at, task) = after.split_once('/').unwrap();
                Cursor {
                    generation: generation(at),
                    task: task.to_owned(),
                }
            }),
        },
        "sync" => O::Sync(SyncAssignments {
            expected: Revision(words.number()),
            workers: words.tasks_of_workers(),
            only_workers: words.flag("only"),
        }),
        other => panic!("unknown operation {other:?}"),
    })
}

fn generation(text: &str) -> u64 {
    match text.split_once('.') {
        Some((revision, operation)) => revision.parse::<u64>().unwrap() * 4096 + operation.parse::<u64>().unwrap(),
        None => text.parse().unwrap(),
    }
}

pub fn shown(generation: u64) -> String {
    format!("{}.{}", generation / 4096, generation % 4096)
}
