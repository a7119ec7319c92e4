//! What a row with few others asks of memory: all at once, and once.
//!
//! Where rows are few, what a row waits for is memory itself: the logits, then the chosen ones once more, then a table by the
//! columns that were chosen. So everything that can be known to be needed is asked for before anything waits: what the selection
//! is made of, tables that have an element for each of its columns, what the row has one of. What is wanted of the chosen columns
//! then comes from the lane that has it, where lanes agree on words without memory, and else from the row's
//! [shelf](super::shelves).

use super::in_lanes::{Home, InLanes, Registers};
use super::spread::Spread;
use super::{RowGpu, shelves};
use crate::emit::pull::Held;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::machine::Machine;
use routefuse_ir::Layout;
use routefuse_ir::kernel::{ParamId, RowOp, RowValue, ValueId, ValueKind};
use std::rc::Rc;

/// Columns of a lane at most that a chosen one is looked for among: a word of each is exchanged.
const MOST_EXCHANGED: u32 = 16;

/// What all lanes of a row know of its columns together; one column a lane is asked for, or it is found another way.
struct Exchanged<'a, 'm> {
    known: InLanes<'a, 'm>,
    machine: &'a dyn Machine,
}

impl<'m> Held<'m> for Exchanged<'_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        let [column] = index.column[..] else { return None };
        let together = || self.machine.ask_first(self.known.b);
        Some(self.known.at_once(column, together))
    }
}

impl<'a, 'm> RowGpu<'a, 'm> {
    /// The spread of the columns from which a value is chosen, where it asks early.
    fn chosen_from(&self, id: ValueId) -> Option<Rc<Spread<'m>>> {
        let kernel = self.pull.kernel;
        let Some(RowValue { op: RowOp::TopK { .. }, value, width }) = kernel.value(id).kind.row_value() else {
            return None;
        };
        let spread = self.spreads.of(kernel.value(*value).space.cols / width, *width);
        let early = self.few()
            && self.team.scalars().is_some()
            && spread.segments == 1
            && spread.span == self.team.lanes
            && spread.registers <= MOST_EXCHANGED;
        early.then_some(spread)
    }

    /// Asks for all of a row that memory has to give.
    pub(super) fn ask_early(&self, row: Ix<'m>) {
        let kernel = self.pull.kernel;
        let reached = |id: &ValueId| self.pull.is_reached(*id);
        let loads = || kernel.values().filter(|(id, v)| reached(id) && matches!(v.kind, ValueKind::Load(_)));
        for (id, _) in kernel.values().filter(|(id, v)| reached(id) && v.space.per_row) {
            let Some(spread) = self.chosen_from(id).or_else(|| self.shelved_for(id)) else { continue };
            let index = spread.index(row);
            for (id, _) in loads().filter(|(_, v)| v.space.cols == spread.width) {
                self.pull.evaluate(id, &index);
            }
            for (id, v) in loads().filter(|(_, v)| v.space.cols == 1) {
                let one = self.pull.evaluate(id, &Index::new(vec![row], vec![Ix::constant(0)], None));
                self.asked(one, !v.space.per_row);
            }
            if self.team.scalars().is_none() {
                self.ask_for_tables(&spread, &index);
                continue;
            }
            for (_, value) in kernel.values().filter(|(id, _)| reached(id)) {
                let ValueKind::Gather { table, ref indices, .. } = value.kind else { continue };
                let param = kernel.param(table);
                let has_each = indices.len() == 1 && param.ty.shape[0].as_const() == Some(spread.width);
                if has_each && param.layout == Layout::Contiguous && !kernel.is_aliased(table) {
                    let value = self.pull.load(table, &Index { row: vec![Ix::constant(0)], ..index.clone() });
                    self.asked(value, false);
                    self.pull.hold_table(table, Rc::new(self.exchanged(value, &spread)));
                }
            }
            self.pull.machine.ask_first(self.b);
        }
    }

    /// Asks for tables of which the row's shelf may have an element for each of these columns.
    fn ask_for_tables(&self, spread: &Spread<'m>, index: &Index<'m>) {
        for table in shelves::tables(self.pull.kernel, spread.width) {
            let asked = |(known, ..): &(ParamId, u64, Lanes<'m>)| *known == table;
            if !self.asked_tables.borrow().iter().any(asked) {
                let lanes = self.pull.load(table, &Index { row: vec![Ix::constant(0)], ..index.clone() });
                self.asked_tables.borrow_mut().push((table, spread.width, lanes));
            }
        }
    }

    fn asked(&self, lanes: Lanes<'m>, uniform: bool) {
        let b = self.b;
        let ty = b.type_of(lanes.value);
        let words = match (b.width(b.element(ty)), b.lanes(ty)) {
            (32, lanes_of) => (0..lanes_of).map(|lane| b.extract(lanes.value, lane)).collect(),
            (16, 1) => vec![b.extui(lanes.value, b.int(32))],
            // It can be asked for later.
            _ => vec![],
        };
        self.asked.borrow_mut().extend(words.into_iter().map(|word| (word, uniform)));
    }

    /// Before a branch: what was asked for early has come, as that was long ago.
    pub(super) fn receive(&self) {
        self.pull.machine.receive(self.b, &self.asked.take());
    }

    /// What is gathered at chosen columns, and is known at all, comes from the lanes that know it.
    pub(super) fn hold_what_is_gathered(&self, chosen: ValueId, row: Ix<'m>) {
        let Some(spread) = self.chosen_from(chosen) else { return };
        let index = spread.index(row);
        for (_, value) in self.pull.kernel.values() {
            let ValueKind::GatherRow { value: of, index: by, .. } = value.kind else { continue };
            // A wider row has other columns too, which the lanes do not know.
            if by == chosen
                && self.pull.kernel.value(of).space.cols == spread.width
                && !self.pull.holds(of)
                && let Some(known) = self.pull.known(of, &index)
            {
                self.pull.hold(of, Rc::new(self.exchanged(known, &spread)));
            }
        }
    }

    fn exchanged(&self, lanes: Lanes<'m>, spread: &Rc<Spread<'m>>) -> Exchanged<'a, 'm> {
        let registers = Registers { lanes, spread: Rc::clone(spread), home: Home::Columns, elements: vec![] };
        let known = InLanes { b: self.b, ix: Rc::clone(&self.ix), team: Rc::clone(&self.team), registers };
        Exchanged { known, machine: self.pull.machine }
    }
}
