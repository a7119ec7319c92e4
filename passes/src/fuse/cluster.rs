//! Which stores share a kernel.
//!
//! Stores are the nodes of a `petgraph` graph, with an edge wherever one has to run before another: because it makes what
//! the other loads, or because it reads what the other overwrites. Nodes merge while their loop can be one and the graph
//! stays without a cycle, that is, while no path between them leaves the merged node (the kernel is *convex*).

use super::cut::Reason;
use super::items::Items;
use crate::alias::{self, Access};
use petgraph::Direction;
use petgraph::algo::{DfsSpace, has_path_connecting, tarjan_scc};
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;
use routefuse_ir::SymbolId;
use routefuse_ir::kernel::schedule::code_size::MOST_INSTRUCTIONS;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// A value that is stored: the smallest thing that can be a kernel.
pub(super) struct Unit {
    /// The row symbol of its stores.
    pub(super) rows: Option<SymbolId>,
    /// Units of different groups share no kernel: it would be too large.
    pub(super) group: u32,
    /// What it does with items that are both counted and ranked.
    pub(super) items: Items,
    /// Positions of the units whose stores it loads.
    pub(super) loads: Vec<usize>,
    /// Of these, the ones that it need not load in the kernel that stores them.
    pub(super) at_hand: Vec<usize>,
    /// What it does to inputs that outputs overwrite.
    pub(super) access: Access,
}

/// Units that share a kernel, in the order in which the kernels run.
pub(super) struct Clusters {
    /// Positions of units, ascending.
    pub(super) kernels: Vec<Vec<usize>>,
    /// Why two kernels are two.
    pub(super) apart: Vec<([usize; 2], Obstacle)>,
}

/// Why two clusters cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Different row symbols.
    Rows,
    /// They are of different groups.
    Size,
    /// This unit counts or ranks what is both counted and ranked.
    Items(usize),
    /// The second loads what this unit stores.
    Memory(usize),
    /// This input is overwritten by one of them and read by the other.
    Overwrite(usize),
    /// A path from one to the other leads through a third.
    Between,
}

type Graph = StableDiGraph<Vec<usize>, ()>;

/// Merges units as far as they go; with `merge` off, none.
///
/// # Errors
/// Units that overwrite what has to be read after them: their stores have to be staged.
pub(super) fn cluster(units: &[Unit], merge: bool) -> Result<Clusters, Vec<usize>> {
    let mut graph = Graph::with_capacity(units.len(), units.len());
    let nodes: Vec<NodeIndex> = (0..units.len()).map(|i| graph.add_node(vec![i])).collect();
    for (i, unit) in units.iter().enumerate() {
        for from in &unit.loads {
            graph.update_edge(nodes[*from], nodes[i], ());
        }
    }
    let mut overwrites = Vec::new();
    for (w, writer) in units.iter().enumerate().filter(|(_, u)| !u.access.writes.is_empty()) {
        for (r, reader) in units.iter().enumerate() {
            if reader.access.reads.iter().any(|(x, _)| writer.access.writes.contains(x)) {
                overwrites.push((r, w));
                if r != w {
                    graph.update_edge(nodes[r], nodes[w], ());
                }
            }
        }
    }
    break_cycles(units, &mut graph, &overwrites, merge)?;
    let mut apart: BTreeMap<(NodeIndex, NodeIndex), Obstacle> = BTreeMap::new();
    if merge {
        let mut formed: Vec<NodeIndex> = Vec::new();
        for node in topological(units, &graph) {
            let mut obstacles = Vec::new();
            let host = formed.iter().copied().find(|f| match obstacle(units, &graph, *f, node) {
                Some(o) => {
                    obstacles.push(((*f, node), o));
                    false
                }
                None => true,
            });
            match host {
                Some(host) => absorb(&mut graph, host, node),
                None => {
                    formed.push(node);
                    apart.extend(obstacles);
                }
            }
        }
    }
    let order = topological(units, &graph);
    let position = |n: NodeIndex| order.iter().position(|o| *o == n).unwrap_or(0);
    let mut separated: Vec<([usize; 2], Obstacle)> =
        apart.into_iter().map(|((a, b), o)| ([position(a), position(b)], o)).collect();
    separated.sort_by_key(|s| s.0);
    let kernels = order.into_iter().map(|n| graph[n].clone()).collect();
    Ok(Clusters { kernels, apart: separated })
}

/// Makes one node of every cycle, where it can be one kernel; else names those of its writers that have to be staged.
fn break_cycles(
    units: &[Unit],
    graph: &mut Graph,
    overwrites: &[(usize, usize)],
    merge: bool,
) -> Result<(), Vec<usize>> {
    let mut staged = Vec::new();
    for component in tarjan_scc(&*graph) {
        let mut members: Vec<usize> = component.iter().flat_map(|n| graph[*n].clone()).collect();
        members.sort_unstable();
        let single = members.len() == 1;
        if (merge || single) && fits(units, &members).is_none() {
            let mut component = component;
            component.sort_unstable();
            for n in &component[1..] {
                absorb(graph, component[0], *n);
            }
            continue;
        }
        let inside = |u: &usize| members.contains(u);
        staged.extend(overwrites.iter().filter(|(r, w)| inside(r) && inside(w)).map(|(_, w)| *w));
    }
    staged.sort_unstable();
    staged.dedup();
    if staged.is_empty() { Ok(()) } else { Err(staged) }
}

