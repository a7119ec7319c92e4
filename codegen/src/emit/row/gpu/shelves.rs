//! What the lanes of a row with few others know of all columns of a selection, where any lane soon finds it: in shared memory.
//!
//! Where rows are few, a row waits for memory, so [nothing is asked of it twice](super::asked_early). A table that has an element
//! for each column of a selection is asked for whole before the columns are chosen, and what is wanted of the chosen columns,
//! and was computed of all of them on the way, is kept. Both go on the row's shelf, element by element in the order of the
//! columns. A word of shared memory is there in 30 cycles, where a table takes 300 and a sigmoid 150.

use super::spread::Spread;
use super::{RowGpu, unique_keys};
use crate::emit::pull::Held;
use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, Ix, neighbours};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::types::value_type;
use crate::machine::Warps;
use crate::machine::shelf::Shelf;
use crate::machine::team::Team;
use crate::mlir::builder::{Builder, Val};
use routefuse_ir::kernel::schedule::laid::Laid;
use routefuse_ir::kernel::schedule::room::MOST_SHARED_WORDS;
use routefuse_ir::kernel::schedule::{RowShape, Selecting};
use routefuse_ir::kernel::{Kernel, ParamId, RowOp, RowValue, ValueId, ValueKind};
use routefuse_ir::op::ReduceOp;
use routefuse_ir::{DType, Layout};
use std::rc::Rc;

/// Words of a row's shelf at most: 16 KiB, of which a multiprocessor has 14.
const MOST_WORDS: u64 = 4096;

/// Words of the shelves of all rows of a block at most: half of what it may share.
const MOST_WORDS_OF_BLOCK: u64 = MOST_SHARED_WORDS / 2;

/// Words that are stored at once.
const AT_ONCE: usize = 4;

/// Elements by column.
struct OnShelf<'a, 'm> {
    b: &'a Builder<'m>,
    ix: Rc<Indexing<'a, 'm>>,
    team: Rc<Team<'a, 'm>>,
    shelf: Shelf<'m>,
    dtype: DType,
    nans: Nans,
}

impl<'m> Held<'m> for OnShelf<'_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        let ty = value_type(self.b, self.dtype);
        let element = |column: &Ix<'m>| {
            let word = self.team.get(self.shelf, self.ix.to_word(*column));
            if self.dtype == DType::F32 { self.b.bitcast(word, ty) } else { word }
        };
        let elements: Vec<Val<'m>> = index.column.iter().map(element).collect();
        let value = self.b.gather_lanes(&elements);
        Some(Lanes { nans: self.nans, ..Lanes::exact(value, elements.len() as u32) })
    }
}

/// Whether rows of this shape have shelves: where they are few, and their lanes have no other way to what one of them knows.
fn applies(warps: &dyn Warps, shape: RowShape) -> bool {
    shape.selecting == Selecting::InRegisters && warps.scalars().is_none()
}

/// The columns from which a value is chosen, in one segment.
fn chosen_of(kernel: &Kernel, id: ValueId) -> Option<(ValueId, u64)> {
    match kernel.value(id).kind.row_value()? {
        RowValue { op: RowOp::TopK { .. }, value, width } if kernel.value(*value).space.cols == *width => {
            Some((*value, *width))
        }
        _ => None,
    }
}

