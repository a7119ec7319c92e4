//! Counts that no row asks for ([`counts_alone`](routefuse_ir::kernel::analysis::counts_alone)).
//!
//! A thread has whole rows. It counts their items into the block's memory, and stores what else is stored of them, for which it has loaded
//! them already. Of few rows one block has all, and makes the outputs of its counts. Of many rows each block has a chunk, whose counts it
//! leaves in the workspace. A warp of the launch behind has a column of the outputs then: its lanes add up the chunks.

use super::Phased;
use super::any_column::AnyColumn;
use super::counting::Ids;
use super::tables::columns;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::scopes::Scopes;
use crate::emit::pull::{Held, Pull};
use crate::mlir::builder::{Builder, IntPredicate, Val};
use routefuse_ir::Dim;
use routefuse_ir::kernel::analysis::{MOST_COLUMNS_OF_A_THREAD, MovedBin, moved_bin};
use routefuse_ir::kernel::phases::{MOST_CHUNKS, Phase, Place, Reach};
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::schedule::room::copies_of_counts;
use routefuse_ir::kernel::{Bounds, ParamId, ValueId, ValueKind};
use routefuse_ir::op::OutOfRange;
use std::rc::Rc;

/// Who makes outputs of counts, a column at a time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    /// Each thread of the one block, of the counts in the block's memory.
    Thread,
    /// Each warp of the launch, of the counts of chunks.
    Warp,
}

impl<'a, 'm> Phased<'a, 'm> {
    /// The whole launch, in one block.
    pub(super) fn count_alone(&self, domains: &[Vec<Domain>]) {
        self.warps.let_next_begin(self.b);
        self.warps.wait_for_inputs(self.b);
        // One block is enough, and there may be more.
        self.where_counts_are_asked_for(&|| {
            self.clear_counts();
            self.b.block_barrier();
            self.rows_of_threads(domains, None);
            self.b.block_barrier();
            self.outputs_of_counts(domains, Maker::Thread);
        });
    }

    /// The first of two launches: the rows of the block's chunk.
    pub(super) fn count_chunk_alone(&self, counted: &Phase, domains: &[Vec<Domain>]) {
        let b = self.b;
        self.warps.wait_for_inputs(b);
        // Not before: the blocks of more than two launches would crowd on some multiprocessors.
        self.warps.let_next_begin(b);
        self.clear_counts();
        let pull = self.pull_of(counted);
        let share = self.share(&self.counted(&pull, &[]));
        if let Some(rows) = self.phases.rows() {
            self.do_rows_of_chunk(rows, share.rows.into());
        }
        b.block_barrier();
        self.rows_of_threads(domains, Some(share.rows));
        b.block_barrier();
        let row = b.muli(self.short(self.block), self.word(self.phases.bins() as u32));
        self.each(self.phases.bins(), |bin| {
            b.store(self.count_of_block(bin), b.gep(self.chunks(), b.addi(row, bin), b.int(32)), 4);
        });
    }

    /// The second of two launches.
    pub(super) fn add_up_chunks(&self, domains: &[Vec<Domain>]) {
        self.warps.wait_for_inputs(self.b);
        self.warps.let_next_begin(self.b);
        self.outputs_of_counts(domains, Maker::Warp);
    }

    /// The counts of all copies become 0.
    fn clear_counts(&self) {
        let words = copies_of_counts(self.phases) * self.words_of_copy();
        self.clear(self.room.counts, words.next_multiple_of(4) as u32);
    }

    /// Words of a copy of the counts: one for each bin, and one for what has none.
    fn words_of_copy(&self) -> u64 {
        self.phases.bins() + 1
    }

