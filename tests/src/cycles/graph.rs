//! Transactions and what they depend on.

use std::fmt;

/// Why one transaction stands before another; the table is in [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the text of the module says what each is")]
pub enum Dependency {
    WriteWrite,
    WriteRead,
    ReadWrite,
    Process,
    Realtime,
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dependency::WriteWrite => "ww",
            Dependency::WriteRead => "wr",
            Dependency::ReadWrite => "rw",
            Dependency::Process => "process",
            Dependency::Realtime => "realtime",
        })
    }
}

/// `from` stands before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge<'a> {
    pub from: usize,
    pub to: usize,
    pub dependency: Dependency,
    /// The list and the element that show it.
    pub shown_by: Option<(&'a str, u64)>,
}

/// All edges, by the transaction they begin at.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    edges: Vec<Vec<Edge<'a>>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(transactions: usize) -> Graph<'a> {
        Graph {
            edges: vec![Vec::new(); transactions],
        }
    }

    /// Nothing depends on itself.
    pub(super) fn add(&mut self, edge: Edge<'a>) {
        if edge.from != edge.to {
            self.edges[edge.from].push(edge);
        }
    }

    pub(super) fn transactions(&self) -> usize {
        self.edges.len()
    }

    pub(super) fn from(&self, transaction: usize) -> &[Edge<'a>] {
        &self.edges[transaction]
    }

    /// Edges of a kind.
    pub(super) fn count(&self, dependency: Dependency) -> usize {
        let edges = self.edges.iter().flatten();
        edges.filter(|edge| edge.dependency == dependency).count()
    }
}
