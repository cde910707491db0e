//! Tarjan's strongly connected components, without recursion: every circle lies in one of them.

use super::graph::Graph;

/// Transactions that depend on one another; those that do not are left out.
pub(super) fn components(graph: &Graph<'_>) -> Vec<Vec<usize>> {
    let mut walk = Walk {
        graph,
        number: vec![None; graph.transactions()],
        lowest: vec![0; graph.transactions()],
        is_open: vec![false; graph.transactions()],
        open: Vec::new(),
        next: 0,
        found: Vec::new(),
    };
    for start in 0..graph.transactions() {
        if walk.number[start].is_none() {
            walk.from(start);
        }
    }
    walk.found
}

struct Walk<'a> {
    graph: &'a Graph<'a>,
    /// In the order in which they were met.
    number: Vec<Option<usize>>,
    /// The lowest number that was reached.
    lowest: Vec<usize>,
    is_open: Vec<bool>,
    open: Vec<usize>,
    next: usize,
    found: Vec<Vec<usize>>,
}

impl Walk<'_> {
    fn from(&mut self, start: usize) {
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        self.enter(start);
        while let Some((at, edge)) = path.last_mut() {
            let here = *at;
            match self.graph.from(here).get(*edge) {
                Some(next) => {
                    *edge += 1;
                    match self.number[next.to] {
                        None => {
                            path.push((next.to, 0));
                            self.enter(next.to);
                        }
                        Some(number) if self.is_open[next.to] => self.lowest[here] = self.lowest[here].min(number),
                        Some(_) => {}
                    }
                }
                None => {
                    path.pop();
                    if let Some((before, _)) = path.last() {
                        self.lowest[*before] = self.lowest[*before].min(self.lowest[here]);
                    }
                    if self.number[here] == Some(self.lowest[here]) {
                        self.close(here);
                    }
                }
            }
        }
    }

    fn enter(&mut self, at: usize) {
        self.number[at] = Some(self.next);
        self.lowest[at] = self.next;
        self.next += 1;
        self.is_open[at] = true;
        self.open.push(at);
    }

    fn close(&mut self, root: usize) {
        let mut component = Vec::new();
        while let Some(member) = self.open.pop() {
            self.is_open[member] = false;
            component.push(member);
            if member == root {
                break;
            }
        }
        if component.len() > 1 {
            component.sort_unstable();
            self.found.push(component);
        }
    }
}
