//! The walk from a store back to what it reads, with the columns at which each value is asked for.
//!
//! A kernel evaluates a value once for every *context*, the map from the store's column to the value's. Slices, parts
//! of concatenations and gathers within a row make new contexts; the same map by another path is the same context, and a
//! value that is the same in every column has one. So the walk counts what generated code evaluates for one element of
//! the store.

use crate::lower::columns;
use crate::lower::cone::{pulled, table};
use crate::lower::rowwise::Rowwise;
use routefuse_ir::graph::NodeId;
use routefuse_ir::kernel::{ColumnMap, Term};
use routefuse_ir::op::Op;
use routefuse_ir::program::Buffer;
use std::collections::{HashMap, HashSet};

/// Where a column comes from, if it is no map of the column above: the context above, and the step from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// The column is an element of this gather's index.
    Dynamic(NodeId),
    /// A map that does not compose.
    Map(ColumnMap),
    /// One part of this concatenation.
    Part(NodeId, usize),
    /// All columns of the operands of this operation on rows.
    Row(NodeId),
}

/// A map from the columns of a root; root 0 is the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Context {
    root: u32,
    map: ColumnMap,
}

/// A read of memory on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// What is read: an input, or a value that another kernel stores.
    pub(crate) node: NodeId,
    /// Where.
    pub(crate) place: Place,
}

/// Where memory is read, as seen from an element of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// At the row and column of the store, and nowhere else.
    Own,
    /// At any columns of the store's row, for a row value: so before any element of that row is stored.
    Row,
    /// At other columns or other rows.
    Elsewhere,
}

/// What evaluating one element of a store takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walked {
    /// The sum of the weights of all evaluations.
    pub(crate) evaluations: u64,
    /// Reads of memory; one value can be read at several columns.
    pub(crate) reads: Vec<Read>,
    /// The walk stopped because the limit was passed.
    pub(crate) stopped: bool,
}

struct Walk<'a> {
    rowwise: &'a Rowwise<'a>,
    contexts: Vec<Context>,
    numbers: HashMap<Context, u32>,
    roots: HashMap<(u32, Step), u32>,
    /// Positions of roots whose values are computed once a row.
    kept: HashSet<u32>,
    /// Of these, those below a row value proper: one of segments of several columns, which no simpler value can stand for.
    in_row: HashSet<u32>,
    /// By root: the store's column for each column of the root's, where an element of the root belongs to one of the store.
    store_columns: Vec<Option<ColumnMap>>,
    waiting: Vec<(NodeId, u32)>,
    seen: HashSet<(NodeId, u32)>,
}

/// The context of values with one column.
const ONE: u32 = 0;

/// Walks back from the node's store; stops when the evaluations pass the limit.
pub(crate) fn walk(rowwise: &Rowwise, memory: &[Option<Buffer>], from: NodeId, limit: u64) -> Walked {
    let mut w = Walk {
        rowwise,
        contexts: vec![],
        numbers: HashMap::new(),
        roots: HashMap::new(),
        kept: HashSet::new(),
        in_row: HashSet::new(),
        store_columns: vec![Some(columns::identity(rowwise.looped(from).1))],
        waiting: vec![],
        seen: HashSet::new(),
    };
    let one = w.context(0, columns::identity(1));
    debug_assert_eq!(one, ONE);
    let cols = rowwise.looped(from).1;
    let whole = w.context(0, columns::identity(cols));
    w.ask(from, whole);
    let mut out = Walked::default();
    while let Some((id, context)) = w.waiting.pop() {
        let weight = if memory[id.index()].is_some() { 1 } else { rowwise.weight(id) };
        if !w.kept.contains(&w.contexts[context as usize].root) {
            out.evaluations += weight;
        }
        if memory[id.index()].is_some() {
            out.reads.push(Read { node: id, place: w.place(id, context, from) });
        } else {
            if let Some(t) = table(rowwise, id).filter(|t| memory[t.index()].is_some()) {
                out.reads.push(Read { node: t, place: Place::Elsewhere });
            }
            w.operands(memory, id, context);
        }
        if out.evaluations > limit {
            out.stopped = true;
            break;
        }
    }
    out
}

