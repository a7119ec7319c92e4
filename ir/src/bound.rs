//! Least extents: what a dim of capacity must hold for so many rows, as an expression of constants and one dim.
//!
//! The expression is `times × min_j ⌊(aⱼ × T + bⱼ) / dⱼ⌋`, and nothing if that is negative. All that engines allocate is of this
//! form: vLLM's places are `min(n × B, n + E × (B − 1))`, its blocks `⌈places / B⌉`.

use crate::diag::{Code, Diagnostic};
use crate::dim::SymbolId;
use crate::visible::visible;
use std::fmt::Write as _;

/// The most alternatives that the minimum of a [`DimBound`] is taken of.
pub const MOST_BOUND_TERMS: usize = 8;
/// The largest constant of a [`DimBound`], and the negative of the smallest.
pub const MAX_BOUND_CONSTANT: u64 = 1 << 40;

/// ⌊(`times` × T + `plus`) / `over`⌋, where T is the extent of another dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BoundTerm {
    /// What is divided by.
    pub over: u64,
    /// How often T is taken.
    pub times: u64,
    /// What is added.
    pub plus: i64,
}

/// The least extent of a dim: `times` × the least of some terms, or 0 where that is negative. In normal form, so that equal
/// expressions mostly compare equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DimBound {
    symbol: SymbolId,
    of: Option<SymbolId>,
    times: u64,
    terms: Vec<BoundTerm>,
}

impl DimBound {
    /// The bound of `symbol`: `times` × the least of `terms`, whose T is the extent of `of`. `of` may be left out where no term
    /// takes any T.
    ///
    /// # Errors
    /// What no launch checks: no term or more than [`MOST_BOUND_TERMS`], a constant of more than [`MAX_BOUND_CONSTANT`], a
    /// division by 0, a product with 0, a term that takes T where no dim is named.
    pub fn new(
        symbol: SymbolId,
        of: Option<SymbolId>,
        times: u64,
        terms: impl IntoIterator<Item = BoundTerm>,
    ) -> Result<DimBound, String> {
        let mut terms: Vec<BoundTerm> = terms.into_iter().collect();
        if terms.is_empty() || terms.len() > MOST_BOUND_TERMS {
            return Err(format!("a minimum is of 1 to {MOST_BOUND_TERMS} terms, not of {}", terms.len()));
        }
        let constants = terms.iter().flat_map(|t| [t.over, t.times, t.plus.unsigned_abs()]);
        if let Some(n) = std::iter::once(times).chain(constants).find(|n| *n > MAX_BOUND_CONSTANT) {
            return Err(format!("{n} is more than {MAX_BOUND_CONSTANT}, the largest constant of a bound"));
        }
        if times == 0 {
            return Err("a multiple of 0 bounds nothing".to_owned());
        }
        if terms.iter().any(|t| t.over == 0) {
            return Err("nothing can be divided by 0".to_owned());
        }
        if of.is_none() && terms.iter().any(|t| t.times > 0) {
            return Err("no dim is named of which multiples are taken".to_owned());
        }
        terms.iter_mut().for_each(BoundTerm::reduce);
        let mut times = times;
        if terms.iter().all(|t| t.over == 1)
            && let Some(multiplied) = terms.iter().map(|t| t.multiplied(times)).collect()
        {
            (times, terms) = (1, multiplied);
        }
        terms.sort_unstable();
        terms.dedup();
        let all = terms.clone();
        terms.retain(|t| !all.iter().any(|other| other.is_below(t)));
        let of = of.filter(|_| terms.iter().any(|t| t.times > 0));
        Ok(DimBound { symbol, of, times, terms })
    }

    /// The dim that it bounds.
    pub fn symbol(&self) -> SymbolId {
        self.symbol
    }

    /// The dim whose extent it takes multiples of.
    pub fn of(&self) -> Option<SymbolId> {
        self.of
    }

    /// What the least term is multiplied by.
    pub fn times(&self) -> u64 {
        self.times
    }

    /// What the minimum is of.
    pub fn terms(&self) -> &[BoundTerm] {
        &self.terms
    }

    /// The least extent where the other dim is `rows`; 2⁶⁴ − 1 if it is more than that.
    pub fn least(&self, rows: u64) -> u64 {
        // Constants are below 2⁴¹ and rows below 2⁶⁴, so no sum leaves 128 bits.
        let term = |t: &BoundTerm| {
            (i128::from(t.times) * i128::from(rows) + i128::from(t.plus)).div_euclid(i128::from(t.over))
        };
        let least = self.terms.iter().map(term).min().unwrap_or(0).max(0);
        least.checked_mul(i128::from(self.times)).and_then(|n| u64::try_from(n).ok()).unwrap_or(u64::MAX)
    }

    /// The least extent, at these extents of all dims.
    ///
    /// # Panics
    /// If a dim has no entry in `extents`.
    pub fn least_at(&self, extents: &[u64]) -> u64 {
        self.least(self.of.map_or(0, |of| extents[of.0 as usize]))
    }