/// What keeps these units from being one kernel, whatever is outside.
fn fits(units: &[Unit], members: &[usize]) -> Option<Obstacle> {
    let rows = units[members[0]].rows;
    if members.iter().any(|m| units[*m].rows != rows) {
        return Some(Obstacle::Rows);
    }
    let group = units[members[0]].group;
    if members.iter().any(|m| units[*m].group != group) {
        return Some(Obstacle::Size);
    }
    let of_items = members.iter().find(|m| units[**m].items != Items::Others);
    if let Some(first) = of_items.filter(|_| members.len() > 1)
        && members.iter().any(|m| units[*m].items != Items::Ranks)
    {
        return Some(Obstacle::Items(*first));
    }
    for m in members {
        let Unit { loads, at_hand, .. } = &units[*m];
        if let Some(stored) = loads.iter().find(|l| members.contains(l) && !at_hand.contains(l)) {
            return Some(Obstacle::Memory(*stored));
        }
    }
    alias::conflict(members.iter().map(|m| &units[*m].access)).map(Obstacle::Overwrite)
}

/// What keeps two nodes, the first before the second in topological order, from being one.
fn obstacle(units: &[Unit], graph: &Graph, first: NodeIndex, second: NodeIndex) -> Option<Obstacle> {
    let members: Vec<usize> = graph[first].iter().chain(&graph[second]).copied().collect();
    if let Some(o) = fits(units, &members) {
        return Some(o);
    }
    let mut space = DfsSpace::new(graph);
    let mut beyond = graph.neighbors_directed(first, Direction::Outgoing).filter(|n| *n != second);
    beyond.any(|n| has_path_connecting(graph, n, second, Some(&mut space))).then_some(Obstacle::Between)
}

/// Moves a node's units and edges to another's.
fn absorb(graph: &mut Graph, host: NodeIndex, node: NodeIndex) {
    let incoming: Vec<NodeIndex> = graph.edges_directed(node, Direction::Incoming).map(|e| e.source()).collect();
    let outgoing: Vec<NodeIndex> = graph.edges_directed(node, Direction::Outgoing).map(|e| e.target()).collect();
    for n in incoming.into_iter().filter(|n| *n != host) {
        graph.update_edge(n, host, ());
    }
    for n in outgoing.into_iter().filter(|n| *n != host) {
        graph.update_edge(host, n, ());
    }
    if let Some(units) = graph.remove_node(node) {
        graph[host].extend(units);
        graph[host].sort_unstable();
    }
}

/// Topological order, in which what ranks items comes as late as it may: where they are counted before, both can be phases of one
/// launch. Ties by the first unit, so that the order is a function of the units alone.
fn topological(units: &[Unit], graph: &Graph) -> Vec<NodeIndex> {
    let degree = |n: NodeIndex| graph.edges_directed(n, Direction::Incoming).count();
    let mut waiting: BTreeMap<NodeIndex, usize> = graph.node_indices().map(|n| (n, degree(n))).collect();
    let ranks = |n: NodeIndex| graph[n].iter().any(|u| units[*u].items == Items::Ranks);
    let key = |n: NodeIndex| Reverse((ranks(n), graph[n].first().copied(), n));
    let mut ready: BinaryHeap<_> = waiting.iter().filter(|(_, d)| **d == 0).map(|(n, _)| key(*n)).collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(Reverse((_, _, n))) = ready.pop() {
        order.push(n);
        for next in graph.neighbors_directed(n, Direction::Outgoing) {
            if let Some(d) = waiting.get_mut(&next) {
                *d -= 1;
                if *d == 0 {
                    ready.push(key(next));
                }
            }
        }
    }
    order
}

impl Obstacle {
    /// In the user's names.
    pub(super) fn reason(
        self,
        rows: [String; 2],
        stored: impl Fn(usize) -> String,
        overwritten: impl Fn(usize) -> (String, String),
    ) -> Reason {
        match self {
            Obstacle::Rows => {
                let [first, second] = rows;
                Reason::Rows { first, second }
            }
            Obstacle::Size => Reason::Size { most: MOST_INSTRUCTIONS },
            Obstacle::Items(unit) => Reason::Items { value: stored(unit) },
            Obstacle::Memory(unit) => Reason::Memory { value: stored(unit) },
            Obstacle::Overwrite(input) => {
                let (input, output) = overwritten(input);
                Reason::Overwrite { input, output }
            }
            Obstacle::Between => Reason::Between,
        }
    }
}
