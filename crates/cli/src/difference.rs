//! How two tensors of one dtype and shape differ.

use routefuse::diag::visible;
use routefuse::ir::Literal;
use routefuse::{DType, Tensor};

/// What counts as equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Equality {
    /// Every bit.
    Bits,
    /// Floats with at most so many floats from one to the other; a NaN equals any NaN, and the zeros are equal. Others by bits.
    Within(u64),
}

/// How two elements differ.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Apart {
    /// One is a NaN, the other is a number.
    Nan,
    /// Both are a NaN, with other bits.
    NanBits,
    /// Both are zero, of different sign.
    ZeroSign,
    /// Two numbers.
    Numbers {
        /// Floats from one to the other; of integers `None`.
        ulp: Option<u64>,
        /// The absolute value of their difference.
        absolute: f64,
    },
}

impl Apart {
    /// `None` if every bit agrees.
    fn of(a: Literal, b: Literal) -> Option<Apart> {
        if a.bits() == b.bits() {
            return None;
        }
        let (Some(x), Some(y)) = (a.as_f64(), b.as_f64()) else {
            let [x, y] = [a, b].map(|l| l.as_int().unwrap_or(i128::from(l.bits())));
            return Some(Apart::Numbers { ulp: None, absolute: x.abs_diff(y) as f64 });
        };
        Some(match (x.is_nan(), y.is_nan()) {
            (true, true) => Apart::NanBits,
            (true, false) | (false, true) => Apart::Nan,
            _ if x == y => Apart::ZeroSign,
            _ => Apart::Numbers { ulp: Some(ulp(a.dtype(), a.bits(), b.bits())), absolute: (x - y).abs() },
        })
    }
}

impl Equality {
    /// Whether two elements are equal.
    pub fn holds(self, a: Literal, b: Literal) -> bool {
        Apart::of(a, b).is_none_or(|apart| self.excuses(apart))
    }

    fn excuses(self, apart: Apart) -> bool {
        let Equality::Within(most) = self else { return false };
        match apart {
            Apart::NanBits | Apart::ZeroSign => true,
            Apart::Numbers { ulp, .. } => ulp.is_some_and(|ulp| ulp <= most),
            Apart::Nan => false,
        }
    }
}

/// How many floats lie from one float to the other: both zeros are one.
pub fn ulp(dtype: DType, a: u64, b: u64) -> u64 {
    let sign = 1u64 << (dtype.bits() - 1);
    let ordinal = |bits: u64| {
        let magnitude = (bits & (sign - 1)) as i64;
        if bits & sign == 0 { magnitude } else { -magnitude }
    };
    ordinal(a).abs_diff(ordinal(b))
}

/// How two tensors of one dtype and shape differ, in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Elements of each.
    pub elements: usize,
    /// Elements that are not equal.
    pub differing: usize,
    /// Elements that are equal, and have other bits.
    pub excused: usize,
    /// Of those with other bits: one is a NaN, the other is a number.
    pub nan: usize,
    /// Both are a NaN.
    pub nan_bits: usize,
    /// Both are zero, of different sign.
    pub zero_sign: usize,
    /// The most floats from one number to the other.
    pub greatest_ulp: Option<u64>,
    /// The greatest absolute value of a difference of two numbers.
    pub greatest_absolute: Option<f64>,
    /// The first element that is not equal, in row-major order.
    pub first: Option<usize>,
}

impl Difference {
    /// Compares every element.
    pub fn of(a: &Tensor, b: &Tensor, equality: Equality) -> Difference {
        let mut d = Difference { elements: a.len(), ..Difference::default() };
        if a == b {
            return d;
        }
        for i in 0..a.len() {
            let Some(apart) = Apart::of(a.get(i), b.get(i)) else { continue };
            match apart {
                Apart::Nan => d.nan += 1,
                Apart::NanBits => d.nan_bits += 1,
                Apart::ZeroSign => d.zero_sign += 1,
                Apart::Numbers { ulp, absolute } => {
                    d.greatest_ulp = d.greatest_ulp.max(ulp);
                    d.greatest_absolute = Some(d.greatest_absolute.map_or(absolute, |most| most.max(absolute)));
                }
            }
            if equality.excuses(apart) {
                d.excused += 1;
            } else {
                d.differing += 1;
                d.first.get_or_insert(i);
            }
        }
        d
    }
}

