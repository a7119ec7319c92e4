//! Row sums over a small constant number of columns, by slices and adds.

use routefuse_ir::{Dim, GraphBuilder, Literal, NodeId};

/// Σ over the inner dim of `x: f32[T, n]`, as `[T, 1]`, by the canonical tree: pad with 0 to the next power of two, then
/// `x[i] + x[i + n/2]`, halving. The order of the additions, and so the bits, depend on n alone.
pub(super) fn sum(b: &mut GraphBuilder, x: NodeId) -> NodeId {
    let shape = b.ty(x).shape.clone();
    let Some(&Dim::Const(n)) = shape.last() else { return x };
    let padded = n.next_power_of_two();
    let mut x = x;
    if padded > n {
        let zero = b.constant(Literal::f32(0.0));
        let mut pad = shape.clone();
        pad[shape.len() - 1] = Dim::Const(padded - n);
        let zeros = b.broadcast(zero, pad);
        x = b.concat(&[x, zeros]);
    }
    let mut width = padded;
    while width > 1 {
        let half = width / 2;
        let (low, high) = (b.slice(x, 0, half), b.slice(x, half, width));
        x = b.add(low, high);
        width = half;
    }
    x
}

/// `first + s` for each of `slots` columns of every row, as integers of `dtype`: the ids of shared experts.
pub(super) fn slot_ids(b: &mut GraphBuilder, dtype: routefuse_ir::DType, rows: Dim, slots: u64, first: u64) -> NodeId {
    let iota = b.iota(dtype, [rows, slots.into()], 1);
    let first = b.int(dtype, i128::from(first));
    b.add(iota, first)
}
