//! A kernel under construction: values are numbered, so that none is made twice, and remaps are simplified as they come.
//!
//! A value whose columns are all the same is kept with one column; [`KernelBuilder::widen`] gives it the others where an
//! operation needs them.

use super::columns;
use routefuse_ir::graph::{Layout, TensorType};
use routefuse_ir::kernel::{
    Bounds, ColumnMap, Param, ParamId, Role, RowOp, RowValue, Space, Value, ValueId, ValueKind,
};
use routefuse_ir::op::{BinaryOp, CompareOp, ScalarOp};
use routefuse_ir::program::Buffer;
use routefuse_ir::{DType, Literal, SymbolId};
use std::collections::HashMap;

/// An output of the kernel, and the value that it holds.
pub(super) struct Stored {
    pub(super) buffer: Buffer,
    pub(super) param: Param,
    pub(super) value: ValueId,
    /// The element that the value is added to.
    pub(super) add_at: Option<ValueId>,
    /// The element that the value is.
    pub(super) put_at: Option<ValueId>,
    /// The input that it aliases.
    pub(super) aliases: Option<Buffer>,
}

impl Stored {
    /// What it asks for, as [`Store::operands`](routefuse_ir::kernel::Store::operands).
    pub(super) fn operands(&self) -> impl Iterator<Item = ValueId> + use<> {
        std::iter::once(self.value).chain(self.add_at).chain(self.put_at)
    }
}

/// Everything but the order in which parameters and symbols are numbered: see [`super::finish`].
pub(super) struct KernelBuilder {
    /// The row symbol, in the program's symbols, like the types of the parameters.
    pub(super) rows: Option<SymbolId>,
    pub(super) values: Vec<Value>,
    pub(super) inputs: Vec<(Buffer, Param)>,
    pub(super) stores: Vec<Stored>,
    numbers: HashMap<(ValueKind, DType, Space), ValueId>,
}

impl KernelBuilder {
    pub(super) fn new(rows: Option<SymbolId>) -> KernelBuilder {
        KernelBuilder { rows, values: vec![], inputs: vec![], stores: vec![], numbers: HashMap::new() }
    }

    /// The input parameter that is this buffer.
    pub(super) fn input(&mut self, buffer: Buffer, name: &str, ty: &TensorType, layout: Layout) -> ParamId {
        let known = self.inputs.iter().position(|i| i.0 == buffer);
        let position = known.unwrap_or_else(|| {
            let param = Param { name: name.to_owned(), role: Role::Input, ty: ty.clone(), layout, aliases: None };
            self.inputs.push((buffer, param));
            self.inputs.len() - 1
        });
        ParamId(position as u32)
    }

    fn push(&mut self, kind: ValueKind, dtype: DType, space: Space) -> ValueId {
        let key = (kind, dtype, space);
        if let Some(id) = self.numbers.get(&key) {
            return *id;
        }
        let id = ValueId(self.values.len() as u32);
        self.values.push(Value { kind: key.0.clone(), dtype, space, name: String::new() });
        self.numbers.insert(key, id);
        id
    }

    /// Names a value that has no name yet.
    pub(super) fn name(&mut self, id: ValueId, name: &str) {
        let value = &mut self.values[id.0 as usize];
        if value.name.is_empty() {
            name.clone_into(&mut value.name);
        }
    }

    pub(super) fn space(&self, id: ValueId) -> Space {
        self.values[id.0 as usize].space
    }

    pub(super) fn dtype(&self, id: ValueId) -> DType {
        self.values[id.0 as usize].dtype
    }

    pub(super) fn constant(&mut self, literal: Literal) -> ValueId {
        self.push(ValueKind::Const(literal), literal.dtype(), Space { per_row: false, cols: 1 })
    }

    /// An `i64` constant; extents fit it.
    pub(super) fn integer(&mut self, value: u64) -> ValueId {
        self.constant(Literal::i64(value as i64))
    }

    pub(super) fn load(&mut self, param: ParamId) -> ValueId {
        let ty = &self.inputs[param.0 as usize].1.ty;
        let per_row = ty.row_symbol().is_some();
        let (dtype, cols) = (ty.dtype, ty.row_elements().unwrap_or(0));
        self.push(ValueKind::Load(param), dtype, Space { per_row, cols })
    }

    pub(super) fn row(&mut self, dtype: DType) -> ValueId {
        self.push(ValueKind::Row, dtype, Space { per_row: true, cols: 1 })
    }

    pub(super) fn extent(&mut self, symbol: SymbolId, dtype: DType) -> ValueId {
        self.push(ValueKind::Extent(symbol), dtype, Space { per_row: false, cols: 1 })
    }

    pub(super) fn column(&mut self, dtype: DType, cols: u64) -> ValueId {
        if cols == 1 {
            return self.constant(Literal::zero(dtype));
        }
        self.push(ValueKind::Column, dtype, Space { per_row: false, cols })
    }

    /// The space of an elementwise result.
    fn pointwise(&self, operands: &[ValueId]) -> Space {
        let spaces = || operands.iter().map(|o| self.space(*o));
        Space { per_row: spaces().any(|s| s.per_row), cols: spaces().map(|s| s.cols).max().unwrap_or(1) }
    }

    pub(super) fn scalar(&mut self, op: ScalarOp, operands: Vec<ValueId>, dtype: DType) -> ValueId {
        let space = self.pointwise(&operands);
        self.push(ValueKind::Scalar(op, operands), dtype, space)
    }