/// Words of a row's shelf for one kernel.
pub(super) fn words(kernel: &Kernel, warps: &dyn Warps, shape: RowShape) -> u32 {
    if !applies(warps, shape) {
        return 0;
    }
    let of = |id: ValueId| {
        let (Some((_, width)), Some(row)) = (chosen_of(kernel, id), kernel.value(id).kind.row_value()) else {
            return 0;
        };
        // Where a softmax is chosen from by its logits, its elements are not computed at all columns.
        let (values, keys) = if unique_keys::are_in_rounds(kernel, warps, shape, row) {
            (0, 0)
        } else {
            // Where all threads of a block have a row, their sorted lists as well.
            let times = if shape.lanes > warps.lanes() { 2 } else { 1 };
            let keys = words_of_lanes(Laid::of(kernel, shape, 1, width).registers, shape.lanes);
            (gathered(kernel, id).len(), keys.saturating_mul(times))
        };
        let things = (tables(kernel, width).len() + values) as u64;
        width.next_multiple_of(AT_ONCE as u64).saturating_mul(things).saturating_add(keys)
    };
    // Sums of all threads of a block.
    let sum = |id: ValueId| match kernel.value(id).kind.row_value() {
        Some(RowValue { op: RowOp::Reduce(ReduceOp::Sum), value, width })
            if shape.lanes > warps.lanes() && kernel.value(*value).space.cols == *width =>
        {
            let Laid { span, registers, .. } = Laid::of(kernel, shape, 1, *width);
            if span == u64::from(shape.lanes) { words_of_lanes(registers, shape.lanes) } else { 0 }
        }
        _ => 0,
    };
    let words = kernel.values().map(|(id, _)| of(id).saturating_add(sum(id))).fold(0, u64::saturating_add);
    let of_block = MOST_WORDS_OF_BLOCK / u64::from(shape.rows());
    words.min(MOST_WORDS).min(of_block / 4 * 4) as u32
}

/// Words that so many of each lane take on a row's shelf.
pub(super) fn words_of_lanes(registers: u64, lanes: u32) -> u64 {
    registers.next_multiple_of(AT_ONCE as u64).saturating_mul(u64::from(lanes))
}

/// Tables of words that have one for each of so many columns.
pub(super) fn tables(kernel: &Kernel, width: u64) -> Vec<ParamId> {
    let mut tables = vec![];
    for (_, value) in kernel.values() {
        let ValueKind::Gather { table, ref indices, .. } = value.kind else { continue };
        let param = kernel.param(table);
        let has_each = indices.len() == 1 && param.ty.shape[0].as_const() == Some(width);
        let is_plain = param.layout == Layout::Contiguous && !kernel.is_aliased(table) && is_word(param.ty.dtype);
        if has_each && is_plain && !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables
}

/// Values of words that are wanted at the chosen columns, and are asked for at all columns before the choice.
fn gathered(kernel: &Kernel, chosen: ValueId) -> Vec<ValueId> {
    let Some((from, width)) = chosen_of(kernel, chosen) else { return vec![] };
    let mut asked = vec![false; kernel.values.len()];
    asked[from.0 as usize] = true;
    for (id, value) in kernel.values().rev() {
        if asked[id.0 as usize]
            && let ValueKind::Scalar(_, operands) = &value.kind
        {
            operands.iter().for_each(|operand| asked[operand.0 as usize] = true);
        }
    }
    let mut wanted = vec![];
    for (_, value) in kernel.values() {
        if let ValueKind::GatherRow { value: of, index, .. } = value.kind
            && index == chosen
            && asked[of.0 as usize]
            && kernel.value(of).space.cols == width
            && is_word(kernel.value(of).dtype)
            && !wanted.contains(&of)
        {
            wanted.push(of);
        }
    }
    wanted
}

fn is_word(dtype: DType) -> bool {
    dtype.bits() == 32
}

impl<'a, 'm> RowGpu<'a, 'm> {
    /// The spread of the columns from which a value is chosen, where its row has a shelf.
    pub(super) fn shelved_for(&self, id: ValueId) -> Option<Rc<Spread<'m>>> {
        let (_, width) = chosen_of(self.pull.kernel, id)?;
        applies(self.warps, self.shape).then(|| self.spreads.of(1, width))
    }

    /// Before columns are chosen: puts on the shelf what will be asked of them.
    pub(super) fn shelve(&self, chosen: ValueId, row: Ix<'m>) {
        let (kernel, Some(spread)) = (self.pull.kernel, self.shelved_for(chosen)) else { return };
        let Some(row_value) = kernel.value(chosen).kind.row_value() else { return };
        let mut some = false;
        let (for_these, others) =
            self.asked_tables.take().into_iter().partition(|(_, width, _): &(_, u64, _)| *width == spread.width);
        *self.asked_tables.borrow_mut() = others;
        let for_these: Vec<(ParamId, u64, Lanes<'m>)> = for_these;
        for (table, _, lanes) in for_these {
            if let Some(held) = self.put_on_shelf(lanes, kernel.param(table).ty.dtype, &spread) {
                self.pull.hold_table(table, held);
                some = true;
            }
        }
        if !unique_keys::are_in_rounds(kernel, self.warps, self.shape, row_value) {
            for of in gathered(kernel, chosen) {
                let known = self.pull.evaluate(of, &spread.index(row));
                if !self.pull.holds(of)
                    && let Some(held) = self.put_on_shelf(known, kernel.value(of).dtype, &spread)
                {
                    self.pull.hold(of, held);
                    some = true;
                }
            }
        }
        self.unsettled.set(some);
    }

    /// Before anybody reads what was put on the shelf.
    pub(super) fn settle_shelf(&self) {
        if self.unsettled.take() {
            self.team.settle_memory();
        }
    }

    /// Puts elements of all columns of a spread on the shelf, if there is room and none of them traps.
    fn put_on_shelf(&self, lanes: Lanes<'m>, dtype: DType, spread: &Spread<'m>) -> Option<Rc<dyn Held<'m> + 'a>> {
        if lanes.trap.is_some() {
            return None;
        }
        let (b, team) = (self.b, &self.team);
        let shelf = team.shelf(spread.width as u32)?;
        let word = |x: Val<'m>| if dtype == DType::F32 { b.bitcast(x, b.int(32)) } else { x };
        let words: Vec<Val<'m>> = self.registers(lanes.value, spread.columns.len()).into_iter().map(word).collect();
        let columns: Vec<Ix<'m>> = spread.columns.iter().map(|column| column.at).collect();
        let run = 1 << (spread.run.trailing_zeros().min(AT_ONCE.ilog2()));
        for (columns, words) in columns.chunks(run).zip(words.chunks(run)) {
            if neighbours(columns) && spread.columns[0].at.multiple.is_multiple_of(run as u64) {
                team.put(shelf, self.ix.to_word(columns[0]), words);
                continue;
            }
            for (column, word) in columns.iter().zip(words) {
                team.put(shelf, self.ix.to_word(*column), &[*word]);
            }
        }
        let (ix, team) = (Rc::clone(&self.ix), Rc::clone(&self.team));
        Some(Rc::new(OnShelf { b, ix, team, shelf, dtype, nans: lanes.nans }))
    }
}

/// Words of each lane of a row.
pub(super) struct OfLanes<'m> {
    shelf: Shelf<'m>,
    count: usize,
}