/// The first element in which outputs differ from the interpreter's, in words; `None` if every bit agrees.
pub fn first(got: &[(String, Tensor)], want: &[Tensor]) -> Option<String> {
    got.iter().zip(want).find_map(|((name, got), want)| {
        let i = Difference::of(got, want, Equality::Bits).first?;
        let at = index(i as u64, want.shape());
        let (got, want) = (with_bits(got.get(i)), with_bits(want.get(i)));
        Some(format!("output `{}` differs at {at:?}: {got}, the interpreter says {want}", visible(name)))
    })
}

/// An element and its bits: `-0.0 (0x80000000)`.
pub fn with_bits(element: Literal) -> String {
    let width = element.dtype().size() as usize * 2 + 2;
    format!("{element} ({:#0width$x})", element.bits())
}

/// Where an element stands, in each dimension.
pub fn index(mut position: u64, shape: &[u64]) -> Vec<u64> {
    let mut at: Vec<u64> = shape
        .iter()
        .rev()
        .map(|&d| {
            let i = position % d.max(1);
            position /= d.max(1);
            i
        })
        .collect();
    at.reverse();
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_with_its_bits() {
        let want = [Tensor::from_i32(&[1], &[7]), Tensor::from_f32(&[2, 2], &[1.0, 2.0, 0.0, 4.0])];
        let mut got: Vec<(String, Tensor)> =
            ["a", "b"].iter().zip(&want).map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
        assert_eq!(first(&got, &want), None);
        // -0.0 equals 0.0, and has other bits.
        got[1].1.set_bits(2, 0x8000_0000);
        let text = "output `b` differs at [1, 0]: -0.0 (0x80000000), the interpreter says 0.0 (0x00000000)";
        assert_eq!(first(&got, &want).as_deref(), Some(text));
    }

    #[test]
    fn distances() {
        let f = |x: f32| u64::from(x.to_bits());
        assert_eq!(ulp(DType::F32, f(1.0), f(1.0f32.next_up())), 1);
        assert_eq!(ulp(DType::F32, f(-0.0), f(0.0)), 0);
        // From the least negative float to the least positive one: over zero.
        assert_eq!(ulp(DType::F32, f((-0.0f32).next_down()), f(0.0f32.next_up())), 2);
        assert_eq!(ulp(DType::F32, f(f32::MAX), f(f32::INFINITY)), 1);
        // bf16: 1.0 is 0x3f80, and the next is 0x3f81.
        assert_eq!(ulp(DType::Bf16, 0x3f80, 0x3f81), 1);
        assert_eq!(ulp(DType::F16, 0x3c00, 0xbc00), 2 * 0x3c00);
    }

    #[test]
    fn kinds_are_told_apart() {
        let nan = f32::NAN;
        let a = Tensor::from_f32(&[6], &[1.0, 0.0, nan, nan, 3.0, f32::INFINITY]);
        let mut b = Tensor::from_f32(&[6], &[1.0f32.next_up(), -0.0, nan, 2.0, 3.0, 5.0]);
        b.set_bits(2, 0x7fc0_0001);
        let bits = Difference::of(&a, &b, Equality::Bits);
        assert_eq!((bits.elements, bits.differing, bits.excused, bits.first), (6, 5, 0, Some(0)));
        assert_eq!((bits.nan, bits.nan_bits, bits.zero_sign), (1, 1, 1));
        assert_eq!(bits.greatest_absolute, Some(f64::INFINITY));
        let near = Difference::of(&a, &b, Equality::Within(1));
        assert_eq!((near.differing, near.excused, near.first), (2, 3, Some(3)));
        assert_eq!(Difference::of(&a, &a, Equality::Bits).differing, 0);
        // Integers are no floats: one more is another.
        let (i, j) = (Tensor::from_i32(&[2], &[-1, 7]), Tensor::from_i32(&[2], &[-1, 8]));
        let ids = Difference::of(&i, &j, Equality::Within(5));
        assert_eq!((ids.differing, ids.greatest_ulp, ids.greatest_absolute), (1, None, Some(1.0)));
    }
}
