//! Ids and positions of the expert slots of every row.

use routefuse_ir::{DType, Dim, GraphBuilder, NodeId};

/// `first + s` for each of `columns` columns of every row, as integers of `dtype`: the ids of shared experts.
pub(crate) fn consecutive_ids(b: &mut GraphBuilder, dtype: DType, rows: Dim, columns: u64, first: u64) -> NodeId {
    let iota = b.iota(dtype, [rows, columns.into()], 1);
    let first = b.int(dtype, i128::from(first));
    b.add(iota, first)
}

/// `t × K + k`: the position of every expert slot in the row-major `[T, K]`.
pub(crate) fn positions(b: &mut GraphBuilder, dtype: DType, rows: Dim, columns: u64) -> NodeId {
    let row = b.iota(dtype, [rows, columns.into()], 0);
    let row_length = b.int(dtype, i128::from(columns));
    let start = b.mul(row, row_length);
    let column = b.iota(dtype, [rows, columns.into()], 1);
    b.add(start, column)
}
