//! Fusion: a graph into as few kernels as legality allows.
//!
//! 1. `materialise` gives memory to the values that need it: tables that are gathered at other rows, and what a kernel
//!    would evaluate too often.
//! 2. Every stored value, an output or one of those, is a *unit*: what it computes is found by walking back to
//!    memory, so an operation that two kernels need is in both of them. Outputs in an input's memory are ordered behind
//!    every read of it, or staged (`alias`). One that *may* lie there does so where that costs no kernel.
//! 3. Units merge into kernels, producers with consumers and side by side, while the kernels stay convex. What is stored for other
//!    rows alone is at hand where it is made: who asks for the same row shares the kernel and reads no memory (`at_hand`).
//! 4. Each kernel is lowered. One that would be too large to compile is cut (`relieve`), and 2 to 4 are done again.
//!
//! The result is a function of the graph alone. It gives the same bits; a gather that traps is asked, in a fused kernel, only
//! for the elements that reach a store, so that an index out of range behind a slice sets no error word.

mod at_hand;
mod cluster;
mod cut;
mod items;
mod materialise;
mod relieve;
mod size;
pub(crate) mod walk;

pub use cut::{Cut, Reason};
pub use materialise::BUDGET;
pub(crate) use size::fits;

use crate::alias::{self, Access};
use crate::fuse::walk::Place;
use crate::lower::cone::{cone, table};
use crate::lower::job::{Job, Lowered};
use crate::lower::lower;
use crate::lower::rowwise::Rowwise;
use cluster::{Clusters, Unit};
use items::Items;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::graph::{Alias, Graph, Node, NodeId};
use routefuse_ir::kernel::ValueId;
use routefuse_ir::op::Op;
use routefuse_ir::program::{Buffer, Intermediate, Program};
use routefuse_ir::{Diagnostics, Verified};

/// Kernels of a graph, and why they are as they are.
#[derive(Clone, Debug)]
pub struct Fusion {
    /// The kernels in order.
    pub program: Program,
    /// For each kernel, the operations that it computes, in topological order. One can be in several kernels.
    pub ops: Vec<Vec<NodeId>>,
    /// For each kernel, which of its values each value of the graph is that it needs. Values that differ in where their elements
    /// stand alone can be one.
    pub values: Vec<Vec<(NodeId, ValueId)>>,
    /// Why there is not one kernel.
    pub cuts: Vec<Cut>,
}

/// The graph in as few kernels as legality allows. `proved(gather)`: its indices are known to be in range. Operations on bins
/// are those that [`ExpandBins`](crate::canonicalise::ExpandBins) leaves.
///
/// # Errors
/// Only by a defect of this crate (`RF0501`, `RF0901`).
pub fn fuse(g: &Verified<Graph>, proved: impl Fn(NodeId) -> bool) -> Result<Fusion, Diagnostics> {
    fuse_until(g, proved, &Cancel::default())
}

/// As [`fuse`], until it is cancelled.
///
/// # Errors
/// Those of [`fuse`]; `RF0816` if it was cancelled.
pub(crate) fn fuse_until(
    g: &Verified<Graph>,
    proved: impl Fn(NodeId) -> bool,
    cancel: &Cancel,
) -> Result<Fusion, Diagnostics> {
    Plan::new(g, true, cancel.clone()).run(proved)
}

/// Every operation that an output depends on as a kernel of its own, with memory between them: what a framework without a
/// compiler does. Constants are no kernels; a macro operation is one.
///
/// # Errors
/// Only by a defect of this crate (`RF0501`, `RF0901`).
pub fn unfused(g: &Verified<Graph>, proved: impl Fn(NodeId) -> bool) -> Result<Fusion, Diagnostics> {
    Plan::new(g, false, Cancel::default()).run(proved)
}

/// A value to be stored.
struct Item {
    node: NodeId,
    /// Where to.
    stores: Vec<Buffer>,
    /// It is a copy from this buffer, made by another item; otherwise it is computed.
    copies: Option<(Buffer, usize)>,
    /// What lies in these buffers before: the next item's value goes on from there.
    begins: bool,
}

