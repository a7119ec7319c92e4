//! Numbers of a launch (blocks, bytes of the workspace), computed and written down by the same functions.
//!
//! What a launch computes of its extents is a function over a [`Count`]. With `u64` for it, the function gives the number, as a launch
//! needs it. With [`Formula`] for it, the same function gives what it would compute, for programs that launch by themselves. So what
//! those are told cannot differ from what a launch does.

use crate::dim::SymbolId;

/// A count of something, 0 or more: a number, or a [`Formula`].
pub trait Count: Clone {
    /// What does not depend on the launch.
    fn number(n: u64) -> Self;
    /// The sum. `None` past 63 bits, where that is known.
    fn plus(self, other: Self) -> Option<Self>;
    /// The product. `None` past 63 bits, where that is known.
    fn times(self, n: u64) -> Option<Self>;
    /// The quotient, rounded up.
    ///
    /// # Panics
    /// If `n` is 0.
    fn divided_up(self, n: u64) -> Self;
    /// The lesser of the two.
    fn at_most(self, other: Self) -> Self;
}

/// What fits 63 bits.
fn fits(n: Option<u64>) -> Option<u64> {
    n.filter(|&n| n <= i64::MAX as u64)
}

impl Count for u64 {
    fn number(n: u64) -> u64 {
        n
    }

    fn plus(self, other: u64) -> Option<u64> {
        fits(self.checked_add(other))
    }

    fn times(self, n: u64) -> Option<u64> {
        fits(self.checked_mul(n))
    }

    fn divided_up(self, n: u64) -> u64 {
        self.div_ceil(n)
    }

    fn at_most(self, other: u64) -> u64 {
        self.min(other)
    }
}

/// Of numbers that are not 0.
fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// What a launch asks of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// How many multiprocessors (compute units) it has.
    Multiprocessors,
    /// How many blocks of the very kernel, with its threads, it holds at once, on all multiprocessors together.
    ResidentBlocks,
}

/// How a count follows from the extents of a launch and from its device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Formula {
    /// Known beforehand.
    Number(u64),
    /// The extent of one of the program's symbols.
    Extent(SymbolId),
    /// What the device says.
    Device(Ask),
    /// The sum of two.
    Sum(Box<[Formula; 2]>),
    /// A product.
    Product(Box<Formula>, u64),
    /// A quotient, rounded up.
    Quotient(Box<Formula>, u64),
    /// The least of two.
    Least(Box<[Formula; 2]>),
}

impl Formula {
    /// Its value. `None` past 63 bits, or where a device is asked what `device` does not know.
    pub fn value(&self, extents: &[u64], device: &dyn Fn(Ask) -> Option<u64>) -> Option<u64> {
        let of = |formula: &Formula| formula.value(extents, device);
        Some(match self {
            Formula::Number(n) => *n,
            Formula::Extent(symbol) => *extents.get(symbol.0 as usize)?,
            Formula::Device(ask) => device(*ask)?,
            Formula::Sum(both) => of(&both[0])?.plus(of(&both[1])?)?,
            Formula::Product(a, n) => of(a)?.times(*n)?,
            Formula::Quotient(a, n) => of(a)?.divided_up(*n),
            Formula::Least(both) => of(&both[0])?.at_most(of(&both[1])?),
        })
    }
}

/// Of numbers alone it is a number, and what changes nothing is left out.
impl Count for Formula {
    fn number(n: u64) -> Formula {
        Formula::Number(n)
    }

    fn plus(self, other: Formula) -> Option<Formula> {
        Some(match (self, other) {
            (Formula::Number(a), Formula::Number(b)) => Formula::Number(a.plus(b)?),
            (Formula::Number(0), a) | (a, Formula::Number(0)) => a,
            (a, b) => Formula::Sum(Box::new([a, b])),
        })
    }

    fn times(self, n: u64) -> Option<Formula> {
        Some(match (self, n) {
            (Formula::Number(a), n) => Formula::Number(a.times(n)?),
            (a, 1) => a,
            (Formula::Product(a, m), n) => Formula::Product(a, m.times(n)?),
            (a, n) => Formula::Product(Box::new(a), n),
        })
    }

    fn divided_up(self, n: u64) -> Formula {
        match (self, n) {
            (Formula::Number(a), n) => Formula::Number(a.divided_up(n)),
            (a, 1) => a,
            // ⌈a m / n⌉ in lowest terms.
            (Formula::Product(a, m), n) if m > 0 && greatest_common_divisor(m, n) > 1 => {
                let divisor = greatest_common_divisor(m, n);
                let product = if m == divisor { *a } else { Formula::Product(a, m / divisor) };
                product.divided_up(n / divisor)
            }
            (a, n) => Formula::Quotient(Box::new(a), n),
        }
    }

    fn at_most(self, other: Formula) -> Formula {
        match (self, other) {
            (Formula::Number(a), Formula::Number(b)) => Formula::Number(a.min(b)),
            (a, b) => Formula::Least(Box::new([a, b])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left out changes no value.
    #[test]
    fn formulas_have_the_values_of_what_they_say() {
        fn of<C: Count>(rows: C, other: C, [a, b, c]: [u64; 3]) -> Option<C> {
            let half = rows.clone().times(a)?.divided_up(b);
            half.plus(rows.times(c)?)?.at_most(other).plus(C::number(a))
        }
        let formula = |numbers| {
            of(Formula::Extent(SymbolId(1)), Formula::Device(Ask::ResidentBlocks), numbers)
                .expect("no number overflows")
        };
        for a in [0, 1, 2, 3, 8, 64] {
            for b in [1, 2, 3, 8, 64] {
                for c in [0, 1, 5] {
                    for rows in [0, 1, 2, 7, 64, 1 << 40] {
                        let ask = |ask| (ask == Ask::ResidentBlocks).then_some(1000);
                        let value = formula([a, b, c]).value(&[9, rows], &ask);
                        assert_eq!(value, of(rows, 1000, [a, b, c]), "{a} {b} {c} {rows}");
                    }
                }
            }
        }
        assert_eq!(Formula::Number(3).times(5), Some(Formula::Number(15)));
        let rows = Formula::Extent(SymbolId(1));
        assert_eq!(rows.clone().times(6).unwrap().divided_up(3), rows.clone().times(2).unwrap(), "in lowest terms");
        assert_eq!(rows.clone().times(2).unwrap().divided_up(256), rows.divided_up(128));
        assert_eq!(formula([64, 8, 0]).value(&[0, 1 << 62], &|_| Some(1)), None, "past 63 bits");
        assert_eq!(formula([1, 1, 0]).value(&[0, 1], &|_| None), None, "nobody knows the device");
    }
}
