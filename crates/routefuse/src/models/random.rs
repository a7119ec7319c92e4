//! Random numbers of expert slots.

use crate::chains::rows;
use routefuse_ir::op::{Op, ScalarOp};
use routefuse_ir::{DType, Dim, GraphBuilder, NodeId};

/// Random numbers of every expert slot: Philox by (seed, offset, t × K + k), `u32[T, K]`. A second draw of a graph takes positions
/// 2⁶³ further on, so that it does not repeat the first.
pub(super) fn philox(b: &mut GraphBuilder, seed: &mut Option<(NodeId, NodeId)>, t: Dim, top_k: u64) -> NodeId {
    let again = seed.is_some();
    let (seed, offset) =
        *seed.get_or_insert_with(|| (b.input("seed", DType::U64, []), b.input("offset", DType::U64, [])));
    let mut position = rows::positions(b, DType::U64, t, top_k);
    if again {
        let further = b.int(DType::U64, 1 << 63);
        position = b.add(position, further);
    }
    let random = b.op(Op::Scalar(ScalarOp::Philox), &[seed, offset, position]);
    b.name(random, if again { "more_random_bits" } else { "random_bits" })
}
