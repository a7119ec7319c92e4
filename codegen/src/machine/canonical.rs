//! The canonical NaN in place of any other.

use crate::mlir::builder::{Builder, IntPredicate, Val};
use routefuse_ir::math;

/// `x`, with the canonical NaN where it is another.
pub(crate) fn with_canonical_nan<'m>(b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
    // All in integers: to LLVM a NaN is a NaN, and it drops a float selection where an operation gives one by itself, as
    // the root of a negative number.
    let bits = b.bitcast(x, b.lanes_of(b.int(32), b.lanes(b.type_of(x))));
    let constant = |v: u32| b.const_int(b.type_of(bits), i64::from(v));
    let magnitude = b.andi(bits, constant(0x7fff_ffff));
    let is_nan = b.cmpi(IntPredicate::Ugt, magnitude, constant(0x7f80_0000));
    let settled = b.select(is_nan, constant(math::F32_NAN.to_bits()), bits);
    b.bitcast(settled, b.type_of(x))
}
