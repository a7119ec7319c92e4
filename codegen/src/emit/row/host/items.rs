//! Items that are ranked, one by one: what is made of a rank is made where it is known.
//!
//! A row whose ranks are written down and then read as a vector would wait for each of them to reach memory. So where all that is made
//! of ranks is made at their own columns, a column of a row is done before the next one.
//!
//! Mostly a rank is asked for to know a place: where its bin starts, and as many places on. Then the ranks are not counted at all. For
//! each bin there is a *cursor*, the next place of an item, which is at first the bin's start. Places from the bin's end on are none.

use super::RowHost;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::types::memory_type;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::Dim;
use routefuse_ir::kernel::Store;
use routefuse_ir::kernel::analysis::{self, Items};
use routefuse_ir::kernel::schedule::Domain;

/// The widest row whose columns are written out.
const UNROLLED: u64 = 32;

/// The memory that goes on from item to item.
#[derive(Clone, Copy)]
pub(super) enum Seen<'m> {
    /// For each bin, how many items were seen.
    Counts(Val<'m>),
    /// For each bin, the next place of an item and the place behind the last.
    Cursors { next: Val<'m>, ends: Val<'m> },
}

/// The domains without the stores that are done item by item.
pub(super) fn others(items: &Items, domains: &[&Domain]) -> Vec<Domain> {
    let rest = |d: &&Domain| {
        let stores: Vec<u32> = d.stores.iter().copied().filter(|s| !items.stores.contains(s)).collect();
        (!stores.is_empty()).then(|| Domain { stores, ..(*d).clone() })
    };
    domains.iter().filter_map(rest).collect()
}

