//! Which values stand on which line of a text.

use crate::origin::Origin;
use routefuse::ir::{Kernel, ValueKind};
use routefuse::text;

/// An empty list for each line of a text.
pub(crate) fn none(text: &str) -> Vec<Vec<usize>> {
    vec![vec![]; text.lines().count()]
}

/// Where the lines of a text begin.
pub(crate) struct Starts(Vec<usize>);

impl Starts {
    pub(crate) fn of(text: &str) -> Starts {
        Starts(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line of a byte, from 0.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at) - 1
    }
}

/// Of a graph as `.route` text: the value that each statement defines, and for an output the one that it stores.
pub(crate) fn of_graph(source: &str, origin: &Origin<'_>) -> Vec<Vec<usize>> {
    let mut lines = none(source);
    // A text that does not parse defines nothing.
    let Ok(graph) = text::parse(source) else { return lines };
    let starts = Starts::of(source);
    let spans = graph.nodes().map(|n| (n.span, n.name.as_str()));
    let outputs = graph.outputs.iter().map(|o| (o.span, graph.node(o.node).name.as_str()));
    for (span, name) in spans.chain(outputs) {
        let (Some(span), Some(value)) = (span, origin.find(name)) else { continue };
        if let Some(values) = lines.get_mut(starts.line_of(span.start)) {
            insert(values, value);
        }
    }
    lines
}

/// For each value of a kernel, the values of the graph that it was made for: those of its name and those that it is, which `named`
/// says; where there are none, those of the values that ask for it.
pub(crate) fn behind(kernel: &Kernel, named: &[(&str, u32)], origin: &Origin<'_>) -> Vec<Vec<usize>> {
    let of_name = |name: &str| origin.find(name).into_iter().collect::<Vec<_>>();
    let mut behind: Vec<Vec<usize>> = kernel.values.iter().map(|v| of_name(&v.name)).collect();
    for (name, value) in named {
        if let (Some(id), Some(behind)) = (origin.find(name), behind.get_mut(*value as usize)) {
            insert(behind, id);
        }
    }
    // What gathers from a table stands for the table, too.
    for (value, behind) in kernel.values.iter().zip(&mut behind) {
        if let ValueKind::Gather { table, .. } = value.kind
            && let Some(table) = origin.find(&kernel.param(table).name)
        {
            insert(behind, table);
        }
    }
    // Users stand behind their operands.
    for (i, value) in kernel.values.iter().enumerate().rev() {
        let own = behind[i].clone();
        for operand in value.kind.operands() {
            let operand = operand.0 as usize;
            if kernel.values[operand].name.is_empty() {
                own.iter().for_each(|id| insert(&mut behind[operand], *id));
            }
        }
    }
    behind
}

/// Keeps a list ascending and without doubles.
pub(crate) fn insert(list: &mut Vec<usize>, id: usize) {
    if let Err(at) = list.binary_search(&id) {
        list.insert(at, id);
    }
}

/// Of a kernel's text: a line for the head, one a parameter, one a value, one a store, and what follows.
pub(crate) fn of_kernel(kernel: &Kernel, named: &[(&str, u32)], text: &str, origin: &Origin<'_>) -> Vec<Vec<usize>> {
    let behind = behind(kernel, named, origin);
    let mut lines = none(text);
    let params = kernel.params.iter().map(|p| origin.find(&p.name).into_iter().collect());
    let stores = kernel.stores.iter().map(|s| behind[s.value.0 as usize].clone());
    let of_lines = params.chain(behind.iter().cloned()).chain(stores);
    for (line, values) in lines.iter_mut().skip(1).zip(of_lines) {
        *line = values;
    }
    lines
}
