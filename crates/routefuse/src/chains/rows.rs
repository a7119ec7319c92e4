//! Ids and positions of the expert slots of every row.

use routefuse_ir::op::{BinaryOp, CompareOp};
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

/// Ids of `experts` experts, in `i32`; any other is −1.
pub(crate) fn within(b: &mut GraphBuilder, ids: NodeId, experts: u64) -> NodeId {
    let dtype = b.ty(ids).dtype;
    let (zero, end) = (b.int(dtype, 0), b.int(dtype, i128::from(experts)));
    let (above, below) = (b.compare(CompareOp::Ge, ids, zero), b.compare(CompareOp::Lt, ids, end));
    let known = b.binary(BinaryOp::And, above, below);
    let none = b.int(dtype, -1);
    let ids = b.select(known, ids, none);
    b.cast(ids, DType::I32)
}

/// The first columns of rows that have more, or all of them.
pub(crate) fn first_columns(b: &mut GraphBuilder, x: NodeId, columns: u64) -> NodeId {
    let all = b.ty(x).shape.last().and_then(|d| d.as_const());
    if all == Some(columns) { x } else { b.slice(x, 0, columns) }
}
