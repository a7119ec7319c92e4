//! A fused multiply-add of `f32` for processors that have no instruction for it: by `f64`, with one rounding.
//!
//! The product of two `f32` is exact in `f64`. Its sum with the third is rounded to odd (S. Boldo and G. Melquiond, "Emulation
//! of FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008), which leaves 53 bits that round to the 24
//! of an `f32` as the exact sum would, denormal results included.

use crate::mlir::builder::{Builder, FloatPredicate, IntPredicate, Val};

/// `x*y + z` with one rounding; of a NaN any.
pub(super) fn multiply_add<'m>(b: &Builder<'m>, x: Val<'m>, y: Val<'m>, z: Val<'m>) -> Val<'m> {
    let wide = |v| b.extf(v, b.f64());
    let (product, z) = (b.mulf(wide(x), wide(y)), wide(z));
    let sum = b.addf(product, z);
    // What the sum was rounded by, exactly (D. Knuth's TwoSum). Of an infinite sum it is a NaN.
    let of_z = b.subf(sum, product);
    let error = b.addf(b.subf(product, b.subf(sum, of_z)), b.subf(z, of_z));

    // The exact sum lies between this one and a neighbour, one of which is odd: it goes to that one.
    let bits = b.bitcast(sum, b.with_lanes(b.int(64), b.type_of(sum)));
    let constant = |v: i64| b.const_int(b.type_of(bits), v);
    let zero = b.extf(b.const_f32(0.0, b.lanes(b.type_of(x))), b.f64());
    let (above, below) = (b.cmpf(FloatPredicate::Olt, zero, error), b.cmpf(FloatPredicate::Olt, error, zero));
    let negative = b.cmpi(IntPredicate::Slt, bits, constant(0));
    let even = b.cmpi(IntPredicate::Eq, b.andi(bits, constant(1)), constant(0));
    let away = b.select(negative, below, above);
    let inexact = b.ori(above, below);
    let step = b.select(away, constant(1), constant(-1));
    let odd = b.select(b.andi(inexact, even), b.addi(bits, step), bits);
    b.truncf(b.bitcast(odd, b.type_of(sum)), b.f32())
}
