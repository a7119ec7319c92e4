//! Values at other columns: remaps and concatenation.

use super::index::Ix;
use super::known::Lanes;
use super::{Index, Pull};
use crate::mlir::builder::Val;
use routefuse_ir::kernel::{ColumnMap, ValueId};

impl<'m> Pull<'_, 'm> {
    /// The operand at the mapped column.
    pub fn remap(&self, operand: ValueId, map: &ColumnMap, index: &Index<'m>) -> Lanes<'m> {
        let column = |j: Ix<'m>| {
            let terms = map.terms.iter().map(|term| {
                let quotient = self.ix.divide(j, term.div);
                // The columns may end before the modulus wraps.
                let wraps = map.cols.div_ceil(term.div) > term.modulo;
                let rest = if wraps { self.ix.remainder(quotient, term.modulo) } else { quotient };
                self.ix.times(rest, term.mul)
            });
            terms.fold(Ix::constant(map.base), |sum, term| self.ix.add(sum, term))
        };
        let columns: Vec<Ix<'m>> = index.column.iter().map(|j| column(*j)).collect();
        let otherwise = self.shortcuts.iter().find_map(|s| s.columns(self, operand, &columns, index));
        otherwise.unwrap_or_else(|| self.evaluate(operand, &index.at(columns)))
    }

    /// Operands side by side: see [`ValueKind::Concat`](routefuse_ir::kernel::ValueKind::Concat).
    pub fn concat(&self, parts: &[(ValueId, u64)], index: &Index<'m>) -> Lanes<'m> {
        let width: u64 = parts.iter().map(|(_, w)| w).sum();
        let groups = self.kernel.value(parts[0].0).space.cols / parts[0].1;
        // The group of every lane, and the place in it.
        let split = |j: &Ix<'m>| match groups {
            1 => (Ix::constant(0), *j),
            _ => (self.ix.divide(*j, width), self.ix.remainder(*j, width)),
        };
        let places: Vec<(Ix<'m>, Ix<'m>)> = index.column.iter().map(split).collect();
        if places.iter().all(|(_, place)| place.base.is_none()) {
            return self.concat_known(parts, &places, index);
        }
        let mut result: Option<Lanes<'m>> = None;
        let mut end = width;
        for (operand, w) in parts.iter().rev() {
            let start = end - w;
            let before = self.which(places.iter().map(|(_, place)| self.ix.below(*place, end)).collect());
            let behind = self.which(places.iter().map(|(_, place)| self.ix.below(*place, start)).collect());
            if !matches!(behind, Which::All) && !matches!(before, Which::None) {
                let column = places
                    .iter()
                    .map(|(group, place)| self.ix.add(self.ix.times(*group, *w), self.ix.within(*place, start, end)));
                let part = self.evaluate(*operand, &index.at(column.collect()));
                result = Some(match (result, before) {
                    (Some(later), Which::Some(condition)) => self.lanewise.choose(condition, part, later),
                    _ => part,
                });
            }
            end = start;
        }
        result.expect("every lane is in some part")
    }

    /// Every lane's part is known: each part is asked for its own lanes only.
    fn concat_known(&self, parts: &[(ValueId, u64)], places: &[(Ix<'m>, Ix<'m>)], index: &Index<'m>) -> Lanes<'m> {
        let owner = |place: u64| {
            let mut start = 0;
            let found = parts.iter().position(|(_, w)| {
                start += w;
                place < start
            });
            let part = found.expect("the place is in the row");
            (part, start - parts[part].1)
        };
        let owners: Vec<(usize, u64)> = places.iter().map(|(_, place)| owner(place.plus)).collect();
        let column = |lane: usize| {
            let ((part, start), (group, place)) = (owners[lane], places[lane]);
            self.ix.times(group, parts[part].1).offset(place.plus - start)
        };
        if owners.iter().all(|(part, _)| *part == owners[0].0) {
            return self.evaluate(parts[owners[0].0].0, &index.at((0..places.len()).map(column).collect()));
        }
        let moved = index.at((0..places.len()).map(column).collect());
        let mut runs: Vec<Lanes<'m>> = Vec::new();
        let mut from = 0;
        while from < owners.len() {
            let same = owners[from..].iter().take_while(|(part, _)| *part == owners[from].0).count();
            // Vectors of a power of two.
            let lanes = 1 << same.ilog2();
            let run = self.evaluate(parts[owners[from].0].0, &moved.slice(from, from + lanes));
            runs.push(Lanes { value: self.lanewise.spread(run.value, lanes as u32), lanes: lanes as u32, ..run });
            from += lanes;
        }
        self.lanewise.joined(&runs)
    }

    /// Joins the answers of all lanes.
    fn which(&self, answers: Vec<Result<bool, Val<'m>>>) -> Which<'m> {
        if answers.iter().all(|a| *a == Ok(true)) {
            return Which::All;
        }
        if answers.iter().all(|a| *a == Ok(false)) {
            return Which::None;
        }
        if let Err(first) = answers[0]
            && answers.iter().all(|a| *a == Err(first))
        {
            return Which::Some(first);
        }
        let lanes: Vec<Val<'m>> = answers.into_iter().map(|a| a.map_or_else(|v| v, |k| self.b.const_bool(k))).collect();
        Which::Some(self.b.gather_lanes(&lanes))
    }
}

/// Which lanes satisfy a condition.
enum Which<'m> {
    All,
    None,
    /// One answer for all, or one a lane.
    Some(Val<'m>),
}
