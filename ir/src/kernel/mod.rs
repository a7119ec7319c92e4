//! The kernel level: one loop over rows, written in scalar ops plus loads and stores.
//!
//! # Spaces
//! Every value is a function of the row and the column. Its [`Space`] says of which: a value with `per_row` depends on
//! the row `t`; one of more than one column depends on the column `j`, `0 ≤ j < cols`. So a device scalar is
//! `{per_row: false, cols: 1}` (*uniform*), a row's weight sum `{true, 1}`, ids `{true, K}`, a bias `{false, E}`.
//! Columns are the inner dims of a tensor, flattened in row-major order.
//!
//! An operand of a scalar op has as many columns as the result, or one, which serves every column.
//!
//! # Meaning
//! A kernel is read backwards from its stores: a store asks its value for every row and column of its parameter, and a
//! value asks its operands, at the same place unless it is a [`ValueKind::Remap`], [`ValueKind::Concat`] or
//! [`ValueKind::GatherRow`], which ask at another column. Nothing is stored in between: this is what fusion means.
//! All loads of a row and column happen before the store to it.
//!
//! A *row value* ([`ValueKind::is_row_value`]: a reduction, a scan, a top-k) is a function of a whole segment of its
//! operand's columns. It too is pulled by meaning; a schedule computes it once a row and keeps it.
//!
//! # Rows
//! The row extent is a symbol, given at launch; a kernel over tensors without a symbolic dim has one row, and its
//! constant leading dims are columns.

pub mod abi;
pub mod schedule;
mod text;
mod verify;

use crate::dim::SymbolId;
use crate::dtype::DType;
use crate::graph::{Layout, TensorType};
use crate::literal::Literal;
use crate::op::{Candidates, OutOfRange, ReduceOp, ScalarOp, TopKOrder};

/// A parameter of a kernel, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub u32);

/// A value of a kernel, by position; operands come before users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// What a parameter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Read only.
    Input,
    /// Written, every element once; never read, but through an input that it aliases.
    Output,
    /// The `u32` error word, set to 1 when a gather traps; never read.
    ErrorWord,
}

/// A buffer that the kernel is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// The name, for people; not part of the kernel's identity.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// dtype and shape. A symbolic leading dim is the row dim, or, in a gather's table, another extent.
    pub ty: TensorType,
    /// How its elements lie in memory.
    pub layout: Layout,
    /// For an output: the input parameter whose view it is, or may be (in place, donated, guarded).
    pub aliases: Option<ParamId>,
}

/// What a value depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Space {
    /// It depends on the row.
    pub per_row: bool,
    /// Its number of columns, at least 1.
    pub cols: u64,
}

/// One term of a [`ColumnMap`]: `((j / div) % modulo) × mul`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the formula names them
pub struct Term {
    pub div: u64,
    pub modulo: u64,
    pub mul: u64,
}

/// From a result's column `j` to the operand's: `base + Σ ((j / div) % modulo) × mul`. Always in the operand's range.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ColumnMap {
    /// The columns of the result.
    pub cols: u64,
    /// Added to every column.
    pub base: u64,
    /// Summed; none means that every column reads `base`.
    pub terms: Vec<Term>,
}

impl ColumnMap {
    /// Column `base + j` for each `j < cols`.
    pub fn offset(cols: u64, base: u64) -> ColumnMap {
        ColumnMap { cols, base, terms: vec![Term { div: 1, modulo: cols, mul: 1 }] }
    }

    /// The operand's column.
    pub fn apply(&self, column: u64) -> u64 {
        self.base + self.terms.iter().map(|t| column / t.div % t.modulo * t.mul).sum::<u64>()
    }