struct Plan<'g> {
    rowwise: Rowwise<'g>,
    program: Program,
    merge: bool,
    /// By node index: where a kernel finds a value that it does not compute.
    memory: Vec<Option<Buffer>>,
    /// By node index: where the value is staged for outputs that overwrite an input.
    staged: Vec<Option<Buffer>>,
    /// Outputs that are staged.
    staged_outputs: Vec<usize>,
    /// By node index: the group of stored values that it is in. Those of different groups share no kernel, which would be too
    /// large.
    group: Vec<u32>,
    /// The last group.
    groups: u32,
    /// By node index: the value lies in memory for rows other than its own. A kernel that makes it has it at hand for the same row.
    for_others: Vec<bool>,
    /// By node index: the gather's indices are proved in range.
    proved: Vec<bool>,
    cancel: Cancel,
    cuts: Vec<Cut>,
}

impl<'g> Plan<'g> {
    fn new(g: &'g Verified<Graph>, merge: bool, cancel: Cancel) -> Plan<'g> {
        let rowwise = Rowwise::new(g);
        let mut memory = vec![None; rowwise.bound()];
        for (i, input) in g.inputs.iter().enumerate() {
            memory[input.node.index()] = Some(Buffer::Input(i));
        }
        let (staged, group) = (vec![None; rowwise.bound()], vec![0; rowwise.bound()]);
        let (program, proved) = (Program::of_graph(g), vec![false; rowwise.bound()]);
        let (staged_outputs, groups, cuts) = (vec![], 0, vec![]);
        let for_others = vec![false; rowwise.bound()];
        Plan {
            rowwise,
            program,
            merge,
            memory,
            staged,
            staged_outputs,
            group,
            groups,
            for_others,
            proved,
            cancel,
            cuts,
        }
    }

    fn run(mut self, proved: impl Fn(NodeId) -> bool) -> Result<Fusion, Diagnostics> {
        let donations = self.withhold_donations();
        if self.merge {
            self.cut();
        } else {
            self.cut_everywhere();
        }
        let is_gather = |node: &Node| matches!(node.op, Op::Gather { .. } | Op::GatherRow { .. });
        for id in self.rowwise.order.iter().filter(|id| is_gather(self.rowwise.node(**id))) {
            self.proved[id.index()] = proved(*id);
        }
        loop {
            let (items, clusters) = self.clustered(&donations);
            let lowered = self.lower(&items, &clusters)?;
            if self.merge && self.relieve_all(&items, &clusters, &lowered)? {
                continue;
            }
            self.explain(&items, &clusters);
            let Plan { mut program, cuts, .. } = self;
            let (mut ops, mut values) = (vec![], vec![]);
            for kernel in lowered {
                program.steps.push(kernel.step);
                ops.push(kernel.ops);
                values.push(kernel.values);
            }
            return Ok(Fusion { program, ops, values, cuts });
        }
    }

    /// What is stored, and what of it shares kernels.
    fn clustered(&mut self, donations: &[(usize, usize)]) -> (Vec<Item>, Clusters) {
        donations.iter().for_each(|(output, _)| self.program.outputs[*output].alias = Alias::None);
        let (items, mut clusters) = loop {
            let items = self.items();
            match self.clusters(&items) {
                Ok(clusters) => break (items, clusters),
                Err(writers) => self.stage(&items, &writers),
            }
        };
        for (output, input) in donations {
            clusters = self.donate(*output, *input, &items, clusters);
        }
        (items, clusters)
    }

    fn clusters(&mut self, items: &[Item]) -> Result<Clusters, Vec<usize>> {
        let overwritten = alias::overwritten(&self.program);
        let units = self.units(items, &overwritten);
        cluster::cluster(&units, self.merge)
    }

    /// Takes the outputs that may lie in an input's memory out of it: what they cost there is measured by what they cost
    /// elsewhere.
    fn withhold_donations(&mut self) -> Vec<(usize, usize)> {
        let outputs = self.program.outputs.iter_mut().enumerate();
        outputs
            .filter_map(|(o, port)| match port.alias {
                Alias::Donates(input) => {
                    port.alias = Alias::None;
                    Some((o, input))
                }
                _ => None,
            })
            .collect()
    }

    /// Lets an output lie in the memory of an input, if that takes no more kernels and other kernels do not read it there.
    fn donate(&mut self, output: usize, input: usize, items: &[Item], without: Clusters) -> Clusters {
        let node = self.rowwise.graph.outputs[output].node;
        if self.memory[node.index()] != Some(Buffer::Output(output)) {
            self.program.outputs[output].alias = Alias::Donates(input);
            match self.clusters(items) {
                Ok(with) if with.kernels.len() <= without.kernels.len() => return with,
                _ => self.program.outputs[output].alias = Alias::None,
            }
        }
        let (output, input) = (self.program.outputs[output].name.clone(), self.program.inputs[input].name.clone());
        self.cuts.push(Cut { kernels: None, reason: Reason::Apart { output, input } });
        without
    }

    fn cut(&mut self) {
        let Plan { rowwise, program, memory, for_others, cuts, .. } = self;
        materialise::materialise(rowwise, memory, |memory, id, reason| {
            memory[id.index()] =
                Some(own_output(rowwise, program, id).unwrap_or_else(|| intermediate(program, rowwise, id)));
            let asked_elsewhere = matches!(reason, Reason::ComputedTable { .. } | Reason::EarlierRows { .. });
            for_others[id.index()] = asked_elsewhere && at_hand::can_be(rowwise, id);
            cuts.push(Cut { kernels: None, reason });
        });
    }

    fn cut_everywhere(&mut self) {
        let Plan { rowwise, program, memory, cuts, .. } = self;
        cuts.push(Cut { kernels: None, reason: Reason::Unfused });
        let mut live = vec![false; rowwise.bound()];
        rowwise.graph.outputs.iter().for_each(|o| live[o.node.index()] = true);
        for id in rowwise.order.iter().rev().filter(|id| rowwise.is_op(**id)) {
            if live[id.index()] {
                rowwise.at(*id).operands.iter().for_each(|o| live[o.index()] = true);
            }
        }
        let has_elements = |id: &NodeId| rowwise.is_op(*id) && rowwise.at(*id).cols > 0;
        for id in rowwise.order.iter().copied().filter(|id| live[id.index()] && has_elements(id)) {
            let only_stored = rowwise.graph.users(id).is_empty() && rowwise.graph.outputs.iter().any(|o| o.node == id);
            let buffer = own_output(rowwise, program, id);
            if buffer.is_some() || !only_stored {
                memory[id.index()] = Some(buffer.unwrap_or_else(|| intermediate(program, rowwise, id)));
            }
        }
    }

    /// One for each value that is stored, in topological order; then the copies of staged ones.
    fn items(&self) -> Vec<Item> {
        let Plan { rowwise, memory, staged, .. } = self;
        let mut items: Vec<Item> = Vec::new();
        let mut copies: Vec<Item> = Vec::new();
        for id in rowwise.order.iter().copied().filter(|id| rowwise.at(*id).cols > 0) {
            let mut stores: Vec<Buffer> = Vec::new();
            stores.extend(memory[id.index()].filter(|b| !matches!(b, Buffer::Input(_))));
            stores.extend(staged[id.index()].filter(|b| !stores.contains(b)));
            let outputs = rowwise.graph.outputs.iter().enumerate().filter(|(_, o)| o.node == id);
            for (position, _) in outputs {
                let buffer = Buffer::Output(position);
                match staged[id.index()] {
                    Some(from) if self.staged_outputs.contains(&position) => {
                        // The item itself, behind what begins it.
                        let items_before = usize::from(rowwise.goes_on_from(id).is_some());
                        copies.push(Item {
                            node: id,
                            stores: vec![buffer],
                            copies: Some((from, items.len() + items_before)),
                            begins: false,
                        });
                    }
                    _ if stores.contains(&buffer) => {}
                    _ => stores.push(buffer),
                }
            }
            if !stores.is_empty() {
                if let Some(before) = rowwise.goes_on_from(id) {
                    items.push(Item { node: before, stores: stores.clone(), copies: None, begins: true });
                }
                items.push(Item { node: id, stores, copies: None, begins: false });
            }
        }
        items.extend(copies);
        items
    }

    fn units(&mut self, items: &[Item], overwritten: &[Option<usize>]) -> Vec<Unit> {
        let Plan { rowwise, program, memory, for_others, .. } = self;
        let mut stored_by: Vec<Option<usize>> = vec![None; rowwise.bound()];
        for (i, item) in items.iter().enumerate().filter(|(_, i)| i.copies.is_none() && !i.begins) {
            stored_by[item.node.index()] = Some(i);
        }
        let aliases = overwritten.iter().any(Option::is_some);
        let both = if self.merge { items::counted_and_ranked(rowwise) } else { vec![] };
        let mut units = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            let (rows, cols) = if item.copies.is_none() && !item.begins {
                rowwise.looped(item.node)
            } else {
                (rowwise.at(item.node).rows, rowwise.at(item.node).cols)
            };
            let written = |b: &Buffer| match b {
                Buffer::Output(o) => program.outputs[*o].alias.input(),
                _ => None,
            };
            let writes: Vec<usize> = item.stores.iter().filter_map(written).collect();
            if let Some((_, from)) = item.copies {
                let access = Access { cols, reads: vec![], writes };
                let group = self.group[item.node.index()];
                units.push(Unit { rows, group, items: Items::Others, loads: vec![from], at_hand: vec![], access });
                continue;
            }
            // The item's own value is computed, wherever it will lie.
            let own = &mut memory[item.node.index()];
            let own = if matches!(own, Some(Buffer::Input(_))) || item.begins { None } else { own.take() };
            let cone = cone(rowwise, memory, std::iter::once(item.node));
            let tables = cone.iter().filter_map(|id| table(rowwise, *id));
            let in_memory = |id: &NodeId| matches!(memory[id.index()], Some(b) if !matches!(b, Buffer::Input(_)));
            let read = cone.iter().copied().chain(tables).filter(in_memory);
            let mut loads: Vec<usize> = read.filter_map(|id| stored_by[id.index()]).collect();
            // What it goes on from is the item before.
            let goes_on = !item.begins && rowwise.goes_on_from(item.node).is_some();
            loads.extend(goes_on.then(|| position - 1));
            loads.sort_unstable();
            loads.dedup();
            let access = if aliases {
                let walked = walk::walk(rowwise, memory, item.node, u64::MAX);
                let mut access = Access::of(rowwise, &walked, cols, writes, overwritten);
                access.reads.extend(Plan::ranked(rowwise, memory, &cone).into_iter().map(|i| (i, Place::Elsewhere)));
                // Elements go wherever their ids say.
                if goes_on { access.elsewhere() } else { access }
            } else {
                Access::default()
            };
            let role = if item.begins { Items::Others } else { items::role(rowwise, item.node, &cone, &both) };
            let at_hand = at_hand::at_hand(rowwise, memory, for_others, overwritten, item.node);
            let at_hand = at_hand.iter().filter_map(|id| stored_by[id.index()]).collect();
            units.push(Unit { rows, group: self.group[item.node.index()], items: role, loads, at_hand, access });
            if own.is_some() {
                memory[item.node.index()] = own;
            }
        }
        units
    }

