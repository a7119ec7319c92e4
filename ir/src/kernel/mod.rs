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
pub mod analysis;
mod ids;
pub mod phases;
pub mod schedule;
mod text;
mod value;
mod verify;

pub use ids::{ParamId, ValueId};
pub use value::{Bounds, ColumnMap, RowOp, RowValue, Space, Term, Value, ValueKind};

use crate::dim::SymbolId;
use crate::infer::MAX_ITEMS;
use crate::layout::Layout;
use crate::tensor_type::TensorType;

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

/// A store of a value to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    /// The output.
    pub param: ParamId,
    /// The value. Without an index: as many columns as the output, or one, and every element is written once.
    pub value: ValueId,
    /// With an index, an integer: for every row and column of the two (one column serves all), the value is added,
    /// atomically, to the element of the output that the index names, if there is one; wraps. The output has rank 1, is an
    /// integer, lies in the input that it aliases and keeps what is there; adding 0 touches nothing.
    pub add_at: Option<ValueId>,
    /// With an index, an integer: for every row and column of the two (one column serves all), the value is the element of the
    /// output that the index names, if there is one. No two name the same. The output has one dim, lies in the input that it
    /// aliases and keeps what is elsewhere.
    pub put_at: Option<ValueId>,
}

impl Store {
    /// The index of the element that is added to or put, where it is not the row's and column's own.
    pub fn element(&self) -> Option<ValueId> {
        self.add_at.or(self.put_at)
    }

    /// What it asks for: the value, and the index that it adds at.
    pub fn operands(&self) -> impl Iterator<Item = ValueId> + use<> {
        std::iter::once(self.value).chain(self.element())
    }
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
    /// What it consists of where it is several kernels in one launch: then it has no values and stores of its own.
    pub phases: Option<Box<phases::Phases>>,
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

    /// Whether another parameter may write what is read through this one.
    pub fn is_aliased(&self, param: ParamId) -> bool {
        self.param(param).aliases.is_some() || self.params.iter().any(|p| p.aliases == Some(param))
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

    /// The columns that a store goes through: those of its output, or of the value and the index of its element.
    pub fn store_cols(&self, store: &Store) -> u64 {
        match store.element() {
            None => self.param_space(store.param).cols,
            Some(index) => self.value(index).space.cols.max(self.value(store.value).space.cols),
        }
    }

    /// Whether some stored value depends on a row value, so that lanes have to work together on a row.
    pub fn has_row_values(&self) -> bool {
        self.values.iter().any(|v| v.kind.is_row_value())
    }

    /// Whether rows have to be done one after the other, by one who has all of them: a value depends on earlier rows.
    pub fn is_ordered(&self) -> bool {
        self.values.iter().any(|v| v.kind.row_value().is_some_and(|row| row.op.crosses_rows()))
    }

    /// The bins of what has to be counted before rows that are done in order can be shared among threads; none where they cannot be, or
    /// are shared as they are.
    pub fn counted_for_parts(&self) -> Option<u64> {
        analysis::items(self).filter(|items| items.alone).map(|items| items.bins)
    }

    /// The most rows of a launch, where their items are ranked, or counted by phases: no rank and no count is more than an `i32`
    /// holds. [`Program::most_rows`](crate::program::Program::most_rows) knows of other counts as well.
    pub fn most_rows(&self) -> Option<u64> {
        let phases = self.phases.iter().flat_map(|of| &of.list);
        let values = self.values.iter().chain(phases.flat_map(|p| &p.kernel.values));
        let ranked = values.filter_map(|v| v.kind.row_value()).filter(|row| row.op.crosses_rows());
        let counted = self.phases.iter().map(|of| of.items());
        Some(MAX_ITEMS / ranked.map(|row| row.width).chain(counted).max()?)
    }

    /// The error word, if a gather traps.
    pub fn error_word(&self) -> Option<ParamId> {
        self.params.iter().position(|p| p.role == Role::ErrorWord).map(|i| ParamId(i as u32))
    }
}