impl<'m> RowHost<'_, 'm> {
    /// What is known before the first item. To be asked for at the beginning of the function.
    pub(super) fn before_items(&self, items: &Items) -> Seen<'m> {
        let (b, i32) = (self.b, self.b.int(32));
        let Some((starts, places)) = items.places else {
            let counts = self.nothing_seen(items.bins);
            if let Some(before) = self.before {
                self.columns(Ix::constant(0), items.bins, |at| {
                    let seen = self.stack.read_at(before, i32, 4, at);
                    self.stack.write_at(counts, i32, 4, at[0], seen);
                });
            }
            return Seen::Counts(counts);
        };
        let [next, ends] = [(); 2].map(|()| self.stack.memory(i32, 4, items.bins + 1));
        let most = match places {
            Dim::Const(n) => b.const_int(b.int(64), n as i64),
            Dim::Sym(symbol) => self.pull.memory.extent_argument(symbol),
        };
        // No start is behind an i32's last number.
        let most = b.trunci(b.minui(most, b.const_int(b.int(64), i32::MAX.into())), i32);
        self.columns(Ix::constant(0), items.bins, |at| {
            let behind: Vec<Ix<'m>> = at.iter().map(|ix| ix.offset(1)).collect();
            let first = self.pull.memory.load_at(starts, at);
            // None is below 0; whatever there were, nothing would be stored in front of the places or behind them.
            let zero = b.const_int(b.type_of(first), 0);
            let first = b.maxsi(first, zero);
            let end = self.pull.memory.load_at(starts, &behind);
            let end = b.maxsi(b.minsi(end, b.splat(most, at.len() as u32)), zero);
            let first = match self.before {
                // Neither is more than an i32 holds, and so their sum is none that wraps to a small one.
                Some(before) => b.minui(b.addi(first, self.stack.read_at(before, i32, 4, at)), end),
                None => first,
            };
            self.stack.write_at(next, i32, 4, at[0], first);
            self.stack.write_at(ends, i32, 4, at[0], end);
        });
        for table in [next, ends] {
            self.stack.write_at(table, i32, 4, Ix::constant(items.bins), b.const_int(i32, 0));
        }
        Seen::Cursors { next, ends }
    }

    /// Counts the ids of rows, and behind the last bin those of none.
    pub(super) fn count_items(&self, [begin, end]: [Val<'m>; 2], counts: Val<'m>) {
        let (b, i32) = (self.b, self.b.int(32));
        let Some(items) = analysis::items(self.pull.kernel) else { return };
        self.clear_counts(counts, items.bins);
        b.for_loop(begin, end, b.const_int(b.int(64), 1), |_, row| {
            self.pull.scopes.scoped(|| {
                let row = Index::new(vec![Ix::value(row, 1)], vec![Ix::constant(0)], None);
                self.each_column(items.width, |column| {
                    let bin = self.bin_of(&items, &row.at(vec![column]));
                    let one_more = b.addi(self.stack.read_at(counts, i32, 4, &[bin]), b.const_int(i32, 1));
                    self.stack.write_at(counts, i32, 4, bin, one_more);
                });
            });
        });
    }

    /// Does this for the columns of a row, one after the other.
    fn each_column(&self, width: u64, one: impl Fn(Ix<'m>)) {
        if width <= UNROLLED {
            (0..width).for_each(|column| self.pull.scopes.scoped(|| one(Ix::constant(column))));
        } else {
            self.loop_over(width, 1, one);
        }
    }

    /// The bin of an item, or the number behind the last.
    fn bin_of(&self, items: &Items, index: &Index<'m>) -> Ix<'m> {
        let dtype = self.pull.kernel.value(items.ids).dtype;
        let id = self.pull.evaluate(items.ids, index);
        self.pull.bin_or_last(Lanes { lanes: 1, ..id }, dtype, items.bins)
    }

    /// The items of a row, in order.
    pub(super) fn items_of_row(&self, items: &Items, seen: Seen<'m>, row: &Index<'m>) {
        self.each_column(items.width, |column| self.item(items, seen, &row.at(vec![column])));
    }

    fn item(&self, items: &Items, seen: Seen<'m>, index: &Index<'m>) {
        let (b, pull, i32) = (self.b, &self.pull, self.b.int(32));
        let bin = self.bin_of(items, index);
        let read = |table: Val<'m>| self.stack.read_at(table, i32, 4, &[bin]);
        match seen {
            Seen::Counts(counts) => {
                let before = read(counts);
                self.stack.write_at(counts, i32, 4, bin, b.addi(before, b.const_int(i32, 1)));
                let last = b.const_int(pull.ix.ty(), items.bins as i64);
                let is_last = b.cmpi(IntPredicate::Eq, pull.ix.materialise(bin), last);
                let rank = b.select(is_last, b.const_int(i32, -1), before);
                pull.remember(items.rank, index, Lanes::exact(rank, 1));
                pull.piece(&items.stores, index);
            }
            Seen::Cursors { next, ends } => {
                let stored = |s: &u32| {
                    let Store { param, value, .. } = pull.kernel.stores[*s as usize];
                    (param, value, pull.bits_to_store(param, 1, pull.evaluate(value, index)))
                };
                let stored: Vec<_> = items.stores.iter().map(stored).collect();
                let place = read(next);
                // Starts and items are no more than an i32 holds, so no cursor wraps as an unsigned number.
                self.stack.write_at(next, i32, 4, bin, b.addi(place, b.const_int(i32, 1)));
                // Of no bin, nothing is before the end.
                let has_place = b.cmpi(IntPredicate::Ult, place, read(ends));
                b.if_then(has_place, |_| {
                    pull.scopes.scoped(|| {
                        let at = Ix::value(b.extui(place, pull.ix.ty()), 1);
                        for (param, value, bits) in stored {
                            b.made_for(value.0, || {
                                let element = memory_type(b, pull.kernel.param(param).ty.dtype);
                                let at = pull.memory.table_offset(param, &[at]);
                                let (pointer, align) = pull.memory.address(param, at, element);
                                b.store(bits, pointer, align as u32);
                            });
                        }
                    });
                });
            }
        }
    }
}
