//! Items that are ranked, one by one: what is made of a rank is made where it is known.
//!
//! A row whose ranks are written down and then read as a vector would wait for each of them to reach memory. So where all that is made
//! of ranks is made at their own columns, a column of a row is done before the next one.
//!
//! Mostly a rank is asked for to know a place: where its bin starts, and as many places on. Then the ranks are not counted at all. For
//! each bin there is a *cursor*, the next place of an item, which is at first the bin's start. An item behind its bin's last place
//! moves no cursor, since none after it has a place either.

use super::RowHost;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::types::memory_type;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::analysis::{may_trap, reached_from, starts_of_places};
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::{Kernel, ParamId, RowOp, RowValue, Store, ValueId, ValueKind};
use routefuse_ir::{DType, Dim};

/// The widest row whose columns are written out.
const UNROLLED: u64 = 32;

/// What is ranked, and what is made of it.
pub(super) struct Items {
    /// The ranks.
    pub rank: ValueId,
    /// The ids.
    pub ids: ValueId,
    /// Columns of a row.
    width: u64,
    bins: u64,
    /// The stores that ask for ranks.
    stores: Vec<u32>,
    /// The starts of bins and how many places there are, if ranks are asked for as places alone.
    places: Option<(ParamId, Dim)>,
}

/// The memory that goes on from item to item.
#[derive(Clone, Copy)]
pub(super) enum Seen<'m> {
    /// For each bin, how many items were seen.
    Counts(Val<'m>),
    /// For each bin, the next place of an item and the place behind the last.
    Cursors { next: Val<'m>, ends: Val<'m> },
}

impl Items {
    /// Those of a kernel in which a rank is the one row value that is made at columns of its own.
    pub fn of(kernel: &Kernel) -> Option<Items> {
        let rank_of = |(id, v): (ValueId, &_)| match v {
            ValueKind::RowValue(RowValue { op: RowOp::Rank { bins }, value, width }) => {
                Some((id, *bins, *value, *width))
            }
            _ => None,
        };
        let mut ranks = kernel.values().filter_map(|(id, v)| rank_of((id, &v.kind)));
        let (rank, bins, ids, width) = ranks.next().filter(|_| ranks.next().is_none())?;
        // Of every value, whether it asks for ranks.
        let mut asks = vec![false; kernel.values.len()];
        asks[rank.0 as usize] = true;
        for (id, value) in kernel.values() {
            if value.kind.operands().iter().any(|o| asks[o.0 as usize]) {
                let at_its_column = matches!(value.kind, ValueKind::Scalar(..) | ValueKind::Gather { .. });
                asks[id.0 as usize] = at_its_column.then_some(true)?;
            }
        }
        let stores: Vec<u32> = (0..kernel.stores.len() as u32)
            .filter(|s| kernel.stores[*s as usize].operands().any(|o| asks[o.0 as usize]))
            .collect();
        let wide = |s: &u32| kernel.store_cols(&kernel.stores[*s as usize]) == width;
        if may_trap(kernel)[ids.0 as usize] || !stores.iter().all(wide) {
            return None;
        }
        let place = |s: &u32| {
            let Store { param, value, put_at, .. } = kernel.stores[*s as usize];
            let starts = starts_of_places(kernel, put_at?, rank, ids)?;
            let [places] = kernel.param(param).ty.shape[..] else { return None };
            let ty = &kernel.param(starts).ty;
            let fits = ty.dtype == DType::I32 && ty.shape == [Dim::Const(bins + 1)];
            (fits && !asks[value.0 as usize]).then_some((starts, places))
        };
        let all: Option<Vec<_>> = stores.iter().map(place).collect();
        let places = all.and_then(|all| all.first().copied().filter(|first| all.iter().all(|other| other == first)));
        Some(Items { rank, ids, width, bins, stores, places })
    }

    /// Whether the ids lie in memory and nobody else wants them kept.
    pub fn reads_ids(&self, kernel: &Kernel) -> bool {
        let ValueKind::Load(param) = kernel.value(self.ids).kind else { return false };
        let others = kernel.stores.iter().enumerate().filter(|(s, _)| !self.stores.contains(&(*s as u32)));
        let asked = reached_from(&kernel.values, others.flat_map(|(_, s)| s.operands()));
        !kernel.is_aliased(param) && !asked[self.ids.0 as usize]
    }

    /// The domains without the stores that are done item by item.
    pub fn others(&self, domains: &[&Domain]) -> Vec<Domain> {
        let rest = |d: &&Domain| {
            let stores: Vec<u32> = d.stores.iter().copied().filter(|s| !self.stores.contains(s)).collect();
            (!stores.is_empty()).then(|| Domain { stores, ..(*d).clone() })
        };
        domains.iter().filter_map(rest).collect()
    }
}

impl<'m> RowHost<'_, 'm> {
    /// What is known before the first item. To be asked for at the beginning of the function.
    pub(super) fn before_items(&self, items: &Items) -> Seen<'m> {
        let (b, i32) = (self.b, self.b.int(32));
        let Some((starts, places)) = items.places else { return Seen::Counts(self.nothing_seen(items.bins)) };
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
            // None is below 0; whatever there were, nothing would be stored in front of the places.
            let first = b.maxsi(first, b.const_int(b.type_of(first), 0));
            let end = self.pull.memory.load_at(starts, &behind);
            self.stack.write_at(next, i32, 4, at[0], first);
            self.stack.write_at(ends, i32, 4, at[0], b.minsi(end, b.splat(most, at.len() as u32)));
        });
        for table in [next, ends] {
            self.stack.write_at(table, i32, 4, Ix::constant(items.bins), b.const_int(i32, 0));
        }
        Seen::Cursors { next, ends }
    }

    /// The items of a row, in order.
    pub(super) fn items_of_row(&self, items: &Items, seen: Seen<'m>, row: &Index<'m>) {
        let one = |column: Ix<'m>| self.pull.scopes.scoped(|| self.item(items, seen, &row.at(vec![column])));
        if items.width <= UNROLLED {
            (0..items.width).for_each(|column| one(Ix::constant(column)));
        } else {
            self.loop_over(items.width, 1, one);
        }
    }

    fn item(&self, items: &Items, seen: Seen<'m>, index: &Index<'m>) {
        let (b, pull, i32) = (self.b, &self.pull, self.b.int(32));
        let dtype = pull.kernel.value(items.ids).dtype;
        let id = pull.evaluate(items.ids, index);
        let bin = pull.bin_or_last(Lanes { lanes: 1, ..id }, dtype, items.bins);
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
                // Of no bin, nothing is before the end.
                let has_place = b.cmpi(IntPredicate::Slt, place, read(ends));
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
                        self.stack.write_at(next, i32, 4, bin, b.addi(place, b.const_int(i32, 1)));
                    });
                });
            }
        }
    }
}
