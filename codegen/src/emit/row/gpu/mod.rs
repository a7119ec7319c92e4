//! Row schedules on GPUs: the lanes of a group own a row and keep its values in their registers.
//!
//! Every value is asked for at a [`Spread`] of its columns over the lanes, which is an index like any other. Row values are
//! computed in the order of the kernel and kept; what stores ask for is pulled, a narrow store's column by the lane of that
//! number. A column that another lane has kept comes by shuffle, any other value at another column is computed there.
//!
//! Lanes talk only where all of them are: a loop over rows takes as many turns for all lanes of a warp (of a block, where one
//! has a row), a row past the end is computed as the last one, and only stores are under a condition.

mod cumsum;
pub(in crate::emit) mod group;
mod rank;
mod reduce;
mod sorting_network;
pub(in crate::emit) mod spread;
mod topk;

use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::{Arithmetic, Emitter};
use crate::mlir::builder::{IntPredicate, Place, Val};
use group::Group;
use routefuse_ir::kernel::abi::ENTRY;
use routefuse_ir::kernel::schedule::{Domain, RowShape, Schedule};
use routefuse_ir::kernel::{Kernel, Store, ValueId, ValueKind};
use routefuse_ir::op::ReduceOp;
use routefuse_ir::target::TargetKind;
use spread::Spread;
use std::rc::Rc;

/// Columns of one value that a lane may keep: twice the registers of any GPU, and all of them are written out.
pub(in crate::emit) const MOST_COLUMNS: u64 = 512;

/// Columns that a lane keeps of the widest operand of a row value.
pub(in crate::emit) fn columns_of_a_lane(kernel: &Kernel, lanes: u32) -> u64 {
    let operands = kernel.values.iter().filter(|v| v.kind.is_row_value()).flat_map(|v| v.kind.operands());
    operands.map(|o| kernel.value(o).space.cols.div_ceil(u64::from(lanes))).max().unwrap_or(1)
}

/// Columns of a lane that are loaded before a loop over rows, where no row changes them. More would fill the registers.
const MOST_AHEAD: usize = 16;

/// Entries of a lane's list in memory, at least and at most: 3 KiB a warp, of which a multiprocessor has 64.
const LEAST_ENTRIES: u32 = 5;
const MOST_ENTRIES: u32 = 12;

/// A value in the lanes' registers.
#[derive(Clone)]
pub(in crate::emit) struct InLanes<'m> {
    lanes: Lanes<'m>,
    spread: Rc<Spread<'m>>,
    home: Home,
}

/// Which columns of a value the registers of a spread are.
#[derive(Clone, Copy)]
enum Home {
    /// Those of the spread.
    Columns,
    /// One for each segment, on all its lanes: a register a turn.
    Segments,
}

