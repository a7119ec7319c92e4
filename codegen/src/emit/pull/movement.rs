//! Values at other columns: remaps and concatenation.

use crate::emit::pull::Emitter;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::mlir::builder::Val;
use routefuse_ir::kernel::{ColumnMap, ValueId};
use routefuse_ir::target::TargetKind;

impl<'m> Emitter<'_, 'm> {
    /// The operand at the mapped column.
    pub fn remap(&self, operand: ValueId, map: &ColumnMap, index: &Index<'m>) -> Lanes<'m> {
        let column = |j: Ix<'m>| {
            let terms = map.terms.iter().map(|term| {
                let quotient = self.divide(j, term.div);
                // The columns may end before the modulus wraps.
                let wraps = map.cols.div_ceil(term.div) > term.modulo;
                let place = if wraps { self.remainder(quotient, term.modulo) } else { quotient };
                self.times(place, term.mul)
            });
            terms.fold(Ix::constant(map.base), |sum, term| self.add(sum, term))
        };
        let columns: Vec<Ix<'m>> = index.column.iter().map(|j| column(*j)).collect();
        self.evaluate_distinct(operand, columns, index)
    }

    /// The operand at these columns. In a row on the host a column that several lanes ask for is computed once.
    fn evaluate_distinct(&self, operand: ValueId, columns: Vec<Ix<'m>>, index: &Index<'m>) -> Lanes<'m> {
        let mut distinct: Vec<Ix<'m>> = vec![];
        let lane_of = |column: &Ix<'m>| {
            let known = distinct.iter().position(|d| d.key() == column.key());
            known.unwrap_or_else(|| {
                distinct.push(*column);
                distinct.len() - 1
            }) as i32
        };
        let places: Vec<i32> = columns.iter().map(lane_of).collect();
        let fewer = 1 < distinct.len() && distinct.len() < columns.len() && distinct.len().is_power_of_two();
        if self.kind != TargetKind::Host || !self.kernel.has_row_values() || !fewer || index.row.len() > 1 {
            return self.evaluate(operand, &index.at(columns));
        }
        let x = self.evaluate(operand, &index.at(distinct));
        let moved = |v: Val<'m>| match self.b.lanes(self.b.type_of(v)) {
            1 => v,
            _ => self.b.shuffle(v, v, &places),
        };
        let lanes = if x.lanes == 1 { 1 } else { places.len() as u32 };
        Lanes { value: moved(x.value), lanes, trap: x.trap.map(moved), ..x }
    }

    /// Operands side by side: see [`ValueKind::Concat`](routefuse_ir::kernel::ValueKind::Concat).
    pub fn concat(&self, parts: &[(ValueId, u64)], index: &Index<'m>) -> Lanes<'m> {
        let width: u64 = parts.iter().map(|(_, w)| w).sum();
        let groups = self.kernel.value(parts[0].0).space.cols / parts[0].1;
        // The group of every lane, and the place in it.
        let split = |j: &Ix<'m>| match groups {
            1 => (Ix::constant(0), *j),
            _ => (self.divide(*j, width), self.remainder(*j, width)),
        };
        let places: Vec<(Ix<'m>, Ix<'m>)> = index.column.iter().map(split).collect();
        if places.iter().all(|(_, place)| place.base.is_none()) {
            return self.concat_known(parts, &places, index);
        }
        let mut result: Option<Lanes<'m>> = None;
        let mut end = width;
        for (operand, w) in parts.iter().rev() {
            let start = end - w;
            let before = self.which(places.iter().map(|(_, place)| self.below(*place, end)).collect());
            let behind = self.which(places.iter().map(|(_, place)| self.below(*place, start)).collect());
            if !matches!(behind, Which::All) && !matches!(before, Which::None) {
                let column = places
                    .iter()
                    .map(|(group, place)| self.add(self.times(*group, *w), self.within(*place, start, end)));
                let part = self.evaluate(*operand, &index.at(column.collect()));
                result = Some(match (result, before) {
                    (Some(later), Which::Some(condition)) => self.choose(condition, part, later),
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
            self.times(group, parts[part].1).offset(place.plus - start)
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
            runs.push(Lanes { value: self.spread(run.value, lanes as u32), lanes: lanes as u32, ..run });
            from += lanes;
        }
        self.joined(&runs)
    }

    /// The lanes of all, one after the other.
    pub fn joined(&self, runs: &[Lanes<'m>]) -> Lanes<'m> {
        let nans = runs.iter().fold(Nans::Canonical, |nans, run| nans.or(run.nans));
        let all = |of: &dyn Fn(&Lanes<'m>) -> Val<'m>| {
            let lanes = runs.iter().flat_map(|run| (0..run.lanes).map(move |lane| (run, lane)));
            let lanes: Vec<Val<'m>> = lanes.map(|(run, lane)| self.b.extract(of(run), lane)).collect();
            self.b.gather_lanes(&lanes)
        };
        let value = all(&|run| if nans == Nans::Exact { self.settled(*run).value } else { run.value });
        let trap = runs
            .iter()
            .any(|run| run.trap.is_some())
            .then(|| all(&|run| self.spread(run.trap.unwrap_or_else(|| self.b.const_bool(false)), run.lanes)));
        Lanes { value, lanes: runs.iter().map(|run| run.lanes).sum(), nans, trap }
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