    /// The largest column it gives.
    pub fn max(&self) -> u64 {
        self.base + self.terms.iter().map(|t| (t.modulo - 1) * t.mul).sum::<u64>()
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// A constant.
    Const(Literal),
    /// Element `(t, j)` of an input whose leading dim is the row dim; element `j` of one without a symbolic dim.
    Load(ParamId),
    /// The row index `t`, as the value's integer dtype (wraps).
    Row,
    /// The column index `j`, as the value's integer dtype (wraps).
    Column,
    /// One scalar op.
    Scalar(ScalarOp, Vec<ValueId>),
    /// The operand at another column.
    Remap(ValueId, ColumnMap),
    /// Operands side by side. With `w[p]` the entry of part p and `W = Σ w`, column `j` is in the part where `j % W` falls,
    /// at that part's column `(j / W) × w[p] + (j % W − Σ w[..p])`.
    Concat(Vec<(ValueId, u64)>),
    /// An element of a table, a parameter of rank 1 or 2, by as many indices. A table's symbolic leading dim is an extent of
    /// its own, not the row.
    Gather {
        /// The table.
        table: ParamId,
        /// One index a dim of the table; signed or unsigned integers.
        indices: Vec<ValueId>,
        /// For an index outside its dim.
        out_of_range: OutOfRange,
        /// Range analysis proved every index in range: no check is made.
        proved: bool,
    },
    /// The first operand at the column that the second, an integer, names.
    GatherRow {
        /// What is read, at row `t`.
        value: ValueId,
        /// The column.
        index: ValueId,
        /// For a column outside the operand's.
        out_of_range: OutOfRange,
        /// Range analysis proved every column in range: no check is made.
        proved: bool,
    },
    /// Each segment of `width` neighbouring columns of the operand becomes one column.
    Reduce {
        /// How.
        op: ReduceOp,
        /// What is reduced.
        value: ValueId,
        /// Columns of a segment; divides the operand's.
        width: u64,
    },
    /// Each segment of `width` neighbouring columns becomes its running sums: for d = 1, 2, 4, … < width, all columns at
    /// once, `y[i] = y[i − d] + y[i]` where `i ≥ d`.
    CumSum {
        /// What is summed.
        value: ValueId,
        /// Columns of a segment; divides the operand's.
        width: u64,
    },
    /// The columns, within its segment, of the k best keys of each segment of `width` neighbouring columns: `k` columns of
    /// `i32` a segment. See [`crate::eval::row`] for the order.
    TopK {
        /// The keys.
        value: ValueId,
        /// Columns of a segment; divides the operand's.
        width: u64,
        /// How many; at most `width`.
        k: u64,
        /// Which keys count.
        candidates: Candidates,
        /// How the chosen are arranged.
        order: TopKOrder,
    },
    /// Whether a column is among the k best of its segment: bool.
    TopKMask {
        /// The keys.
        value: ValueId,
        /// Columns of a segment; divides the operand's.
        width: u64,
        /// How many; at most `width`.
        k: u64,
        /// Which keys count.
        candidates: Candidates,
    },
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub kind: ValueKind,
    /// The element type.
    pub dtype: DType,
    /// What it depends on.
    pub space: Space,
    /// The graph value it came from, for people; not part of the kernel's identity.
    pub name: String,
}

/// A store of a value to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    /// The output.
    pub param: ParamId,
    /// The value. Without `add_at`: as many columns as the output, or one, and every element is written once.
    pub value: ValueId,
    /// With an index, an integer: for every row and column of the two (one column serves all), the value is added,
    /// atomically, to the element of the output that the index names, if there is one; wraps. The output has rank 1, is an
    /// integer, lies in the input that it aliases and keeps what is there; adding 0 touches nothing.
    pub add_at: Option<ValueId>,
}

/// One loop over rows. Made by `routefuse-passes`; [`Kernel::verify`] checks it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Kernel {
    /// The name, for people; not part of the kernel's identity.
    pub name: String,
    /// Names of the extents given at launch, for people; `SymbolId(i)` is the i-th.
    pub symbols: Vec<String>,
    /// The row extent; `None` is one row.
    pub rows: Option<SymbolId>,
    /// The buffers.
    pub params: Vec<Param>,
    /// Operands before users.
    pub values: Vec<Value>,
    /// One for each output.
    pub stores: Vec<Store>,
}

impl Kernel {
    /// The parameter.
    ///
    /// # Panics
    /// If it is not of this kernel.
    pub fn param(&self, id: ParamId) -> &Param {
        &self.params[id.0 as usize]
    }

    /// The value.
    ///
    /// # Panics
    /// If it is not of this kernel.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// Every value with its id, operands before users.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = (ValueId, &Value)> {
        self.values.iter().enumerate().map(|(i, v)| (ValueId(i as u32), v))
    }

    /// The space of a whole parameter: per row if its leading dim is the row dim; columns are its other dims.
    pub fn param_space(&self, id: ParamId) -> Space {
        let ty = &self.param(id).ty;
        let per_row = self.rows.is_some() && ty.row_symbol() == self.rows;
        Space { per_row, cols: ty.row_elements().unwrap_or(0) }
    }

    /// The columns that a store goes through: those of its output, or of the value and the index that it adds at.
    pub fn store_cols(&self, store: &Store) -> u64 {
        match store.add_at {
            None => self.param_space(store.param).cols,
            Some(index) => self.value(index).space.cols.max(self.value(store.value).space.cols),
        }
    }

    /// Whether some stored value depends on a row value, so that lanes have to work together on a row.
    pub fn has_row_values(&self) -> bool {
        self.values.iter().any(|v| v.kind.is_row_value())
    }

    /// The error word, if a gather traps.
    pub fn error_word(&self) -> Option<ParamId> {
        self.params.iter().position(|p| p.role == Role::ErrorWord).map(|i| ParamId(i as u32))
    }
}

impl ValueKind {
    /// The operands, in order.
    pub fn operands(&self) -> Vec<ValueId> {
        match self {
            ValueKind::Const(_) | ValueKind::Load(_) | ValueKind::Row | ValueKind::Column => vec![],
            ValueKind::Scalar(_, operands) => operands.clone(),
            ValueKind::Remap(value, _) => vec![*value],
            ValueKind::Concat(parts) => parts.iter().map(|p| p.0).collect(),
            ValueKind::Gather { indices, .. } => indices.clone(),
            ValueKind::GatherRow { value, index, .. } => vec![*value, *index],
            ValueKind::Reduce { value, .. }
            | ValueKind::CumSum { value, .. }
            | ValueKind::TopK { value, .. }
            | ValueKind::TopKMask { value, .. } => vec![*value],
        }
    }

    /// A function of a whole segment of its operand's columns.
    pub fn is_row_value(&self) -> bool {
        self.segment().is_some()
    }

    /// The columns of a segment of a row value's operand.
    pub fn segment(&self) -> Option<u64> {
        match self {
            ValueKind::Reduce { width, .. }
            | ValueKind::CumSum { width, .. }
            | ValueKind::TopK { width, .. }
            | ValueKind::TopKMask { width, .. } => Some(*width),
            _ => None,
        }
    }
}
