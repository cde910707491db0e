//! The lists: who appended what, in which order, and what is wrong with that already.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Anomaly, Kind, Outcome, Transaction};

/// Anomalies of one kind that are shown.
const SHOWN: usize = 3;

/// An append.
#[derive(Clone, Copy, Debug)]
pub(super) struct Append {
    /// By index.
    pub transaction: usize,
    /// The transaction appended nothing more to this list.
    pub is_last: bool,
}

/// One list.
#[derive(Debug, Default)]
pub(super) struct List {
    /// All that anybody tried to append.
    pub appends: HashMap<u64, Append>,
    /// What the longest read shows: the order of the appends.
    pub order: Vec<u64>,
    /// Elements of the order, from its beginning, of which nothing is wrong.
    sound: usize,
    /// What was acknowledged and nobody read, with its transaction: it stands behind all that somebody did.
    pub unread: Vec<(u64, usize)>,
    /// The reader that was called last.
    last_reader: Option<usize>,
}

/// All lists.
#[derive(Debug)]
pub(super) struct Lists<'a> {
    pub transactions: &'a [Transaction],
    pub by_key: BTreeMap<&'a str, List>,
    /// By index: it had its effect, by its acknowledgement or since somebody was shown it.
    pub happened: Vec<bool>,
}

impl<'a> Lists<'a> {
    /// Collects them; the element that is not unique as an error.
    pub(super) fn of(transactions: &'a [Transaction]) -> Result<Lists<'a>, String> {
        let mut by_key: BTreeMap<&str, List> = BTreeMap::new();
        for (index, transaction) in transactions.iter().enumerate() {
            let mut last: HashMap<&str, u64> = HashMap::new();
            for (key, element) in transaction.appends() {
                let append = Append {
                    transaction: index,
                    is_last: true,
                };
                let appends = &mut by_key.entry(key).or_default().appends;
                if let Some(before) = last.insert(key, element).and_then(|before| appends.get_mut(&before)) {
                    before.is_last = false;
                }
                if appends.insert(element, append).is_some() {
                    return Err(format!("{element} is appended to {key:?} twice"));
                }
            }
            for (key, list) in transaction.reads() {
                let known = by_key.entry(key).or_default();
                if list.len() > known.order.len() {
                    known.order = list.to_vec();
                }
                let later = |reader: usize| transactions[reader].invoked <= transaction.invoked;
                if known.last_reader.is_none_or(later) {
                    known.last_reader = Some(index);
                }
            }
        }
        let mut happened: Vec<bool> = transactions
            .iter()
            .map(|transaction| transaction.outcome == Outcome::Committed)
            .collect();
        for list in by_key.values() {
            for append in list.order.iter().filter_map(|element| list.appends.get(element)) {
                happened[append.transaction] |= transactions[append.transaction].outcome == Outcome::Unknown;
            }
        }
        for list in by_key.values_mut() {
            list.sound = sound(list, transactions);
            list.unread = unread(list, transactions);
        }
        Ok(Lists {
            transactions,
            by_key,
            happened,
        })
    }

    /// What is wrong with lists by themselves.
    pub(super) fn anomalies(&self) -> Vec<Anomaly> {
        let mut found = Found::default();
        for transaction in self.transactions {
            for (key, list) in transaction.reads() {
                self.read(transaction, key, list, &mut found);
            }
            for before in transaction.found() {
                self.intermediate(transaction, before.key, before.list, &mut found);
            }
        }
        for (key, list) in &self.by_key {
            self.dirty_update(key, list, &mut found);
            self.lost(key, list, &mut found);
        }
        found.anomalies
    }

    fn read(&self, transaction: &Transaction, key: &str, list: &[u64], found: &mut Found) {
        let known = &self.by_key[key];
        if list.len() <= known.sound && known.order.starts_with(list) {
            return;
        }
        let distinct: HashSet<u64> = list.iter().copied().collect();
        if distinct.len() < list.len() {
            found.add(Kind::Duplicate, || format!("{key:?} is {list:?} in {transaction:?}"));
        }
        if !known.order.starts_with(list) {
            found.add(Kind::IncompatibleOrder, || {
                format!("{key:?} is {:?} and {list:?}, in {transaction:?}", known.order)
            });
        }
        for element in list {
            match known.appends.get(element) {
                None => found.add(Kind::Unwritten, || format!("{element} of {key:?}, in {transaction:?}")),
                Some(append) if self.outcome(append) == Outcome::Aborted => found.add(Kind::Aborted, || {
                    let aborted = &self.transactions[append.transaction];
                    format!("{element} of {key:?}, which {aborted:?} did not append, in {transaction:?}")
                }),
                Some(_) => {}
            }
        }
    }

    fn intermediate(&self, transaction: &Transaction, key: &str, list: &[u64], found: &mut Found) {
        let known = &self.by_key[key];
        let last = list.last().and_then(|element| known.appends.get(element));
        if let Some(append) = last.filter(|append| !append.is_last) {
            let other = &self.transactions[append.transaction];
            if other != transaction {
                found.add(Kind::Intermediate, || {
                    format!("{key:?} is {list:?} in the middle of {other:?}, in {transaction:?}")
                });
            }
        }
    }

    fn dirty_update(&self, key: &str, list: &List, found: &mut Found) {
        let mut aborted = None;
        for element in &list.order {
            let Some(append) = list.appends.get(element) else {
                continue;
            };
            match (self.outcome(append), aborted) {
                (Outcome::Aborted, _) => aborted = Some(*element),
                (_, Some(before)) => {
                    let transaction = &self.transactions[append.transaction];
                    found.add(Kind::DirtyUpdate, || {
                        format!("{before} of {key:?} was refused, and is before {element} of {transaction:?}")
                    });
                    return;
                }
                _ => {}
            }
        }
    }

    fn lost(&self, key: &str, list: &List, found: &mut Found) {
        let Some(reader) = list.last_reader.map(|reader| &self.transactions[reader]) else {
            return;
        };
        for (element, transaction) in &list.unread {
            let transaction = &self.transactions[*transaction];
            if transaction.returned < reader.invoked {
                found.add(Kind::Lost, || {
                    format!("{element} of {key:?}: {transaction:?}; later {reader:?}")
                });
            }
        }
    }

    fn outcome(&self, append: &Append) -> Outcome {
        self.transactions[append.transaction].outcome
    }
}

fn sound(list: &List, transactions: &[Transaction]) -> usize {
    let mut seen = HashSet::new();
    let mut is_sound = |element: &u64| {
        let append = list.appends.get(element);
        seen.insert(*element)
            && append.is_some_and(|append| transactions[append.transaction].outcome != Outcome::Aborted)
    };
    let wrong = list.order.iter().position(|element| !is_sound(element));
    wrong.unwrap_or(list.order.len())
}

fn unread(list: &List, transactions: &[Transaction]) -> Vec<(u64, usize)> {
    let read: HashSet<u64> = list.order.iter().copied().collect();
    let appends = list
        .appends
        .iter()
        .map(|(element, append)| (*element, append.transaction));
    let mut unread: Vec<(u64, usize)> = appends
        .filter(|(element, transaction)| {
            transactions[*transaction].outcome == Outcome::Committed && !read.contains(element)
        })
        .collect();
    unread.sort_unstable_by_key(|(element, transaction)| (transactions[*transaction].invoked, *element));
    unread
}

#[derive(Default)]
struct Found {
    anomalies: Vec<Anomaly>,
    of_kind: BTreeMap<Kind, usize>,
}

impl Found {
    fn add(&mut self, kind: Kind, what: impl FnOnce() -> String) {
        let count = self.of_kind.entry(kind).or_insert(0);
        *count += 1;
        if *count <= SHOWN {
            self.anomalies.push(Anomaly { kind, what: what() });
        }
    }
}
