//! Row schedules on GPUs: the lanes of a team own a row and hold its values in their registers.
//!
//! Every value is asked for at a [`Spread`] of its columns over the lanes, which is an index like any other. Row values are
//! computed in the order of the kernel and held; what stores ask for is pulled, a narrow store's column by the lane of that
//! number. A column that another lane holds comes by shuffle, any other value at another column is computed there.
//!
//! Lanes talk only where all of them are: a loop over rows takes as many turns for all lanes of a warp (of a block, where one
//! has a row), a row past the end is computed as the last one, and only stores are under a condition.
//!
//! How many lanes a row has is asked of the [`Team`] and of the [`Spread`]s: another shape (several rows a warp, several warps a
//! row) is theirs, and the algorithms beside them do not notice.

mod ahead;
mod asked_early;
mod begun;
mod bin_rank;
mod columns_of_keys;
mod cumsum;
mod enough_blocks;
mod exchange;
mod groups_by_logits;
mod in_lanes;
mod in_pieces;
mod kept_rounds;
mod key_order;
mod keys_alone;
mod memory;
mod merge;
mod pair_keys;
mod places;
mod quick_keys;
mod rank;
mod reduce;
mod rounds;
mod rows_by_warp;
mod score_table;
mod shelves;
mod softmax_by_logits;
mod sorted;
mod sorted_floats;
mod sorting_network;
mod spread;
mod topk;
mod unique_keys;

use super::{Rows, Segments, Selection};
use crate::emit::entry_point;
use crate::emit::peephole::streamed_load::StreamedLoad;
use crate::emit::peephole::{Peephole, Peepholes, bf16_pairs, chosen};
use crate::emit::pull::arguments::Arguments;
use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, IndexKey, Ix};
use crate::emit::pull::job::Job;
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::lanewise::{Lanewise, WidenBf16};
use crate::emit::pull::scopes::{ScopedMap, Scopes};
use crate::emit::pull::store::Pulled;
use crate::emit::pull::{Pull, Shortcut, Ways};
use crate::machine::Warps;
use crate::machine::team::Team;
use crate::mlir::builder::{Builder, Coordinate, IntPredicate, Val};
pub(in crate::emit) use begun::Begun;
use enough_blocks::enough_blocks;
use groups_by_logits::GroupKeys;
use in_lanes::{Home, InLanes, Registers, part};
use key_order::KeyOrder;
use rank::KeysOf;
use routefuse_ir::kernel::abi::STATIC_SHARED_BYTES;
use routefuse_ir::kernel::schedule::room::chosen_columns;
use routefuse_ir::kernel::schedule::{Domain, RowShape, Selecting};
use routefuse_ir::kernel::{Kernel, ParamId, ValueId, analysis};
use routefuse_ir::op::{ReduceOp, TopKOrder};
use score_table::ByTable;
use softmax_by_logits::ByLogits;
use spread::{Spread, Spreads};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use unique_keys::{Chosen, UniqueKeys};

/// Blocks of a launch that lets the next kernel go. On an H100, with four blocks for each of its 132 multiprocessors, a router of 512
/// rows took 1.77 µs as a dependent and 2.12 else; with 1,024 small blocks that let it go after the choice a launch took 0.48 µs longer.
const MOST_BLOCKS_BEFORE_NEXT: i64 = 512;

/// The same where rows are few and have one warp each at most: blocks that are all there at once, and say so when they begin. On an
/// H100 1,024 of them take as long as without, and the next kernel up to 0.5 µs less.
const MOST_SMALL_BLOCKS_BEFORE_NEXT: i64 = 2048;

/// Columns of a row that are chosen where rows are few and the next kernel is let go at once. With 22 the assembler was short of a
/// register for it, and a launch took 3 % longer.
const MOST_CHOSEN_AT_ONCE: u64 = 16;

/// Rows of this shape are few: what one waits for counts, and not how much is done.
fn is_few(shape: RowShape) -> bool {
    shape.selecting == Selecting::InRegisters
}

