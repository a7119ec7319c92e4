//! Intervals of integers.

use routefuse_ir::DType;
use std::fmt;

/// The integers from `lo` to `hi`, both included. `i128` holds every value of every dtype, so bounds are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The smallest.
    pub lo: i128,
    /// The largest; never below `lo`.
    pub hi: i128,
}

impl Interval {
    /// One integer.
    pub const fn point(n: i128) -> Interval {
        Interval { lo: n, hi: n }
    }

    /// Both values of bool.
    pub const BOOL: Interval = Interval { lo: 0, hi: 1 };

    /// Every value of an integer dtype or bool; `None` for floats.
    pub fn of_dtype(dtype: DType) -> Option<Interval> {
        let bits = dtype.bits();
        match dtype {
            d if d.is_float() => None,
            d if d.is_signed() => Some(Interval { lo: -(1 << (bits - 1)), hi: (1 << (bits - 1)) - 1 }),
            _ => Some(Interval { lo: 0, hi: (1 << bits) - 1 }),
        }
    }

    /// The smallest interval that holds all of these; `None` of none.
    pub fn hull(of: impl IntoIterator<Item = i128>) -> Option<Interval> {
        of.into_iter().fold(None, |hull: Option<Interval>, n| {
            Some(hull.map_or(Interval::point(n), |h| Interval { lo: h.lo.min(n), hi: h.hi.max(n) }))
        })
    }

    /// The smallest interval that holds both.
    pub fn union(self, other: Interval) -> Interval {
        Interval { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// What lies in both, if anything does.
    pub fn intersect(self, other: Interval) -> Option<Interval> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Interval { lo, hi })
    }

    /// All of `other` lies in it.
    pub fn contains(self, other: Interval) -> bool {
        self.lo <= other.lo && other.hi <= self.hi
    }

    /// `n` lies in it.
    pub fn holds(self, n: i128) -> bool {
        self.lo <= n && n <= self.hi
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.lo, self.hi)
    }
}
