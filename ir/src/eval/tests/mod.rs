//! Every op at its edges, by hand.

mod division;

use super::*;
use crate::op::{BinaryOp, CompareOp, NanRule, OutOfRange, UnaryOp};
use proptest::prelude::*;

const NAN: u32 = 0x7fc0_0000;
/// As [`Literal::bits`] gives it.
const NAN_BITS: u64 = NAN as u64;
const SIGNALING: f32 = f32::from_bits(0xff80_0001);

fn int(dtype: DType, value: i128) -> Literal {
    Literal::from_int(dtype, value).expect("the test's literal fits")
}

fn binary(op: BinaryOp, dtype: DType, a: i128, b: i128) -> i128 {
    scalar(ScalarOp::Binary(op), &[int(dtype, a), int(dtype, b)]).as_int().expect("an integer")
}

fn binary_f32(op: BinaryOp, a: f32, b: f32) -> u32 {
    scalar(ScalarOp::Binary(op), &[Literal::f32(a), Literal::f32(b)]).bits() as u32
}

fn unary(op: UnaryOp, x: Literal) -> Literal {
    scalar(ScalarOp::Unary(op), &[x])
}

fn cast(x: Literal, to: DType) -> Literal {
    scalar(ScalarOp::Cast(to), &[x])
}

/// Every op there is, with every attribute.
fn all_ops() -> Vec<ScalarOp> {
    let mut ops = vec![ScalarOp::Fma, ScalarOp::Select, ScalarOp::Philox];
    ops.extend(UnaryOp::ALL.map(|o| ScalarOp::Unary(o.0)));
    ops.extend(BinaryOp::ALL.map(|o| ScalarOp::Binary(o.0)));
    ops.extend([BinaryOp::Min(NanRule::Propagate), BinaryOp::Max(NanRule::Propagate)].map(ScalarOp::Binary));
    ops.extend(CompareOp::ALL.map(|o| ScalarOp::Compare(o.0)));
    ops.extend(DType::ALL.map(ScalarOp::Cast));
    ops.extend(DType::ALL.map(ScalarOp::Bitcast));
    ops
}

