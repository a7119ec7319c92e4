//! The abstract machine on which the functions of this module are written.

/// A machine that does IEEE `f32` and 32-bit integer arithmetic on values that are scalars or vectors of lanes.
///
/// On every lane each method has exactly the result stated here. Floats are IEEE 754 binary32, rounded to nearest even,
/// without contraction and without flushing denormals, in or out. Only the sign and payload of a NaN that `fadd`,
/// `fsub`, `fmul`, `fdiv`, `fsqrt` or `ffma` returns are free. Integers are 32 bits of two's complement and wrap.
///
/// Shift amounts are constants below 32. The methods take `&mut self` because a machine may emit code.
pub trait ScalarMachine {
    /// `f32` lanes.
    type F32: Copy;
    /// 32-bit integer lanes; the operation says whether the bits are signed.
    type I32: Copy;
    /// Truth values, one a lane.
    type Bool: Copy;

    /// The constant `value` in every lane, with exactly its bits (NaN included).
    fn f32(&mut self, value: f32) -> Self::F32;
    /// The constant `value` in every lane.
    fn i32(&mut self, value: i32) -> Self::I32;

    /// `a + b`.
    fn fadd(&mut self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a − b`.
    fn fsub(&mut self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a · b`.
    fn fmul(&mut self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`, correctly rounded.
    fn fdiv(&mut self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`, correctly rounded, where b is `1 + e` rounded for some e in [0, 1], and a is 1 or that e. A machine may
    /// know a shorter way than [`Self::fdiv`]: where e is so small that the quotient is subnormal, b is 1.
    fn fdiv_logistic(&mut self, a: Self::F32, b: Self::F32) -> Self::F32 {
        self.fdiv(a, b)
    }
    /// As [`Self::fdiv_logistic`], where e is that of the sigmoid of a `bf16` or an `f16`. There are so few of these that a machine may
    /// know all of them.
    fn fdiv_logistic_of_16_bits(&mut self, a: Self::F32, b: Self::F32) -> Self::F32 {
        self.fdiv_logistic(a, b)
    }
    /// Whether [`Self::fbelow`] passes a NaN on, and any NaN will do where a function gives the canonical one, since whoever
    /// looks at its bits makes it that.
    fn nan_flows(&self) -> bool {
        false
    }
    /// `a` where `a < b`, else `b`, a number; a NaN for a NaN where [`Self::nan_flows`].
    fn fbelow(&mut self, a: Self::F32, b: Self::F32) -> Self::F32 {
        let inside = self.flt(a, b);
        self.select_f32(inside, a, b)
    }
    /// √a, correctly rounded; a NaN below −0.0, and −0.0 of −0.0.
    fn fsqrt(&mut self, a: Self::F32) -> Self::F32;
    /// `a · b + c`, rounded once.
    fn ffma(&mut self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// Whether [`Self::ffma_in_unit`] is as quick as [`Self::ffma`].
    fn clamps_to_unit(&self) -> bool {
        false
    }
    /// `a · b + c`, rounded once, or the nearer of 0 and 1 where it is beyond; 0 for a NaN.
    fn ffma_in_unit(&mut self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32 {
        let (zero, one) = (self.f32(0.0), self.f32(1.0));
        let sum = self.ffma(a, b, c);
        let above = self.flt(zero, sum);
        let sum = self.select_f32(above, sum, zero);
        let below = self.flt(sum, one);
        self.select_f32(below, sum, one)
    }
    /// `a` with its sign bit cleared; all other bits stay, of a NaN too.
    fn fabs(&mut self, a: Self::F32) -> Self::F32;
    /// `a` with its sign bit flipped; all other bits stay, of a NaN too.
    fn fneg(&mut self, a: Self::F32) -> Self::F32;

    /// `a < b`; false where either is NaN.
    fn flt(&mut self, a: Self::F32, b: Self::F32) -> Self::Bool;
    /// `a ≤ b`; false where either is NaN.
    fn fle(&mut self, a: Self::F32, b: Self::F32) -> Self::Bool;
    /// Whether `a` is NaN (unordered with itself).
    fn is_nan(&mut self, a: Self::F32) -> Self::Bool;

    /// `a + b`, wrapping.
    fn iadd(&mut self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// `a − b`, wrapping.
    fn isub(&mut self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Bitwise and.
    fn iand(&mut self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Bitwise or.
    fn ior(&mut self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// Bitwise exclusive or.
    fn ixor(&mut self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// The lesser, both unsigned.
    fn iumin(&mut self, a: Self::I32, b: Self::I32) -> Self::I32;
    /// `a` shifted left by `amount` < 32; what leaves at the top is lost.
    fn ishl(&mut self, a: Self::I32, amount: u32) -> Self::I32;
    /// `a` shifted right by `amount` < 32, zeros coming in.
    fn ishr(&mut self, a: Self::I32, amount: u32) -> Self::I32;
    /// `a` shifted right by `amount` < 32, copies of the sign bit coming in.
    fn isar(&mut self, a: Self::I32, amount: u32) -> Self::I32;
    /// `a` with every bit flipped, shifted right by `amount` < 32, copies of its sign bit coming in. A machine may flip
    /// after it shifts.
    fn isar_not(&mut self, a: Self::I32, amount: u32) -> Self::I32 {
        let ones = self.i32(-1);
        let flipped = self.ixor(a, ones);
        self.isar(flipped, amount)
    }
    /// `a = b`.
    fn ieq(&mut self, a: Self::I32, b: Self::I32) -> Self::Bool;
    /// `a < b`, both unsigned.
    fn iult(&mut self, a: Self::I32, b: Self::I32) -> Self::Bool;
    /// `a ≤ b`, both unsigned.
    fn iule(&mut self, a: Self::I32, b: Self::I32) -> Self::Bool;
    /// `a ≤ b`, both signed.
    fn isle(&mut self, a: Self::I32, b: Self::I32) -> Self::Bool;
    /// `a ≥ b`, both signed.
    fn isge(&mut self, a: Self::I32, b: Self::I32) -> Self::Bool;

    /// What is added to the [rank keys](super::order) of numbers, modulo 2³². A machine whose arithmetic gives one NaN may
    /// choose it such that the key of that NaN wraps to [`NAN_KEY`](super::order::NAN_KEY) by itself, and no key of a number
    /// wraps.
    fn key_offset(&self) -> u32 {
        0
    }

    /// `a + 0.0`, of which a NaN is the one that the machine's arithmetic gives, whatever `a` is and whoever optimises; none if
    /// that is not certain.
    fn own_positive_zero(&mut self, _a: Self::F32) -> Option<Self::F32> {
        None
    }

    /// `a` where `condition`, else `b`; the bits of the chosen one stay, of a NaN too.
    fn select_f32(&mut self, condition: Self::Bool, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a` where `condition`, else `b`.
    fn select_i32(&mut self, condition: Self::Bool, a: Self::I32, b: Self::I32) -> Self::I32;

    /// The bits of `a`.
    fn bitcast_to_i32(&mut self, a: Self::F32) -> Self::I32;
    /// The float with the bits `a`.
    fn bitcast_to_f32(&mut self, a: Self::I32) -> Self::F32;
    /// The signed integer `a` as a float. Only called where |a| < 2²⁴, so it is exact.
    fn int_to_f32(&mut self, a: Self::I32) -> Self::F32;
}

/// `c[0] + c[1]·x + … + c[n]·xⁿ` by Horner's rule, one fma a step from the top.
pub(super) fn horner<M: ScalarMachine>(m: &mut M, x: M::F32, c: &[u32]) -> M::F32 {
    let (top, rest) = c.split_last().expect("a polynomial has a coefficient");
    let mut sum = m.f32(f32::from_bits(*top));
    for &bits in rest.iter().rev() {
        let next = m.f32(f32::from_bits(bits));
        sum = m.ffma(sum, x, next);
    }
    sum
}

/// `result`, but the canonical NaN where `argument` is NaN.
pub(super) fn canonical_nan_of<M: ScalarMachine>(m: &mut M, argument: M::F32, result: M::F32) -> M::F32 {
    let unordered = m.is_nan(argument);
    let nan = m.f32(super::F32_NAN);
    m.select_f32(unordered, nan, result)
}