    /// Inputs of which a kernel of these reads the ids of earlier rows.
    fn ranked(rowwise: &Rowwise, memory: &[Option<Buffer>], computed: &[NodeId]) -> Vec<usize> {
        let ids = computed.iter().filter_map(|id| match rowwise.node(*id).op {
            Op::BinRank { .. } => Some(rowwise.at(*id).operands[0]),
            Op::BinScatter { .. } => Some(rowwise.at(*id).operands[1]),
            _ => None,
        });
        let read = cone(rowwise, memory, ids);
        read.iter()
            .filter_map(|id| if let Some(Buffer::Input(i)) = memory[id.index()] { Some(i) } else { None })
            .collect()
    }

    /// Gives what these items store into inputs a place of its own first.
    fn stage(&mut self, items: &[Item], writers: &[usize]) {
        // What begins an item that is staged begins it there.
        let begins_staged = |w: usize| items[w].begins && writers.contains(&(w + 1));
        for item in writers.iter().filter(|w| !begins_staged(**w)).map(|w| &items[*w]) {
            let index = item.node.index();
            let known = self.memory[index].filter(|b| !matches!(b, Buffer::Input(_)));
            let place = known.unwrap_or_else(|| intermediate(&mut self.program, &self.rowwise, item.node));
            self.staged[index] = Some(place);
            if self.memory[index].is_none() {
                self.memory[index] = Some(place);
            }
            for b in &item.stores {
                let Buffer::Output(o) = *b else { continue };
                let Some(input) = self.program.outputs[o].alias.input() else { continue };
                self.staged_outputs.push(o);
                let (output, input) = (self.program.outputs[o].name.clone(), self.program.inputs[input].name.clone());
                self.cuts.push(Cut { kernels: None, reason: Reason::Staged { output, input } });
            }
        }
    }

