//! The rules for outputs in an input's memory.

use super::{Alias, Graph, Layout, NodeId};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::op::Op;
use petgraph::Direction;

/// Reports every `atomic_add` that is anything but one output, in place of the input that it counts in, which nothing
/// else reads: what they would see is not defined.
pub(super) fn check_atomics(g: &Graph, d: &mut Diagnostics) {
    for id in g.nodes.node_indices().map(NodeId) {
        let node = g.node(id);
        if node.op != Op::AtomicAdd {
            continue;
        }
        let counts = g.operands(id)[0];
        let uses = g.nodes.edges_directed(id.0, Direction::Outgoing).count();
        let readers = g.nodes.edges_directed(counts.0, Direction::Outgoing).count();
        let mut outputs = g.outputs.iter().filter(|o| o.node == id);
        let in_place = outputs.next().is_some_and(|o| match (o.alias, &g.node(counts).op) {
            (Alias::InPlace(i), Op::Input(j)) => i == *j && o.layout == Layout::Contiguous,
            _ => false,
        });
        let stored = g.outputs.iter().filter(|o| o.node == counts).count();
        if !in_place || uses > 0 || readers > 1 || stored > 0 || outputs.next().is_some() {
            let name = &g.node(counts).name;
            let message = format!("`%{}` adds to `%{name}`, and so it must be the only one that uses it", node.name);
            let help = format!(
                "declare `{name}` as an input that nothing else reads, and `%{}` as its `in_place` output",
                node.name
            );
            d.push(Diagnostic::new(Code::AtomicNotInPlace, message).at(node.span).within(g.node_text(id)).help(help));
        }
    }
}

/// Reports aliases of another type, inputs aliased twice, guarded outputs that are no plain copies.
///
/// An output may overwrite what others still read: `routefuse-passes` orders the kernels, or stores it elsewhere first.
pub(super) fn check(g: &Graph, d: &mut Diagnostics) {
    let mut taken: Vec<Option<usize>> = vec![None; g.inputs.len()];
    for (position, o) in g.outputs.iter().enumerate() {
        let Some(i) = o.alias.input() else { continue };
        let Some(input) = g.inputs.get(i) else {
            let message = format!("the alias of output `{}` names input number {i}, which does not exist", o.name);
            d.push(Diagnostic::new(Code::UndefinedInput, message).at(o.span));
            continue;
        };
        let (of, to) = (&g.node(o.node).ty, g.input_type(i));
        if of != to {
            d.push(
                Diagnostic::new(
                    Code::AliasTypeMismatch,
                    format!(
                        "output `{}` is {} and cannot lie in input `{}`, which is {}",
                        o.name,
                        of.text(&g.symbols),
                        input.name,
                        to.text(&g.symbols)
                    ),
                )
                .at(o.span)
                .help("an alias needs the same dtype and shape"),
            );
        }
        if matches!(o.alias, Alias::InPlace(_) | Alias::Donates(_)) && o.layout != input.layout {
            d.push(
                Diagnostic::new(
                    Code::AliasTypeMismatch,
                    format!("output `{}` and input `{}` share memory but not the layout", o.name, input.name),
                )
                .at(o.span)
                .help("declare both contiguous, both `rows`, or both `strided`"),
            );
        }
        if let Some(first) = taken[i].replace(position) {
            let message =
                format!("outputs `{}` and `{}` both lie in input `{}`", g.outputs[first].name, o.name, input.name);
            d.push(Diagnostic::new(Code::AliasedTwice, message).at(o.span).help("give one of them memory of its own"));
        }
        if matches!(o.alias, Alias::Guarded(_)) {
            let node = g.node(o.node);
            let copies = matches!(node.op, Op::Copy) && g.operands(o.node) == [input.node];
            if !copies {
                let message = format!("the guarded output `{}` is not a `copy` of input `{}`", o.name, input.name);
                let help = format!("store the result of `copy %{}`", input.name);
                d.push(Diagnostic::new(Code::GuardedNotCopy, message).at(o.span).help(help));
            }
        }
    }
}