/// Bits that are hostile in one dtype or another.
const HOSTILE: [u64; 16] = [
    0,
    1,
    2,
    31,
    32,
    0x7f,
    0x80,
    0x7c01,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0x7f80_0001,
    0xffc0_1234,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

#[test]
fn resolves_exactly_what_inference_accepts_and_never_panics() {
    let mut resolved = 0;
    for op in all_ops() {
        for first in DType::ALL {
            for rest in DType::ALL {
                let dtypes: Vec<DType> = (0..op.arity()).map(|i| if i == 0 { first } else { rest }).collect();
                let types: Vec<TensorType> = dtypes.iter().map(|d| TensorType::scalar(*d)).collect();
                let inferred = infer::infer(&Op::Scalar(op), &types, &[]).ok().map(|t| t.dtype);
                let evaluator = Evaluator::resolve(op, &dtypes);
                assert_eq!(evaluator.map(|e| e.dtype()), inferred, "{op:?} of {dtypes:?}");
                let Some(evaluator) = evaluator else { continue };
                resolved += 1;
                for a in HOSTILE {
                    for b in HOSTILE {
                        let bits = |d: usize, x| dtypes.get(d).map_or(0, |d| Literal::from_bits(*d, x).bits());
                        let result = evaluator.function()(bits(0, a), bits(1, b), bits(2, a ^ b));
                        let kept = Literal::from_bits(evaluator.dtype(), result).bits();
                        assert_eq!(kept, result, "{op:?} of {dtypes:?} leaves bits above its width");
                    }
                }
            }
        }
    }
    assert!(resolved > 300, "{resolved} combinations");
    assert!(Evaluator::resolve(ScalarOp::Fma, &[]).is_none());
    assert!(Evaluator::resolve(ScalarOp::Select, &[DType::Bool, DType::I32]).is_none());
}

#[test]
fn integers_wrap() {
    assert_eq!(binary(BinaryOp::Add, DType::I8, 127, 1), -128);
    assert_eq!(binary(BinaryOp::Sub, DType::U16, 0, 1), 65535);
    assert_eq!(binary(BinaryOp::Mul, DType::I32, 1 << 30, 4), 0);
    assert_eq!(binary(BinaryOp::Mul, DType::U64, u64::MAX.into(), u64::MAX.into()), 1);
    assert_eq!(unary(UnaryOp::Neg, int(DType::I64, i64::MIN.into())).as_int(), Some(i64::MIN.into()));
    assert_eq!(unary(UnaryOp::Neg, int(DType::U8, 1)).as_int(), Some(255));
    assert_eq!(unary(UnaryOp::Abs, int(DType::I16, -32768)).as_int(), Some(-32768));
    assert_eq!(unary(UnaryOp::Abs, int(DType::I16, -3)).as_int(), Some(3));
    assert_eq!(unary(UnaryOp::Not, int(DType::U8, 0x0f)).as_int(), Some(0xf0));
    assert_eq!(unary(UnaryOp::Not, Literal::bool(true)), Literal::bool(false));
}

#[test]
fn shift_amounts_are_unsigned_and_may_be_large() {
    assert_eq!(binary(BinaryOp::Shl, DType::I32, 1, 31), i32::MIN.into());
    assert_eq!(binary(BinaryOp::Shl, DType::I32, 1, 32), 0);
    assert_eq!(binary(BinaryOp::Shl, DType::I32, 1, -1), 0);
    assert_eq!(binary(BinaryOp::Shr, DType::I32, -8, 1), -4);
    assert_eq!(binary(BinaryOp::Shr, DType::I32, -8, 32), -1);
    assert_eq!(binary(BinaryOp::Shr, DType::I32, 8, -1), 0);
    assert_eq!(binary(BinaryOp::Shr, DType::U8, 0x80, 7), 1);
    assert_eq!(binary(BinaryOp::Shr, DType::U8, 0x80, 8), 0);
    assert_eq!(binary(BinaryOp::Shr, DType::U64, u64::MAX.into(), 63), 1);
    assert_eq!(binary(BinaryOp::Shr, DType::I8, -128, 100), -1);
}

#[test]
fn min_and_max_order_integers_and_bools() {
    assert_eq!(binary(BinaryOp::Min(NanRule::Number), DType::I8, -1, 1), -1);
    assert_eq!(binary(BinaryOp::Min(NanRule::Number), DType::U8, 255, 1), 1);
    assert_eq!(binary(BinaryOp::Max(NanRule::Number), DType::I64, -5, -6), -5);
    assert_eq!(binary(BinaryOp::Max(NanRule::Number), DType::I32, 0, 1), 1);
    assert_eq!(binary(BinaryOp::Min(NanRule::Number), DType::Bool, 1, 0), 0);
    assert_eq!(binary(BinaryOp::Max(NanRule::Number), DType::Bool, 1, 0), 1);
    assert_eq!(binary(BinaryOp::Xor, DType::Bool, 1, 1), 0);
    assert_eq!(binary(BinaryOp::And, DType::I8, -1, 0x0f), 0x0f);
    assert_eq!(binary(BinaryOp::Or, DType::I8, -128, 1), -127);
}

#[test]
fn min_and_max_prefer_numbers_and_tell_zeros_apart() {
    let negative_zero = (-0.0f32).to_bits();
    for (a, b) in [(0.0, -0.0), (-0.0, 0.0)] {
        assert_eq!(binary_f32(BinaryOp::Min(NanRule::Number), a, b), negative_zero);
        assert_eq!(binary_f32(BinaryOp::Max(NanRule::Number), a, b), 0);
    }
    for nan in [f32::NAN, -f32::NAN, SIGNALING] {
        for op in [BinaryOp::Min(NanRule::Number), BinaryOp::Max(NanRule::Number)] {
            assert_eq!(binary_f32(op, nan, 2.0), 2f32.to_bits());
            assert_eq!(binary_f32(op, f32::NEG_INFINITY, nan), f32::NEG_INFINITY.to_bits());
            assert_eq!(binary_f32(op, nan, SIGNALING), NAN);
        }
    }
    assert_eq!(binary_f32(BinaryOp::Min(NanRule::Number), f32::NEG_INFINITY, 1.0), f32::NEG_INFINITY.to_bits());
    assert_eq!(binary_f32(BinaryOp::Max(NanRule::Number), -3.0, -2.0), (-2f32).to_bits());
}

#[test]
fn min_and_max_may_propagate_a_nan() {
    let (min, max) = (BinaryOp::Min(NanRule::Propagate), BinaryOp::Max(NanRule::Propagate));
    for nan in [f32::NAN, -f32::NAN, SIGNALING] {
        for op in [min, max] {
            assert_eq!(binary_f32(op, nan, 2.0), NAN);
            assert_eq!(binary_f32(op, f32::NEG_INFINITY, nan), NAN);
            assert_eq!(binary_f32(op, nan, SIGNALING), NAN);
        }
    }
    for (a, b) in [(0.0, -0.0), (-0.0, 0.0)] {
        assert_eq!(binary_f32(min, a, b), (-0.0f32).to_bits());
        assert_eq!(binary_f32(max, a, b), 0);
    }
    assert_eq!(binary_f32(min, -3.0, f32::INFINITY), (-3f32).to_bits());
    // Integers and bool have no NaN.
    assert_eq!(binary(max, DType::I8, -1, 1), 1);
    assert_eq!(binary(min, DType::Bool, 1, 0), 0);
}

#[test]
fn roundings_keep_the_sign_of_a_zero() {
    type Function = fn(f32) -> f32;
    let functions: [(UnaryOp, Function); 4] = [
        (UnaryOp::Floor, f32::floor),
        (UnaryOp::Ceil, f32::ceil),
        (UnaryOp::Round, f32::round_ties_even),
        (UnaryOp::Trunc, f32::trunc),
    ];
    let halves = (0..12).map(|i| i as f32 * 0.5);
    let edges = [f32::from_bits(1), 0.499_999_97, 8_388_607.5, 8_388_608.0, 16_777_215.0, f32::MAX, f32::INFINITY];
    for x in halves.chain(edges).flat_map(|x| [x, -x]) {
        for (op, exact) in functions {
            assert_eq!(unary(op, Literal::f32(x)), Literal::f32(exact(x)), "{op:?} of {x:e}");
        }
    }
}

#[test]
fn arithmetic_makes_the_canonical_nan() {
    let inf = f32::INFINITY;
    for (op, a, b) in [
        (BinaryOp::Sub, inf, inf),
        (BinaryOp::Mul, 0.0, inf),
        (BinaryOp::Div, 0.0, -0.0),
        (BinaryOp::Add, SIGNALING, 1.0),
        (BinaryOp::Add, 1.0, f32::from_bits(0x7fc0_1234)),
    ] {
        assert_eq!(binary_f32(op, a, b), NAN, "{op:?} {a} {b}");
    }
    let functions = [
        UnaryOp::Neg,
        UnaryOp::Abs,
        UnaryOp::Sqrt,
        UnaryOp::Rsqrt,
        UnaryOp::Floor,
        UnaryOp::Ceil,
        UnaryOp::Round,
        UnaryOp::Trunc,
        UnaryOp::Exp,
        UnaryOp::Exp2,
        UnaryOp::Log,
        UnaryOp::Log2,
        UnaryOp::Sigmoid,
        UnaryOp::Softplus,
        UnaryOp::Tanh,
        UnaryOp::Erf,
    ];
    for op in functions {
        for nan in [SIGNALING, f32::from_bits(0x7f80_0001), f32::from_bits(0xffff_ffff)] {
            assert_eq!(unary(op, Literal::f32(nan)).bits(), NAN_BITS, "{op:?}");
        }
    }
    assert_eq!(unary(UnaryOp::Sqrt, Literal::f32(-1.0)).bits(), NAN_BITS);
    assert_eq!(unary(UnaryOp::Rsqrt, Literal::f32(-1.0)).bits(), NAN_BITS);
    let fma = |a, b, c| scalar(ScalarOp::Fma, &[Literal::f32(a), Literal::f32(b), Literal::f32(c)]).bits() as u32;
    assert_eq!(fma(0.0, inf, 1.0), NAN);
    assert_eq!(fma(1.0, 1.0, SIGNALING), NAN);
}

#[test]
fn float_arithmetic_is_ieee() {
    // Subnormals are neither flushed on the way in nor on the way out.
    assert_eq!(binary_f32(BinaryOp::Add, f32::from_bits(1), f32::from_bits(1)), 2);
    assert_eq!(binary_f32(BinaryOp::Mul, f32::MIN_POSITIVE, 0.5), 0x0040_0000);
    assert_eq!(binary_f32(BinaryOp::Div, 1.0, -0.0), f32::NEG_INFINITY.to_bits());
    assert_eq!(binary_f32(BinaryOp::Add, -0.0, -0.0), 0x8000_0000);
    assert_eq!(binary_f32(BinaryOp::Add, 1.0, 2f32.powi(-24)), 1f32.to_bits());
    assert_eq!(unary(UnaryOp::Sqrt, Literal::f32(-0.0)), Literal::f32(-0.0));
    assert_eq!(unary(UnaryOp::Neg, Literal::f32(0.0)), Literal::f32(-0.0));
    assert_eq!(unary(UnaryOp::Abs, Literal::f32(-0.0)), Literal::f32(0.0));
    // (1 + 2⁻²³)² − (1 + 2⁻²²) is 2⁻⁴⁶; with two roundings it would be 0.
    let x = f32::from_bits(0x3f80_0001);
    let y = Literal::f32(-f32::from_bits(0x3f80_0002));
    let fma = scalar(ScalarOp::Fma, &[Literal::f32(x), Literal::f32(x), y]);
    assert_eq!(fma, Literal::f32(2f32.powi(-46)));
}

#[test]
fn comparisons_are_ordered() {
    let compare = |op, a, b| scalar(ScalarOp::Compare(op), &[Literal::f32(a), Literal::f32(b)]).bits() == 1;
    for (op, _) in CompareOp::ALL {
        assert_eq!(compare(op, f32::NAN, f32::NAN), op == CompareOp::Ne, "{op:?}");
        assert_eq!(compare(op, 1.0, SIGNALING), op == CompareOp::Ne, "{op:?}");
        let equal_holds = matches!(op, CompareOp::Eq | CompareOp::Le | CompareOp::Ge);
        assert_eq!(compare(op, 0.0, -0.0), equal_holds, "{op:?}");
        assert_eq!(compare(op, 1.0, 2.0), matches!(op, CompareOp::Ne | CompareOp::Lt | CompareOp::Le), "{op:?}");
    }
    let integers = |dtype, a, b| scalar(ScalarOp::Compare(CompareOp::Lt), &[int(dtype, a), int(dtype, b)]);
    assert_eq!(integers(DType::I8, -1, 0), Literal::bool(true));
    assert_eq!(integers(DType::U8, 255, 0), Literal::bool(false));
    assert_eq!(integers(DType::Bool, 0, 1), Literal::bool(true));
    assert_eq!(integers(DType::I64, i64::MIN.into(), i64::MAX.into()), Literal::bool(true));
}

#[test]
fn select_and_bitcast_keep_bits() {
    let nan = Literal::f32(SIGNALING);
    assert_eq!(scalar(ScalarOp::Select, &[Literal::bool(true), nan, Literal::f32(0.0)]), nan);
    assert_eq!(scalar(ScalarOp::Select, &[Literal::bool(false), Literal::f32(0.0), nan]), nan);
    let half = Literal::from_bits(DType::F16, 0xfc01);
    assert_eq!(scalar(ScalarOp::Select, &[Literal::bool(true), half, half]), half);
    assert_eq!(scalar(ScalarOp::Bitcast(DType::I32), &[nan]), Literal::from_bits(DType::I32, 0xff80_0001));
    assert_eq!(scalar(ScalarOp::Bitcast(DType::U16), &[half]), Literal::from_bits(DType::U16, 0xfc01));
}

#[test]
fn nan_is_seen_in_every_float() {
    for (dtype, bits, nan) in [
        (DType::F16, 0x7c00, false),
        (DType::F16, 0x7c01, true),
        (DType::F16, 0xfe00, true),
        (DType::F16, 0xfc00, false),
        (DType::Bf16, 0x7f80, false),
        (DType::Bf16, 0x7f81, true),
        (DType::Bf16, 0xffc0, true),
        (DType::Bf16, 0x7c01, false),
        (DType::F32, 0x7f80_0000, false),
        (DType::F32, 0xff80_0001, true),
    ] {
        let is_nan = unary(UnaryOp::IsNan, Literal::from_bits(dtype, bits));
        assert_eq!(is_nan, Literal::bool(nan), "{dtype} {bits:#x}");
    }
}

#[test]
fn floats_cast_to_integers_by_truncation_and_saturation() {
    for (x, to, want) in [
        (-1.9, DType::I32, -1),
        (1.9, DType::U8, 1),
        (-1.0, DType::U8, 0),
        (300.0, DType::U8, 255),
        (300.0, DType::I8, 127),
        (-300.0, DType::I8, -128),
        (f32::INFINITY, DType::I64, i64::MAX.into()),
        (f32::NEG_INFINITY, DType::I64, i64::MIN.into()),
        (f32::INFINITY, DType::U64, u64::MAX.into()),
        (f32::NAN, DType::I32, 0),
        (SIGNALING, DType::U64, 0),
        (2147483648.0, DType::I32, i32::MAX.into()),
        (-0.0, DType::Bool, 0),
        (f32::from_bits(1), DType::Bool, 1),
        (f32::NAN, DType::Bool, 1),
    ] {
        assert_eq!(cast(Literal::f32(x), to).as_int(), Some(want), "{x} to {to}");
    }
    assert_eq!(cast(Literal::from_bits(DType::F16, 0xc500), DType::I8).as_int(), Some(-5));
    assert_eq!(cast(Literal::from_bits(DType::F16, 0x8000), DType::Bool), Literal::bool(false));
    assert_eq!(cast(Literal::from_bits(DType::F16, 0x0001), DType::Bool), Literal::bool(true));
    assert_eq!(cast(Literal::from_bits(DType::Bf16, 0x4396), DType::U8).as_int(), Some(255));
}

#[test]
fn integers_cast_to_floats_through_f32() {
    let bits = |x, to| cast(x, to).bits();
    assert_eq!(bits(int(DType::I32, (1 << 24) + 1), DType::F32), u64::from(16777216f32.to_bits()));
    assert_eq!(bits(int(DType::U64, u64::MAX.into()), DType::F32), u64::from(18446744073709551616f32.to_bits()));
    assert_eq!(bits(int(DType::I64, i64::MIN.into()), DType::F32), u64::from((-9223372036854775808f32).to_bits()));
    assert_eq!(bits(Literal::bool(true), DType::F32), u64::from(1f32.to_bits()));
    assert_eq!(bits(Literal::bool(true), DType::Bf16), 0x3f80);
    // 0x0101_0001 lies above the middle of the bf16 neighbours 0x0100_0000 and 0x0102_0000, but f32 rounds it to the middle
    // 0x0101_0000, which ties to even: two roundings.
    assert_eq!(bits(int(DType::I32, 0x0101_0001), DType::Bf16), 0x4b80);
    assert_eq!(bits(int(DType::I32, 65520), DType::F16), 0x7c00);
    assert_eq!(bits(int(DType::I32, 65519), DType::F16), 0x7bff);
}

#[test]
fn integers_cast_to_integers_by_the_source_sign() {
    for (from, x, to, want) in [
        (DType::I8, -1, DType::I64, -1),
        (DType::I8, -1, DType::U64, u64::MAX.into()),
        (DType::U8, 255, DType::I64, 255),
        (DType::U8, 255, DType::I8, -1),
        (DType::I64, 0x1_0000_0001, DType::I32, 1),
        (DType::I32, 256, DType::Bool, 1),
        (DType::U64, 1 << 63, DType::Bool, 1),
        (DType::Bool, 1, DType::I8, 1),
        (DType::I32, -1, DType::U16, 65535),
    ] {
        assert_eq!(cast(int(from, x), to).as_int(), Some(want), "{from} {x} to {to}");
    }
}

#[test]
fn floats_cast_to_floats_by_rounding_to_even() {
    for (x, bf16) in [
        (0x3f80_8000, 0x3f80), // a midpoint, to even
        (0x3f81_8000, 0x3f82), // a midpoint, to even
        (0x3f80_8001, 0x3f81),
        (0x7f7f_ffff, 0x7f80), // rounds up to infinity
        (0x0000_8000, 0x0000), // a subnormal midpoint
        (0x0001_8000, 0x0002),
        (0x8000_0000, 0x8000),
        (0xff80_0000, 0xff80),
        (0xff80_0001, 0x7fc0),
        (0x7fff_ffff, 0x7fc0),
    ] {
        assert_eq!(cast(Literal::from_bits(DType::F32, x), DType::Bf16).bits(), bf16, "{x:#x}");
    }
    for (x, f16) in [
        (65519.996f32, 0x7bff),
        (65520.0, 0x7c00),
        (2f32.powi(-25), 0x0000), // half of the smallest subnormal, to even
        (3.0 * 2f32.powi(-25), 0x0002),
        (-(2f32.powi(-24)), 0x8001),
        (SIGNALING, 0x7e00),
    ] {
        assert_eq!(cast(Literal::f32(x), DType::F16).bits(), f16, "{x}");
    }
    // Widening is exact, but for a NaN; a cast to the same dtype too.
    let widen = |dtype, bits| cast(Literal::from_bits(dtype, bits), DType::F32).bits();
    assert_eq!(widen(DType::F16, 0x0001), u64::from(2f32.powi(-24).to_bits()));
    assert_eq!(widen(DType::F16, 0xfc01), NAN_BITS);
    assert_eq!(widen(DType::Bf16, 0xffff), NAN_BITS);
    assert_eq!(widen(DType::Bf16, 0x0001), 0x0001_0000);
    assert_eq!(widen(DType::F32, 0xff80_0001), NAN_BITS);
    assert_eq!(cast(Literal::from_bits(DType::F16, 0xfc01), DType::F16).bits(), 0x7e00);
    assert_eq!(cast(Literal::from_bits(DType::Bf16, 0xff81), DType::Bf16).bits(), 0x7fc0);
    assert_eq!(cast(Literal::from_bits(DType::F16, 0x7bff), DType::Bf16).bits(), 0x4780);
}

proptest! {
    // `half` is an implementation of the same roundings by other people.
    #[test]
    fn sixteen_bit_casts_agree_with_half(bits: u32) {
        let x = f32::from_bits(bits);
        prop_assume!(!x.is_nan());
        prop_assert_eq!(cast(Literal::f32(x), DType::F16).bits() as u16, half::f16::from_f32(x).to_bits());
        prop_assert_eq!(cast(Literal::f32(x), DType::Bf16).bits() as u16, half::bf16::from_f32(x).to_bits());
        let (f16, bf16) = (half::f16::from_bits(bits as u16), half::bf16::from_bits(bits as u16));
        let widened = |dtype| cast(Literal::from_bits(dtype, bits.into()), DType::F32).bits() as u32;
        prop_assert!(f16.is_nan() || widened(DType::F16) == f16.to_f32().to_bits());
        prop_assert!(bf16.is_nan() || widened(DType::Bf16) == bf16.to_f32().to_bits());
    }

    // i128 is wide enough to say what a wrapped or saturated result is.
    #[test]
    fn integers_agree_with_wide_arithmetic(a: i32, b: i32, d in 0usize..8) {
        let dtype = [DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::U16, DType::U32, DType::U64][d];
        let wide = |x: i32| Literal::from_bits(dtype, x as u64).as_int().unwrap();
        let (x, y) = (wide(a), wide(b));
        let wrapped = |v: i128| Literal::from_bits(dtype, v as u64).as_int().unwrap();
        prop_assert_eq!(binary(BinaryOp::Add, dtype, x, y), wrapped(x + y));
        prop_assert_eq!(binary(BinaryOp::Sub, dtype, x, y), wrapped(x - y));
        prop_assert_eq!(binary(BinaryOp::Mul, dtype, x, y), wrapped(x.wrapping_mul(y)));
        if y != 0 {
            prop_assert_eq!(binary(BinaryOp::Div, dtype, x, y), wrapped(x / y));
            prop_assert_eq!(binary(BinaryOp::Rem, dtype, x, y), wrapped(x % y));
        }
    }
}

/// The known answers published with Random123, the authors' implementation of the paper.
#[test]
fn philox_gives_the_known_answers() {
    assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(philox4x32_10([!0; 4], [!0; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    let key = [0xa409_3822, 0x299f_31d0];
    assert_eq!(philox4x32_10(counter, key), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    let literal = |x| Literal::from_bits(DType::U64, x);
    let operands = [0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e, 0x85a3_08d3_243f_6a88].map(literal);
    assert_eq!(scalar(ScalarOp::Philox, &operands), Literal::from_bits(DType::U32, 0xd16c_fe09));
}

#[test]
fn indices_lead_where_the_policy_says() {
    use crate::op::OutOfRange::{Clamp, Fill, Pass, Trap, Wrap};
    let fill = Fill(Literal::i32(7));
    let at = Position::At;
    for (policy, index, extent, want) in [
        (Pass, 0, 4, at(0)),
        (Pass, 3, 4, at(3)),
        (Pass, 4, 4, Position::Fill),
        (Pass, -1, 4, Position::Fill),
        (Pass, u64::MAX.into(), 4, Position::Fill),
        (fill, i64::MIN.into(), 4, Position::Fill),
        (fill, 2, 4, at(2)),
        (Clamp, -5, 4, at(0)),
        (Clamp, 2, 4, at(2)),
        (Clamp, u64::MAX.into(), 4, at(3)),
        (Clamp, 0, 0, Position::Fill),
        (Wrap, -1, 4, at(3)),
        (Wrap, -4, 4, at(0)),
        (Wrap, -5, 4, Position::Fill),
        (Wrap, 4, 4, Position::Fill),
        (Wrap, -1, 0, Position::Fill),
        (Trap, 3, 4, at(3)),
        (Trap, 4, 4, Position::Trap),
        (Trap, -1, 4, Position::Trap),
    ] {
        assert_eq!(gather_index(policy, index, extent), want, "{policy:?} {index} of {extent}");
    }
    assert_eq!(gather_element(Pass, &[3, 5], [2, 4].into_iter()), at(14));
    assert_eq!(gather_element(Pass, &[3, 5], [2, 5].into_iter()), Position::Fill);
    assert_eq!(gather_element(Trap, &[3, 5], [-1, 4].into_iter()), Position::Trap);
    assert_eq!(gather_element(Wrap, &[3, 5], [-1, -1].into_iter()), at(14));
    assert_eq!(gather_element(Clamp, &[3, 5], [9, -9].into_iter()), at(10));
    assert_eq!(as_index(DType::I16, 0xffff), -1);
    assert_eq!(as_index(DType::U16, 0xffff), 65535);
    assert_eq!(as_index(DType::U64, u64::MAX), u64::MAX.into());
}

#[test]
fn what_passes_through_is_minus_one_or_nothing() {
    for dtype in DType::ALL {
        let value = pass_value(dtype);
        let all_ones = Literal::from_bits(dtype, u64::MAX);
        assert_eq!(value, if dtype.is_int() { all_ones } else { Literal::zero(dtype) });
    }
    assert_eq!(pass_value(DType::I16).as_int(), Some(-1));
    assert_eq!(OutOfRange::Fill(Literal::i32(7)).replacement(DType::I32), Literal::i32(7));
    assert_eq!(OutOfRange::Wrap.replacement(DType::U8).bits(), 255);
}

#[test]
fn packing_masks_or_overwrites_the_id() {
    use crate::op::PackForm::{Masked, SignExtended};
    for (id, weight, masked, extended) in [
        (5, 0x3f80, 0x0005_3f80, 0x0005_3f80),
        (5, 0xbf80, 0x0005_bf80, 0xffff_bf80),
        (5, 0x8000, 0x0005_8000, 0xffff_8000),
        (5, 0xffc0, 0x0005_ffc0, 0xffff_ffc0),
        (-1, 0x3f80, 0xffff_3f80, 0xffff_3f80),
        (0x1_0007, 0x0001, 0x0007_0001, 0x0007_0001),
    ] {
        assert_eq!(pack(Masked, id, weight) as u32, masked, "{id} {weight:#x}");
        assert_eq!(pack(SignExtended, id, weight) as u32, extended, "{id} {weight:#x}");
        assert_eq!(unpack_weight(pack(Masked, id, weight)), weight);
        assert_eq!(unpack_id(pack(Masked, id, weight)), i32::from(id as i16));
    }
}