    pub(super) fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> ValueId {
        let dtype = self.dtype(a);
        self.scalar(ScalarOp::Binary(op), vec![a, b], dtype)
    }

    pub(super) fn compare(&mut self, op: CompareOp, a: ValueId, b: ValueId) -> ValueId {
        self.scalar(ScalarOp::Compare(op), vec![a, b], DType::Bool)
    }

    pub(super) fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> ValueId {
        let dtype = self.dtype(a);
        self.scalar(ScalarOp::Select, vec![condition, a, b], dtype)
    }

    pub(super) fn cast(&mut self, x: ValueId, to: DType) -> ValueId {
        if self.dtype(x) == to { x } else { self.scalar(ScalarOp::Cast(to), vec![x], to) }
    }

    /// The value with this many columns, all the same if it has one.
    pub(super) fn widen(&mut self, value: ValueId, cols: u64) -> ValueId {
        let (dtype, space) = (self.dtype(value), self.space(value));
        if space.cols == cols {
            return value;
        }
        let map = ColumnMap { cols, base: 0, terms: vec![] };
        self.push(ValueKind::Remap(value, map), dtype, Space { cols, ..space })
    }

    /// `value` at the columns of a map in normal form. Maps of maps become one where there is one, and a map into one part
    /// of a concatenation is a map of that part.
    pub(super) fn remap(&mut self, value: ValueId, map: ColumnMap) -> ValueId {
        let (mut value, mut map) = (value, map);
        loop {
            let Space { per_row, cols } = self.space(value);
            if cols == 1 || columns::is_identity(&map, cols) {
                return value;
            }
            let source = match &self.values[value.0 as usize].kind {
                ValueKind::Remap(source, inner) => columns::compose(&map, inner).map(|m| (*source, m)),
                ValueKind::Concat(parts) => {
                    let widths: Vec<u64> = parts.iter().map(|p| p.1).collect();
                    let inner_rows = cols / widths.iter().sum::<u64>();
                    columns::within_part(&map, &widths, inner_rows).map(|(p, m)| (parts[p].0, m))
                }
                _ => None,
            };
            match source {
                Some(next) => (value, map) = next,
                None => {
                    // One column of one that has several: no digit of it counts.
                    let dtype = self.dtype(value);
                    let space = Space { per_row, cols: map.cols };
                    return self.push(ValueKind::Remap(value, map), dtype, space);
                }
            }
        }
    }

    /// Parts side by side in each of `inner_rows` runs of columns, with each part's columns in one run.
    pub(super) fn concat(&mut self, parts: Vec<(ValueId, u64)>, inner_rows: u64) -> ValueId {
        if parts.len() == 1 {
            return parts[0].0;
        }
        // One value that is the same in every column, beside itself.
        if parts.iter().all(|p| p.0 == parts[0].0) && self.space(parts[0].0).cols == 1 {
            return parts[0].0;
        }
        let mut joined: Vec<(ValueId, u64)> = Vec::with_capacity(parts.len());
        for (value, width) in parts {
            // (a ++ b) ++ c = a ++ b ++ c
            match &self.values[value.0 as usize].kind {
                ValueKind::Concat(inner) if inner.iter().map(|p| p.1).sum::<u64>() == width => {
                    joined.extend(inner.iter().copied());
                }
                _ => {
                    let wide = self.widen(value, inner_rows * width);
                    joined.push((wide, width));
                }
            }
        }
        let dtype = self.dtype(joined[0].0);
        let per_row = joined.iter().any(|p| self.space(p.0).per_row);
        let cols = inner_rows * joined.iter().map(|p| p.1).sum::<u64>();
        self.push(ValueKind::Concat(joined), dtype, Space { per_row, cols })
    }

    /// What `op` makes of segments of `width` columns of a value of `cols` columns; one column stands for all of them.
    pub(super) fn row_value(&mut self, op: RowOp, value: ValueId, cols: u64, width: u64, dtype: DType) -> ValueId {
        let value = self.widen(value, cols);
        let space = Space { per_row: self.space(value).per_row, cols: cols / width * op.columns(width) };
        self.push(ValueKind::RowValue(RowValue { op, value, width }), dtype, space)
    }

    /// How many items before each have its id, of ids of `cols` columns; of one row where there is but one.
    pub(super) fn rank(&mut self, ids: ValueId, cols: u64, of_rows: bool, bins: u64) -> ValueId {
        let value = self.widen(ids, cols);
        let row = RowValue { op: RowOp::Rank { bins }, value, width: cols };
        self.push(ValueKind::RowValue(row), DType::I32, Space { per_row: of_rows, cols })
    }

    /// A gather from memory.
    pub(super) fn gather(&mut self, table: ParamId, indices: Vec<ValueId>, bounds: Bounds) -> ValueId {
        let dtype = self.inputs[table.0 as usize].1.ty.dtype;
        let space = self.pointwise(&indices);
        self.push(ValueKind::Gather { table, indices, bounds }, dtype, space)
    }

    /// A gather from the columns of a value.
    pub(super) fn gather_row(&mut self, value: ValueId, index: ValueId, bounds: Bounds) -> ValueId {
        let per_row = self.space(value).per_row || self.space(index).per_row;
        let space = Space { per_row, cols: self.space(index).cols };
        let dtype = self.dtype(value);
        self.push(ValueKind::GatherRow { value, index, bounds }, dtype, space)
    }
}
