//! What the lists tell of the order of transactions.

use super::Outcome;
use super::graph::{Dependency, Edge, Graph};
use super::lists::{List, Lists};

/// Appends of one list that nobody read and that are followed; more than end a history would be found lost.
const UNREAD_MAX: usize = 100;

/// Adds ww, wr and rw between transactions that happened.
pub(super) fn infer<'a>(lists: &Lists<'a>, graph: &mut Graph<'a>) {
    for (key, list) in &lists.by_key {
        let writers = Writers::of(lists, list);
        writers.follow_one_another(key, graph);
        writers.follow_the_last(key, graph);
    }
    for (reader, transaction) in lists.transactions.iter().enumerate() {
        if transaction.outcome != Outcome::Committed {
            continue;
        }
        for found in transaction.found() {
            let (Some(list), key) = (lists.by_key.get(found.key), found.key) else {
                continue;
            };
            let writer_of = |element: &u64| {
                let append = list.appends.get(element)?;
                lists.happened[append.transaction].then_some(append.transaction)
            };
            let mut add = |from, to, dependency, element| {
                graph.add(Edge {
                    from,
                    to,
                    dependency,
                    shown_by: Some((key, element)),
                });
            };
            if let Some((element, writer)) = found.list.last().and_then(|last| Some((*last, writer_of(last)?))) {
                add(writer, reader, Dependency::WriteRead, element);
            }
            if found.appended || !list.order.starts_with(found.list) {
                continue;
            }
            match list.order.get(found.list.len()) {
                Some(next) => {
                    if let Some(writer) = writer_of(next) {
                        add(reader, writer, Dependency::ReadWrite, *next);
                    }
                }
                None => {
                    for (element, writer) in unread(list) {
                        add(reader, writer, Dependency::ReadWrite, element);
                    }
                }
            }
        }
    }
}

/// The transactions that appended to a list, in the order in which they did.
struct Writers {
    in_order: Vec<(u64, usize)>,
    unread: Vec<(u64, usize)>,
}

impl Writers {
    fn of(lists: &Lists<'_>, list: &List) -> Writers {
        let in_order = list.order.iter().filter_map(|element| {
            let append = list.appends.get(element)?;
            lists.happened[append.transaction].then_some((*element, append.transaction))
        });
        Writers {
            in_order: in_order.collect(),
            unread: unread(list).collect(),
        }
    }

    fn follow_one_another<'a>(&self, key: &'a str, graph: &mut Graph<'a>) {
        for pair in self.in_order.windows(2) {
            add_ww(key, pair[0].1, pair[1], graph);
        }
    }

    fn follow_the_last<'a>(&self, key: &'a str, graph: &mut Graph<'a>) {
        if let Some((_, last)) = self.in_order.last() {
            for unread in &self.unread {
                add_ww(key, *last, *unread, graph);
            }
        }
    }
}

fn add_ww<'a>(key: &'a str, from: usize, (element, to): (u64, usize), graph: &mut Graph<'a>) {
    graph.add(Edge {
        from,
        to,
        dependency: Dependency::WriteWrite,
        shown_by: Some((key, element)),
    });
}

fn unread(list: &List) -> impl Iterator<Item = (u64, usize)> {
    list.unread.iter().copied().take(UNREAD_MAX)
}