    /// The expression: `min(512 * T, 8 * T + 16128)`.
    pub fn text(&self, symbols: &[String]) -> String {
        let of = self.of.and_then(|s| symbols.get(s.0 as usize)).map_or("", String::as_str);
        let term = |t: &BoundTerm| WrittenTerm {
            times: t.times.into(),
            of: (t.times > 0).then(|| visible(of).into_owned()),
            plus: t.plus.into(),
            over: t.over,
        };
        expression(self.times, self.terms.iter().map(term))
    }
}

impl BoundTerm {
    /// `times` × T + `plus`.
    pub fn linear(times: u64, plus: i64) -> BoundTerm {
        BoundTerm { over: 1, times, plus }
    }

    /// ⌈(`times` × T + `plus`) / `over`⌉.
    pub fn ceil(times: u64, plus: i64, over: u64) -> BoundTerm {
        BoundTerm { over, times, plus: plus.saturating_add_unsigned(over.saturating_sub(1)) }
    }

    /// A quotient of the same value by less: ⌊(g·a·T + b) / (g·d)⌋ = ⌊(a·T + ⌊b/g⌋) / d⌋.
    fn reduce(&mut self) {
        let (mut a, mut b) = (self.times, self.over);
        while a > 0 {
            (a, b) = (b % a, a);
        }
        (self.times, self.over) = (self.times / b, self.over / b);
        self.plus = self.plus.div_euclid(b as i64);
    }

    fn multiplied(&self, by: u64) -> Option<BoundTerm> {
        let in_range = |n: &u64| *n <= MAX_BOUND_CONSTANT;
        let times = self.times.checked_mul(by).filter(in_range)?;
        let plus = self.plus.checked_mul(by as i64).filter(|n| in_range(&n.unsigned_abs()))?;
        Some(BoundTerm { times, plus, ..*self })
    }

    /// Nowhere more than another, and another term.
    fn is_below(&self, other: &BoundTerm) -> bool {
        self != other && self.over == other.over && self.times <= other.times && self.plus <= other.plus
    }
}

/// A term as it is written: ⌊(`times` × `of` + `plus`) / `over`⌋, where `of` is the text of a dim, and nothing of a constant.
pub(crate) struct WrittenTerm {
    pub times: i128,
    pub of: Option<String>,
    pub plus: i128,
    pub over: u64,
}

/// The one form in which an expression is written. Every term names its own dim: a text with two of them is no bound, and
/// must not become one by being formatted.
pub(crate) fn expression(times: u64, terms: impl Iterator<Item = WrittenTerm>) -> String {
    let linear = |WrittenTerm { times, of, plus, .. }: &WrittenTerm| {
        let Some(of) = of else { return plus.to_string() };
        let mut text = match times {
            1 => of.clone(),
            n => format!("{n} * {of}"),
        };
        // Writing to a text does not fail.
        let _ = match plus {
            0 => Ok(()),
            n if *n < 0 => write!(text, " - {}", n.unsigned_abs()),
            n => write!(text, " + {n}"),
        };
        text
    };
    let term = |t: &WrittenTerm| match (linear(t), t.over) {
        (text, 1) => text,
        (text, d) if t.of.is_some() && t.plus != 0 => format!("floor(({text}) / {d})"),
        (text, d) => format!("floor({text} / {d})"),
    };
    let terms: Vec<WrittenTerm> = terms.collect();
    let texts: Vec<String> = terms.iter().map(term).collect();
    match (texts.as_slice(), times) {
        ([one], 1) => one.clone(),
        ([one], n) if terms[0].over == 1 => format!("{n} * ({one})"),
        ([one], n) => format!("{n} * {one}"),
        (many, 1) => format!("min({})", many.join(", ")),
        (many, n) => format!("{n} * min({})", many.join(", ")),
    }
}

/// What a dim that is smaller than its bound is refused with: `RF0607`. `places` are the arguments that have it.
pub fn too_small(graph: &str, bound: &DimBound, symbols: &[String], extents: &[u64], places: &[&str]) -> Diagnostic {
    let name = |s: SymbolId| symbols.get(s.0 as usize).map_or_else(|| format!("s{}", s.0), |n| visible(n).into_owned());
    let (dim, least) = (name(bound.symbol), bound.least_at(extents));
    let mut message = format!(
        "the dim `{dim}` of `{graph}` is {}, and must be at least {least}: {dim} >= {}",
        extents[bound.symbol.0 as usize],
        bound.text(symbols)
    );
    if let Some(of) = bound.of {
        let _ = write!(message, ", and {} is {}", name(of), extents[of.0 as usize]);
    }
    let places: Vec<String> = places.iter().map(|p| format!("`{}`", visible(p))).collect();
    Diagnostic::new(Code::BufferTooSmall, message).help(format!("give {} at least {least} rows", places.join(", ")))
}

