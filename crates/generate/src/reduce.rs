//! A failing graph to a small one that still fails.

use routefuse_ir::graph::{Input, Node, Output};
use routefuse_ir::op::Op;
use routefuse_ir::{Alias, Graph, Layout, NodeId, Verified};
use std::collections::HashMap;

/// What to do with one node while a graph is rebuilt.
#[derive(Clone, Copy)]
enum Change {
    Nothing,
    /// The node becomes an input of its type.
    Cut(NodeId),
    /// The node becomes its operand, which has the same type.
    Skip(NodeId, usize),
    DropOutput(usize),
    /// The output becomes an operand of what it was.
    Hoist(usize, NodeId),
    PlainOutput(usize),
    PlainInput(usize),
}

/// Greedily cuts, skips and drops while `fails` says that what is left still fails; at most `budget` questions are asked.
/// Inputs keep their names, so that their elements stay the same.
pub fn reduce(g: Verified<Graph>, budget: usize, mut fails: impl FnMut(&Verified<Graph>) -> bool) -> Verified<Graph> {
    let mut best = g;
    let mut left = budget;
    loop {
        let mut improved = false;
        for change in changes(&best) {
            if left == 0 {
                return best;
            }
            let Ok(candidate) = rebuild(&best, change).verify() else { continue };
            if size(&candidate) >= size(&best) {
                continue;
            }
            left -= 1;
            if fails(&candidate) {
                best = candidate;
                improved = true;
                break;
            }
        }
        if !improved {
            return best;
        }
    }
}

/// What reduction makes smaller.
fn size(g: &Graph) -> usize {
    let special = |l: Layout| usize::from(l != Layout::Contiguous);
    let outputs: usize = g.outputs.iter().map(|o| 4 + special(o.layout) + usize::from(o.alias != Alias::None)).sum();
    g.op_count() * 4 + g.node_count() + outputs + g.inputs.iter().map(|i| special(i.layout)).sum::<usize>()
}

fn changes(g: &Graph) -> Vec<Change> {
    let mut all: Vec<Change> = (0..g.outputs.len()).map(Change::DropOutput).collect();
    all.push(Change::Nothing);
    for (i, o) in g.outputs.iter().enumerate() {
        all.extend(g.operands(o.node).into_iter().map(|operand| Change::Hoist(i, operand)));
    }
    let order = g.topological().unwrap_or_default();
    for id in order.into_iter().rev().filter(|id| !matches!(g.node(*id).op, Op::Input(_))) {
        let operands = g.operands(id);
        let same = |o: &NodeId| g.node(*o).ty == g.node(id).ty;
        all.extend((0..operands.len()).filter(|i| same(&operands[*i])).map(|i| Change::Skip(id, i)));
        all.push(Change::Cut(id));
    }
    all.extend((0..g.outputs.len()).map(Change::PlainOutput));
    all.extend((0..g.inputs.len()).map(Change::PlainInput));
    all
}

/// The graph with one change, without what no output needs.
fn rebuild(g: &Graph, change: Change) -> Graph {
    let kept: Vec<usize> =
        (0..g.outputs.len()).filter(|o| !matches!(change, Change::DropOutput(d) if d == *o)).collect();
    let stored = |o: usize| match change {
        Change::Hoist(hoisted, operand) if hoisted == o => operand,
        _ => g.outputs[o].node,
    };
    let mut needed: Vec<NodeId> = kept.iter().map(|o| stored(*o)).collect();
    needed.extend(kept.iter().filter_map(|o| g.outputs[*o].alias.input()).map(|i| g.inputs[i].node));
    let mut seen: HashMap<NodeId, Option<NodeId>> = HashMap::new();
    let mut stack = needed;
    let operands_of = |id: NodeId| match change {
        Change::Cut(n) if n == id => vec![],
        Change::Skip(n, operand) if n == id => vec![g.operands(id)[operand]],
        _ => g.operands(id),
    };
    while let Some(id) = stack.pop() {
        if seen.insert(id, None).is_none() {
            stack.extend(operands_of(id));
        }
    }
    let mut out = Graph::new(g.name.clone());
    out.symbols.clone_from(&g.symbols);
    out.bounds.clone_from(&g.bounds);
    let mut inputs: HashMap<usize, usize> = HashMap::new();
    for (i, input) in g.inputs.iter().enumerate() {
        if !seen.contains_key(&input.node) {
            continue;
        }
        let layout = if matches!(change, Change::PlainInput(p) if p == i) { Layout::Contiguous } else { input.layout };
        inputs.insert(i, out.inputs.len());
        let node = add_input(&mut out, g.node(input.node), &input.name, layout);
        seen.insert(input.node, Some(node));
    }
    for id in g.topological().unwrap_or_default() {
        if seen.get(&id) != Some(&None) {
            continue;
        }
        let node = g.node(id);
        let operands: Option<Vec<NodeId>> = operands_of(id).iter().map(|o| seen.get(o).copied().flatten()).collect();
        let Some(operands) = operands else { continue };
        let new = match change {
            Change::Cut(n) if n == id => add_input(&mut out, node, &node.name, Layout::Contiguous),
            Change::Skip(n, _) if n == id => operands[0],
            _ => out.add_node(Node { span: None, ..node.clone() }, &operands),
        };
        seen.insert(id, Some(new));
    }
    for o in kept {
        let Output { name, node: _, layout, alias, span: _ } = &g.outputs[o];
        let plain = matches!(change, Change::PlainOutput(p) | Change::Hoist(p, _) if p == o);
        let moved = |i: &usize| inputs.get(i).copied().unwrap_or(0);
        let (layout, alias) = match alias {
            _ if plain => (Layout::Contiguous, Alias::None),
            Alias::None => (*layout, Alias::None),
            Alias::InPlace(i) => (*layout, Alias::InPlace(moved(i))),
            Alias::Donates(i) => (*layout, Alias::Donates(moved(i))),
            Alias::Guarded(i) => (*layout, Alias::Guarded(moved(i))),
        };
        if let Some(node) = seen.get(&stored(o)).copied().flatten() {
            out.outputs.push(Output { name: name.clone(), node, layout, alias, span: None });
        }
    }
    out
}

fn add_input(out: &mut Graph, node: &Node, name: &str, layout: Layout) -> NodeId {
    let op = Op::Input(out.inputs.len());
    let id = out.add_node(Node { op, ty: node.ty.clone(), name: name.to_owned(), span: None }, &[]);
    out.inputs.push(Input { name: name.to_owned(), node: id, layout });
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Profile, of_seed};
    use routefuse_ir::op::{BinaryOp, ScalarOp};

    #[test]
    fn a_graph_is_reduced_to_what_fails() {
        let divides = |g: &Graph| g.nodes().filter(|n| n.op == Op::Scalar(ScalarOp::Binary(BinaryOp::Div))).count();
        let live = |g: &Verified<Graph>| rebuild(g, Change::Nothing);
        let found: Vec<Verified<Graph>> = (0..4000)
            .filter_map(|seed| of_seed(seed, &Profile::FLAT).graph.ok())
            .filter(|g| divides(&live(g)) > 0)
            .take(20)
            .collect();
        assert_eq!(found.len(), 20);
        for g in found {
            let small = reduce(g, 2000, |g| divides(g) > 0);
            assert_eq!((small.op_count(), small.outputs.len()), (1, 1), "{}", routefuse_ir::text::print(&small));
        }
    }
}
