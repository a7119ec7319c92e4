//! One element.

use super::special::{BF16, F16, F32, F32_OF_RULES, INTEGERS};
use crate::Choices;
use routefuse_ir::{DType, Literal};

/// What the elements of a tensor are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Special values, small numbers and any bits at all, mixed.
    Hostile,
    /// Integers mostly in `0..bound`, with −1, `bound` and garbage between; floats of ordinary size.
    Ids {
        /// The number of experts, or of rows of a table.
        bound: u64,
    },
    /// Any bits.
    Random,
    /// One value everywhere: ties, and sums that underflow.
    Equal,
    /// Three of four times a value at which rewriting rules and ranges have an edge, else any bits.
    Edges,
    /// Of four different values: ties. Both zeros are among the floats, 0 to 2 among the integers.
    Few,
    /// Floats that are mostly −∞: rows that run out of candidates.
    MostlyNegInf,
    /// Floats whose softmax has near ties: neighbours of small magnitudes, 2⁻¹³ to 2⁻⁶, of either sign, and seldom one that is 48
    /// to 52 or as much less. Integers are hostile.
    Close,
    /// Floats between −4 and 4 with every bit of their mantissas, so that an order of a sum shows. Integers are hostile.
    Uniform,
}

impl Mood {
    /// The mood of a tensor that is ranked, summed or selected from.
    pub fn of_rows(choices: &mut Choices) -> Mood {
        match choices.below(8) {
            0 => Mood::Few,
            1 => Mood::MostlyNegInf,
            2 | 3 => Mood::Uniform,
            _ => Mood::Hostile,
        }
    }
}

/// The bits of one element. `Equal` is for the caller to keep.
pub fn element(dtype: DType, mood: Mood, choices: &mut Choices) -> u64 {
    let bits = match (dtype, mood) {
        (DType::Bool, _) => choices.range(0..2),
        (_, Mood::Random) => choices.bits(),
        (d, Mood::Ids { .. }) if d.is_float() => ordinary(d, choices),
        (_, Mood::Ids { bound }) => id(bound, choices),
        (d, Mood::Edges) => match choices.below(4) {
            3 => choices.bits(),
            _ => edge(d, choices),
        },
        (d, Mood::Few) if d.is_float() => number(d, choices.of(&[0.0, -0.0, 1.0, -1.0])),
        (_, Mood::Few) => choices.range(0..3),
        (d, Mood::MostlyNegInf) if d.is_float() && !choices.one_in(20) => number(d, f64::NEG_INFINITY),
        (d, Mood::Close) if d.is_float() => number(d, close(choices)),
        (d, Mood::Uniform) if d.is_float() => number(d, (choices.bits() >> 40) as f64 / f64::from(1 << 21) - 4.0),
        (d, _) if d.is_float() => match choices.below(10) {
            0..4 => special(d, choices),
            4..8 => ordinary(d, choices),
            _ => choices.bits(),
        },
        (d, _) => match choices.below(10) {
            0 => 1u64 << (d.bits() - 1),
            1 => (1u64 << (d.bits() - 1)) - 1,
            2 => choices.range(0..4).wrapping_neg(),
            3 => choices.bits(),
            4 => u64::from(d.bits()) + choices.range(0..2),
            _ => choices.range(0..12),
        },
    };
    Literal::from_bits(dtype, bits).bits()
}

fn special(dtype: DType, choices: &mut Choices) -> u64 {
    match dtype {
        DType::F32 => u64::from(choices.of(&F32)),
        DType::F16 => u64::from(choices.of(&F16)),
        _ => u64::from(choices.of(&BF16)),
    }
}

fn edge(dtype: DType, choices: &mut Choices) -> u64 {
    match dtype {
        DType::F32 if choices.one_in(3) => u64::from(choices.of(&F32_OF_RULES)),
        d if d.is_float() => special(d, choices),
        _ => choices.of(&INTEGERS),
    }
}

/// A number of thirteen bits: sums of a few are exact.
fn ordinary(dtype: DType, choices: &mut Choices) -> u64 {
    number(dtype, (choices.below(8192) as f64 - 4096.0) / 512.0)
}

fn number(dtype: DType, value: f64) -> u64 {
    Literal::from_f64(dtype, value).map_or(0, Literal::bits)
}

/// An element of [`Mood::Close`].
fn close(choices: &mut Choices) -> f64 {
    let sign = if choices.one_in(2) { -1.0 } else { 1.0 };
    if choices.one_in(200) {
        return sign * (48.0 + choices.below(17) as f64 / 4.0);
    }
    // Of sixteen mantissas, each often.
    sign * (1.0 + choices.below(16) as f64 / 128.0) * f64::exp2(-13.0 + choices.below(8) as f64)
}

fn id(bound: u64, choices: &mut Choices) -> u64 {
    match choices.below(16) {
        0 => u64::MAX,
        1 => bound,
        2 => choices.bits(),
        3 => choices.range(0..4).wrapping_neg(),
        _ => choices.range(0..bound.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Of many elements of a mood, those that make it worth having are there.
    #[test]
    fn moods_hold_what_they_promise() {
        let all = |dtype, mood| -> BTreeSet<u64> {
            let mut choices = Choices::seeded(1);
            (0..4000).map(|_| element(dtype, mood, &mut choices)).collect()
        };
        let hostile = all(DType::F32, Mood::Hostile);
        assert!(F32.iter().all(|bits| hostile.contains(&u64::from(*bits))));
        let edges = all(DType::F32, Mood::Edges);
        assert!(F32.iter().chain(&F32_OF_RULES).all(|bits| edges.contains(&u64::from(*bits))));
        assert!(INTEGERS.iter().all(|i| all(DType::I64, Mood::Edges).contains(i)));
        assert_eq!(all(DType::F32, Mood::Few).len(), 4);
        assert_eq!(all(DType::I16, Mood::Few), [0, 1, 2].into());
        assert!(all(DType::Bool, Mood::Hostile).len() == 2 && all(DType::Bool, Mood::Random).len() == 2);
        // Every mantissa: 4000 of 2^24 seldom meet.
        assert!(all(DType::F32, Mood::Uniform).len() > 3900);
        assert!(all(DType::I32, Mood::Ids { bound: 9 }).is_superset(&(0..10).chain([0xffff_ffff]).collect()));
    }

    #[test]
    fn elements_fit_their_dtype() {
        let mut choices = Choices::seeded(2);
        for dtype in DType::ALL {
            let moods =
                [Mood::Hostile, Mood::Random, Mood::Edges, Mood::Few, Mood::MostlyNegInf, Mood::Uniform, Mood::Close];
            for mood in moods {
                for _ in 0..200 {
                    let bits = element(dtype, mood, &mut choices);
                    assert!(bits.checked_shr(dtype.bits()).unwrap_or(0) == 0, "{dtype} {mood:?}: {bits:#x}");
                    assert!(dtype != DType::Bool || bits < 2);
                }
            }
        }
    }
}