/// Emits the kernel: a team of lanes has a row, or one after the other.
pub(in crate::emit) fn emit(
    job: Job<'_, '_>,
    warps: &dyn Warps,
    shape: RowShape,
    domains: &[Domain],
    peepholes: Peepholes,
) {
    let enough = enough_blocks(job.kernel, shape, job.machine);
    let words = shared_words(job.kernel, warps, shape);
    // All of what the launch asks for: however little it is, the code must not say some of it as well.
    let words = if shape.table > 0 { words.max(STATIC_SHARED_BYTES / 4 + 1) } else { words };
    entry_point::gpu(job, (shape.threads, words), enough, |arguments| {
        emit_rows(job, warps, shape, (domains, peepholes), arguments, Begun::No);
    });
}

/// Words that the blocks of a kernel share, from the first one on.
pub(in crate::emit) fn shared_words(kernel: &Kernel, warps: &dyn Warps, shape: RowShape) -> u32 {
    memory::shared(kernel, warps, shape).words(shape, warps)
}

/// Emits the rows where the code is.
pub(in crate::emit) fn emit_rows<'m>(
    job: Job<'_, 'm>,
    warps: &dyn Warps,
    shape: RowShape,
    (domains, peepholes): (&[Domain], Peepholes),
    arguments: Arguments<'m>,
    begun: Begun<'m>,
) {
    // A kernel of one row has none to go on with.
    let shape = RowShape { persistent: shape.persistent && job.kernel.rows.is_some(), ..shape };
    let shared = memory::shared(job.kernel, warps, shape);
    let b = job.b;
    let table = ByTable::of(job, shape);
    let mut shortcuts = chosen(peepholes, &[(Peephole::StreamedLoad, &StreamedLoad)]);
    shortcuts.extend(table.as_ref().map(|table| table as &dyn Shortcut<'m>));
    let widen_bf16 = peepholes.has(Peephole::Bf16Pairs).then_some(bf16_pairs::widened as WidenBf16<'_>);
    let scopes = Scopes::new();
    let ways = Ways { shortcuts: &shortcuts, widen_bf16 };
    let pull = Rc::new(Pull::new(job, Rc::clone(&scopes), arguments, ways));
    let thread = b.coordinate(Coordinate::Thread);
    let team = Rc::new(Team::new(b, warps, shape, shared, b.trunci(thread, b.int(32))));
    let spreads = Spreads::new(b, job.kernel, &pull.ix, &team, shape);
    spreads.declare(domains);
    if let Some(table) = &table {
        table.fill(&pull, thread, shape.threads);
    }
    RowGpu::new(pull, warps, (shape, team), spreads, (peepholes, begun)).rows(shape, thread, domains);
}

/// The owner.
struct RowGpu<'a, 'm> {
    b: &'a Builder<'m>,
    pull: Rc<Pull<'a, 'm>>,
    ix: Rc<Indexing<'a, 'm>>,
    lanewise: Rc<Lanewise<'a, 'm>>,
    warps: &'a dyn Warps,
    shape: RowShape,
    /// The lanes of a row.
    team: Rc<Team<'a, 'm>>,
    spreads: Spreads<'a, 'm>,
    /// Rank keys that were emitted.
    keys: ScopedMap<KeysOf, Lanes<'m>>,
    /// A lane's best rank keys, sorted, by how many they are; or floats in their place.
    lists: ScopedMap<(KeysOf, u64, KeyOrder), Rc<[Val<'m>]>>,
    /// All columns are chosen by keys of pairs, where they are many.
    chooses_by_pairs: bool,
    /// By value, whether no element of it, a float, is −0.0.
    no_negative_zero: Vec<bool>,
    peepholes: Peepholes,
    /// Unique keys that were emitted.
    unique: ScopedMap<(KeysOf, u64), UniqueKeys<'m>>,
    /// Words of a row that were asked for early and that nothing has waited for, each with whether it is the same in all lanes.
    asked: RefCell<Vec<(Val<'m>, bool)>>,
    /// Tables that were asked for early and are on no shelf yet: for selections from how many columns, and the own columns' elements.
    asked_tables: RefCell<Vec<(ParamId, u64, Lanes<'m>)>>,
    /// Something was put on the row's shelf that not all of its lanes can read yet.
    unsettled: Cell<bool>,
    /// What was chosen of a value before what it is made of was known.
    chosen_first: ScopedMap<(ValueId, IndexKey), Chosen<'m>>,
    /// Of a value of groups, whether each is chosen from, where that was known before the value; a lane has a group.
    kept_first: ScopedMap<ValueId, Lanes<'m>>,
    /// What is known of a choice from a softmax before the softmax is.
    by_logits: ScopedMap<(ValueId, IndexKey), ByLogits<'m>>,
    /// By the largest elements of groups, the keys that say before them which groups are chosen from; several lanes have a group.
    group_keys: ScopedMap<ValueId, GroupKeys<'m>>,
    /// Row values that nobody asks for any more.
    unneeded: RefCell<Vec<ValueId>>,
    /// A row is done once more, by what the contract says.
    by_the_letter: Cell<bool>,
    /// What was made piece by piece and lies where the lane's keys do.
    made: Cell<Option<(ValueId, Nans)>>,
    begun: Begun<'m>,
}

impl<'a, 'm> RowGpu<'a, 'm> {
    fn new(
        pull: Rc<Pull<'a, 'm>>,
        warps: &'a dyn Warps,
        (shape, team): (RowShape, Rc<Team<'a, 'm>>),
        spreads: Spreads<'a, 'm>,
        (peepholes, begun): (Peepholes, Begun<'m>),
    ) -> RowGpu<'a, 'm> {
        let scopes = Rc::clone(&pull.scopes);
        RowGpu {
            b: pull.b,
            ix: Rc::clone(&pull.ix),
            lanewise: Rc::clone(&pull.lanewise),
            warps,
            shape,
            team,
            spreads,
            keys: ScopedMap::new(&scopes),
            lists: ScopedMap::new(&scopes),
            chooses_by_pairs: exchange::chooses_by_pairs(pull.kernel, pull.machine),
            no_negative_zero: analysis::no_negative_zero(pull.kernel),
            peepholes,
            unique: ScopedMap::new(&scopes),
            asked: RefCell::default(),
            asked_tables: RefCell::default(),
            unsettled: Cell::new(false),
            chosen_first: ScopedMap::new(&scopes),
            kept_first: ScopedMap::new(&scopes),
            by_logits: ScopedMap::new(&scopes),
            group_keys: ScopedMap::new(&scopes),
            unneeded: RefCell::default(),
            by_the_letter: Cell::new(false),
            made: Cell::new(None),
            begun,
            pull,
        }
    }

    /// Rows are few: what one waits for counts, and not how much is done.
    fn few(&self) -> bool {
        is_few(self.shape)
    }

    /// The next kernel begins before columns are chosen.
    fn lets_next_begin_at_once(&self) -> bool {
        self.few() && !self.shape.persistent && chosen_columns(self.pull.kernel) <= MOST_CHOSEN_AT_ONCE
    }

    /// Until here nothing is read of memory. Then comes what is the same in all rows.
    fn begin(&self) {
        if self.begun.is_to_begin() {
            self.warps.wait_for_inputs(self.b);
            if self.lets_next_begin_at_once() {
                self.let_next_begin();
            }
        }
        self.compute_row_values(false, Ix::constant(0));
        self.pull.evaluate_uniforms();
    }

    /// Lets the next kernel begin: where rows are few, at once, since all blocks are there, and the blocks of the next kernel are
    /// when this one ends; else once columns are chosen, since blocks that wait take the room of such as have work. Where there are
    /// more blocks than those of the next kernel would find room beside, it is not let go: a launch of many small blocks takes
    /// longer if each says so.
    fn let_next_begin(&self) {
        if self.pull.machine.waits_for_inputs() {
            let (b, blocks) = (self.b, self.warps.blocks(self.b));
            let most = match self.few() && self.shape.lanes <= self.warps.lanes() {
                true => MOST_SMALL_BLOCKS_BEFORE_NEXT,
                false => MOST_BLOCKS_BEFORE_NEXT,
            };
            let few = b.cmpi(IntPredicate::Ule, blocks, b.const_int(b.int(64), most));
            b.if_then(few, |b| self.warps.let_next_begin(b));
        }
    }

    /// The loop. Rows of a warp lie side by side, and so do those of a block that does not go on with others.
    fn rows(&self, shape: RowShape, thread: Val<'m>, domains: &[Domain]) {
        let b = self.b;
        if shape.persistent {
            self.warps.let_next_begin(b);
        }
        // Every block has a row, and so a warp that waits, before which the kernel does not end. All that a row needs to know of
        // itself is known before.
        let loops = shape.persistent || matches!(self.begun, Begun::Rows { .. });
        // And what is the same in all rows is all that a kernel of one row computes: what a warp without that row would read, the row may
        // have stored already, in place.
        let begins_in_row = !loops && (self.pull.machine.waits_for_inputs() || self.pull.kernel.rows.is_none());
        if !begins_in_row {
            self.begin();
        }
        // Where indices are words, so are the numbers of rows, if no block goes on: none begins 2³¹ rows behind the last.
        let in_words = !loops && self.ix.bits() < 64 && self.pull.machine.counts_rows_in_words();
        let ty = if in_words { self.ix.ty() } else { b.int(64) };
        let number = |n: u32| b.const_int(ty, i64::from(n));
        let of_long = |long: Val<'m>| if in_words { self.ix.of_long(long) } else { long };
        let (thread, block) = (of_long(thread), || of_long(b.coordinate(Coordinate::Block)));
        // Threads that go through the loop together, and their rows.
        let together = shape.lanes.max(self.warps.lanes());
        let rows_together = together / shape.lanes;
        let unit = b.shrui(thread, number(together.trailing_zeros()));
        // Where blocks go on, those of all of them take turns, so that all multiprocessors have as many of the last rows.
        let first = match self.begun {
            Begun::Rows { first, .. } => b.addi(first, b.muli(unit, number(rows_together))),
            Begun::No | Begun::Launch if shape.persistent => {
                let before = b.addi(b.muli(unit, self.warps.blocks(b)), block());
                b.muli(before, number(rows_together))
            }
            Begun::No | Begun::Launch => {
                let block = b.muli(block(), number(shape.rows()));
                b.addi(block, b.muli(unit, number(rows_together)))
            }
        };
        let end = match self.begun {
            Begun::Rows { end, .. } => end,
            _ if in_words => self.pull.memory.rows(),
            _ => self.ix.to_long(self.pull.memory.rows()),
        };
        let in_unit = b.andi(thread, number(together - 1));
        let own = b.shrui(in_unit, number(shape.lanes.trailing_zeros()));
        let less = if in_words { IntPredicate::Ult } else { IntPredicate::Slt };
        let body = |first: Val<'m>| {
            self.pull.scopes.scoped(|| {
                if begins_in_row {
                    self.begin();
                }
                let (row, valid) = if rows_together > 1 {
                    let row = b.addi(first, own);
                    let valid = b.cmpi(less, row, end);
                    (b.select(valid, row, b.subi(end, number(1))), Some(valid))
                } else {
                    (first, None)
                };
                let row = if in_words { row } else { self.ix.of_long(row) };
                self.row(Ix::value(row, 1), valid, domains);
            });
            self.team.end_of_turn();
        };
        if matches!(self.begun, Begun::Rows { .. }) {
            self.team.each_turn((first, end, number(shape.rows())), body);
        } else if shape.persistent {
            self.load_ahead(domains);
            let step = b.muli(self.warps.blocks(b), number(shape.rows()));
            // Words in the place of pairs of them, where they do: they are kept over all rows.
            let [first, end, step] = [first, end, step].map(|n| self.ix.of_long(n));
            self.team.each_turn((first, end, step), |first| body(self.ix.to_long(first)));
        } else {
            b.if_then(b.cmpi(less, first, end), |_| body(first));
        }
    }

    /// One row: its row values, then all that is stored, then the stores.
    fn row(&self, row: Ix<'m>, valid: Option<Val<'m>>, domains: &[Domain]) {
        self.compute_row_values(true, row);
        if !self.shape.persistent && self.begun.is_to_begin() && !self.lets_next_begin_at_once() {
            self.let_next_begin();
        }
        let pulled: Vec<(Rc<Spread<'m>>, Vec<Pulled<'m>>)> = domains
            .iter()
            .map(|domain| {
                let spread = self.spreads.of(1, domain.cols);
                let index = spread.index(row);
                let pull = |store: &u32| {
                    // Where an addition goes is asked before how much it adds.
                    if let Some(at) = self.pull.kernel.stores[*store as usize].element() {
                        self.pull.evaluate(at, &index);
                    }
                    self.pull.pull(std::slice::from_ref(store), &index, |value| value)
                };
                (spread.clone(), domain.stores.iter().flat_map(pull).collect())
            })
            .collect();
        if self.pull.kernel.params.iter().any(|p| p.aliases.is_some()) {
            self.team.settle_memory();
        }
        for (spread, stores) in &pulled {
            self.store(spread, stores, row, valid);
        }
    }

    /// Stores what was pulled at a spread, where a lane has columns as its own.
    fn store(&self, spread: &Spread<'m>, stores: &[Pulled<'m>], row: Ix<'m>, valid: Option<Val<'m>>) {
        let b = self.b;
        let both = |x: Option<Val<'m>>, y: Option<Val<'m>>| match (x, y) {
            (Some(x), Some(y)) => Some(b.andi(x, y)),
            (x, y) => x.or(y),
        };
        let own = both(valid, spread.first);
        let mut from = 0;
        while from < spread.columns.len() {
            let valid = spread.columns[from].valid;
            let same = spread.columns[from..].iter().take_while(|c| c.valid == valid).count();
            // Vectors of a power of two.
            let to = from + (1 << same.ilog2());
            let index = Index::new(vec![row], spread.columns[from..to].iter().map(|c| c.at).collect(), None);
            let store = |pulled: &Pulled<'m>| {
                let value = part(b, pulled.value, from, to);
                let at = pulled.at.map(|(at, dtype)| (part(b, at, from, to), dtype));
                self.pull.store(&Pulled { value, at, ..*pulled }, &index);
            };
            let emit = || self.pull.scopes.scoped(|| stores.iter().for_each(store));
            match both(own, valid) {
                Some(condition) => b.if_then(condition, |_| emit()),
                None => emit(),
            }
            from = to;
        }
    }

    /// Computes and holds all row values of one row, or those that are the same in all rows.
    fn compute_row_values(&self, per_row: bool, row: Ix<'m>) {
        let at = Index::new(vec![row], vec![Ix::constant(0)], None);
        if per_row {
            self.ask_early(row);
        }
        for (id, value) in self.pull.kernel.values() {
            if value.space.per_row == per_row
                && self.pull.is_reached(id)
                && !self.unneeded.borrow().contains(&id)
                && let Some(row_value) = value.kind.row_value()
            {
                self.b.made_for(id.0, || {
                    self.shelve(id, row);
                    let computed = super::compute(self, *row_value, &(), &at);
                    self.settle_shelf();
                    self.hold(id, computed, row);
                    self.hold_what_is_gathered(id, row);
                });
            }
        }
    }

    fn hold(&self, id: ValueId, value: Registers<'m>, row: Ix<'m>) {
        // Who asks for a lane's own columns is answered at once.
        let own = value.own_index(row);
        let at_own = |lanes: Lanes<'m>| if own.lanes() == 1 { part(self.b, lanes, 0, 1) } else { lanes };
        self.pull.remember(id, &own, at_own(value.lanes));
        let elements = value.elements.iter().map(|(of, lanes)| (*of, at_own(*lanes)));
        self.pull.remember_at_columns(id, &own, elements.collect());
        // And who asks for one turn's segments only.
        if value.home == Home::Segments && value.spread.turns > 1 {
            for (turn, segment) in value.spread.owned.iter().enumerate() {
                let own = Index::new(vec![row], vec![*segment], None);
                self.pull.remember(id, &own, part(self.b, value.lanes, turn, turn + 1));
            }
        }
        let (ix, team) = (Rc::clone(&self.ix), Rc::clone(&self.team));
        self.pull.hold(id, Rc::new(InLanes { b: self.b, ix, team, registers: value }));
    }

    /// The registers of a vector; one for all where it is a scalar.
    fn registers(&self, vector: Val<'m>, count: usize) -> Vec<Val<'m>> {
        in_lanes::registers(self.b, vector, count)
    }

    /// A constant word.
    fn word(&self, value: u32) -> Val<'m> {
        self.b.const_int(self.b.int(32), i64::from(value))
    }

    /// The spread of a row value's operand, and its columns at a row.
    fn spread_of(&self, of: Segments, at: &Index<'m>) -> (Rc<Spread<'m>>, Index<'m>) {
        let spread = self.spreads.of(of.count(self.pull.kernel), of.width);
        let index = spread.index(at.row[0]);
        (spread, index)
    }
}

impl<'m> Rows<'m> for RowGpu<'_, 'm> {
    /// Spreads are declared for all values together.
    type Prepared = ();
    type Result = Registers<'m>;

    fn reduce(&self, of: Segments, op: ReduceOp, _: &(), at: &Index<'m>) -> Registers<'m> {
        let (spread, index) = self.spread_of(of, at);
        let shorter = match op {
            _ if self.by_the_letter.get() => None,
            ReduceOp::Max => {
                let largest = self.largest_by_unique_keys(of, (&spread, &index));
                let largest = largest.or_else(|| self.largest_of_groups(of, (&spread, &index)));
                largest.or_else(|| self.largest_of_shared_groups(of, (&spread, &index)))
            }
            ReduceOp::Sum => self.sum_of_chosen_from(of, (&spread, &index)),
            _ => None,
        };
        let lanes = shorter.unwrap_or_else(|| self.reduce_segments(op, of.operand, &spread, &index));
        Registers { lanes, spread, home: Home::Segments, elements: vec![] }
    }

    fn cumsum(&self, of: Segments, _: &(), at: &Index<'m>) -> Registers<'m> {
        let (spread, index) = self.spread_of(of, at);
        let lanes = self.sum_segments(of.operand, &spread, &index);
        Registers { lanes, spread, home: Home::Columns, elements: vec![] }
    }

    fn topk(&self, of: Segments, what: Selection, order: TopKOrder, _: &(), at: &Index<'m>) -> Registers<'m> {
        let (spread, index) = self.spread_of(of, at);
        let result = self.spreads.of(1, spread.segments * what.k);
        let Chosen { columns, elements } = self.select_columns(of.operand, (what, order), (&spread, &index), &result);
        Registers { lanes: columns, spread: result, home: Home::Columns, elements }
    }

    fn topk_mask(&self, of: Segments, what: Selection, _: &(), at: &Index<'m>) -> Registers<'m> {
        let (spread, index) = self.spread_of(of, at);
        if let Some(lanes) = self.kept_first.get(&of.operand).filter(|_| !self.by_the_letter.get()) {
            return Registers { lanes, spread, home: Home::Columns, elements: vec![] };
        }
        if !self.by_the_letter.get()
            && let Some(kept) = self.kept_by_logits(of.operand, at)
        {
            return kept;
        }
        if let Some(owners) = self.spreads.owners(&spread) {
            let lanes = self.mark_segments(of.operand, what, &owners, at.row[0]);
            return Registers { lanes, spread: owners, home: Home::Segments, elements: vec![] };
        }
        let lanes = self.mark_columns(of.operand, what, (&spread, &index));
        Registers { lanes, spread, home: Home::Columns, elements: vec![] }
    }

    fn bin_rank(&self, of: Segments, bins: u64, _: &(), at: &Index<'m>) -> Registers<'m> {
        let (spread, index) = self.spread_of(of, at);
        let lanes = self.rank_ids(of, bins, &spread, &index);
        Registers { lanes, spread, home: Home::Columns, elements: vec![] }
    }
}
