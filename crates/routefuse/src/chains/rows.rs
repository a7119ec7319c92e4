//! Ids and positions of the slots of every row.

use routefuse_ir::{DType, Dim, GraphBuilder, NodeId};

/// `first + s` for each of `slots` columns of every row, as integers of `dtype`: the ids of shared experts.
pub(crate) fn slot_ids(b: &mut GraphBuilder, dtype: DType, rows: Dim, slots: u64, first: u64) -> NodeId {
    let iota = b.iota(dtype, [rows, slots.into()], 1);
    let first = b.int(dtype, i128::from(first));
    b.add(iota, first)
}

/// `t × K + k`: the position of every slot in the row-major `[T, K]`.
pub(crate) fn slot_positions(b: &mut GraphBuilder, dtype: DType, rows: Dim, slots: u64) -> NodeId {
    let row = b.iota(dtype, [rows, slots.into()], 0);
    let columns = b.int(dtype, i128::from(slots));
    let start = b.mul(row, columns);
    let column = b.iota(dtype, [rows, slots.into()], 1);
    b.add(start, column)
}