    fn explain(&mut self, items: &[Item], clusters: &Clusters) {
        let overwritten = alias::overwritten(&self.program);
        let looped = |item: &Item| match item.begins {
            true => self.rowwise.at(item.node).rows,
            false => self.rowwise.looped(item.node).0,
        };
        let rows = |kernel: usize| match looped(&items[clusters.kernels[kernel][0]]) {
            Some(s) => self.rowwise.graph.symbols[s.0 as usize].clone(),
            None => "one row".to_owned(),
        };
        let stored = |unit: usize| self.rowwise.node(items[unit].node).name.clone();
        let names = |input: usize| {
            let output = overwritten[input].map_or_else(String::new, |o| self.program.outputs[o].name.clone());
            (self.program.inputs[input].name.clone(), output)
        };
        let cuts = clusters.apart.iter().map(|([a, b], obstacle)| Cut {
            kernels: Some([*a, *b]),
            reason: obstacle.reason([rows(*a), rows(*b)], stored, names),
        });
        let cuts: Vec<Cut> = cuts.collect();
        self.cuts.extend(cuts);
    }

    /// The kernels of these clusters.
    fn lower(&self, items: &[Item], clusters: &Clusters) -> Result<Vec<Lowered>, Diagnostics> {
        let Plan { rowwise, program, memory: planned, .. } = self;
        // What earlier kernels have stored, beside the inputs.
        let mut memory: Vec<Option<Buffer>> =
            planned.iter().map(|b| b.filter(|b| matches!(b, Buffer::Input(_)))).collect();
        let mut all = Vec::with_capacity(clusters.kernels.len());
        for (number, members) in clusters.kernels.iter().enumerate() {
            for item in members.iter().map(|m| &items[*m]) {
                if let Some((from, _)) = item.copies {
                    memory[item.node.index()] = Some(from);
                }
            }
            let stores = stores(items, members);
            let name = kernel_name(rowwise, program, number, clusters.kernels.len(), self.merge, &stores);
            let proved = &self.proved;
            all.push(lower(&Job { rowwise, program, memory: &memory, stores: &stores, proved, name: &name })?);
            let begun = |id: NodeId, buffer: Buffer| {
                let item = |m: &usize| items[*m].begins && items[*m].node == id && items[*m].stores.contains(&buffer);
                members.iter().any(item)
            };
            for (id, buffer) in stores {
                // What it becomes is another value.
                if begun(id, buffer) {
                    continue;
                }
                let slot = &mut memory[id.index()];
                if planned[id.index()] == Some(buffer) || matches!(buffer, Buffer::Intermediate(_)) {
                    *slot = Some(buffer);
                } else if slot.is_none() && rowwise.at(id).loads && !overwrites(program, buffer) {
                    // A later kernel that needs the value too loads it rather than computing it again.
                    *slot = Some(buffer);
                }
            }
        }
        Ok(all)
    }
}