    /// How many items of the block have this bin; both `i32`.
    fn count_of_block(&self, bin: Val<'m>) -> Val<'m> {
        let copy = |n: u64| self.load_word(self.word_at(self.room.counts + (n * self.words_of_copy()) as u32, bin));
        let counts: Vec<_> = (0..copies_of_counts(self.phases)).map(copy).collect();
        counts.into_iter().reduce(|x, y| self.b.addi(x, y)).unwrap_or_else(|| self.word(0))
    }

    /// How many items of all chunks have this bin, which is the same on all lanes of the warp; both `i32`.
    fn count_of_chunks(&self, bin: Val<'m>) -> Val<'m> {
        let (b, i32) = (self.b, self.b.int(32));
        let (lane, lanes) = (self.short(self.lane), self.warps.lanes());
        let blocks = self.short(self.blocks);
        let last = b.subi(blocks, self.word(1));
        let load = |n: u32| {
            let chunk = b.addi(lane, self.word(n * lanes));
            let row = b.muli(b.minui(chunk, last), self.word(self.phases.bins() as u32));
            (chunk, b.load(b.gep(self.chunks(), b.addi(row, bin), i32), i32, 4, false))
        };
        // All are on their way before one is looked at.
        let counts: Vec<_> = (0..MOST_CHUNKS as u32 / lanes).map(load).collect();
        let own = counts.into_iter().fold(self.word(0), |sum, (chunk, count)| {
            let is_one = b.cmpi(IntPredicate::Ult, chunk, blocks);
            b.addi(sum, b.select(is_one, count, self.word(0)))
        });
        self.warps.sum(b, own, lane)
    }

    /// Goes through all rows, or those from one on and before another, a thread each: counts their items, and stores what else is stored
    /// of them.
    fn rows_of_threads(&self, domains: &[Vec<Domain>], rows: Option<[Val<'m>; 2]>) {
        let b = self.b;
        let Some(counted) = self.phases.counted() else { return };
        let scopes = Scopes::new();
        let pull_of = |phase| {
            let pull = self.pull_in(phase, (&[&AnyColumn], Rc::clone(&scopes)), self.arguments_of(phase));
            pull.evaluate_uniforms();
            pull
        };
        let pull = pull_of(counted);
        let divided = self.phases.list.iter().zip(domains).filter(|(p, _)| p.reach == Reach::Divided);
        let divided: Vec<_> = divided.map(|(phase, domains)| (phase, pull_of(phase), domains)).collect();
        let ids = self.counted(&pull, &[]);
        let ix = &pull.ix;
        let [first, end] = rows.unwrap_or_else(|| [ix.constant(0), pull.memory.rows()]);
        // Neighbouring lanes add to different copies.
        let copy = b.andi(self.short(self.thread), self.word(copies_of_counts(self.phases) as u32 - 1));
        let copy = b.addi(b.muli(copy, self.word(self.words_of_copy() as u32)), self.word(self.room.counts));
        let scope = self.job.machine.atomic_scope();
        let whole = |row: Val<'m>, cols: u64| {
            let row = Ix::value(row, 1);
            Index::new(vec![row], (0..cols).map(Ix::constant).collect(), Some((ix.times(row, cols), cols)))
        };
        b.for_loop(b.addi(first, ix.of_long(self.thread)), end, ix.constant(self.threads.into()), |_, row| {
            scopes.scoped(|| {
                let mut loaded = vec![];
                self.load_whole(counted, &pull, &mut loaded, |cols| whole(row, cols));
                let items = ids.items_of_row(&whole(row, ids.cols), self.phases.bins());
                // All is read before anything is stored.
                let mut stored = vec![];
                for (phase, pull, domains) in &divided {
                    self.load_whole(phase, pull, &mut loaded, |cols| whole(row, cols));
                    for domain in *domains {
                        let index = whole(row, domain.cols);
                        let pulled = pull.pull(&domain.stores, &index, |value| value);
                        stored.extend(pulled.into_iter().map(|pulled| (pull, pulled, index.clone())));
                    }
                }
                // What has no bin is counted behind the last one: lanes part for no item.
                let none = self.word(self.phases.bins() as u32);
                let bins: Vec<_> = items.iter().map(|item| b.select(item.is_one, item.bin(&pull), none)).collect();
                for bin in bins {
                    b.atomic_add(self.word_at(0, b.addi(copy, bin)), self.word(1), 4, scope);
                }
                stored.iter().for_each(|(pull, pulled, index)| pull.store(pulled, index));
            });
        });
    }

    /// Loads what a phase reads of a row, all its columns together, and holds it. What was loaded for another phase is not loaded again.
    fn load_whole<'p>(
        &'p self,
        phase: &Phase,
        pull: &Pull<'p, 'm>,
        loaded: &mut Vec<(ParamId, Lanes<'m>)>,
        index: impl Fn(u64) -> Index<'m>,
    ) {
        for (id, value) in phase.kernel.values() {
            let (ValueKind::Load(param), true) = (&value.kind, value.space.per_row && pull.is_reached(id)) else {
                continue;
            };
            let Place::Param(of) = phase.places[param.0 as usize] else { continue };
            if value.space.cols > MOST_COLUMNS_OF_A_THREAD {
                continue;
            }
            let known = loaded.iter().find(|(known, _)| *known == of).map(|(_, lanes)| *lanes);
            let lanes = known.unwrap_or_else(|| pull.load(*param, &index(value.space.cols)));
            loaded.push((of, lanes));
            pull.hold(id, Rc::new(WholeRow { b: self.b, lanes }));
        }
    }

    /// Makes the outputs of counts. Of every other one the columns are given out from the last maker on.
    fn outputs_of_counts(&self, domains: &[Vec<Domain>], maker: Maker) {
        let b = self.b;
        let (own, all) = match maker {
            Maker::Thread => (self.short(self.thread), self.word(self.threads)),
            Maker::Warp => {
                let (warp, blocks) = (self.short(self.warp), self.short(self.blocks));
                // Neighbouring columns are those of different blocks.
                let own = b.addi(b.muli(warp, blocks), self.short(self.block));
                (own, b.muli(blocks, self.word(self.threads / self.warps.lanes())))
            }
        };
        let from_last = b.subi(b.subi(all, self.word(1)), own);
        let is_first = b.cmpi(IntPredicate::Eq, self.short(self.lane), self.word(0));
        // What all lanes of a warp know, one of them stores.
        let by_one = |store: &dyn Fn()| match maker {
            Maker::Thread => store(),
            Maker::Warp => b.if_then(is_first, |_| store()),
        };
        let count = |bin| self.count_by(maker, bin);
        let firsts = || [own, from_last].into_iter().cycle();
        let mut next = firsts();
        let mut each = |cols: u64, body: &dyn Fn(Val<'m>)| {
            let first = next.next().unwrap_or(own);
            b.for_loop(first, self.word(cols as u32), all, |_, column| body(column));
        };
        for (_, param) in self.phases.copied.iter().filter(|(shared, _)| *shared == 0) {
            let to = self.arguments.pointer(*param);
            each(self.phases.bins(), &|bin| {
                let count = count(bin);
                by_one(&|| b.store(count, b.gep(to, bin, b.int(32)), 4));
            });
        }
        let every_block = self.phases.list.iter().zip(domains).filter(|(p, _)| p.reach == Reach::EveryBlock);
        for (phase, domains) in every_block {
            let pull = self.pull_in(phase, (&[], Scopes::new()), self.arguments_with(phase, |at| self.output_of(at)));
            pull.evaluate_uniforms();
            for (id, value) in phase.kernel.values() {
                let of_counts = |param: &ParamId| phase.places[param.0 as usize] == Place::Shared(0);
                if matches!(&value.kind, ValueKind::Load(param) if of_counts(param)) {
                    pull.hold(id, Rc::new(Counts { of: self, maker, bits: pull.ix.bits() }));
                }
            }
            for domain in domains {
                each(domain.cols, &|column| {
                    pull.scopes.scoped(|| {
                        let index = Index::new(vec![Ix::constant(0)], vec![pull.ix.of_word(column)], None);
                        let pulled = pull.pull(&domain.stores, &index, |value| value);
                        by_one(&|| pull.scopes.scoped(|| pulled.iter().for_each(|p| pull.store(p, &index))));
                    });
                });
            }
        }
    }

    /// Where memory of a block would be copied to.
    fn output_of(&self, shared: u32) -> Val<'m> {
        let copied = self.phases.copied.iter().find(|(at, _)| *at == shared);
        copied.map_or_else(|| self.words_at(self.room.shared[shared as usize]), |(_, p)| self.arguments.pointer(*p))
    }

    fn count_by(&self, maker: Maker, bin: Val<'m>) -> Val<'m> {
        match maker {
            Maker::Thread => self.count_of_block(bin),
            Maker::Warp => self.count_of_chunks(bin),
        }
    }
}

/// A row that was loaded whole.
struct WholeRow<'a, 'm> {
    b: &'a Builder<'m>,
    lanes: Lanes<'m>,
}

impl<'m> Held<'m> for WholeRow<'_, 'm> {
    /// At columns that are known.
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        if index.column.iter().any(|column| column.base.is_some()) {
            return None;
        }
        let at = |column: &Ix<'m>| match self.lanes.lanes {
            1 => self.lanes.value,
            _ => self.b.extract(self.lanes.value, column.plus as u32),
        };
        let is_whole = |n: usize| index.column.len() == n && (0..).zip(&index.column).all(|(n, c)| c.plus == n);
        if is_whole(self.lanes.lanes as usize) {
            return Some(self.lanes);
        }
        let lanes: Vec<Val<'m>> = index.column.iter().map(at).collect();
        Some(Lanes::exact(self.b.gather_lanes(&lanes), lanes.len() as u32))
    }
}

