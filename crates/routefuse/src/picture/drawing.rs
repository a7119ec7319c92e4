//! Boxes, kernels and arrows, before anything is laid out.

use super::label;
use routefuse_ir::op::Op;
use routefuse_ir::program::{Buffer, Port, Program};
use routefuse_ir::visible::visible;
use routefuse_ir::{Alias, Graph, NodeId, Verified};
use routefuse_passes::explain::{Cost, DimTraffic, Report};
use routefuse_passes::pipeline::Compiled;
use std::collections::HashMap;

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An input's memory.
    Input,
    /// An output's memory.
    Output,
    /// Memory between two kernels.
    Workspace,
    /// A constant, which is part of the code.
    Constant,
    /// An operation inside a kernel.
    Op,
    /// An operation that is a kernel by itself.
    Kernel,
}

/// A box.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub kind: Kind,
    /// One or two short lines.
    pub lines: Vec<String>,
    /// The same in full.
    pub hint: String,
    /// The kernel that it is in, an index of [`Drawing::kernels`].
    pub kernel: Option<usize>,
    /// The value that it stands for.
    // A picture in DOT, which is all there is without `svg`, says no bytes.
    #[cfg_attr(not(feature = "svg"), allow(dead_code))]
    pub value: Carried,
}

/// A value of the graph that is drawn, and what one copy of it takes.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(feature = "svg"), allow(dead_code))]
pub(super) struct Carried {
    /// Its name in that graph.
    pub name: String,
    /// The dim of its rows.
    pub rows: Option<String>,
    /// Bytes for each row.
    pub row_bytes: u64,
    /// Bytes in all, where it has no rows.
    pub once_bytes: u64,
}

impl Carried {
    fn of(g: &Graph, id: NodeId) -> Carried {
        let node = g.node(id);
        let bytes = node.ty.row_elements().unwrap_or(0).saturating_mul(node.ty.dtype.size());
        let rows = node.ty.row_symbol().map(|s| visible(&g.symbols[s.0 as usize]).into_owned());
        let (row_bytes, once_bytes) = if rows.is_some() { (bytes, 0) } else { (0, bytes) };
        Carried { name: node.name.clone(), rows, row_bytes, once_bytes }
    }
}

/// An arrow from a value to where it is used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrow {
    pub from: usize,
    pub to: usize,
    /// It passes through memory; otherwise the value stays in registers.
    pub memory: bool,
}

/// One half of a picture.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawing {
    /// What it shows, in one line.
    pub title: String,
    pub boxes: Vec<Figure>,
    /// The names of the kernels that are drawn around boxes.
    pub kernels: Vec<String>,
    pub arrows: Vec<Arrow>,
}

impl Drawing {
    fn add(&mut self, kind: Kind, lines: &[String], kernel: Option<usize>, value: Carried) -> usize {
        let hint = lines.join(" → ");
        self.boxes.push(Figure { kind, lines: lines.iter().map(|l| label::short(l)).collect(), hint, kernel, value });
        self.boxes.len() - 1
    }

    fn arrow(&mut self, from: usize, to: usize) {
        let (a, b) = (&self.boxes[from], &self.boxes[to]);
        let inside = a.kind == Kind::Constant || (a.kernel.is_some() && a.kernel == b.kernel);
        self.arrows.push(Arrow { from, to, memory: !inside });
    }

    fn constant(&mut self, g: &Graph, id: NodeId, kernel: Option<usize>) -> usize {
        self.add(Kind::Constant, &[label::constant(g, id)], kernel, Carried::of(g, id))
    }

    /// An operation, and arrows from what it reads: `place(id)` is the box of an operand, if it is no constant.
    fn op(&mut self, g: &Graph, id: NodeId, kernel: Option<usize>, place: impl Fn(NodeId) -> Option<usize>) -> usize {
        let kind = if kernel.is_some() { Kind::Op } else { Kind::Kernel };
        let own = self.add(kind, &[label::op(g, id), label::value(g, id)], kernel, Carried::of(g, id));
        for operand in g.operands(id) {
            let from = match place(operand) {
                Some(from) => from,
                None => self.constant(g, operand, kernel),
            };
            self.arrow(from, own);
        }
        own
    }
}

/// The graph as it was written, each operation a kernel.
pub(super) fn before(g: &Verified<Graph>, report: &Report) -> Drawing {
    let mut d =
        Drawing { title: format!("as written: {}", cost(&report.before, "an operation each")), ..Drawing::default() };
    let mut boxes: HashMap<NodeId, usize> = HashMap::new();
    for input in &g.inputs {
        let lines = [visible(&input.name).into_owned(), visible(&g.node(input.node).ty.text(&g.symbols)).into_owned()];
        boxes.insert(input.node, d.add(Kind::Input, &lines, None, Carried::of(g, input.node)));
    }
    // A verified graph has no cycle.
    for id in g.topological().unwrap_or_default() {
        if !matches!(g.node(id).op, Op::Input(_) | Op::Const(_)) {
            let own = d.op(g, id, None, |operand| boxes.get(&operand).copied());
            boxes.insert(id, own);
        }
    }
    for (i, output) in g.outputs.iter().enumerate() {
        let lines = [visible(&output.name).into_owned(), visible(&g.output_type(i).text(&g.symbols)).into_owned()];
        let own = d.add(Kind::Output, &lines, None, Carried::of(g, output.node));
        let from = boxes.get(&output.node).copied();
        let from = from.unwrap_or_else(|| d.constant(g, output.node, None));
        d.arrow(from, own);
    }
    d
}