/// What a kernel stores, in the order of the outputs, intermediates behind: a function of the declaration, not of the cuts.
fn stores(items: &[Item], members: &[usize]) -> Vec<(NodeId, Buffer)> {
    let of = |item: &Item| item.stores.iter().map(|b| (item.node, *b)).collect::<Vec<_>>();
    let mut stores: Vec<(NodeId, Buffer)> = members.iter().flat_map(|m| of(&items[*m])).collect();
    stores.sort_by_key(|(_, b)| match b {
        Buffer::Output(o) => (0, *o),
        Buffer::Intermediate(i) => (1, *i),
        _ => (2, 0),
    });
    stores
}

/// `name` alone, `name.3` among several; the operation's own name where each has a kernel.
fn kernel_name(
    rowwise: &Rowwise,
    program: &Program,
    number: usize,
    count: usize,
    merge: bool,
    stores: &[(NodeId, Buffer)],
) -> String {
    match (merge, stores.first()) {
        (false, Some((id, _))) => format!("{}.{}", program.name, rowwise.node(*id).name),
        _ if count == 1 => program.name.clone(),
        _ => format!("{}.{number}", program.name),
    }
}

/// The buffer of an output in an input's memory.
fn overwrites(program: &Program, buffer: Buffer) -> bool {
    matches!(buffer, Buffer::Output(o) if program.outputs[o].alias.input().is_some())
}

/// The first output that holds the value in memory of its own.
fn own_output(rowwise: &Rowwise, program: &Program, id: NodeId) -> Option<Buffer> {
    let outputs = (0..program.outputs.len()).filter(|o| rowwise.graph.outputs[*o].node == id).map(Buffer::Output);
    outputs.into_iter().find(|b| !overwrites(program, *b))
}

fn intermediate(program: &mut Program, rowwise: &Rowwise, id: NodeId) -> Buffer {
    let node = rowwise.node(id);
    program.intermediates.push(Intermediate { name: node.name.clone(), ty: node.ty.clone() });
    Buffer::Intermediate(program.intermediates.len() - 1)
}
