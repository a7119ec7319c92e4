//! Row schedules on the host: one lane owns a row, and what the schedule keeps of it lies on the stack.
//!
//! First, in the order of the values, every kept one is computed at all columns: values that are held in loops over pieces
//! of columns, neighbours in one loop; row values by the algorithms of [`reduce`], [`selection`] and [`cumsum`], which ask
//! for their operand like any other. Then the stores' pieces are pulled.

mod columns;
mod cumsum;
mod fold;
mod held;
mod rank;
mod reduce;
pub(in crate::emit) mod room;
pub(in crate::emit) mod stack;
mod topk;

use crate::emit::pull::Emitter;
use crate::emit::pull::held::Kept;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::mlir::builder::Val;
use held::Keeping;
use room::Room;
use routefuse_ir::DType;
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::op::Candidates;
use stack::Scratch;
use std::collections::HashSet;
use topk::TopK;

/// What is done to keep values.
enum Step<'m> {
    /// Values that are held are computed column by column.
    Hold(Vec<Held<'m>>),
    /// One row value.
    Compute(ValueId, Room<'m>),
}

/// A value that is held.
struct Held<'m> {
    id: ValueId,
    scratch: Scratch<'m>,
    /// It is held as rank keys.
    keys: bool,
}

impl<'m> Emitter<'_, 'm> {
    /// The loop over rows of a row schedule.
    pub fn host_row_schedule(&self, held: &[ValueId], domains: &[Domain], begin: Val<'m>, end: Val<'m>) {
        let keeping = Keeping::of(self.kernel, |param| self.is_aliased(param), held);
        let kept = keeping.kept();
        let (uniform, per_row): (Vec<ValueId>, Vec<ValueId>) =
            kept.into_iter().partition(|id| !self.kernel.value(*id).space.per_row);
        let (uniform, per_row) = (self.steps(&uniform, &keeping), self.steps(&per_row, &keeping));
        let anywhere = Index::new(vec![Ix::constant(0)], vec![Ix::constant(0)], None);
        uniform.iter().for_each(|step| self.step(step, &anywhere));
        self.evaluate_uniforms();
        let domains: Vec<&Domain> = domains.iter().collect();
        self.b.for_loop(begin, end, self.b.const_int(self.b.int(64), 1), |_, row| {
            self.scoped(|| {
                let at = Index::new(vec![Ix::value(row, 1)], vec![Ix::constant(0)], None);
                per_row.iter().for_each(|step| self.step(step, &at));
                self.host_row(&domains, row, false);
            });
        });
    }

    /// Room for all of these, with neighbours that go through the same columns together.
    fn steps(&self, kept: &[ValueId], keeping: &Keeping) -> Vec<Step<'m>> {
        let mut steps: Vec<Step<'m>> = Vec::new();
        let may_trap = room::may_trap(self.kernel);
        for id in kept {
            let value = self.kernel.value(*id);
            if value.kind.is_row_value() {
                steps.push(Step::Compute(*id, self.room(*id, &may_trap)));
                continue;
            }
            let keys = keeping.only_ranked(*id);
            let traps = may_trap[id.0 as usize] && !keys;
            let dtype = if keys { DType::U32 } else { value.dtype };
            let one = Held { id: *id, scratch: self.new_scratch(dtype, value.space.cols, traps.then_some(1)), keys };
            match steps.last_mut() {
                Some(Step::Hold(group))
                    if self.kernel.value(group[0].id).space.cols == value.space.cols && self.pointwise(*id, group) =>
                {
                    group.push(one);
                }
                _ => steps.push(Step::Hold(vec![one])),
            }
        }
        steps
    }

    /// Whether a value asks for those of a group only at its own column.
    fn pointwise(&self, id: ValueId, group: &[Held<'m>]) -> bool {
        let first = group[0].id;
        let member = |id: ValueId| group.iter().any(|held| held.id == id);
        // What is before the first of the group does not ask for it.
        let mut waiting = vec![(id, true)];
        let mut seen = HashSet::new();
        while let Some((id, here)) = waiting.pop() {
            if id < first || !seen.insert((id, here)) {
                continue;
            }
            if member(id) {
                if !here {
                    return false;
                }
                continue;
            }
            let kind = &self.kernel.value(id).kind;
            let here = here && matches!(kind, ValueKind::Scalar(..) | ValueKind::Gather { .. });
            waiting.extend(kind.operands().into_iter().map(|o| (o, here)));
        }
        true
    }

    fn step(&self, step: &Step<'m>, row: &Index<'m>) {
        match step {
            Step::Hold(group) => self.hold(group, row),
            Step::Compute(id, room) => {
                self.compute_row_value(*id, room, row);
                self.keep(*id, Kept::Scratch(room.out.clone()));
            }
        }
    }

    fn hold(&self, group: &[Held<'m>], row: &Index<'m>) {
        let cols = self.kernel.value(group[0].id).space.cols;
        let nans = |id: ValueId| match self.kernel.value(id).dtype {
            DType::F32 => room::nans_of(self.kernel, id),
            _ => Nans::Exact,
        };
        self.columns(Ix::constant(0), cols, |at| {
            for Held { id, scratch, keys } in group {
                let x = self.neighbouring(*id, row, at[0], at.len() as u64);
                let x = match keys {
                    true => Lanes::exact(self.rank_keys(x, self.kernel.value(*id).dtype, Candidates::All), x.lanes),
                    false if nans(*id) == Nans::Free => x,
                    false => self.settled(x),
                };
                self.write_scratch(scratch, at, x);
            }
        });
        for Held { id, scratch, keys } in group {
            let kept = if *keys { Kept::Keys(scratch.clone()) } else { Kept::Scratch(scratch.with_nans(nans(*id))) };
            self.keep(*id, kept);
        }
    }

    fn compute_row_value(&self, id: ValueId, room: &Room<'m>, row: &Index<'m>) {
        match self.kernel.value(id).kind {
            ValueKind::Reduce { op, value, width } => self.host_reduce(room, op, value, width, row),
            ValueKind::CumSum { value, width } => self.host_cumsum(room, value, width, row),
            ValueKind::TopK { value: operand, width, k, candidates, order } => {
                self.host_topk(room, TopK { operand, width, k, candidates }, order, row);
            }
            ValueKind::TopKMask { value: operand, width, k, candidates } => {
                self.host_topk_mask(room, TopK { operand, width, k, candidates }, row);
            }
            // No other kind is a row value.
            _ => {}
        }
    }
}
