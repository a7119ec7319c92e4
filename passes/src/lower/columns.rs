//! The algebra of [`ColumnMap`]s: normal forms, composition, and what part of a concatenation a map reads.
//!
//! A map is a sum of digits of the column, so most compositions of slices, broadcasts and reshapes are maps again. Those
//! that are not give `None`, and the kernel keeps two remaps in a row.

use routefuse_ir::graph::TensorType;
use routefuse_ir::kernel::{ColumnMap, Term};
use routefuse_ir::op::Op;

/// The same map with merged and sorted terms, so that equal maps mostly have equal normal forms.
pub(crate) fn normalise(map: ColumnMap) -> ColumnMap {
    let ColumnMap { cols, base, terms } = map;
    let mut kept: Vec<Term> = terms.into_iter().filter_map(|t| effective(t, cols)).collect();
    kept.sort_unstable_by_key(|t| (t.div, t.modulo, t.mul));
    let mut merged: Vec<Term> = Vec::with_capacity(kept.len());
    for t in kept {
        if let Some(last) = merged.last_mut() {
            // (j/d % m)·k + (j/(d·m) % n)·(k·m) = (j/d % (m·n))·k
            if last.div.checked_mul(last.modulo) == Some(t.div) && last.mul.checked_mul(last.modulo) == Some(t.mul) {
                last.modulo *= t.modulo;
                continue;
            }
            // (j/d % m)·k + (j/d % m)·l = (j/d % m)·(k + l)
            if (last.div, last.modulo) == (t.div, t.modulo) {
                last.mul += t.mul;
                continue;
            }
        }
        merged.push(t);
    }
    ColumnMap { cols, base, terms: merged }
}

/// A term that is not always 0, with the smallest modulus that gives the same values.
fn effective(t: Term, cols: u64) -> Option<Term> {
    if t.mul == 0 || t.modulo <= 1 || t.div >= cols {
        return None;
    }
    let quotients = (cols - 1) / t.div + 1;
    let modulo = t.modulo.min(quotients);
    (modulo > 1).then_some(Term { modulo, ..t })
}

/// True for a normal form that maps every column of an operand of `cols` columns to itself.
pub(crate) fn is_identity(map: &ColumnMap, cols: u64) -> bool {
    map.cols == cols && map.base == 0 && (cols == 1 || map.terms == [Term { div: 1, modulo: cols, mul: 1 }])
}

/// Every column to itself.
pub(crate) fn identity(cols: u64) -> ColumnMap {
    normalise(ColumnMap::offset(cols, 0))
}

/// `j → inner(outer(j))` in normal form, if it is a map.
pub(crate) fn compose(outer: &ColumnMap, inner: &ColumnMap) -> Option<ColumnMap> {
    let mut base = inner.base;
    let mut terms = Vec::new();
    for t in &inner.terms {
        let (digit_base, digit_terms) = digit(outer, t.div, t.modulo)?;
        base = base.checked_add(digit_base.checked_mul(t.mul)?)?;
        for d in digit_terms {
            terms.push(Term { mul: d.mul.checked_mul(t.mul)?, ..d });
        }
    }
    Some(normalise(ColumnMap { cols: outer.cols, base, terms }))
}

/// `(map(j) / div) % modulo` as a base and terms, if it is a sum of digits of `j`.
fn digit(map: &ColumnMap, div: u64, modulo: u64) -> Option<(u64, Vec<Term>)> {
    let period = div.checked_mul(modulo)?;
    let mut terms = split(map, &map.terms, div);
    terms = split(map, &terms, period);
    let mut low = map.base % div;
    let digit_base = map.base / div % modulo;
    let mut middle = digit_base * div;
    let mut digits = Vec::new();
    for t in terms {
        let most = (t.modulo - 1).checked_mul(t.mul)?;
        if t.mul % period == 0 {
            continue;
        }
        if t.mul < div {
            low = low.checked_add(most)?;
        } else if t.mul % div == 0 && t.mul < period {
            middle = middle.checked_add(most)?;
            digits.push(Term { mul: t.mul / div, ..t });
        } else {
            return None;
        }
    }
    // Nothing carries from below into the digit, nor out of it.
    (low < div && middle < period).then_some((digit_base, digits))
}

/// Cuts every term that crosses `boundary` into one below it and one of its multiples, where that is exact.
fn split(map: &ColumnMap, terms: &[Term], boundary: u64) -> Vec<Term> {
    let mut out = Vec::with_capacity(terms.len() + 1);
    for t in terms {
        let crosses =
            t.mul < boundary && boundary.is_multiple_of(t.mul) && (t.modulo - 1).saturating_mul(t.mul) >= boundary;
        let low = boundary / t.mul;
        // With a modulus that never acts, the quotient's own number of multiples will do.
        let unbounded = t.div.checked_mul(t.modulo).is_none_or(|n| n >= map.cols);
        match t.div.checked_mul(low) {
            Some(div) if crosses && (t.modulo % low == 0 || unbounded) => {
                out.push(Term { modulo: low, ..*t });
                out.push(Term { div, modulo: t.modulo.div_ceil(low), mul: boundary });
            }
            _ => out.push(*t),
        }
    }
    out
}

/// The one part of a concatenation of these widths that the map reads, and the map to that part's columns.
pub(crate) fn within_part(map: &ColumnMap, widths: &[u64], inner_rows: u64) -> Option<(usize, ColumnMap)> {
    let width: u64 = widths.iter().sum();
    let (column, column_terms) = digit(map, width, inner_rows)?;
    let (place, place_terms) = digit(map, 1, width)?;
    let last = place_terms.iter().try_fold(place, |n, t| n.checked_add((t.modulo - 1) * t.mul))?;
    let mut begin = 0;
    for (part, w) in widths.iter().enumerate() {
        if begin <= place && last < begin + w {
            let mut terms = place_terms;
            for t in column_terms {
                terms.push(Term { mul: t.mul.checked_mul(*w)?, ..t });
            }
            let base = column.checked_mul(*w)?.checked_add(place - begin)?;
            return Some((part, normalise(ColumnMap { cols: map.cols, base, terms })));
        }
        begin += w;
    }
    None
}

