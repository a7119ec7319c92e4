//! Quotients of several numbers by one divisor.

use super::canonical::with_canonical_nan;
use crate::mlir::builder::{Builder, FloatPredicate, IntPredicate, Val};

/// The least numerator beside 0 of a short quotient: 2⁻¹⁰⁰.
const LEAST: u32 = (127 - 100) << 23;

/// The largest numerator of a short quotient: 2⁶⁰.
const LARGEST: u32 = (127 + 60) << 23;

/// The least divisor of a short quotient, 2⁻²⁰; the largest is below 2²⁰.
const LEAST_DIVISOR: u32 = (127 - 20) << 23;

/// How many powers of two the divisors of short quotients span.
const DIVISORS: u32 = 40 << 23;

/// What a lesser numerator is multiplied by, 2⁹⁶: the least float becomes 2⁻⁵³.
const SCALE: f32 = f32::from_bits((127 + 96) << 23);

/// 2⁻⁹⁶.
const SCALE_BACK: f32 = f32::from_bits((127 - 96) << 23);

/// Half of the least float, scaled: 2⁻⁵⁴.
const HALF_OF_LEAST: f32 = f32::from_bits((127 - 54) << 23);

/// Scaled quotients that are straight code at most: 32 of them are some 600 instructions.
const MOST_STRAIGHT: u32 = 32;

/// Of more, how many are made at once at least, and at most.
const LEAST_AT_ONCE: u32 = 4;
const MOST_AT_ONCE: u32 = 12;

/// The bits of 1/2 + 2⁻²⁴, the least reciprocal that is used of what [`Divisor::logistic`] is about. The one step of Newton's
/// ends at a tie for the divisor 2 − 2⁻²³, and gives 1/2 where this is the nearest: the quotient of 1 would be 1/2 as well. For
/// the divisor 2, whose reciprocal is less, the last step of a quotient makes up for it.
const LEAST_LOGISTIC_RECIPROCAL: u32 = (126 << 23) + 1;

/// A divisor, with what its quotients share.
pub(super) struct Divisor<'m> {
    minus: Val<'m>,
    reciprocal: Val<'m>,
}

