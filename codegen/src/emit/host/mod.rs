//! Row schedules on the host: one lane owns a row, and what the schedule keeps of it lies on the stack.
//!
//! First, in the order of the values, every kept one is computed at all columns: values that are held in loops over pieces
//! of columns, neighbours in one loop; row values by the algorithms of [`reduce`], [`selection`] and [`cumsum`], which ask
//! for their operand like any other. Then the stores' pieces are pulled.

mod columns;
mod cumsum;
mod lanewise;
mod rank;
mod reduce;
pub(super) mod room;
pub(super) mod scratch;
mod selection;

use super::index::{Index, Ix};
use super::kept::Kept;
use super::lanes::{Lanes, Nans};
use super::scope::Emitter;
use crate::mlir_builder::Val;
use room::Room;
use routefuse_ir::DType;
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::{ValueId, ValueKind};
use scratch::Scratch;
use selection::TopK;
use std::collections::HashSet;

/// What is done to keep values.
enum Step<'m> {
    /// Values that are held are computed column by column.
    Hold(Vec<(ValueId, Scratch<'m>)>),
    /// One row value.
    Compute(ValueId, Room<'m>),
}

impl<'m> Emitter<'_, 'm> {
    /// The loop over rows of a row schedule.
    pub fn host_row_schedule(&self, held: &[ValueId], domains: &[Domain], begin: Val<'m>, end: Val<'m>) {
        let (uniform, per_row): (Vec<ValueId>, Vec<ValueId>) =
            self.kept_on_stack(held).into_iter().partition(|id| !self.kernel.value(*id).space.per_row);
        let may_trap = room::may_trap(self.kernel);
        let (uniform, per_row) = (self.steps(&uniform, &may_trap), self.steps(&per_row, &may_trap));
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

    /// What is kept, operands first. Of what the schedule holds that is what is asked for more than once, other than
    /// memory that can be read again.
    fn kept_on_stack(&self, held: &[ValueId]) -> Vec<ValueId> {
        let mut users: Vec<Vec<Option<ValueId>>> = vec![vec![]; self.kernel.values.len()];
        let stored = self.kernel.stores.iter().flat_map(|s| [Some(s.value), s.add_at]).flatten();
        let mut reached: HashSet<ValueId> = HashSet::new();
        for id in stored {
            reached.insert(id);
            users[id.0 as usize].push(None);
        }
        for (id, value) in self.kernel.values().rev() {
            if reached.contains(&id) {
                for operand in value.kind.operands() {
                    reached.insert(operand);
                    users[operand.0 as usize].push(Some(id));
                }
            }
        }
        let again = |id: ValueId| match &users[id.0 as usize][..] {
            [Some(user)] => !self.kernel.value(*user).kind.is_row_value(),
            _ => true,
        };
        let kept = |id: ValueId| match self.kernel.value(id).kind {
            ValueKind::Const(_) | ValueKind::Row | ValueKind::Column => false,
            ValueKind::Load(param) => self.is_aliased(param) && held.contains(&id),
            ref kind => kind.is_row_value() || (held.contains(&id) && again(id)),
        };
        self.kernel.values().map(|(id, _)| id).filter(|id| reached.contains(id) && kept(*id)).collect()
    }

    /// Room for all of these, with neighbours that go through the same columns together.
    fn steps(&self, kept: &[ValueId], may_trap: &[bool]) -> Vec<Step<'m>> {
        let mut steps: Vec<Step<'m>> = Vec::new();
        for id in kept {
            let value = self.kernel.value(*id);
            if value.kind.is_row_value() {
                steps.push(Step::Compute(*id, self.room(*id, may_trap)));
                continue;
            }
            let scratch = self.new_scratch(value.dtype, value.space.cols, may_trap[id.0 as usize].then_some(1));
            let one = (*id, scratch);
            match steps.last_mut() {
                Some(Step::Hold(group))
                    if self.kernel.value(group[0].0).space.cols == value.space.cols && self.pointwise(*id, group) =>
                {
                    group.push(one);
                }
                _ => steps.push(Step::Hold(vec![one])),
            }
        }
        steps
    }

    /// Whether a value asks for those of a group only at its own column.
    fn pointwise(&self, id: ValueId, group: &[(ValueId, Scratch<'m>)]) -> bool {
        let first = group[0].0;
        let member = |id: ValueId| group.iter().any(|(g, _)| *g == id);
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

    fn hold(&self, group: &[(ValueId, Scratch<'m>)], row: &Index<'m>) {
        let settled = |id: ValueId, x: Lanes<'m>| {
            let free = room::nans_of(self.kernel, id) == Nans::Free;
            if free { x } else { self.settled(x) }
        };
        self.columns(Ix::constant(0), self.kernel.value(group[0].0).space.cols, |at| {
            for (id, scratch) in group {
                let x = self.neighbouring(*id, row, at[0], at.len() as u64);
                self.write_scratch(scratch, at, settled(*id, x));
            }
        });
        for (id, scratch) in group {
            let is_float = self.kernel.value(*id).dtype == DType::F32;
            let nans = if is_float { room::nans_of(self.kernel, *id) } else { Nans::Exact };
            self.keep(*id, Kept::Scratch(scratch.with_nans(nans)));
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
