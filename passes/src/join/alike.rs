//! Whether values of two kernels of a program are the same function of the same rows and buffers.

use routefuse_ir::SymbolId;
use routefuse_ir::kernel::{Kernel, ParamId, RowValue, ValueId, ValueKind};
use routefuse_ir::program::Buffer;
use std::collections::HashSet;

/// A kernel, and which buffers and symbols of the program it is given.
#[derive(Clone, Copy)]
pub(super) struct Of<'k> {
    pub(super) kernel: &'k Kernel,
    pub(super) buffers: &'k [Buffer],
    pub(super) symbols: &'k [SymbolId],
}

impl Of<'_> {
    fn symbol(&self, s: SymbolId) -> SymbolId {
        self.symbols[s.0 as usize]
    }

    fn buffer(&self, p: ParamId) -> Buffer {
        self.buffers[p.0 as usize]
    }
}

/// Whether the two have the same bits at every row and column.
pub(super) fn alike((a, x): (Of<'_>, ValueId), (b, y): (Of<'_>, ValueId)) -> bool {
    let rows = |of: &Of<'_>| of.kernel.rows.map(|s| of.symbol(s));
    let mut seen: HashSet<(ValueId, ValueId)> = HashSet::new();
    let mut open = vec![(x, y)];
    while let Some((x, y)) = open.pop() {
        if !seen.insert((x, y)) {
            continue;
        }
        let (v, w) = (a.kernel.value(x), b.kernel.value(y));
        let (left, right) = (v.kind.operands(), w.kind.operands());
        let same = match (&v.kind, &w.kind) {
            (ValueKind::Const(l), ValueKind::Const(r)) => l == r,
            (ValueKind::Load(p), ValueKind::Load(q)) => a.buffer(*p) == b.buffer(*q),
            (ValueKind::Row, ValueKind::Row) | (ValueKind::Column, ValueKind::Column) => true,
            (ValueKind::Extent(s), ValueKind::Extent(t)) => a.symbol(*s) == b.symbol(*t),
            (ValueKind::Scalar(op, _), ValueKind::Scalar(other, _)) => op == other,
            (ValueKind::Remap(_, map), ValueKind::Remap(_, other)) => map == other,
            (ValueKind::Concat(parts), ValueKind::Concat(others)) => {
                parts.iter().map(|p| p.1).eq(others.iter().map(|p| p.1))
            }
            (ValueKind::Gather { table: p, bounds, .. }, ValueKind::Gather { table: q, bounds: other, .. }) => {
                a.buffer(*p) == b.buffer(*q) && bounds == other
            }
            (ValueKind::GatherRow { bounds, .. }, ValueKind::GatherRow { bounds: other, .. }) => bounds == other,
            (
                ValueKind::RowValue(RowValue { op, width, value: _ }),
                ValueKind::RowValue(RowValue { op: other, width: others, value: _ }),
            ) => op == other && width == others && !op.crosses_rows(),
            _ => false,
        };
        if !same || (v.dtype, v.space) != (w.dtype, w.space) || left.len() != right.len() {
            return false;
        }
        open.extend(left.into_iter().zip(right));
    }
    rows(&a) == rows(&b)
}
