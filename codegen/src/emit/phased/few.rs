//! Few items: one block, of which a lane of a warp has one, and nothing is done for each bin.
//!
//! What every block would compute of counts is a function here, which is computed at the bins that somebody asks for ([`tables`]). Sums
//! of inputs, in which no item has a part, are made before all else. What is a row for each place is stored as if there were no items
//! while the ids are still under way, and where there are some it is stored again behind a barrier. Where the block makes the ids
//! itself ([`first_rows`](super::first_rows)), warps without a row do so.

use super::Phased;
use super::counting::Ids;
use super::first_rows::Share;
use super::tables::ENTRY;
use crate::emit::flat;
use crate::emit::pull::Pull;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::types::{memory_type, value_type};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::analysis::{Search, is_flat_over_empty, search, sums_inputs};
use routefuse_ir::kernel::phases::{MOST_FEW, Phase, Place, Reach};
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::schedule::room::is_before_items;

/// What is known of the item of each lane.
struct Item<'m> {
    /// The id as it is counted.
    id: Val<'m>,
    /// Its bin, `i32`, or −1.
    bin: Val<'m>,
}

impl<'m> Phased<'_, 'm> {
    pub(super) fn few(&self, domains: &[Vec<Domain>]) {
        let b = self.b;
        self.warps.let_next_begin(b);
        self.warps.wait_for_inputs(b);
        let phases = || self.phases.list.iter().zip(domains);
        for (phase, domains) in phases().filter(|(p, _)| sums_inputs(p)) {
            self.one_row(phase, domains);
        }
        let ranked = phases().find_map(|(p, d)| {
            let rank = p.kernel.values().find_map(|(id, v)| v.kind.row_value().map(|row| (id, row.value)))?;
            (p.reach == Reach::Ranked).then_some((p, d, rank))
        });
        let Some(counted) = self.phases.counted() else { return };
        let store = counted.kernel.stores[0];
        let (of, ids) = match ranked {
            Some((phase, _, (_, ids))) => (phase, ids),
            None => (counted, store.element().unwrap_or(store.value)),
        };
        let pull = self.pull_of(of);
        let ids = Ids { pull: &pull, ids, cols: pull.kernel.value(ids).space.cols, width: 1 };
        let items = self.short(ids.pull.ix.to_long(ids.items()));
        let is_first = b.cmpi(IntPredicate::Eq, self.warp, self.long(0));
        let is_stored = |phase: &Phase| matches!(phase.reach, Reach::Padding { .. } | Reach::Divided);
        let fill = |share: Share<'m>, of_rows: bool| {
            for (phase, domains) in phases().filter(|(p, _)| is_stored(p) && self.reads_rows(p) == of_rows) {
                self.store_rows(phase, domains, self.sparse_search(phase), share);
            }
        };
        let item = match (self.phases.rows(), self.first) {
            (Some(rows), Some(first)) => {
                let others = self.do_rows(rows, first);
                b.if_then(b.cmpi(IntPredicate::Sge, others.thread, self.long(0)), |_| fill(others, false));
                b.block_barrier();
                let item = self.item_of_lane(&ids, items, is_first);
                fill(self.everyone(), true);
                item
            }
            _ => {
                let item = self.item_of_lane(&ids, items, is_first);
                fill(self.everyone(), false);
                item
            }
        };
        let rank = b.if_then_else(is_first, &[b.int(32)], |_| vec![self.rank_few(&item)], |_| vec![self.word(0)])[0];
        b.block_barrier();
        for (phase, domains) in phases().filter(|(p, _)| is_stored(p)) {
            if self.looks_up(phase) && self.sparse_search(phase).is_none() {
                let pull = self.with_tables(phase, items);
                for domain in domains {
                    let piece = |index: &Index<'m>| pull.piece(&domain.stores, index);
                    self.rows(&pull, domain, self.everyone(), piece);
                }
            }
        }
        // Items are put over what is filled.
        if phases().any(|(p, _)| matches!(p.reach, Reach::Padding { .. }) && (self.looks_up(p) || self.reads_rows(p))) {
            b.block_barrier();
        }
        if let Some((phase, domains, (rank_value, ids))) = ranked {
            let lane = self.short(self.lane);
            let has_one = b.andi(is_first, b.cmpi(IntPredicate::Ult, lane, items));
            b.if_then(has_one, |_| {
                let pull = self.with_tables(phase, items);
                let ids = Ids { pull: &pull, ids, cols: pull.kernel.value(ids).space.cols, width: 1 };
                let index = ids.index(pull.ix.materialise(pull.ix.of_word(lane)));
                pull.remember(ids.ids, &index, Lanes::exact(item.id, 1));
                pull.remember(rank_value, &index, Lanes::exact(rank, 1));
                domains.iter().for_each(|d| pull.piece(&d.stores, &index));
            });
        }
        let mut others = 0;
        for (phase, domains) in phases().filter(|(p, _)| p.reach == Reach::Divided) {
            if let Some(search) = self.sparse_search(phase) {
                others += 1;
                self.store_bins(phase, domains, &search, (others, items));
            }
        }
        self.copy_few(items);
    }

    /// The search of a phase whose rows without a bin that has items are those behind the last bin.
    fn sparse_search(&self, phase: &Phase) -> Option<Search> {
        if phase.reach != Reach::Divided {
            return None;
        }
        let found = search(&phase.kernel)?;
        match phase.places[found.table.0 as usize] {
            Place::Shared(table) => is_flat_over_empty(self.phases, table).then_some(found),
            Place::Param(_) => None,
        }
    }

    fn item_of_lane(&self, ids: &Ids<'_, '_, 'm>, items: Val<'m>, is_first: Val<'m>) -> Item<'m> {
        let (b, ix) = (self.b, &ids.pull.ix);
        let lane = self.short(self.lane);
        let ty = value_type(b, ids.pull.kernel.value(ids.ids).dtype);
        let load = |_: &_| {
            ids.pull.scopes.scoped(|| {
                let index = ids.index(ix.materialise(ix.of_word(lane)));
                let (inside, bin) = ids.bins_at(self, &index)[0];
                let id = ids.pull.evaluate(ids.ids, &index).value;
                vec![id, b.select(inside, bin, self.word(u32::MAX))]
            })
        };
        let has_one = b.andi(is_first, b.cmpi(IntPredicate::Ult, lane, items));
        let none = |_: &_| vec![b.const_int(ty, 0), self.word(u32::MAX)];
        let of = b.if_then_else(has_one, &[ty, b.int(32)], load, none);
        Item { id: of[0], bin: of[1] }
    }

    /// Stores all rows of what asks for no table, and as rows behind the last bin those of what searches in one.
    fn store_rows(&self, phase: &Phase, domains: &[Domain], search: Option<Search>, share: Share<'m>) {
        let b = self.b;
        if !self.looks_up(phase) {
            let share = (share.thread, share.threads);
            return flat::gpu::pieces(self.job_of(phase), domains, self.arguments_of(phase), share);
        }
        let Some(search) = search else { return };
        let pull = self.with_tables(phase, self.word(0));
        let last = b.const_int(b.int(64), self.phases.bins() as i64);
        for domain in domains {
            self.rows(&pull, domain, share, |index| {
                pull.remember(search.value, index, Lanes::exact(last, 1));
                pull.piece(&domain.stores, index);
            });
        }
    }

    /// Goes through the rows and columns of a domain, which threads share.
    fn rows(&self, pull: &Pull<'_, 'm>, domain: &Domain, share: Share<'m>, body: impl FnOnce(&Index<'m>)) {
        let ix = &pull.ix;
        let end = ix.materialise(ix.times(Ix::value(pull.memory.rows(), 1), domain.cols));
        self.b.for_loop(ix.of_long(share.thread), end, ix.of_long(share.threads), |_, piece| {
            pull.scopes.scoped(|| {
                let piece = Ix::value(piece, 1);
                let (row, column) = (ix.divide(piece, domain.cols), ix.remainder(piece, domain.cols));
                body(&Index::new(vec![row], vec![column], Some((piece, domain.cols))));
            });
        });
    }

    /// The rank of the lane's item, −1 where it has no bin; and for whoever asks, which bins have items, how many, and what is summed.
    fn rank_few(&self, item: &Item<'m>) -> Val<'m> {
        let b = self.b;
        let zero = self.word(0);
        let counts = b.cmpi(IntPredicate::Sge, item.bin, zero);
        let (before, all) = self.alike((counts, b.maxsi(item.bin, zero)));
        let leads = b.andi(counts, b.cmpi(IntPredicate::Eq, before, zero));
        let bin = b.select(leads, item.bin, self.word(u32::MAX));
        let lane = self.short(self.lane);
        b.if_then(b.cmpi(IntPredicate::Ult, lane, self.word(MOST_FEW as u32)), |_| {
            for (number, sum) in self.summing().into_iter().enumerate() {
                let at = b.addi(lane, self.word(number as u32 * MOST_FEW as u32));
                let (low, high) =
                    sum.map_or((zero, zero), |(phase, value)| self.summand(phase, value, (item.bin, all)));
                let entry = b.gather_lanes(&[bin, all, low, high]);
                b.store(entry, self.word_at(self.room.ordered, b.muli(at, self.word(ENTRY))), 16);
            }
        });
        b.select(counts, before, self.word(u32::MAX))
    }

    /// Stores the rows of bins that have items: a lane of a warp has a bin.
    fn store_bins(&self, phase: &Phase, domains: &[Domain], search: &Search, (number, items): (u32, Val<'m>)) {
        let b = self.b;
        let Place::Shared(table) = phase.places[search.table.0 as usize] else { return };
        let lanes = self.warps.lanes();
        let warp = number % (self.threads / lanes);
        let lane = self.short(self.lane);
        let is_of_warp = b.cmpi(IntPredicate::Eq, self.warp, self.long(warp.into()));
        b.if_then(b.andi(is_of_warp, b.cmpi(IntPredicate::Ult, lane, items)), |_| {
            let bin = self.load_word(self.word_at(self.room.ordered, b.muli(lane, self.word(ENTRY))));
            b.if_then(b.cmpi(IntPredicate::Ne, bin, self.word(u32::MAX)), |_| {
                let pull = self.with_tables(phase, items);
                let up = |start: Val<'m>| {
                    let start = b.extui(start, b.int(64));
                    let up = b.addi(start, self.long(search.step - 1));
                    pull.ix.of_long(b.divui(up, self.long(search.step)))
                };
                let next = b.addi(bin, self.word(1));
                let starts = [bin, next].map(|bin| up(self.table_at(table, bin, items)));
                let end = b.minui(starts[1], pull.memory.rows());
                let from = b.minui(starts[0], end);
                let bin = b.extui(bin, b.int(64));
                b.for_loop(from, end, pull.ix.constant(1), |_, row| {
                    for domain in domains {
                        b.for_loop(
                            pull.ix.constant(0),
                            pull.ix.constant(domain.cols),
                            pull.ix.constant(1),
                            |_, column| {
                                pull.scopes.scoped(|| {
                                    let index = Index::new(vec![Ix::value(row, 1)], vec![Ix::value(column, 1)], None);
                                    pull.remember(search.value, &index, Lanes::exact(bin, 1));
                                    pull.piece(&domain.stores, &index);
                                });
                            },
                        );
                    }
                });
            });
        });
    }

    /// Outputs that would be in memory of every block. The last threads have the first elements.
    fn copy_few(&self, items: Val<'m>) {
        let b = self.b;
        let thread = b.subi(self.word(self.threads - 1), self.short(self.thread));
        for (shared, param) in &self.phases.copied {
            let ty = &self.phases.shared[*shared as usize];
            let count = ty.row_elements().unwrap_or(0);
            let element = memory_type(b, ty.dtype);
            let is_there = !self.is_function(Place::Shared(*shared));
            let memory = self.words_at(self.room.shared[*shared as usize]);
            b.for_loop(thread, self.word(count as u32), self.word(self.threads), |_, at| {
                let bits = if is_there {
                    b.load(b.gep(memory, at, element), element, ty.dtype.size() as u32, false)
                } else {
                    let value = self.table_at(*shared, at, items);
                    if ty.dtype == DType::Bool { b.extui(value, element) } else { value }
                };
                b.store(bits, b.gep(self.arguments.pointer(*param), at, element), ty.dtype.size() as u32);
            });
        }
    }

    /// Whether it reads what every block would have in its memory.
    fn looks_up(&self, phase: &Phase) -> bool {
        phase.places.iter().any(|p| self.is_function(*p))
    }

    /// Whether it is memory of every block that is a function here.
    pub(super) fn is_function(&self, place: Place) -> bool {
        matches!(place, Place::Shared(at) if !self.phases.is_of_rows(place) && !is_before_items(self.phases, at))
    }

    /// Whether it reads what rows have left in the block's memory.
    fn reads_rows(&self, phase: &Phase) -> bool {
        phase.places.iter().any(|p| self.phases.is_of_rows(*p))
    }

    /// The phases that sum, with what; or one that does not, where none does.
    pub(super) fn summing(&self) -> Vec<Option<(&Phase, ValueId)>> {
        let every_block = self.phases.list.iter().filter(|p| p.reach == Reach::EveryBlock && !sums_inputs(p));
        let sum = |p| {
            let phase: &Phase = p;
            phase.kernel.values.iter().find_map(|v| v.kind.row_value()).map(|row| Some((phase, row.value)))
        };
        let sums: Vec<_> = every_block.filter_map(sum).collect();
        if sums.is_empty() { vec![None] } else { sums }
    }
}
