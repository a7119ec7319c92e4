//! What the values of a kernel are.

use super::ids::{ParamId, ValueId};
use crate::dim::SymbolId;
use crate::dtype::DType;
use crate::eval::row;
use crate::literal::Literal;
use crate::op::{Candidates, OutOfRange, ReduceOp, ScalarOp, TopKOrder};

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

/// What a gather does about an index outside its dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bounds {
    /// Nothing: range analysis proved every index in range, so no check is made.
    Proved,
    /// The index is checked, and what the policy says happens to one that is outside.
    Checked(OutOfRange),
}

impl Bounds {
    /// The policy for an index outside. Of proved indices none is, so the default serves.
    pub fn policy(self) -> OutOfRange {
        match self {
            Bounds::Proved => OutOfRange::Pass,
            Bounds::Checked(policy) => policy,
        }
    }

    /// Whether an index outside sets the error word.
    pub fn may_trap(self) -> bool {
        self == Bounds::Checked(OutOfRange::Trap)
    }
}

/// What a segment of neighbouring columns becomes. A new one is a line in each of its methods, in the kernel's text, in the
/// interpreter, and an algorithm for each kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowOp {
    /// One column.
    Reduce(ReduceOp),
    /// Its running sums, as many columns: for d = 1, 2, 4, … < width, all columns at once, `y[i] = y[i − d] + y[i]` where
    /// `i ≥ d`.
    CumSum,
    /// The columns, within the segment, of the k best keys: `k` columns of `i32`. See [`crate::eval::row`] for the order.
    TopK {
        /// How many; at most the width.
        k: u64,
        /// Which keys count.
        candidates: Candidates,
        /// How the chosen are arranged.
        order: TopKOrder,
    },
    /// For each column, whether it is among the k best: bool.
    TopKMask {
        /// How many; at most the width.
        k: u64,
        /// Which keys count.
        candidates: Candidates,
    },
    /// For each column, an id, how many columns before it, of this row and of all rows before, have the same id: `i32`, −1 of an
    /// id outside `[0, bins)`. The segment is the whole row.
    Rank {
        /// How many ids are told apart.
        bins: u64,
    },
}

impl RowOp {
    /// Its name in kernels' text: that of the operation on graphs.
    pub fn mnemonic(self) -> &'static str {
        match self {
            RowOp::Reduce(op) => op.mnemonic(),
            RowOp::CumSum => "cumsum",
            RowOp::TopK { .. } => "topk",
            RowOp::TopKMask { .. } => "topk_mask",
            RowOp::Rank { .. } => "bin_rank",
        }
    }

    /// The columns that a segment of `width` columns becomes.
    pub fn columns(self, width: u64) -> u64 {
        match self {
            RowOp::Reduce(_) => 1,
            RowOp::CumSum | RowOp::TopKMask { .. } | RowOp::Rank { .. } => width,
            RowOp::TopK { k, .. } => k,
        }
    }

    /// The dtype of the result over segments of `width` columns of this dtype; `None` if it does not take them.
    pub fn dtype(self, operand: DType, width: u64) -> Option<DType> {
        let is_key = row::is_key(operand);
        let (result, fits) = match self {
            RowOp::Reduce(ReduceOp::TopTwoSum) => (operand, operand == DType::F32),
            RowOp::Reduce(_) | RowOp::CumSum => (operand, operand.is_int() || operand == DType::F32),
            RowOp::TopK { k, .. } => (DType::I32, is_key && (1..=width).contains(&k)),
            RowOp::TopKMask { k, .. } => (DType::Bool, is_key && (1..=width).contains(&k)),
            RowOp::Rank { bins } => (DType::I32, operand.is_int() && bins > 0),
        };
        fits.then_some(result)
    }

    /// Whether only the order of the operand's elements counts, so that its rank keys serve as well as itself.
    pub fn selects(self) -> bool {
        match self {
            RowOp::TopK { .. } | RowOp::TopKMask { .. } => true,
            RowOp::Reduce(_) | RowOp::CumSum | RowOp::Rank { .. } => false,
        }
    }

    /// Whether it depends on the rows before.
    pub fn crosses_rows(self) -> bool {
        matches!(self, RowOp::Rank { .. })
    }
}

/// A function of each segment of `width` neighbouring columns of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowValue {
    /// What a segment becomes.
    pub op: RowOp,
    /// The operand.
    pub value: ValueId,
    /// Columns of a segment; divides the operand's.
    pub width: u64,
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
    /// The extent of a symbol, as the value's integer dtype (wraps).
    Extent(SymbolId),
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
        /// What happens to an index outside its dim.
        bounds: Bounds,
    },
    /// The first operand at the column that the second, an integer, names.
    GatherRow {
        /// What is read, at row `t`.
        value: ValueId,
        /// The column.
        index: ValueId,
        /// What happens to a column outside the operand's.
        bounds: Bounds,
    },
    /// A function of whole segments of the operand's columns.
    RowValue(RowValue),
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

impl ValueKind {
    /// The operands, in order.
    pub fn operands(&self) -> Vec<ValueId> {
        match self {
            ValueKind::Const(_) | ValueKind::Load(_) | ValueKind::Row | ValueKind::Column | ValueKind::Extent(_) => {
                vec![]
            }
            ValueKind::Scalar(_, operands) => operands.clone(),
            ValueKind::Remap(value, _) => vec![*value],
            ValueKind::Concat(parts) => parts.iter().map(|p| p.0).collect(),
            ValueKind::Gather { indices, .. } => indices.clone(),
            ValueKind::GatherRow { value, index, .. } => vec![*value, *index],
            ValueKind::RowValue(row) => vec![row.value],
        }
    }

    /// The row value, if it is one.
    pub fn row_value(&self) -> Option<&RowValue> {
        match self {
            ValueKind::RowValue(row) => Some(row),
            _ => None,
        }
    }

    /// A function of a whole segment of its operand's columns.
    pub fn is_row_value(&self) -> bool {
        self.row_value().is_some()
    }

    /// The columns of a segment of a row value's operand.
    pub fn segment(&self) -> Option<u64> {
        self.row_value().map(|row| row.width)
    }

    /// What a gather does about indices outside.
    pub fn bounds(&self) -> Option<Bounds> {
        match self {
            ValueKind::Gather { bounds, .. } | ValueKind::GatherRow { bounds, .. } => Some(*bounds),
            _ => None,
        }
    }
}
