//! What every block would compute of counts, at the bins that somebody asks for, where few bins have items.
//!
//! A list in the block's memory has an entry for each lane of a warp: the bin, if its item is the first one of it, and else a number
//! that is no bin's; how many items it has; and what the bin adds to a running sum, which has a list of its own. A count is found by
//! looking for a bin, and a running sum is that of the entries up to a bin.

use super::Phased;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::types::value_type;
use crate::emit::pull::{Held, Pull};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::analysis::sums_fit_a_word;
use routefuse_ir::kernel::phases::{MOST_FEW, Phase, Place, Reach};
use routefuse_ir::kernel::{ValueId, ValueKind};
use std::rc::Rc;

/// Words of an entry: the bin, its items, and what it adds, the low word first.
pub(super) const ENTRY: u32 = 4;

/// Entries that are looked at together, where the items of a row are as few; it divides those of a list. On an H100 eight instead of
/// four, by which four rows of eight items took 2.38 µs with their router and 2.53 before, took 0.04 longer for one row of two or four.
const TOGETHER: u32 = 8;

/// The same where a row has more items: nine of them are gone through at once. Eight took 2.38 µs for one row, and sixteen 2.32.
const MORE_TOGETHER: u32 = 16;

impl<'a, 'm> Phased<'a, 'm> {
    /// What pulls the values of a phase; tables are what they are for so many items, `i32`.
    pub(super) fn with_tables<'p>(&'p self, phase: &'p Phase, items: Val<'m>) -> Pull<'p, 'm>
    where
        'a: 'p,
    {
        let pull = self.pull_of(phase);
        for (id, value) in phase.kernel.values() {
            match &value.kind {
                ValueKind::Load(param) => {
                    if let Some(table) = self.table(phase.places[param.0 as usize]) {
                        pull.hold(id, Rc::new(Table { of: self, table, items, pull_bits: pull.ix.bits() }));
                    }
                }
                ValueKind::RowValue(row) if phase.reach == Reach::EveryBlock => {
                    let sum = (phase, id, row.value);
                    pull.hold(id, Rc::new(Sum { of: self, sum, items, pull_bits: pull.ix.bits() }));
                }
                _ => {}
            }
        }
        for (param, place) in (0..).zip(&phase.places) {
            if let Some(table) = self.table(*place) {
                let held = Table { of: self, table, items, pull_bits: pull.ix.bits() };
                pull.hold_table(routefuse_ir::kernel::ParamId(param), Rc::new(held));
            }
        }
        pull
    }

    /// The memory of the block that this would be, unless it is there: rows have stored it, or it holds sums of inputs.
    fn table(&self, place: Place) -> Option<u32> {
        match place {
            Place::Shared(table) if self.is_function(place) => Some(table),
            _ => None,
        }
    }

    /// An element of memory of the block: `column` is `i32`.
    pub(super) fn table_at(&self, table: u32, column: Val<'m>, items: Val<'m>) -> Val<'m> {
        let b = self.b;
        if table == 0 {
            return self.over_entries(0, items, &[self.word(0)], |entry, sums| {
                let is_it = b.cmpi(IntPredicate::Eq, b.extract(entry, 0), column);
                vec![b.addi(sums[0], b.select(is_it, b.extract(entry, 1), self.word(0)))]
            })[0];
        }
        let stored = self.phases.list.iter().filter(|p| p.reach == Reach::EveryBlock).flat_map(|p| {
            let stores = p.kernel.stores.iter().filter(|s| p.places[s.param.0 as usize] == Place::Shared(table));
            stores.map(move |s| (p, s.value))
        });
        let Some((phase, value)) = stored.last() else { return self.word(0) };
        let pull = self.with_tables(phase, items);
        let index = Index::new(vec![Ix::constant(0)], vec![pull.ix.of_word(column)], None);
        pull.evaluate(value, &index).value
    }

    /// What a bin with so many items adds to a running sum: the low and the high word. Bin and items are `i32`.
    pub(super) fn summand(
        &self,
        phase: &Phase,
        value: ValueId,
        (bin, items): (Val<'m>, Val<'m>),
    ) -> (Val<'m>, Val<'m>) {
        let b = self.b;
        let pull = self.pull_of(phase);
        for (id, of) in phase.kernel.values() {
            if matches!(of.kind, ValueKind::Load(_)) {
                let ty = value_type(b, of.dtype);
                pull.hold(id, Rc::new(Given(if b.width(ty) == 32 { items } else { b.const_int(ty, 0) })));
            }
        }
        let index = Index::new(vec![Ix::constant(0)], vec![pull.ix.of_word(bin)], None);
        let adds = pull.evaluate(value, &index).value;
        let long = if b.width(b.type_of(adds)) < 64 { b.extui(adds, b.int(64)) } else { adds };
        (self.short(long), self.short(b.shrui(long, self.long(32))))
    }

    /// Goes through the entries of a list, as many as there are items or a few more, which are no bin's.
    fn over_entries(
        &self,
        list: u32,
        items: Val<'m>,
        first: &[Val<'m>],
        body: impl Fn(Val<'m>, &[Val<'m>]) -> Vec<Val<'m>>,
    ) -> Vec<Val<'m>> {
        let b = self.b;
        let four = b.lanes_of(b.int(32), ENTRY);
        let words = self.room.ordered + list * MOST_FEW as u32 * ENTRY;
        let together = if self.phases.items() <= u64::from(TOGETHER) { TOGETHER } else { MORE_TOGETHER };
        b.for_loop_carrying((self.word(0), items, self.word(together)), first, |_, at, sums| {
            let at = b.muli(at, self.word(ENTRY));
            let load = |n: u32| b.load(self.word_at(words + n * ENTRY, at), four, 16, false);
            let entries: Vec<_> = (0..together).map(load).collect();
            entries.into_iter().fold(sums.to_vec(), |sums, entry| body(entry, &sums))
        })
    }

    /// The running sum up to a column, `i32`.
    fn sum_at(&self, (phase, id, value): (&Phase, ValueId, ValueId), column: Val<'m>, items: Val<'m>) -> Val<'m> {
        let b = self.b;
        let of = phase.kernel.value(value).space.cols;
        let list = self.summing().iter().position(|sum| sum.is_some_and(|(p, v)| std::ptr::eq(p, phase) && v == value));
        let ty = value_type(b, phase.kernel.value(id).dtype);
        let bits = if b.width(ty) <= 32 || sums_fit_a_word(phase, value, of) { 32 } else { 64 };
        let zero = b.const_int(b.int(bits), 0);
        let sum = self.over_entries(list.unwrap_or(0) as u32, items, &[zero], |entry, sums| {
            let is_up_to = b.cmpi(IntPredicate::Ule, b.extract(entry, 0), column);
            let low = b.extract(entry, 2);
            let adds = match bits {
                32 => low,
                _ => {
                    let high = b.shli(b.extui(b.extract(entry, 3), b.int(64)), self.long(32));
                    b.ori(high, b.extui(low, b.int(64)))
                }
            };
            vec![b.addi(sums[0], b.select(is_up_to, adds, zero))]
        })[0];
        match b.width(ty).cmp(&bits) {
            std::cmp::Ordering::Less => b.trunci(sum, ty),
            std::cmp::Ordering::Equal => sum,
            std::cmp::Ordering::Greater => b.extui(sum, ty),
        }
    }
}

