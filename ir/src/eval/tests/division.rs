//! Quotients and remainders: of integers by hand, of floats against C's `fmod` and what torch gives.

use super::*;

#[test]
fn division_follows_risc_v() {
    for (a, b, quotient, remainder) in
        [(7, 2, 3, 1), (-7, 2, -3, -1), (7, -2, -3, 1), (-7, 0, -1, -7), (0, 0, -1, 0), (-128, -1, -128, 0)]
    {
        assert_eq!(binary(BinaryOp::Div, DType::I8, a, b), quotient, "{a} / {b}");
        assert_eq!(binary(BinaryOp::Rem, DType::I8, a, b), remainder, "{a} % {b}");
    }
    assert_eq!(binary(BinaryOp::Div, DType::U32, 7, 0), u32::MAX.into());
    assert_eq!(binary(BinaryOp::Rem, DType::U32, 7, 0), 7);
    assert_eq!(binary(BinaryOp::Div, DType::I64, i64::MIN.into(), -1), i64::MIN.into());
    assert_eq!(binary(BinaryOp::Rem, DType::I64, i64::MIN.into(), -1), 0);
}

#[test]
fn floor_division_rounds_down() {
    let (div, rem) = (BinaryOp::DivFloor, BinaryOp::RemFloor);
    for (a, b, quotient, remainder) in [
        (7, 2, 3, 1),
        (-7, 2, -4, 1),
        (7, -2, -4, -1),
        (-7, -2, 3, -1),
        (6, -2, -3, 0),
        (-1, 127, -1, 126),
        (-128, 127, -2, 126),
        (127, -128, -1, -1),
        // By 0 as in truncated division, and MIN / −1 wraps.
        (-7, 0, -1, -7),
        (0, 0, -1, 0),
        (-128, -1, -128, 0),
    ] {
        assert_eq!(binary(div, DType::I8, a, b), quotient, "{a} by {b}");
        assert_eq!(binary(rem, DType::I8, a, b), remainder, "{a} by {b}");
    }
    assert_eq!(binary(div, DType::U8, 255, 2), 127);
    assert_eq!(binary(rem, DType::U8, 255, 128), 127);
    assert_eq!(binary(div, DType::U32, 7, 0), u32::MAX.into());
    assert_eq!(binary(div, DType::I64, i64::MIN.into(), -1), i64::MIN.into());
    assert_eq!(binary(div, DType::I64, i64::MIN.into(), 3), -3_074_457_345_618_258_603);
    assert_eq!(binary(rem, DType::I64, i64::MIN.into(), 3), 1);
    // Of every pair of bytes: the quotient times the divisor and the remainder are the dividend, which Euclid's rest tells.
    for a in -128i128..128 {
        for b in (-128i128..128).filter(|b| *b != 0 && (a, *b) != (-128, -1)) {
            let (q, r) = (binary(div, DType::I8, a, b), binary(rem, DType::I8, a, b));
            assert_eq!(q * b + r, a, "{a} by {b}");
            assert!(r == 0 || (r < 0) == (b < 0) && r.abs() < b.abs(), "{a} by {b} leaves {r}");
        }
    }
}

#[test]
fn remainders_of_floats_are_exact() {
    let rem = |a: f32, b: f32| f32::from_bits(binary_f32(BinaryOp::Rem, a, b));
    let least = f32::from_bits(1);
    let values = [
        1.0,
        3.0,
        0.1,
        7.5,
        1e-3,
        16_777_215.0,
        1e30,
        f32::MAX,
        f32::MIN_POSITIVE,
        least,
        1e-40,
        123_456.79,
        0.333_333_34,
    ];
    // Rust's `%` is C's `fmod`, which is exact.
    for a in values.into_iter().chain([0.0, f32::INFINITY]).flat_map(|a| [a, -a]) {
        for b in values.into_iter().chain([0.0, f32::INFINITY]).flat_map(|b| [b, -b]) {
            let (exact, found) = (a % b, rem(a, b));
            let exact = if exact.is_nan() { NAN } else { exact.to_bits() };
            assert_eq!(found.to_bits(), exact, "{a:e} % {b:e} is {found:e}");
        }
    }
    // Every difference of exponents that there is.
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state
    };
    for _ in 0..200_000 {
        let (a, b) = (f32::from_bits(next()), f32::from_bits(next()));
        let exact = if (a % b).is_nan() { NAN } else { (a % b).to_bits() };
        assert_eq!(rem(a, b).to_bits(), exact, "{a:e} % {b:e}");
    }
}

#[test]
fn floor_division_of_floats_is_pythons() {
    let inf = f32::INFINITY;
    // What torch gives in f32.
    for (a, b, quotient, remainder) in [
        (7.0, 2.0, 3.0, 1.0),
        (-7.0, 2.0, -4.0, 1.0),
        (7.0, -2.0, -4.0, -1.0),
        (-7.0, -2.0, 3.0, -1.0),
        (6.0, -2.0, -3.0, 0.0),
        (-6.0, 2.0, -3.0, -0.0),
        // 0.1 goes into 1 nine times: it is above a tenth.
        (1.0, 0.1, 9.0, 1.0 % 0.1),
        (-1.0, 0.1, -10.0, 0.1 - 1.0 % 0.1),
        (1e-20, 1.0, 0.0, 1e-20),
        // So little below 0 that the divisor itself is next to it.
        (-1e-20, 1.0, -1.0, 1.0),
        (3.0, inf, 0.0, 3.0),
        (-3.0, inf, -1.0, inf),
        (1e38, 1e-38, inf, 1e38 % 1e-38),
        (0.0, 3.0, 0.0, 0.0),
        (-0.0, 3.0, -0.0, -0.0),
        (0.0, -3.0, -0.0, 0.0),
        (1.0, 0.0, inf, f32::NAN),
        (-1.0, 0.0, -inf, f32::NAN),
        (0.0, 0.0, f32::NAN, f32::NAN),
        (inf, 2.0, f32::NAN, f32::NAN),
        (SIGNALING, 2.0, f32::NAN, f32::NAN),
        (2.0, SIGNALING, f32::NAN, f32::NAN),
    ] {
        let bits = |x: f32| if x.is_nan() { NAN } else { x.to_bits() };
        let (q, r) = (binary_f32(BinaryOp::DivFloor, a, b), binary_f32(BinaryOp::RemFloor, a, b));
        assert_eq!(q, bits(quotient), "{a:e} // {b:e} is {:e}", f32::from_bits(q));
        assert_eq!(r, bits(remainder), "{a:e} % {b:e} is {:e}", f32::from_bits(r));
    }
}