impl Walk<'_> {
    fn context(&mut self, root: u32, map: ColumnMap) -> u32 {
        let context = Context { root, map };
        if let Some(n) = self.numbers.get(&context) {
            return *n;
        }
        let n = self.contexts.len() as u32;
        self.contexts.push(context.clone());
        self.numbers.insert(context, n);
        n
    }

    /// The context of the operands of an operation on rows, whatever the column that is asked for.
    fn row(&mut self, id: NodeId, operand: NodeId) -> u32 {
        let cols = self.rowwise.at(operand).cols;
        let context = self.rooted(ONE, Step::Row(id), cols);
        let segment = self.rowwise.node(operand).ty.shape.last().and_then(|d| d.as_const());
        if segment.is_some_and(|width| width > 1) {
            self.in_row.insert(self.contexts[context as usize].root);
        }
        context
    }

    /// Where a value in memory is read that is asked for in this context.
    fn place(&self, id: NodeId, context: u32, store: NodeId) -> Place {
        let (read, (rows, cols)) = (self.rowwise.at(id), self.rowwise.looped(store));
        let Context { root, map } = &self.contexts[context as usize];
        let own_column = || match self.store_columns.get(*root as usize) {
            Some(Some(of_store)) => of_store == map,
            _ => false,
        };
        if read.cols == cols && (read.cols == 1 || own_column()) {
            Place::Own
        } else if read.rows == rows && self.in_row.contains(root) {
            Place::Row
        } else {
            Place::Elsewhere
        }
    }

    /// A context that is no map of the one above, for a value of this many columns.
    fn rooted(&mut self, above: u32, step: Step, cols: u64) -> u32 {
        let next = self.roots.len() as u32 + 1;
        let kept = matches!(step, Step::Row(_)) || self.kept.contains(&self.contexts[above as usize].root);
        let store_columns = self.store_columns_of(above, &step);
        let root = *self.roots.entry((above, step)).or_insert(next);
        if root == next {
            self.store_columns.push(store_columns);
        }
        if kept {
            self.kept.insert(root);
        }
        if self.in_row.contains(&self.contexts[above as usize].root) {
            self.in_row.insert(root);
        }
        self.context(root, columns::identity(cols))
    }

    /// The store's columns for the columns of a new root. Only parts of a concatenation that is asked for at its own columns
    /// have them: a part's column is one of the concatenation's, and of no other part.
    fn store_columns_of(&self, above: u32, step: &Step) -> Option<ColumnMap> {
        let Step::Part(id, part) = *step else { return None };
        let Context { root, map } = &self.contexts[above as usize];
        let cols = self.rowwise.at(id).cols;
        let of_store = self.store_columns.get(*root as usize)?.as_ref().filter(|_| columns::is_identity(map, cols))?;
        let widths: Vec<u64> = self.parts_of(id).iter().map(|p| p.1).collect();
        let (width, begin) = (widths[part], widths[..part].iter().sum());
        let whole: u64 = widths.iter().sum();
        let inner_rows = cols / whole;
        let terms = vec![Term { div: 1, modulo: width, mul: 1 }, Term { div: width, modulo: inner_rows, mul: whole }];
        let of_concat = columns::normalise(ColumnMap { cols: width * inner_rows, base: begin, terms });
        columns::compose(&of_concat, of_store)
    }

    /// The operands of a concatenation that have columns, each with its columns in an inner row.
    fn parts_of(&self, id: NodeId) -> Vec<(NodeId, u64)> {
        let rowwise = self.rowwise;
        let inner = |o: NodeId| rowwise.node(o).ty.shape.last().and_then(|d| d.as_const()).unwrap_or(1);
        rowwise.at(id).operands.iter().filter(|o| rowwise.at(**o).cols > 0).map(|o| (*o, inner(*o))).collect()
    }

    fn ask(&mut self, id: NodeId, context: u32) {
        let context = if self.rowwise.at(id).uniform { ONE } else { context };
        if self.seen.insert((id, context)) {
            self.waiting.push((id, context));
        }
    }

    fn operands(&mut self, memory: &[Option<Buffer>], id: NodeId, context: u32) {
        let rowwise = self.rowwise;
        match &rowwise.node(id).op {
            op @ (Op::Broadcast { .. } | Op::Slice { .. }) => {
                let operand = rowwise.at(id).operands[0];
                let Some(map) = columns::movement(op, &rowwise.node(operand).ty, &rowwise.node(id).ty) else { return };
                let at = if rowwise.at(operand).uniform { ONE } else { self.mapped(context, map) };
                self.ask(operand, at);
            }
            Op::Concat => self.parts(id, context),
            Op::BinOf { .. } => {}
            Op::GatherRow { .. } => {
                let (value, index) = (rowwise.at(id).operands[0], rowwise.at(id).operands[1]);
                self.ask(index, context);
                let at = self.rooted(context, Step::Dynamic(id), rowwise.at(value).cols);
                self.ask(value, at);
            }
            Op::Gather { .. } => {
                for (i, operand) in rowwise.at(id).operands.iter().enumerate() {
                    if i > 0 {
                        self.ask(*operand, context);
                    } else if memory[operand.index()].is_none() {
                        let at = self.rooted(context, Step::Dynamic(id), rowwise.at(*operand).cols);
                        self.ask(*operand, at);
                    }
                }
            }
            _ => {
                let in_row = rowwise.is_row_op(id);
                for operand in pulled(rowwise, memory, id) {
                    if in_row {
                        let at = self.row(id, operand);
                        self.ask(operand, at);
                    }
                    // Composite operations ask for the column itself too.
                    if !rowwise.is_row_value(id) {
                        self.ask(operand, context);
                    }
                }
            }
        }
    }

    fn mapped(&mut self, context: u32, map: ColumnMap) -> u32 {
        let Context { root, map: above } = &self.contexts[context as usize];
        match columns::compose(above, &map) {
            Some(composed) => self.context(*root, composed),
            None => {
                let cols = map.cols;
                self.rooted(context, Step::Map(map), cols)
            }
        }
    }

    fn parts(&mut self, id: NodeId, context: u32) {
        let rowwise = self.rowwise;
        let parts = self.parts_of(id);
        let widths: Vec<u64> = parts.iter().map(|p| p.1).collect();
        if let [(only, _)] = parts[..] {
            return self.ask(only, context);
        }
        let inner_rows = rowwise.at(id).cols / widths.iter().sum::<u64>();
        let Context { root, map } = &self.contexts[context as usize];
        if let Some((part, map)) = columns::within_part(map, &widths, inner_rows) {
            let at = self.context(*root, map);
            return self.ask(parts[part].0, at);
        }
        for (p, (part, _)) in parts.into_iter().enumerate() {
            let at = self.rooted(context, Step::Part(id, p), rowwise.at(part).cols);
            self.ask(part, at);
        }
    }
}
