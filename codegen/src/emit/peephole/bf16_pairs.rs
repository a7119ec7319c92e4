//! `f32(x)` of an even number of lanes of `bf16` is, of each two in a 32-bit word `w`, `w << 16` and `w & 0xffff0000`.
//!
//! - **Machine:** GPUs, in row schedules, whose lanes have neighbouring columns in one register.
//! - **Reason:** the upper of two needs only its neighbour cleared, one instruction in place of a shift and another.
//! - **Test:** `peephole::tests`, and the snapshot `tests/snapshots/models/deepseek-v3-post@sm_90`.

use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{Builder, Val};

/// `bf16` to `f32`; none on an odd number of lanes.
pub(in crate::emit) fn widened<'m>(b: &Builder<'m>, x: Lanes<'m>) -> Option<Val<'m>> {
    if !x.lanes.is_multiple_of(2) {
        return None;
    }
    let pairs = b.bitcast(x.value, b.lanes_of(b.int(32), x.lanes / 2));
    let ty = b.type_of(pairs);
    let (low, high) = (b.shli(pairs, b.const_int(ty, 16)), b.andi(pairs, b.const_int(ty, 0xffff_0000)));
    let lanes: Vec<Val<'m>> = (0..x.lanes / 2).flat_map(|i| [b.extract(low, i), b.extract(high, i)]).collect();
    Some(b.bitcast(b.gather_lanes(&lanes), b.lanes_of(b.f32(), x.lanes)))
}