/// A memory of the block.
struct Table<'p, 'a, 'm> {
    of: &'p Phased<'a, 'm>,
    table: u32,
    items: Val<'m>,
    pull_bits: u32,
}

/// A running sum.
struct Sum<'p, 'a, 'm> {
    of: &'p Phased<'a, 'm>,
    sum: (&'p Phase, ValueId, ValueId),
    items: Val<'m>,
    pull_bits: u32,
}

/// A value that is there.
struct Given<'m>(Val<'m>);

/// The columns of an index of so many bits, `i32`.
pub(super) fn columns<'m>(of: &Phased<'_, 'm>, bits: u32, index: &Index<'m>) -> Vec<Val<'m>> {
    let b = of.b;
    let word = |column: &Ix<'m>| {
        let Some(base) = column.base else { return of.word(column.plus as u32) };
        let base = if bits > 32 { b.trunci(base, b.int(32)) } else { base };
        b.addi(base, of.word(column.plus as u32))
    };
    index.column.iter().map(word).collect()
}

impl<'m> Held<'m> for Table<'_, '_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        let at = |column: &Val<'m>| self.of.table_at(self.table, *column, self.items);
        let values: Vec<Val<'m>> = columns(self.of, self.pull_bits, index).iter().map(at).collect();
        Some(Lanes::exact(self.of.b.gather_lanes(&values), values.len() as u32))
    }
}

impl<'m> Held<'m> for Sum<'_, '_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        let at = |column: &Val<'m>| self.of.sum_at(self.sum, *column, self.items);
        let values: Vec<Val<'m>> = columns(self.of, self.pull_bits, index).iter().map(at).collect();
        Some(Lanes::exact(self.of.b.gather_lanes(&values), values.len() as u32))
    }
}

impl<'m> Held<'m> for Given<'m> {
    fn read(&self, _: &Index<'m>) -> Option<Lanes<'m>> {
        Some(Lanes::exact(self.0, 1))
    }
}