/// The counts.
struct Counts<'p, 'a, 'm> {
    of: &'p Phased<'a, 'm>,
    maker: Maker,
    /// Of a column.
    bits: u32,
}

impl<'m> Held<'m> for Counts<'_, '_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        let bins = columns(self.of, self.bits, index);
        let counts: Vec<Val<'m>> = bins.into_iter().map(|bin| self.of.count_by(self.maker, bin)).collect();
        Some(Lanes::exact(self.of.b.gather_lanes(&counts), counts.len() as u32))
    }
}

/// An item of a row that a thread has.
struct Item<'m> {
    /// Whether it has a bin, `i1`.
    is_one: Val<'m>,
    /// What its bin is then, and where.
    bin: ValueId,
    index: Index<'m>,
}

impl<'m> Item<'m> {
    /// The bin, `i32`, of an item that has one.
    fn bin(&self, pull: &Pull<'_, 'm>) -> Val<'m> {
        let b = pull.b;
        let bin = pull.evaluate(self.bin, &self.index).value;
        match b.width(b.type_of(bin)) {
            32 => bin,
            bits if bits < 32 => b.extui(bin, b.int(32)),
            _ => b.trunci(bin, b.int(32)),
        }
    }
}

impl<'m> Ids<'_, '_, 'm> {
    /// The items of a row, one by one.
    fn items_of_row(&self, row: &Index<'m>, bins: u64) -> Vec<Item<'m>> {
        let pull = self.pull;
        let kernel = pull.kernel;
        let parts = match &kernel.value(self.ids).kind {
            // Parts that are there once.
            ValueKind::Concat(parts) if parts.iter().map(|p| p.1).sum::<u64>() == self.cols => parts.clone(),
            _ => vec![(self.ids, self.cols)],
        };
        let columns = parts.into_iter().flat_map(|(id, cols)| (0..cols).map(move |column| (id, column)));
        let item = |(id, column): (ValueId, u64)| {
            let index = row.at(vec![Ix::constant(column)]);
            if let Some(MovedBin { is_one, bin }) = moved_bin(kernel, id, bins) {
                return Item { is_one: pull.evaluate(is_one, &index).value, bin, index };
            }
            let dtype = kernel.value(id).dtype;
            let checked =
                pull.checked(pull.evaluate(id, &index), dtype, Dim::Const(bins), Bounds::Checked(OutOfRange::Pass));
            let is_one = checked.inside.unwrap_or_else(|| pull.b.const_bool(true));
            Item { is_one, bin: id, index }
        };
        columns.map(item).collect()
    }
}