/// The first bound that does not hold at these extents.
pub fn broken<'a>(bounds: &'a [DimBound], extents: &[u64]) -> Option<&'a DimBound> {
    bounds.iter().find(|b| extents[b.symbol.0 as usize] < b.least_at(extents))
}

/// The extent of every dim: what is known, and for a dim with a bound of which it is not known, the least that its bound allows.
pub fn complete(bounds: &[DimBound], known: &mut [Option<u64>]) {
    for b in bounds {
        let rows = b.of.map_or(Some(0), |of| known[of.0 as usize]);
        let extent = &mut known[b.symbol.0 as usize];
        *extent = extent.or(rows.map(|rows| b.least(rows)));
    }
}

/// The extents where every dim is `rows`, but for those with a bound, which are the least that it allows.
pub fn extents_of_rows(symbols: usize, bounds: &[DimBound], rows: u64) -> Vec<u64> {
    let mut extents = vec![rows; symbols];
    for b in bounds {
        extents[b.symbol.0 as usize] = b.least(rows);
    }
    extents
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: SymbolId = SymbolId(1);
    const T: Option<SymbolId> = Some(SymbolId(0));

    fn bound(times: u64, terms: &[(u64, i64, u64)]) -> DimBound {
        let terms = terms.iter().map(|&(times, plus, over)| BoundTerm { over, times, plus });
        DimBound::new(C, T, times, terms).expect("a bound")
    }

    fn text(b: &DimBound) -> String {
        b.text(&["T".to_owned(), "C".to_owned()])
    }

    #[test]
    fn an_expression_has_one_form() {
        assert_eq!(text(&bound(1, &[(8, 16128, 1), (512, 0, 1)])), "min(8 * T + 16128, 512 * T)");
        assert_eq!(bound(1, &[(8, 16128, 1), (512, 0, 1)]), bound(8, &[(64, 0, 1), (1, 2016, 1)]));
        assert_eq!(text(&bound(1, &[(8, 16191, 64)])), "floor((T + 2023) / 8)");
        assert_eq!(text(&bound(8, &[(8, 0, 1), (8, 248, 8)])), "min(8 * T + 248, 64 * T)");
        assert_eq!(text(&bound(8, &[(3, 0, 1), (3, 248, 8)])), "8 * min(3 * T, floor((3 * T + 248) / 8))");
        assert_eq!(text(&bound(1, &[(1, -3, 2)])), "floor((T - 3) / 2)");
        assert_eq!(text(&bound(1, &[(0, 7, 2)])), "3");
        assert_eq!(bound(1, &[(0, 7, 2)]).of(), None);
    }

    /// Whatever the form, the value is that of the expression as it was given.
    #[test]
    fn the_form_does_not_change_the_value() {
        type Terms<'a> = &'a [(u64, i64, u64)];
        let cases: [(u64, Terms<'_>); 6] = [
            (1, &[(512, 0, 1), (8, 16128, 1)]),
            (8, &[(6, 0, 1), (6, 1784, 8)]),
            (4, &[(12, -7, 6), (9, 5, 3), (9, 6, 3)]),
            (3, &[(0, -5, 2)]),
            (1, &[(7, 3, 7), (7, 3, 7)]),
            (MAX_BOUND_CONSTANT, &[(MAX_BOUND_CONSTANT, 0, 1)]),
        ];
        for (times, terms) in cases {
            for rows in [0, 1, 2, 5, 63, 64, 65, 1000, u64::MAX] {
                let least = terms
                    .iter()
                    .map(|&(a, b, d)| (i128::from(a) * i128::from(rows) + i128::from(b)).div_euclid(i128::from(d)))
                    .min()
                    .expect("a term");
                let least = least.max(0).saturating_mul(i128::from(times)).min(i128::from(u64::MAX)) as u64;
                assert_eq!(bound(times, terms).least(rows), least, "{times} {terms:?} {rows}");
            }
        }
    }

    #[test]
    fn what_no_launch_checks_is_refused() {
        let refused = |of, times, terms: Vec<BoundTerm>| DimBound::new(C, of, times, terms).expect_err("refused");
        let term = |times, plus, over| BoundTerm { over, times, plus };
        assert_eq!(refused(T, 1, vec![]), "a minimum is of 1 to 8 terms, not of 0");
        assert_eq!(refused(T, 1, vec![term(1, 0, 0)]), "nothing can be divided by 0");
        assert_eq!(refused(T, 0, vec![term(1, 0, 1)]), "a multiple of 0 bounds nothing");
        assert_eq!(refused(None, 1, vec![term(1, 0, 1)]), "no dim is named of which multiples are taken");
        assert_eq!(
            refused(T, 1, vec![term(1, i64::MIN, 1)]),
            "9223372036854775808 is more than 1099511627776, the largest constant of a bound"
        );
    }
}
