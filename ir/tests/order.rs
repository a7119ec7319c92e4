//! The order of floats and the rank keys, against what the standard library says of the same floats.

use routefuse_ir::math::native::Native;
use routefuse_ir::math::order::{self, Known, NAN_KEY, NEG_INF_KEY};
use routefuse_ir::math::{F32_NAN, ScalarMachine};
use routefuse_ir::op::{Candidates, NanRule};

/// Floats of both signs at every kind of edge, NaNs of both signs among them.
fn floats() -> Vec<f32> {
    let magnitudes: [u32; 14] = [
        0,
        1,
        2,
        0x007F_FFFF,
        0x0080_0000,
        0x3F7F_FFFF,
        0x3F80_0000,
        0x3F80_0001,
        0x4B00_0000,
        0x7F7F_FFFF,
        0x7F80_0000,
        0x7F80_0001,
        0x7FC0_0000,
        0x7FFF_FFFF,
    ];
    magnitudes.iter().flat_map(|m| [f32::from_bits(*m), f32::from_bits(m | 1 << 31)]).collect()
}

fn key(x: f32, candidates: Candidates) -> u32 {
    order::float_key(&mut Native, x, Known::default(), candidates).cast_unsigned()
}

#[test]
fn places_and_words_are_in_the_total_order() {
    let m = &mut Native;
    for x in floats() {
        let place_x = order::place(m, x.to_bits().cast_signed());
        assert_eq!(order::place(m, place_x), x.to_bits().cast_signed(), "{x:e}: a place is its own inverse");
        let word_x = order::word(m, x);
        assert_eq!(order::float_of_word(m, word_x).to_bits(), x.to_bits(), "{x:e} from its word");
        for y in floats() {
            let place_y = order::place(m, y.to_bits().cast_signed());
            let word_y = order::word(m, y);
            assert_eq!(place_x.cmp(&place_y), x.total_cmp(&y), "places of {x:e} and {y:e}");
            assert_eq!(word_x.cast_unsigned().cmp(&word_y.cast_unsigned()), x.total_cmp(&y), "words of {x:e}, {y:e}");
        }
    }
}

#[test]
fn extremes_order_zeros_and_follow_the_nan_rule() {
    let m = &mut Native;
    for x in floats() {
        for y in floats() {
            for rule in [NanRule::Number, NanRule::Propagate] {
                let (least, largest) = (order::min(m, x, y, rule), order::max(m, x, y, rule));
                match (x.is_nan(), y.is_nan(), rule) {
                    (true, true, _) | (true, _, NanRule::Propagate) | (_, true, NanRule::Propagate) => {
                        assert!(least.is_nan() && largest.is_nan(), "{x:e}, {y:e}, {rule:?}");
                    }
                    (true, false, _) => assert_eq!((least.to_bits(), largest.to_bits()), (y.to_bits(), y.to_bits())),
                    (false, true, _) => assert_eq!((least.to_bits(), largest.to_bits()), (x.to_bits(), x.to_bits())),
                    (false, false, _) => {
                        let mut both = [x, y];
                        both.sort_by(f32::total_cmp);
                        assert_eq!([least, largest].map(f32::to_bits), both.map(f32::to_bits), "{x:e}, {y:e}");
                    }
                }
            }
        }
    }
}

#[test]
fn keys_rank_numbers_above_nans_and_zeros_as_one() {
    for x in floats() {
        let all = key(x, Candidates::All);
        if x.is_nan() {
            assert_eq!((all, key(x, Candidates::AboveNegInf)), (NAN_KEY, NAN_KEY));
            continue;
        }
        let above = if x == f32::NEG_INFINITY { 0 } else { all };
        assert_eq!(key(x, Candidates::AboveNegInf), above, "{x:e}");
        assert!(all >= NEG_INF_KEY, "{x:e} is above every NaN");
        assert_eq!(order::float_of_key(&mut Native, all.cast_signed()).to_bits(), (x + 0.0).to_bits(), "{x:e} again");
        for y in floats().into_iter().filter(|y| !y.is_nan()) {
            assert_eq!(all.partial_cmp(&key(y, Candidates::All)), x.partial_cmp(&y), "keys of {x:e} and {y:e}");
        }
    }
    for key in [0, NAN_KEY] {
        assert_eq!(order::float_of_key(&mut Native, key.cast_signed()).to_bits(), F32_NAN.to_bits());
    }
    // 0 stays free for what is no candidate; the two largest share a key.
    let integer = |x: i32, signed| order::integer_key(&mut Native, x, signed).cast_unsigned();
    assert_eq!(
        [i32::MIN, -1, 0, i32::MAX - 1, i32::MAX].map(|x| integer(x, true)),
        [1, 1 << 31, (1 << 31) + 1, !0, !0]
    );
    assert_eq!([0, 1, -2, -1].map(|x| integer(x, false)), [1, 2, !0, !0]);
}