impl<'m> Emitter<'_, 'm> {
    /// The kernel: a group of lanes has a row, or one after the other.
    pub fn device_rows(&self, schedule: &Schedule) {
        let (Schedule::Row { domains, .. }, Some(shape)) = (schedule, schedule.shape(self.variant)) else { return };
        let memory @ (slots, entries) = (self.slots_of_a_row(), self.entries_of_a_lane(shape));
        let shared = Group::shared_words(shape, self.target, slots, entries);
        self.b.gpu_kernel_with_shared(ENTRY, shape.threads, shared, &self.parameters(), |b, arguments| {
            *self.arguments.borrow_mut() = arguments.to_vec();
            if self.dependent_launch {
                b.wait_for_dependencies();
            }
            let thread = b.place(Place::Thread);
            let group = Group::new(self.b, self.target, shape, memory, b.trunci(thread, b.int(32)));
            if self.group.set(group).is_err() {
                unreachable!("an emitter emits one kernel");
            }
            self.declare_spreads(domains);
            for (id, value) in self.kernel.values() {
                if value.kind.is_row_value() && !value.space.per_row && self.is_reached(id) {
                    self.keep_row_value(id, Ix::constant(0));
                }
            }
            self.evaluate_uniforms();
            self.loop_over_rows(shape, thread, domains);
        });
    }

    /// Rows of a block lie side by side, and so do those of a warp.
    fn loop_over_rows(&self, shape: RowShape, thread: Val<'m>, domains: &[Domain]) {
        let b = self.b;
        let long = |n: u32| b.const_int(b.int(64), i64::from(n));
        let warp = self.target.info().warp;
        // Threads that go through the loop together, and their rows.
        let together = shape.lanes.max(warp);
        let rows_together = together / shape.lanes;
        let block = b.muli(b.place(Place::Block), long(shape.rows()));
        let unit = b.shrui(thread, long(together.trailing_zeros()));
        let first = b.addi(block, b.muli(unit, long(rows_together)));
        let rows = self.materialise(Ix::value(self.rows(), 1));
        let end = if self.variant.narrow { b.extui(rows, b.int(64)) } else { rows };
        let in_unit = b.andi(thread, long(together - 1));
        let own = b.shrui(in_unit, long(shape.lanes.trailing_zeros()));
        let body = |first: Val<'m>| {
            self.scoped(|| {
                let row = if rows_together > 1 { b.addi(first, own) } else { first };
                let (row, valid) = if rows_together > 1 {
                    let valid = b.cmpi(IntPredicate::Slt, row, end);
                    (b.select(valid, row, b.subi(end, long(1))), Some(valid))
                } else {
                    (row, None)
                };
                let row = if self.variant.narrow { b.trunci(row, self.index_type()) } else { row };
                self.row(Ix::value(row, 1), valid, domains);
            });
            self.group().end_of_turn();
        };
        if shape.persistent {
            self.load_ahead(domains);
            let blocks = match self.kind {
                TargetKind::Amdgpu => b.hidden_blocks(),
                _ => b.blocks(),
            };
            b.for_loop(first, end, b.muli(blocks, long(shape.rows())), |_, first| body(first));
        } else {
            b.if_then(b.cmpi(IntPredicate::Slt, first, end), |_| body(first));
        }
    }

    /// One row: its row values, then all that is stored, then the stores.
    fn row(&self, row: Ix<'m>, valid: Option<Val<'m>>, domains: &[Domain]) {
        for (id, value) in self.kernel.values() {
            if value.kind.is_row_value() && value.space.per_row && self.is_reached(id) {
                self.keep_row_value(id, row);
            }
        }
        type Stored<'m> = (Store, Lanes<'m>, Option<Lanes<'m>>);
        let evaluated: Vec<(Rc<Spread<'m>>, Vec<Stored<'m>>)> = domains
            .iter()
            .map(|domain| {
                let spread = self.spread_of(1, domain.cols);
                let index = spread.index(row);
                let stores = domain.stores.iter().map(|s| {
                    let store = self.kernel.stores[*s as usize];
                    let at = store.add_at.map(|at| self.evaluate(at, &index));
                    (store, self.evaluate(store.value, &index), at)
                });
                (spread.clone(), stores.collect())
            })
            .collect();
        if self.kernel.params.iter().any(|p| p.aliases.is_some()) {
            self.group().settle_memory();
        }
        for (spread, stores) in &evaluated {
            self.store_spread(spread, row, valid, |index, from, to| {
                for (store, value, at) in stores {
                    let value = self.part(*value, from, to);
                    match (store.add_at, at) {
                        (Some(id), Some(at)) => {
                            let at = (self.part(*at, from, to), self.kernel.value(id).dtype);
                            self.add_at(store.param, index, at, value);
                        }
                        _ => self.store(store.param, index, value),
                    }
                }
            });
        }
    }

    /// Runs `store` for registers `from..to` of a spread, with their index, where a lane has them as its own.
    fn store_spread(
        &self,
        spread: &Spread<'m>,
        row: Ix<'m>,
        valid: Option<Val<'m>>,
        store: impl Fn(&Index<'m>, usize, usize),
    ) {
        let b = self.b;
        let both = |x: Option<Val<'m>>, y: Option<Val<'m>>| match (x, y) {
            (Some(x), Some(y)) => Some(b.andi(x, y)),
            (x, y) => x.or(y),
        };
        let own = both(valid, spread.first);
        let mut from = 0;
        while from < spread.places.len() {
            let place = spread.places[from].valid;
            let same = spread.places[from..].iter().take_while(|p| p.valid == place).count();
            // Vectors of a power of two.
            let count = 1 << same.ilog2();
            let columns = spread.places[from..from + count].iter().map(|p| p.column).collect();
            let index = Index::new(vec![row], columns, None);
            let emit = || self.scoped(|| store(&index, from, from + count));
            match both(own, place) {
                Some(condition) => b.if_then(condition, |_| emit()),
                None => emit(),
            }
            from += count;
        }
    }

    /// Lanes `from..to` of a vector; one serves all.
    fn part(&self, x: Lanes<'m>, from: usize, to: usize) -> Lanes<'m> {
        let slice = |v: Val<'m>| {
            let lanes: Vec<Val<'m>> = (from..to).map(|lane| self.b.extract(v, lane as u32)).collect();
            self.b.gather_lanes(&lanes)
        };
        let one = |v: Val<'m>| self.b.lanes(self.b.type_of(v)) == 1;
        let trap = x.trap.map(|t| if one(t) { t } else { slice(t) });
        if x.lanes == 1 {
            Lanes { trap, ..x }
        } else {
            Lanes { value: slice(x.value), lanes: (to - from) as u32, trap, ..x }
        }
    }

    /// Computes a row value at this row and keeps it.
    fn keep_row_value(&self, id: ValueId, row: Ix<'m>) {
        let value = self.kernel.value(id);
        let (Some(width), Some(operand)) = (value.kind.segment(), value.kind.operands().first().copied()) else {
            return;
        };
        let spread = self.spread_of(self.kernel.value(operand).space.cols / width, width);
        let index = spread.index(row);
        let (lanes, (home, spread)) = match &value.kind {
            ValueKind::Reduce { op, .. } => (self.reduce(*op, operand, &spread, &index), (Home::Segments, spread)),
            ValueKind::CumSum { .. } => (self.cumsum(operand, &spread, &index), (Home::Columns, spread)),
            ValueKind::TopK { k, candidates, order, .. } => {
                let result = self.spread_of(1, spread.segments * k);
                let lanes = self.topk(operand, (*k, *candidates, *order), (&spread, &index), &result);
                (lanes, (Home::Columns, result))
            }
            ValueKind::TopKMask { k, candidates, .. } if let Some(owners) = self.owners(&spread) => {
                (self.mask_of_segments(operand, (*k, *candidates), &owners, row), (Home::Segments, owners))
            }
            ValueKind::TopKMask { k, candidates, .. } => {
                (self.topk_mask(operand, (*k, *candidates), (&spread, &index)), (Home::Columns, spread))
            }
            _ => return,
        };
        // Who asks at the same places is answered at once.
        let own = match home {
            Home::Columns => spread.index(row),
            Home::Segments => Index::new(vec![row], spread.owned.clone(), None),
        };
        let at_own = if own.lanes() == 1 { self.part(lanes, 0, 1) } else { lanes };
        self.remember(id, self.seen_by(id, &own).key(), at_own);
        // And who asks for one turn's segments only.
        if let Home::Segments = home
            && spread.turns > 1
        {
            for (turn, segment) in spread.owned.iter().enumerate() {
                let own = Index::new(vec![row], vec![*segment], None);
                self.remember(id, self.seen_by(id, &own).key(), self.part(lanes, turn, turn + 1));
            }
        }
        self.keep(id, crate::emit::pull::held::Kept::Lanes(Rc::new(InLanes { lanes, spread, home })));
    }

    /// What is kept in the lanes, at any columns.
    pub fn read_lanes(&self, kept: &InLanes<'m>, columns: &[Ix<'m>]) -> Lanes<'m> {
        let InLanes { lanes, spread, home } = kept;
        let group = self.group();
        let (span, side) = (u64::from(spread.span), u64::from(spread.side));
        // The lane and the register of a column.
        let place = |column: Ix<'m>| {
            let (per_segment, per_lane) = match home {
                Home::Columns => (spread.width, u64::from(spread.registers)),
                Home::Segments => (1, 1),
            };
            let one = spread.segments == 1;
            let segment = if one { Ix::constant(0) } else { self.divide(column, per_segment) };
            let within = if one { column } else { self.remainder(column, per_segment) };
            let (turn, beside) = (self.divide(segment, side), self.remainder(segment, side));
            let lane = self.add(self.times(beside, span), self.divide(within, per_lane));
            (lane, self.add(self.times(turn, per_lane), self.remainder(within, per_lane)))
        };
        let count = lanes.lanes as usize;
        let at = |vector: Val<'m>| {
            let registers = self.registers(vector, count);
            let values = columns.iter().map(|column| {
                let (lane, register) = place(*column);
                let lane = self.as_word(lane);
                let moved = |register: usize| group.moved(registers[register], |word| group.from(word, lane));
                if let (None, plus) = (register.base, register.plus) {
                    return moved(plus as usize);
                }
                let register = self.as_word(register);
                (1..count).fold(moved(0), |found, i| {
                    let here = self.b.cmpi(IntPredicate::Eq, register, self.word(i as u32));
                    self.b.select(here, moved(i), found)
                })
            });
            self.b.gather_lanes(&values.collect::<Vec<_>>())
        };
        let trap = lanes.trap.map(at);
        Lanes { value: at(lanes.value), lanes: columns.len() as u32, nans: lanes.nans, trap }
    }

    /// For one segment of few columns: where each of them is a segment of the row that lanes own side by side, several lanes
    /// each.
    fn owners(&self, spread: &Spread<'m>) -> Option<Rc<Spread<'m>>> {
        if spread.segments > 1 || spread.width == 1 || self.group().is_block() {
            return None;
        }
        let spreads = self.spreads.borrow();
        let mut found: Vec<&Rc<Spread<'m>>> =
            spreads.values().filter(|s| s.segments == spread.width && s.turns == 1 && s.span > 1).collect();
        // In an order that does not hang on the table's.
        found.sort_by_key(|s| s.width);
        found.first().copied().cloned()
    }

    // Spreads.

    /// Slots that the largest selection of columns needs.
    fn slots_of_a_row(&self) -> u32 {
        let selected = self.kernel.values.iter().filter(|v| matches!(v.kind, ValueKind::TopK { .. }));
        selected.map(|v| v.space.cols as u32).max().unwrap_or(0)
    }

    /// Entries that the longest sorted list takes, where lists are kept in memory: for many rows, if they leave a
    /// multiprocessor's warps enough of it. Lists of a few keys are shifted as fast.
    fn entries_of_a_lane(&self, shape: RowShape) -> u32 {
        if self.variant.few || shape.lanes > self.target.info().warp {
            return 0;
        }
        let entries = |v: &routefuse_ir::kernel::Value| match v.kind {
            ValueKind::TopK { value, width, k, .. } => {
                let segments = self.kernel.value(value).space.cols / width;
                let sums = self.has_sums(segments, width);
                let (_, registers) = spread::lanes_and_registers(u64::from(shape.lanes), segments, width, sums);
                Self::entries_of_list(registers, k)
            }
            _ => 0,
        };
        let most = self.kernel.values.iter().map(entries).max().unwrap_or(0);
        if (LEAST_ENTRIES..=MOST_ENTRIES).contains(&most) { most } else { 0 }
    }

    /// Every spread that the kernel needs, before any loop.
    fn declare_spreads(&self, domains: &[Domain]) {
        let lanes = u64::from(self.group().lanes);
        for domain in domains {
            self.spread_of(1, domain.cols);
        }
        for (_, value) in self.kernel.values() {
            if let Some(width) = value.kind.segment() {
                let spread = self.spread_of(self.kernel.value(value.kind.operands()[0]).space.cols / width, width);
                if let ValueKind::TopK { .. } = value.kind {
                    self.group().prepare_first(spread.span);
                }
            }
            if let ValueKind::TopK { .. } = value.kind {
                self.spread_of(1, value.space.cols);
            }
        }
        // Of several narrow values side by side, the first has its own columns at the same lanes: what is asked of it outside
        // of them may be anything.
        let mut narrow: Vec<u64> = self.kernel.values.iter().map(|v| v.space.cols).collect();
        narrow.extend(domains.iter().map(|d| d.cols));
        narrow.retain(|cols| (2..=lanes).contains(cols));
        narrow.sort_unstable();
        narrow.dedup();
        for (i, wide) in narrow.iter().enumerate() {
            let Some(base) = self.spread_of(1, *wide).places[0].column.base else { continue };
            for part in &narrow[..i] {
                if let Some(own) = self.spread_of(1, *part).places[0].column.base {
                    self.know(Arithmetic::Within(crate::emit::pull::index::key(base), 0, 0, *part), own);
                }
            }
        }
    }

    /// The spread of so many segments of so many columns.
    fn spread_of(&self, segments: u64, width: u64) -> Rc<Spread<'m>> {
        if let Some(known) = self.spreads.borrow().get(&(segments, width)) {
            return known.clone();
        }
        // All values of these columns have one spread, so that they share what they ask for.
        let spread = self.new_spread(segments, width, self.has_sums(segments, width));
        self.spreads.borrow_mut().insert((segments, width), spread.clone());
        spread
    }

    /// Whether segments of these columns are summed.
    fn has_sums(&self, segments: u64, width: u64) -> bool {
        self.kernel.values.iter().any(|v| match v.kind {
            ValueKind::Reduce { op: ReduceOp::Sum, value, width: w } => {
                w == width && self.kernel.value(value).space.cols == segments * width
            }
            _ => false,
        })
    }

    /// Emits what depends on columns but on no row before the loop.
    fn load_ahead(&self, domains: &[Domain]) {
        let mut roots: Vec<(ValueId, Rc<Spread<'m>>)> = vec![];
        for (id, value) in self.kernel.values() {
            if let (Some(width), true, true) = (value.kind.segment(), value.space.per_row, self.is_reached(id)) {
                let operand = value.kind.operands()[0];
                roots.push((operand, self.spread_of(self.kernel.value(operand).space.cols / width, width)));
            }
        }
        for domain in domains {
            let spread = self.spread_of(1, domain.cols);
            for store in domain.stores.iter().map(|s| self.kernel.stores[*s as usize]) {
                roots.extend([Some(store.value), store.add_at].into_iter().flatten().map(|id| (id, spread.clone())));
            }
        }
        roots.retain(|(_, spread)| spread.places.len() <= MOST_AHEAD);
        let nowhere = Ix::constant(0);
        while let Some((id, spread)) = roots.pop() {
            let value = self.kernel.value(id);
            if !value.space.per_row {
                if value.space.cols > 1 {
                    self.evaluate(id, &spread.index(nowhere));
                }
            } else if let ValueKind::Scalar(_, operands) = &value.kind {
                roots.extend(operands.iter().map(|o| (*o, spread.clone())));
            }
        }
    }

    // Registers.

    /// The registers of a vector; one for all where it is a scalar.
    fn registers(&self, vector: Val<'m>, count: usize) -> Vec<Val<'m>> {
        let lanes = self.b.lanes(self.b.type_of(vector)) as usize;
        (0..count).map(|lane| self.b.extract(vector, if lanes == 1 { 0 } else { lane as u32 })).collect()
    }

    /// A constant word.
    fn word(&self, value: u32) -> Val<'m> {
        self.b.const_int(self.b.int(32), i64::from(value))
    }

    /// An index below 2³¹ as a word.
    fn as_word(&self, ix: Ix<'m>) -> Val<'m> {
        match ix.base {
            None => self.word(ix.plus as u32),
            Some(_) if self.variant.narrow => self.materialise(ix),
            Some(_) => self.b.trunci(self.materialise(ix), self.b.int(32)),
        }
    }
}