impl<'m> Divisor<'m> {
    /// `rough` is a machine's own approximation of 1 / y, within one unit in the last place; one step of Newton's makes it exact
    /// enough.
    pub fn new(b: &Builder<'m>, y: Val<'m>, rough: Val<'m>) -> Divisor<'m> {
        let (one, minus) = (b.const_f32(1.0, b.lanes(b.type_of(y))), b.negf(y));
        let error = b.fma(minus, rough, one);
        Divisor { minus, reciprocal: b.fma(rough, error, rough) }
    }

    /// By the approximation as it is. No step of Newton's is needed for the quotients of sigmoids of 16-bit floats, of which
    /// there are some ten thousand: a test here tries all of them, by every approximation within one unit in the last place.
    ///
    /// The last step of a quotient is wrong by 2⁻²² units at most before it is rounded, and so the result is another one only where
    /// the exact quotient is as near to the middle between two floats. Of these quotients that is 1 / (2 − 2⁻²³) alone, for which the
    /// approximation has to be the float nearest to it, as for [`Self::new`].
    pub fn rough(b: &Builder<'m>, y: Val<'m>, rough: Val<'m>) -> Divisor<'m> {
        Divisor { minus: b.negf(y), reciprocal: rough }
    }

    /// As [`Self::new`], of a divisor y that is 1 + e rounded for some e in [0, 1], whose quotients of 1 and of that e are asked for.
    /// `rough` may be two floats away from the one nearest to 1 / y, which is more than one unit in the last place. A test here
    /// tries all of them.
    pub fn logistic(b: &Builder<'m>, y: Val<'m>, rough: Val<'m>) -> Divisor<'m> {
        let Divisor { minus, reciprocal } = Divisor::new(b, y, rough);
        let words = b.with_lanes(b.int(32), b.type_of(y));
        // A NaN's bits are more.
        let least = b.const_int(words, i64::from(LEAST_LOGISTIC_RECIPROCAL));
        let reciprocal = b.bitcast(b.maxui(b.bitcast(reciprocal, words), least), b.type_of(y));
        Divisor { minus, reciprocal }
    }

    /// `x / y`, rounded once as long as nothing on the way leaves the normal floats: the product, and what it is wrong by
    /// (Markstein, Computation of elementary functions on the IBM RISC System/6000 processor).
    pub fn short_quotient(&self, b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        let quotient = b.mulf(x, self.reciprocal);
        let rest = b.fma(self.minus, quotient, x);
        b.fma(self.reciprocal, rest, quotient)
    }

    /// The same for numerators down to the least float: those below [`LEAST`] are scaled, and their quotients scaled back.
    ///
    /// A quotient that is subnormal is so rounded twice. Twice is as good as once but where the first result lies in the middle
    /// between two floats and was rounded itself: the sign of what it is wrong by then tells on which side the quotient lies. Both
    /// what the first result and what the second one is wrong by are exact.
    fn scaled_quotient(&self, b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        let (float, zero) = (|value| b.const_f32(value, 1), b.const_f32(0.0, 1));
        let small = b.cmpf(FloatPredicate::Olt, x, b.const_f32_bits(LEAST, 1));
        let scaled = b.select(small, b.mulf(x, float(SCALE)), x);
        let first = self.short_quotient(b, scaled);
        let rest = b.fma(self.minus, first, scaled);
        let second = b.mulf(first, float(SCALE_BACK));
        let lost = b.fma(second, float(-SCALE), first);
        let middle = |half: f32, side: FloatPredicate| {
            let here = b.andi(b.cmpf(FloatPredicate::Oeq, lost, float(half)), b.cmpf(side, rest, zero));
            b.extui(here, b.int(32))
        };
        let (up, down) = (middle(HALF_OF_LEAST, FloatPredicate::Ogt), middle(-HALF_OF_LEAST, FloatPredicate::Olt));
        let bits = b.subi(b.addi(b.bitcast(second, b.int(32)), up), down);
        let settled = b.bitcast(bits, b.f32());
        b.select(small, settled, first)
    }
}

/// Of how many of so many numerators scaled quotients are made at once: of all where they are few, and else of as many as divide them
/// evenly. A quotient is 18 instructions, and each turn moves all numerators.
fn scaled_at_once(lanes: u32) -> usize {
    let size = (LEAST_AT_ONCE..=MOST_AT_ONCE).rev().find(|size| lanes.is_multiple_of(*size));
    size.filter(|_| lanes > MOST_STRAIGHT).unwrap_or(lanes) as usize
}

/// What is known of quotients by one divisor.
#[derive(Clone, Copy, Default)]
pub(crate) struct Near<'m> {
    /// They are [near](routefuse_ir::kernel::analysis::is_near_quotient).
    pub operands: bool,
    /// One answer for all lanes: where it does not hold, and the operands are near, they are numbers, and no numerator is less than
    /// 2⁻¹⁰⁰ either.
    pub unless: Option<Val<'m>>,
    /// Somebody looks at the bits of the quotients.
    pub looked_at: bool,
}

impl<'m> Near<'m> {
    /// Where the quotients cannot be taken for numbers, if that is known of any.
    fn unless(self) -> Option<Val<'m>> {
        self.unless.filter(|_| self.operands)
    }

    /// Their NaNs are to be canonical: that costs what is seldom and nothing else.
    pub fn settles(self) -> bool {
        self.looked_at && self.unless().is_some()
    }
}

/// `x / y` for the lanes of a vector and one scalar divisor, for a machine whose own division looks for operands far from 1
/// each time and whose answer is a branch, so that one quotient waits for the one before. `rough` approximates 1 / y as
/// [`Divisor::new`] wants it. One look at all operands decides here: all numerators are +0 or 2⁻¹⁰⁰ to 2⁶⁰ and the divisor is
/// 2⁻²⁰ to 2²⁰, or the divisor is a NaN, whose quotients are NaNs in any way. Where only some numerators are less than that, as in
/// a softmax of logits that are far apart, quotients [are scaled](Divisor::scaled_quotient). Else the machine's own division
/// takes one after the other. What is [known](Near) is not looked for.
///
/// Of such operands the short quotient is the one that is rounded once. Powers of two change nothing but exponents on the way
/// as long as all that is rounded is normal: the reciprocal is 2⁻²⁰ to 2²⁰, the quotient 2⁻¹²⁰ to 2⁸⁰, and the rest, a multiple
/// of the product of the units of divisor and quotient, which is at least 2⁻¹⁴⁷, is exact. So it is the division's own sequence
/// for operands near 1. Of a numerator +0 the product, the rest and the sum are zeros of the quotient's sign.
/// `keeps_loop` is a directive to the assembler that keeps loops as they are.
pub(crate) fn quotients<'m>(
    b: &Builder<'m>,
    [x, y, rough]: [Val<'m>; 3],
    known: Near<'m>,
    keeps_loop: Option<&'static str>,
) -> Val<'m> {
    let lanes = b.lanes(b.type_of(x));
    let numerators: Vec<Val<'m>> = (0..lanes).map(|lane| b.extract(x, lane)).collect();
    let i32 = b.int(32);
    let word = |value: u32| b.const_int(i32, i64::from(value));
    let types = vec![b.f32(); lanes as usize];
    let short = |b: &Builder<'m>| {
        let divisor = Divisor::new(b, y, rough);
        numerators.iter().map(|x| divisor.short_quotient(b, *x)).collect()
    };
    // In loops through which the numerators go round: the code of some divisions, not of all.
    let scaled = |b: &Builder<'m>| {
        let divisor = Divisor::new(b, y, rough);
        let size = scaled_at_once(lanes);
        let of = |now: &[Val<'m>]| now[..size].iter().map(|x| divisor.scaled_quotient(b, *x)).collect::<Vec<_>>();
        if size == numerators.len() {
            return of(&numerators);
        }
        let range = (word(0), word(lanes / size as u32), word(1));
        b.with_directed_loops(keeps_loop, || {
            b.for_loop_carrying(range, &numerators, |_, _, now| [&now[size..], &of(now)].concat())
        })
    };
    let long = |b: &Builder<'m>| {
        let range = (word(0), word(lanes), word(1));
        b.for_loop_carrying(range, &numerators, |b, _, now| {
            let quotient = b.divf(now[0], y);
            now[1..].iter().copied().chain([quotient]).collect()
        })
    };
    let looked_at = |b: &Builder<'m>| {
        let bits: Vec<Val<'m>> = numerators.iter().map(|x| b.bitcast(*x, i32)).collect();
        // One less than the bits: then 0 is the largest, beside NaNs.
        let least = bits.iter().map(|x| b.subi(*x, word(1))).reduce(|x, y| b.minui(x, y)).expect("a vector has lanes");
        let no_less = b.cmpi(IntPredicate::Uge, least, word(LEAST - 1));
        if known.operands {
            return b.if_then_else(no_less, &types, short, scaled);
        }
        let largest = bits.iter().copied().reduce(|x, y| b.maxui(x, y)).expect("a vector has lanes");
        let bounded = b.andi(
            b.cmpi(IntPredicate::Ule, largest, word(LARGEST)),
            b.cmpi(IntPredicate::Ult, b.subi(b.bitcast(y, i32), word(LEAST_DIVISOR)), word(DIVISORS)),
        );
        let near = b.ori(b.andi(bounded, no_less), b.cmpf(FloatPredicate::Uno, y, y));
        b.if_then_else(near, &types, short, |b| b.if_then_else(bounded, &types, scaled, long))
    };
    let settled = |b: &Builder<'m>| {
        let quotients = looked_at(b);
        if !known.settles() {
            return quotients;
        }
        quotients.iter().map(|x| with_canonical_nan(b, *x)).collect()
    };
    let quotients = match known.unless() {
        Some(unless) => b.if_then_else(unless, &types, settled, short),
        None => looked_at(b),
    };
    b.gather_lanes(&quotients)
}

