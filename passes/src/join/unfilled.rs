//! The fill of what items are put over, made the fill of the places that no item has.

use super::Bound;
use routefuse_ir::kernel::{Bounds, Kernel, Param, ParamId, Role, Space, Value, ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, CompareOp, NanRule, ScalarOp};
use routefuse_ir::program::Buffer;
use routefuse_ir::{DType, Dim, Layout, Literal, TensorType};

/// The kernel with another store to the target: place j, of the bin e whose places hold it, is filled unless
/// `j − starts[e] < counts[e]`. Starts never fall, so no other bin's items come there. `None` if the target has other than one
/// place a row.
pub(super) fn fill(mut bound: Bound, target: Buffer, (starts, counts): (Buffer, Buffer), bins: u64) -> Option<Bound> {
    let at = bound.stored_at(target)?;
    let store = bound.kernel.stores[at];
    let param = bound.kernel.param(store.param).clone();
    let one_a_row = param.ty.shape.len() == 1 && param.ty.row_symbol().is_some();
    if store.element().is_some() || !one_a_row || bound.kernel.value(store.value).space.cols != 1 {
        return None;
    }
    let table = |n: u64| TensorType { dtype: DType::I32, shape: vec![Dim::Const(n)] };
    let (starts, counts) = (input(&mut bound, starts, table(bins + 1))?, input(&mut bound, counts, table(bins))?);
    let kept = Param { role: Role::Input, aliases: None, ..param };
    bound.kernel.params.push(kept);
    bound.buffers.push(target);
    let kept = ParamId(bound.kernel.params.len() as u32 - 1);
    bound.kernel.params[store.param.0 as usize].aliases = Some(kept);
    let unheld = unheld(&mut bound.kernel, (starts, counts), bins);
    bound.kernel.stores[at].put_at = Some(unheld);
    Some(bound)
}

/// The parameter that is a table, which may be a new one.
fn input(bound: &mut Bound, buffer: Buffer, ty: TensorType) -> Option<ParamId> {
    let of = bound.kernel.params.iter().zip(&bound.buffers);
    let known = of.into_iter().position(|(p, b)| *b == buffer && p.role == Role::Input);
    let at = known.unwrap_or_else(|| {
        let name = String::new();
        bound.kernel.params.push(Param {
            name,
            role: Role::Input,
            ty: ty.clone(),
            layout: Layout::Contiguous,
            aliases: None,
        });
        bound.buffers.push(buffer);
        bound.kernel.params.len() - 1
    });
    (bound.kernel.params[at].ty == ty).then_some(ParamId(at as u32))
}

/// The row, or −1 if an item has the place of this number, as an `i64`.
fn unheld(kernel: &mut Kernel, (starts, counts): (ParamId, ParamId), bins: u64) -> ValueId {
    let mut k = More(kernel);
    let row = k.add(ValueKind::Row, DType::I64, true);
    let last = k.number(bins);
    // The last bin that begins at or before the place: starts[bin] ≤ place, by halves.
    let mut bin = k.number(0);
    let mut step = 1u64 << bins.ilog2();
    while step > 0 {
        let more = k.number(step);
        let further = k.binary(BinaryOp::Add, bin, more);
        let further = k.binary(BinaryOp::Min(NanRule::Number), further, last);
        let start = k.gather(starts, further);
        let has_begun = k.compare(CompareOp::Le, start, row);
        bin = k.select(has_begun, further, bin);
        step /= 2;
    }
    let in_some = k.compare(CompareOp::Lt, bin, last);
    let last_bin = k.number(bins - 1);
    let bin = k.binary(BinaryOp::Min(NanRule::Number), bin, last_bin);
    let (start, count) = (k.gather(starts, bin), k.gather(counts, bin));
    let rank = k.binary(BinaryOp::Sub, row, start);
    let counts = k.compare(CompareOp::Lt, rank, count);
    let held = k.binary(BinaryOp::And, in_some, counts);
    let nowhere = k.add(ValueKind::Const(Literal::from_bits(DType::I64, u64::MAX)), DType::I64, false);
    k.select(held, nowhere, row)
}

/// Values behind those of a kernel, of one column.
struct More<'k>(&'k mut Kernel);

impl More<'_> {
    fn add(&mut self, kind: ValueKind, dtype: DType, per_row: bool) -> ValueId {
        let per_row = per_row || kind.operands().iter().any(|o| self.0.value(*o).space.per_row);
        self.0.values.push(Value { kind, dtype, space: Space { per_row, cols: 1 }, name: String::new() });
        ValueId(self.0.values.len() as u32 - 1)
    }

    fn number(&mut self, n: u64) -> ValueId {
        self.add(ValueKind::Const(Literal::from_bits(DType::I64, n)), DType::I64, false)
    }

    fn binary(&mut self, op: BinaryOp, x: ValueId, y: ValueId) -> ValueId {
        let dtype = self.0.value(x).dtype;
        self.add(ValueKind::Scalar(ScalarOp::Binary(op), vec![x, y]), dtype, false)
    }

    fn compare(&mut self, op: CompareOp, x: ValueId, y: ValueId) -> ValueId {
        self.add(ValueKind::Scalar(ScalarOp::Compare(op), vec![x, y]), DType::Bool, false)
    }

    fn select(&mut self, condition: ValueId, x: ValueId, y: ValueId) -> ValueId {
        self.add(ValueKind::Scalar(ScalarOp::Select, vec![condition, x, y]), self.0.value(x).dtype, false)
    }

    /// An element of a table of `i32`, as an `i64`.
    fn gather(&mut self, table: ParamId, index: ValueId) -> ValueId {
        let element = ValueKind::Gather { table, indices: vec![index], bounds: Bounds::Proved };
        let element = self.add(element, DType::I32, false);
        self.add(ValueKind::Scalar(ScalarOp::Cast(DType::I64), vec![element]), DType::I64, false)
    }
}
