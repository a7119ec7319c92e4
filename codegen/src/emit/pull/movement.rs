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
        let repeats = self.kernel.value(parts[0].0).space.cols / parts[0].1;
        // Which repeat of the parts a lane is in, and its column in that.
        let split = |j: &Ix<'m>| match repeats {
            1 => (Ix::constant(0), *j),
            _ => (self.ix.divide(*j, width), self.ix.remainder(*j, width)),
        };
        let within: Vec<(Ix<'m>, Ix<'m>)> = index.column.iter().map(split).collect();
        let is_known = |lane: usize| within[lane].1.base.is_none();
        if (0..within.len()).all(is_known) {
            return self.concat_known(parts, &within, index);
        }
        if !(0..within.len()).any(is_known) {
            return self.concat_chosen(parts, width, &within, index);
        }
        // What is known of some columns must not make the others' parts be asked for at any column: where a part is known at the
        // others alone, that would compute it anew.
        let mut runs: Vec<Lanes<'m>> = Vec::new();
        let mut from = 0;
        while from < within.len() {
            let same = (from..within.len()).take_while(|lane| is_known(*lane) == is_known(from)).count();
            // Vectors of a power of two.
            let lanes = 1 << same.ilog2();
            let run = self.concat(parts, &index.slice(from, from + lanes));
            runs.push(Lanes { value: self.lanewise.spread(run.value, lanes as u32), lanes: lanes as u32, ..run });
            from += lanes;
        }
        self.lanewise.joined(&runs)
    }

    /// No lane's part is known: each part is asked for all of them.
    fn concat_chosen(
        &self,
        parts: &[(ValueId, u64)],
        width: u64,
        within: &[(Ix<'m>, Ix<'m>)],
        index: &Index<'m>,
    ) -> Lanes<'m> {
        let mut result: Option<Lanes<'m>> = None;
        let mut end = width;
        for (operand, w) in parts.iter().rev() {
            let start = end - w;
            let before = self.which(within.iter().map(|(_, column)| self.ix.below(*column, end)).collect());
            let behind = self.which(within.iter().map(|(_, column)| self.ix.below(*column, start)).collect());
            if !matches!(behind, Which::All) && !matches!(before, Which::None) {
                let column = within.iter().map(|(repeat, column)| {
                    self.ix.add(self.ix.times(*repeat, *w), self.ix.within(*column, start, end))
                });
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
    fn concat_known(&self, parts: &[(ValueId, u64)], within: &[(Ix<'m>, Ix<'m>)], index: &Index<'m>) -> Lanes<'m> {
        let owner = |column: u64| {
            let mut start = 0;
            let found = parts.iter().position(|(_, w)| {
                start += w;
                column < start
            });
            let part = found.expect("the column is in the row");
            (part, start - parts[part].1)
        };
        let owners: Vec<(usize, u64)> = within.iter().map(|(_, column)| owner(column.plus)).collect();
        let column = |lane: usize| {
            let ((part, start), (repeat, column)) = (owners[lane], within[lane]);
            self.ix.times(repeat, parts[part].1).offset(column.plus - start)
        };
        if owners.iter().all(|(part, _)| *part == owners[0].0) {
            return self.evaluate(parts[owners[0].0].0, &index.at((0..within.len()).map(column).collect()));
        }
        let moved = index.at((0..within.len()).map(column).collect());
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