#[cfg(test)]
mod tests {
    use super::{HALF_OF_LEAST, LARGEST, LEAST, LEAST_DIVISOR, LEAST_LOGISTIC_RECIPROCAL, SCALE, SCALE_BACK};
    use routefuse_ir::math::native::Native;
    use routefuse_ir::math::{f16_to_f32, sigmoid_fraction};

    /// [`super::Divisor::new`].
    fn reciprocal(y: f32, rough: f32) -> f32 {
        let error = (-y).mul_add(rough, 1.0);
        rough.mul_add(error, rough)
    }

    /// [`super::Divisor::short_quotient`].
    fn short_quotient(x: f32, y: f32, reciprocal: f32) -> f32 {
        let quotient = x * reciprocal;
        reciprocal.mul_add((-y).mul_add(quotient, x), quotient)
    }

    /// [`super::Divisor::scaled_quotient`].
    fn scaled_quotient(x: f32, y: f32, reciprocal: f32) -> f32 {
        let small = x < f32::from_bits(LEAST);
        let scaled = if small { x * SCALE } else { x };
        let first = short_quotient(scaled, y, reciprocal);
        let rest = (-y).mul_add(first, scaled);
        let second = first * SCALE_BACK;
        let lost = second.mul_add(-SCALE, first);
        let up = u32::from(lost == HALF_OF_LEAST && rest > 0.0);
        let down = u32::from(lost == -HALF_OF_LEAST && rest < 0.0);
        if small { f32::from_bits(second.to_bits() + up - down) } else { first }
    }