/// From the flattened columns of the result of a broadcast or slice to those of its operand; `None` for other ops.
pub(crate) fn movement(op: &Op, from: &TensorType, to: &TensorType) -> Option<ColumnMap> {
    let cols = to.row_elements().unwrap_or(0);
    match op {
        Op::Broadcast { .. } => {
            let inner = usize::from(to.row_symbol().is_some());
            let mut terms = Vec::new();
            let (mut div, mut mul) = (1, 1);
            for (position, dim) in to.shape.iter().enumerate().skip(inner).rev() {
                let extent = dim.as_const().unwrap_or(1);
                let from_axis = (position + from.shape.len()).checked_sub(to.shape.len());
                let from_extent = from_axis.and_then(|a| from.shape[a].as_const()).unwrap_or(1);
                if from_extent == extent {
                    terms.push(Term { div, modulo: extent, mul });
                }
                div *= extent;
                mul *= from_extent;
            }
            Some(normalise(ColumnMap { cols, base: 0, terms }))
        }
        Op::Slice { start, stop } => {
            let inner = from.shape.last().and_then(|d| d.as_const()).unwrap_or(1);
            let width = stop - start;
            let terms = vec![
                Term { div: 1, modulo: width, mul: 1 },
                Term { div: width, modulo: (cols / width).max(1), mul: inner },
            ];
            Some(normalise(ColumnMap { cols, base: *start, terms }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A map into `operand` columns made of digits of a mixed-radix number.
    fn map(operand: u64, radices: &[u64], keep: &[bool], base: u64) -> Option<ColumnMap> {
        let (mut div, mut mul, mut terms) = (1, 1, Vec::new());
        for (r, k) in radices.iter().zip(keep) {
            if *k {
                terms.push(Term { div, modulo: *r, mul });
                mul *= r;
            }
            div *= r;
        }
        let map = ColumnMap { cols: div, base, terms };
        (map.max() < operand).then_some(map)
    }

    fn radices() -> impl Strategy<Value = (Vec<u64>, Vec<bool>)> {
        (1usize..4)
            .prop_flat_map(|n| (proptest::collection::vec(1u64..7, n), proptest::collection::vec(any::<bool>(), n)))
    }

    proptest! {
        #[test]
        fn normal_forms_and_compositions_give_the_same_columns(
            (outer, kept) in radices(), (inner, inner_kept) in radices(), base in 0u64..12, inner_base in 0u64..12,
        ) {
            let cols: u64 = inner.iter().product();
            let inner = map(u64::MAX, &inner, &inner_kept, inner_base);
            let (Some(inner), Some(outer)) = (inner, map(cols, &outer, &kept, base)) else { return Ok(()) };
            let normal = normalise(outer.clone());
            for j in 0..outer.cols {
                prop_assert_eq!(normal.apply(j), outer.apply(j));
            }
            if let Some(composed) = compose(&outer, &normalise(inner.clone())) {
                for j in 0..outer.cols {
                    prop_assert_eq!(composed.apply(j), inner.apply(outer.apply(j)), "{:?} {:?}", outer, inner);
                }
            }
        }

        #[test]
        fn a_map_within_one_part_reads_that_part(
            (radix, kept) in radices(), widths in proptest::collection::vec(1u64..6, 1..4), inner_rows in 1u64..4,
            base in 0u64..12,
        ) {
            let width: u64 = widths.iter().sum();
            let Some(outer) = map(width * inner_rows, &radix, &kept, base) else { return Ok(()) };
            let Some((part, inner)) = within_part(&normalise(outer.clone()), &widths, inner_rows) else { return Ok(()) };
            let begin: u64 = widths[..part].iter().sum();
            for j in 0..outer.cols {
                let c = outer.apply(j);
                prop_assert!((begin..begin + widths[part]).contains(&(c % width)));
                prop_assert_eq!(inner.apply(j), c / width * widths[part] + c % width - begin);
            }
        }
    }

    #[test]
    fn the_usual_compositions_are_maps() {
        // Columns 2..6 of 0..8, then 1..3 of those.
        let slice = compose(&ColumnMap::offset(2, 1), &ColumnMap::offset(4, 2));
        assert_eq!(slice, Some(ColumnMap::offset(2, 3)));
        // [T, 4] repeated to [T, 3, 4], reshaped, then columns 4..8: the second copy.
        let repeat = ColumnMap { cols: 12, base: 0, terms: vec![Term { div: 1, modulo: 4, mul: 1 }] };
        let second = compose(&ColumnMap::offset(4, 4), &repeat);
        assert_eq!(second, Some(ColumnMap::offset(4, 0)));
        // [T, 4] of [T, 4, 8] by axis 1, transposed back to the whole: a term is cut at the inner extent.
        let rows = ColumnMap { cols: 32, base: 0, terms: vec![Term { div: 8, modulo: 4, mul: 1 }] };
        assert_eq!(compose(&ColumnMap::offset(32, 0), &rows), Some(rows.clone()));
        // Columns 3..7 cross from one copy into the next: no map.
        assert_eq!(compose(&ColumnMap::offset(4, 3), &repeat), None);
        assert_eq!(within_part(&ColumnMap::offset(2, 3), &[3, 4], 1), Some((1, ColumnMap::offset(2, 0))));
        assert_eq!(within_part(&ColumnMap::offset(2, 2), &[3, 4], 1), None);
    }
}
