//! The worst and shortest circle of a component.

use std::collections::{HashMap, HashSet, VecDeque};

use super::anomaly::{Base, Circle, Time};
use super::graph::{Dependency, Edge, Graph};

use Dependency::{Process, ReadWrite, Realtime, WriteRead, WriteWrite};

/// Edges of a component at which a circle is looked for: each costs a walk.
const STARTS_MAX: usize = 500;

/// The first of these that there is: circles that need nothing of time before those that do, and of these the worse ones
/// first; of equals the shortest.
pub(super) fn worst<'a>(graph: &Graph<'a>, component: &[usize]) -> Option<Vec<Edge<'a>>> {
    let times: [&[Dependency]; 3] = [&[], &[Process], &[Process, Realtime]];
    // The dependency that a circle must have, and those that it may have.
    let bases: [(Dependency, &[Dependency]); 4] = [
        (WriteWrite, &[WriteWrite]),
        (WriteRead, &[WriteWrite, WriteRead]),
        (ReadWrite, &[WriteWrite, WriteRead]),
        (ReadWrite, &[WriteWrite, WriteRead, ReadWrite]),
    ];
    let inside: HashSet<usize> = component.iter().copied().collect();
    let wanted = times.iter().flat_map(|time| bases.iter().map(move |base| (base, time)));
    for ((must, may), time) in wanted {
        let may: Vec<Dependency> = may.iter().chain(*time).copied().collect();
        let found = shortest(graph, component, &inside, *must, &may);
        if found.is_some() {
            return found;
        }
    }
    // In a component every edge is on a circle, so that only a limit leads here.
    let all = [WriteWrite, WriteRead, ReadWrite, Process, Realtime];
    all.iter()
        .find_map(|must| shortest(graph, component, &inside, *must, &all))
}

/// The name of a circle.
pub(super) fn name(circle: &[Edge<'_>]) -> Circle {
    let count = |dependency| circle.iter().filter(|edge| edge.dependency == dependency).count();
    let base = match (count(ReadWrite), count(WriteRead)) {
        (0, 0) => Base::G0,
        (0, _) => Base::G1c,
        (1, _) => Base::Single,
        _ => Base::G2,
    };
    let time = match (count(Realtime), count(Process)) {
        (0, 0) => Time::None,
        (0, _) => Time::Process,
        _ => Time::Realtime,
    };
    Circle { base, time }
}

fn shortest<'a>(
    graph: &Graph<'a>,
    component: &[usize],
    inside: &HashSet<usize>,
    must: Dependency,
    may: &[Dependency],
) -> Option<Vec<Edge<'a>>> {
    let edges = component.iter().flat_map(|at| graph.from(*at));
    let starts = edges.filter(|edge| edge.dependency == must && inside.contains(&edge.to));
    let mut best: Option<Vec<Edge<'a>>> = None;
    for start in starts.take(STARTS_MAX) {
        let longest = best.as_ref().map_or(usize::MAX, |best| best.len() - 2);
        if let Some(way) = way(graph, inside, start.to, start.from, may, longest) {
            best = Some(std::iter::once(*start).chain(way).collect());
        }
    }
    best
}

/// The shortest way from one to another, if it has fewer edges than so many.
fn way<'a>(
    graph: &Graph<'a>,
    inside: &HashSet<usize>,
    from: usize,
    to: usize,
    may: &[Dependency],
    fewer_than: usize,
) -> Option<Vec<Edge<'a>>> {
    let mut came_by: HashMap<usize, Option<Edge<'a>>> = HashMap::from([(from, None)]);
    let mut next = VecDeque::from([(from, 0)]);
    while let Some((at, length)) = next.pop_front() {
        if at == to {
            let mut way = Vec::new();
            let mut here = to;
            while let Some(Some(edge)) = came_by.get(&here) {
                way.push(*edge);
                here = edge.from;
            }
            way.reverse();
            return Some(way);
        }
        if length + 1 >= fewer_than {
            continue;
        }
        for edge in graph.from(at) {
            let allowed = may.contains(&edge.dependency) && inside.contains(&edge.to);
            if allowed && !came_by.contains_key(&edge.to) {
                came_by.insert(edge.to, Some(*edge));
                next.push_back((edge.to, length + 1));
            }
        }
    }
    None
}