    /// Of numerators next to every quotient in the middle between two floats, of all exponents, and of any bits.
    #[test]
    fn scaled_quotients_are_rounded_once() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u32
        };
        let mut middles = [0, 0];
        for _ in 0..100_000 {
            let y = f32::from_bits(LEAST_DIVISOR + random() % (40 << 23));
            let middle = f64::from(random() >> (8 + random() % 24)) * 2.0_f64.powi(-149) + 2.0_f64.powi(-150);
            let near = (middle * f64::from(y)) as f32;
            let beside = f32::from_bits(near.to_bits().saturating_add(random() % 3).saturating_sub(1));
            for x in [near, beside, f32::from_bits(random() % LEAST), f32::from_bits(random() % (LARGEST + 1)), 0.0] {
                if x > f32::from_bits(LARGEST) {
                    continue;
                }
                let nearest = (1.0 / y).to_bits();
                for rough in [nearest - 1, nearest, nearest + 1] {
                    let reciprocal = reciprocal(y, f32::from_bits(rough));
                    let (quotient, exact) = (scaled_quotient(x, y, reciprocal), x / y);
                    assert_eq!(quotient.to_bits(), exact.to_bits(), "{x:e} / {y:e} by {reciprocal:e}");
                    // Without the look at the rest some of them are not.
                    let twice = short_quotient(x * SCALE, y, reciprocal) * SCALE_BACK;
                    middles[usize::from(twice < exact)] += usize::from(x < f32::from_bits(LEAST) && twice != exact);
                }
            }
        }
        assert!(middles.iter().all(|n| *n > 100), "no numerator shows what the rest is for: {middles:?}");
    }

    /// The reciprocals of [`super::Divisor::logistic`] of every approximation that it may be given.
    fn logistic_reciprocals(y: f32) -> [f32; 5] {
        let nearest = (1.0 / y).to_bits();
        [nearest - 2, nearest - 1, nearest, nearest + 1, nearest + 2].map(|rough| {
            let bits = reciprocal(y, f32::from_bits(rough)).to_bits();
            f32::from_bits(bits.max(LEAST_LOGISTIC_RECIPROCAL))
        })
    }

    /// [`super::Divisor::rough`], of every `bf16` and every `f16`.
    #[test]
    fn quotients_of_sigmoids_of_16_bits_need_no_exact_reciprocal() {
        let bf16 = (0..=u16::MAX).map(|bits| f32::from_bits(u32::from(bits) << 16));
        let f16 = (0..=u16::MAX).map(|bits| f16_to_f32(&mut Native, i32::from(bits)));
        for x in bf16.chain(f16).filter(|x| !x.is_nan()) {
            let (numerator, y) = sigmoid_fraction(&mut Native, x);
            let exact = numerator / y;
            let nearest = (1.0 / y).to_bits();
            let unit = f64::from(f32::EPSILON) / if y == 1.0 { 1.0 } else { 2.0 };
            for rough in [nearest - 1, nearest, nearest + 1].map(f32::from_bits) {
                if (f64::from(rough) - 1.0 / f64::from(y)).abs() > unit || (y, rough) == (2.0 - f32::EPSILON, 0.5) {
                    continue;
                }
                assert_eq!(
                    short_quotient(numerator, y, rough).to_bits(),
                    exact.to_bits(),
                    "{numerator} / {y} by {rough}"
                );
            }
        }
    }

    /// 1 over every divisor from 1 to 2.
    #[test]
    fn logistic_quotients_of_1_are_rounded_once() {
        for y in (0..=1u32 << 23).map(|i| f32::from_bits(0x3f80_0000 + i)) {
            for reciprocal in logistic_reciprocals(y) {
                assert_eq!(
                    short_quotient(1.0, y, reciprocal).to_bits(),
                    (1.0 / y).to_bits(),
                    "1 / {y} by {reciprocal}"
                );
            }
        }
    }

    /// Without the least reciprocal one of them is not.
    #[test]
    fn one_logistic_quotient_of_1_needs_the_least_reciprocal() {
        let y = f32::from_bits(0x3fff_ffff);
        let wrong = reciprocal(y, 0.5);
        assert_eq!((wrong, short_quotient(1.0, y, wrong)), (0.5, 0.5));
        assert_eq!(1.0 / y, f32::from_bits(LEAST_LOGISTIC_RECIPROCAL));
    }

    /// e / (1 + e), with `ROUTEFUSE_EXHAUSTIVE=1` of every e from 0 to 1; otherwise of every 61st mantissa of the largest
    /// exponents, and fewer of those that the sum does not see.
    #[test]
    fn logistic_quotients_of_powers_are_rounded_once() {
        let exhaustive = std::env::var_os("ROUTEFUSE_EXHAUSTIVE").is_some();
        for exponent in 0..127u32 {
            let step = if exponent < 101 { 8_191 } else { 61 };
            for mantissa in (0..1u32 << 23).step_by(if exhaustive { 1 } else { step }) {
                let e = f32::from_bits(exponent << 23 | mantissa);
                let y = 1.0 + e;
                for reciprocal in logistic_reciprocals(y) {
                    let quotient = short_quotient(e, y, reciprocal);
                    assert_eq!(quotient.to_bits(), (e / y).to_bits(), "{e} / {y} by {reciprocal}");
                }
            }
        }
    }
}
