//! What a set of graphs or kernels holds: the measure by which generators are compared.

use routefuse_ir::kernel::{Kernel, Space, ValueKind};
use routefuse_ir::{Alias, DType, Graph, Layout, Op, TensorType};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The kind of a shape, by which loops, pieces and indices differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShapeClass {
    /// `[]`.
    Scalar,
    /// Some constant dim is 0.
    Empty,
    /// `[T]`.
    Rows,
    /// `[T, 1]`.
    OneColumn,
    /// `[T, k]` with a power of two.
    PowerOfTwo,
    /// `[T, k]` with another k.
    OddColumns,
    /// `[T, a, b, …]`.
    Deep,
    /// `[k]`.
    Vector,
    /// Constant dims of rank 2 and more.
    Matrix,
}

impl ShapeClass {
    /// The class of a shape.
    pub fn of(ty: &TensorType) -> ShapeClass {
        let constants: Vec<u64> = ty.shape.iter().filter_map(|d| d.as_const()).collect();
        let symbolic = constants.len() < ty.shape.len();
        match (symbolic, ty.shape.len()) {
            _ if constants.contains(&0) => ShapeClass::Empty,
            (_, 0) => ShapeClass::Scalar,
            (true, 1) => ShapeClass::Rows,
            (true, 2) => ShapeClass::of_columns(constants[0]),
            (true, _) => ShapeClass::Deep,
            (false, 1) => ShapeClass::Vector,
            (false, _) => ShapeClass::Matrix,
        }
    }

    fn of_columns(columns: u64) -> ShapeClass {
        match columns {
            1 => ShapeClass::OneColumn,
            n if n.is_power_of_two() => ShapeClass::PowerOfTwo,
            _ => ShapeClass::OddColumns,
        }
    }
}

/// Counts by operation, dtype and shape class, and of what graphs have beside operations.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<(&'static str, DType, ShapeClass), u64>,
    traits: BTreeMap<&'static str, u64>,
    /// Graphs or kernels that were added.
    pub added: u64,
}

impl Coverage {
    /// Counts the operations of a graph by the dtype and shape of their first operand (of their result where there is none).
    pub fn add_graph(&mut self, g: &Graph) {
        self.added += 1;
        for id in g.topological().unwrap_or_default() {
            let node = g.node(id);
            if matches!(node.op, Op::Input(_)) {
                continue;
            }
            let of = g.operands(id).first().map_or(&node.ty, |o| &g.node(*o).ty);
            *self.counts.entry((node.op.mnemonic(), of.dtype, ShapeClass::of(of))).or_insert(0) += 1;
        }
        for layout in g.inputs.iter().map(|i| i.layout).chain(g.outputs.iter().map(|o| o.layout)) {
            self.note(match layout {
                Layout::Contiguous => "contiguous",
                Layout::Rows => "rows",
                Layout::Strided => "strided",
            });
        }
        for output in &g.outputs {
            self.note(match output.alias {
                Alias::None => "own memory",
                Alias::InPlace(_) => "in place",
                Alias::Donates(_) => "donates",
                Alias::Guarded(_) => "guarded",
            });
        }
        self.note(["no symbol", "one symbol", "two symbols"][g.symbols.len().min(2)]);
    }

    /// Counts the values of a kernel by their dtype and the space of their first operand (their own where there is none).
    pub fn add_kernel(&mut self, k: &Kernel) {
        self.added += 1;
        for (_, value) in k.values() {
            let space = value.kind.operands().first().map_or(value.space, |o| k.value(*o).space);
            *self.counts.entry((kind(&value.kind), value.dtype, class(space))).or_insert(0) += 1;
        }
        for store in &k.stores {
            self.note(match (store.add_at, store.put_at) {
                (Some(_), _) => "adding store",
                (None, Some(_)) => "putting store",
                (None, None) => "store",
            });
        }
        if k.error_word().is_some() {
            self.note("error word");
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.traits.entry(what).or_insert(0) += 1;
    }

    /// How often an operation was seen, by mnemonic; or a layout, an alias, a kind of store.
    pub fn count(&self, name: &str) -> u64 {
        let operations: u64 = self.counts.iter().filter(|(key, _)| key.0 == name).map(|(_, n)| n).sum();
        operations + self.traits.get(name).copied().unwrap_or(0)
    }

    /// How many different pairs of an operation and a dtype there are.
    pub fn dtypes(&self) -> usize {
        self.counts.keys().map(|(op, dtype, _)| (op, dtype)).collect::<BTreeSet<_>>().len()
    }

    /// How many different triples of an operation, a dtype and a shape class there are.
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// How many different operations there are.
    pub fn operations(&self) -> usize {
        self.counts.keys().map(|key| key.0).collect::<BTreeSet<_>>().len()
    }
}

/// A line for each operation: how often, in how many dtypes, in how many pairs of a dtype and a shape class.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut of: BTreeMap<&str, (u64, BTreeSet<DType>, usize)> = BTreeMap::new();
        for ((op, dtype, _), n) in &self.counts {
            let line = of.entry(op).or_default();
            line.0 += n;
            line.1.insert(*dtype);
            line.2 += 1;
        }
        for (op, (n, dtypes, classes)) in of {
            writeln!(f, "{op:14} {n:7} times, {:2} dtypes, {classes:3} classes", dtypes.len())?;
        }
        for (what, n) in &self.traits {
            writeln!(f, "{what:14} {n:7} times")?;
        }
        let (operations, dtypes) = (self.operations(), self.dtypes());
        write!(f, "{} added: {operations} operations, {dtypes} by dtype, {} by class", self.added, self.classes())
    }
}

/// The kinds of values, by the names that [`Coverage`] gives them. Scalar operations have their mnemonics instead.
pub const KINDS: &[&str] = &[
    "const",
    "load",
    "row",
    "column",
    "extent",
    "remap",
    "concat",
    "gather",
    "gather_row",
    "reduce_sum",
    "reduce_max",
    "reduce_min",
    "top2_sum",
    "cumsum",
    "topk",
    "topk_mask",
];

/// A new kind of value does not compile before it has a name here.
fn kind(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Const(_) => "const",
        ValueKind::Load(_) => "load",
        ValueKind::Row => "row",
        ValueKind::Column => "column",
        ValueKind::Extent(_) => "extent",
        ValueKind::Scalar(op, _) => op.mnemonic(),
        ValueKind::Remap(..) => "remap",
        ValueKind::Concat(_) => "concat",
        ValueKind::Gather { .. } => "gather",
        ValueKind::GatherRow { .. } => "gather_row",
        ValueKind::RowValue(row) => row.op.mnemonic(),
    }
}

fn class(space: Space) -> ShapeClass {
    match (space.per_row, space.cols) {
        (true, cols) => ShapeClass::of_columns(cols),
        (false, 1) => ShapeClass::Scalar,
        (false, _) => ShapeClass::Vector,
    }
}