impl<'m> RowGpu<'_, 'm> {
    /// Puts words of every lane on the row's shelf, if it has room.
    pub(super) fn put_of_lane(&self, own: &[Val<'m>]) -> Option<OfLanes<'m>> {
        let shelf = self.team.shelf(words_of_lanes(own.len() as u64, self.team.lanes) as u32)?;
        for (piece, words) in (0..).zip(own.chunks(AT_ONCE)) {
            self.team.put(shelf, self.place(self.team.lane, piece), &filled(words, self.word(0)));
        }
        Some(OfLanes { shelf, count: own.len() })
    }

    /// The words of this lane.
    pub(super) fn get_of_lane(&self, of: &OfLanes<'m>, lane: Val<'m>) -> Vec<Val<'m>> {
        let mut words = vec![];
        for piece in 0..of.count.div_ceil(AT_ONCE) {
            let count = (of.count - words.len()).min(AT_ONCE);
            let loaded = self.team.get_some(of.shelf, self.place(lane, piece as u32), count.next_power_of_two() as u32);
            words.extend(loaded.into_iter().take(count));
        }
        words
    }

    /// Where a lane's piece lies: neighbouring lanes have neighbouring pieces.
    fn place(&self, lane: Val<'m>, piece: u32) -> Val<'m> {
        self.b.addi(self.b.muli(lane, self.word(AT_ONCE as u32)), self.word(piece * AT_ONCE as u32 * self.team.lanes))
    }
}

/// These words and as many more as make a power of two.
fn filled<'m>(words: &[Val<'m>], with: Val<'m>) -> Vec<Val<'m>> {
    let more = words.len().next_power_of_two() - words.len();
    words.iter().copied().chain(std::iter::repeat_n(with, more)).collect()
}