/// The kernels, with the operations that each computes.
pub(super) fn after(compiled: &Compiled, report: &Report) -> Drawing {
    let (g, program) = (compiled.source(), &compiled.program);
    let mut d = Drawing { title: format!("as compiled: {}", cost(&report.after, "")), ..Drawing::default() };
    let node_of_name: HashMap<&str, NodeId> =
        g.topological().unwrap_or_default().iter().map(|id| (g.node(*id).name.as_str(), *id)).collect();
    let inputs = program.inputs.iter().zip(&g.inputs);
    let inputs: Vec<usize> = inputs.map(|(p, i)| d.port(Kind::Input, p, program, g, i.node)).collect();
    let outputs = program.outputs.iter().zip(&g.outputs);
    let outputs: Vec<usize> = outputs.map(|(p, o)| d.port(Kind::Output, p, program, g, o.node)).collect();
    let workspace: Vec<usize> = program
        .intermediates
        .iter()
        .map(|i| {
            let lines = [visible(&i.name).into_owned(), visible(&i.ty.text(&g.symbols)).into_owned()];
            let value = node_of_name.get(i.name.as_str()).map_or_else(Carried::default, |id| Carried::of(g, *id));
            d.add(Kind::Workspace, &lines, None, value)
        })
        .collect();
    let input_of_node: HashMap<NodeId, usize> = g.inputs.iter().enumerate().map(|(i, n)| (n.node, i)).collect();
    // Where earlier kernels have stored a value.
    let mut stored: HashMap<NodeId, Vec<(Buffer, usize)>> = HashMap::new();
    for (step, ops) in program.steps.iter().zip(compiled.ops()) {
        let kernel = d.kernels.len();
        d.kernels.push(visible(&step.kernel.name).into_owned());
        let mut inside: HashMap<NodeId, usize> = HashMap::new();
        let in_memory = |id: NodeId| -> Option<usize> {
            let kept = stored.get(&id).and_then(|all| all.iter().find(|(b, _)| step.buffers.contains(b)));
            input_of_node.get(&id).map(|i| inputs[*i]).or(kept.map(|(_, own)| *own))
        };
        for id in ops {
            let own =
                d.op(g, *id, Some(kernel), |operand| inside.get(&operand).copied().or_else(|| in_memory(operand)));
            inside.insert(*id, own);
        }
        let mut written = vec![];
        for buffer in &step.buffers {
            let (node, to) = match *buffer {
                Buffer::Output(o) => (Some(g.outputs[o].node), outputs[o]),
                Buffer::Intermediate(i) => {
                    (node_of_name.get(program.intermediates[i].name.as_str()).copied(), workspace[i])
                }
                Buffer::Input(_) | Buffer::ErrorWord => continue,
            };
            let Some(node) = node else { continue };
            // What an earlier kernel has stored here, this one only reads.
            if stored.get(&node).is_some_and(|all| all.iter().any(|(b, _)| b == buffer)) {
                continue;
            }
            let from = inside.get(&node).copied().unwrap_or_else(|| {
                let copy =
                    d.add(Kind::Op, &["copy".to_owned(), label::value(g, node)], Some(kernel), Carried::of(g, node));
                let from = in_memory(node).unwrap_or_else(|| d.constant(g, node, Some(kernel)));
                d.arrow(from, copy);
                copy
            });
            d.arrow(from, to);
            written.push((node, *buffer, to));
        }
        for (node, buffer, own) in written {
            stored.entry(node).or_default().push((buffer, own));
        }
    }
    d
}

impl Drawing {
    fn port(&mut self, kind: Kind, port: &Port, program: &Program, g: &Graph, value: NodeId) -> usize {
        let (inputs, symbols) = (&program.inputs, &g.symbols);
        let alias = match port.alias {
            Alias::None => String::new(),
            Alias::InPlace(i) => format!(" in_place({})", inputs[i].name),
            Alias::Donates(i) => format!(" donates({})", inputs[i].name),
            Alias::Guarded(i) => format!(" guarded({})", inputs[i].name),
        };
        let lines =
            [visible(&port.name).into_owned(), visible(&format!("{}{alias}", port.ty.text(symbols))).into_owned()];
        self.add(kind, &lines, None, Carried::of(g, value))
    }
}

/// `9 kernels, an operation each; 462 bytes a row`.
fn cost(cost: &Cost, which: &str) -> String {
    let kernels = match (cost.launches, which) {
        (1, _) => "1 kernel".to_owned(),
        (n, "") => format!("{n} kernels"),
        (n, which) => format!("{n} kernels, {which}"),
    };
    let bytes = |read: u64, written: u64| format!("{} bytes a row", read + written);
    let moved = match &cost.by_dim[..] {
        [] => bytes(cost.traffic.read_per_row, cost.traffic.written_per_row),
        dims => {
            let of_dim = |t: &DimTraffic| format!("{} of {}", bytes(t.read_per_row, t.written_per_row), t.dim);
            dims.iter().map(of_dim).collect::<Vec<_>>().join(", ")
        }
    };
    format!("{kernels}; {moved}")
}