/// A machine whose arithmetic gives the NaN 0x7FFF_FFFF only, so that its key wraps; all else is native.
struct Wrapping;

macro_rules! native {
    ($($name:ident($($x:ident: $ty:ty),*) -> $result:ty;)+) => {$(
        fn $name(&mut self, $($x: $ty),*) -> $result {
            Native.$name($($x),*)
        }
    )+};
}

impl ScalarMachine for Wrapping {
    type F32 = f32;
    type I32 = i32;
    type Bool = bool;

    fn key_offset(&self) -> u32 {
        2
    }
    // Flips after it shifts.
    fn isar_not(&mut self, a: i32, amount: u32) -> i32 {
        !(a >> amount)
    }
    native! {
        f32(value: f32) -> f32;
        i32(value: i32) -> i32;
        fadd(a: f32, b: f32) -> f32;
        fsub(a: f32, b: f32) -> f32;
        fmul(a: f32, b: f32) -> f32;
        fdiv(a: f32, b: f32) -> f32;
        fsqrt(a: f32) -> f32;
        ffma(a: f32, b: f32, c: f32) -> f32;
        fabs(a: f32) -> f32;
        fneg(a: f32) -> f32;
        flt(a: f32, b: f32) -> bool;
        fle(a: f32, b: f32) -> bool;
        is_nan(a: f32) -> bool;
        iadd(a: i32, b: i32) -> i32;
        isub(a: i32, b: i32) -> i32;
        iand(a: i32, b: i32) -> i32;
        ior(a: i32, b: i32) -> i32;
        ixor(a: i32, b: i32) -> i32;
        iumin(a: i32, b: i32) -> i32;
        ishl(a: i32, amount: u32) -> i32;
        ishr(a: i32, amount: u32) -> i32;
        isar(a: i32, amount: u32) -> i32;
        ieq(a: i32, b: i32) -> bool;
        iult(a: i32, b: i32) -> bool;
        iule(a: i32, b: i32) -> bool;
        isle(a: i32, b: i32) -> bool;
        isge(a: i32, b: i32) -> bool;
        select_f32(condition: bool, a: f32, b: f32) -> f32;
        select_i32(condition: bool, a: i32, b: i32) -> i32;
        bitcast_to_i32(a: f32) -> i32;
        bitcast_to_f32(a: i32) -> f32;
        int_to_f32(a: i32) -> f32;
    }
}

#[test]
fn an_offset_moves_the_keys_of_numbers_and_no_more() {
    let m = &mut Wrapping;
    let nan = f32::from_bits(0x7FFF_FFFF);
    for x in floats() {
        for candidates in [Candidates::All, Candidates::AboveNegInf] {
            let plain = key(x, candidates);
            let expected = if plain > NAN_KEY { plain + 2 } else { plain };
            let moved = order::float_key(m, x, Known::default(), candidates).cast_unsigned();
            assert_eq!(moved, expected, "{x:e}, {candidates:?}");
            let (float, plain) = (order::float_of_key(m, moved.cast_signed()), plain.cast_signed());
            assert_eq!(float.to_bits(), order::float_of_key(&mut Native, plain).to_bits(), "{x:e} again");
            // Without an addition and a comparison, of what arithmetic made.
            if !x.is_nan() && x.to_bits() != (-0.0f32).to_bits() {
                let known = Known { no_negative_zero: true, made_by_arithmetic: true };
                assert_eq!(order::float_key(m, x, known, candidates).cast_unsigned(), expected, "{x:e}, known");
                assert_eq!(order::float_key(m, nan, known, candidates).cast_unsigned(), NAN_KEY);
            }
        }
    }
}
