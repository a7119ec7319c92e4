//! Pulling: a value at an index. What all four owners share; nothing here knows a schedule, or what kind of machine it is for.
//!
//! A kernel is read backwards from its stores, as its definition says. An owner asks each stored value for the lanes of a piece
//! at an [`Index`], and a value asks its operands, at the same index or at a moved one ([`movement`], [`gather`]). Whatever was
//! asked before at an equal index is not emitted again, so everything that the stores of a piece share is computed once.
//!
//! Indices are scalars, one a lane, written as `base + constant` with a known divisor of the base ([`index::Ix`]): this is what
//! finds out which lanes are neighbours in memory (vector loads and stores), which are in the same row, and which comparisons
//! have one answer for all lanes.
//!
//! Everything is branchless. An index that may be out of range is replaced by a safe one and the result by a selection; only a
//! table whose extent may be zero is read under a condition.
//!
//! [`Pull`] stands on three objects that know less than it: [`Indexing`] is arithmetic on indices, [`Lanewise`] is arithmetic
//! on lanes, which knows no kernel, and [`Memory`] knows where elements are. Above it, an owner may [hold](Held) values that it
//! has computed, and give [shortcuts](Shortcut). An owner is above this module and never below it: both are traits here that
//! it implements.

pub(in crate::emit) mod arguments;
pub(in crate::emit) mod arithmetic;
mod cast;
mod gather;
pub(in crate::emit) mod index;
pub(in crate::emit) mod job;
pub(in crate::emit) mod known;
pub(in crate::emit) mod lanewise;
pub(in crate::emit) mod math;
pub(in crate::emit) mod memory;
mod movement;
mod scalar;
pub(in crate::emit) mod scopes;
pub(in crate::emit) mod store;
pub(in crate::emit) mod types;

use crate::machine::Machine;
use crate::machine::quotients::Near;
use crate::mlir::builder::{Builder, Val};
use arguments::Arguments;
use arithmetic::Indexing;
use index::{Index, IndexKey, Ix};
use job::Job;
use known::Lanes;
use lanewise::{Lanewise, WidenBf16};
use memory::Memory;
use routefuse_ir::dim::Dim;
use routefuse_ir::kernel::{Bounds, Kernel, ParamId, ValueId, ValueKind, analysis};
use routefuse_ir::op::{ScalarOp, UnaryOp};
use routefuse_ir::{DType, Literal};
use scopes::{ScopedMap, Scopes};
use std::rc::Rc;
use types::value_type;

/// A value that its owner has computed at all columns of a row, and holds.
pub(in crate::emit) trait Held<'m> {
    /// The value at this index, which names only what it depends on. None where only its owner can read what is held.
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>>;
}

/// A way to something that is shorter than pulling it. None goes the long way.
pub(in crate::emit) trait Shortcut<'m> {
    /// The value at an index that names only what it depends on.
    fn value(&self, _pull: &Pull<'_, 'm>, _id: ValueId, _index: &Index<'m>) -> Option<Lanes<'m>> {
        None
    }

    /// The operand of a remap at these columns, one a lane.
    fn columns(
        &self,
        _pull: &Pull<'_, 'm>,
        _operand: ValueId,
        _columns: &[Ix<'m>],
        _index: &Index<'m>,
    ) -> Option<Lanes<'m>> {
        None
    }

    /// Of an index of a gather, one that is safe to read at, for every lane.
    fn addresses(&self, _pull: &Pull<'_, 'm>, _wanted: Wanted, _index: &Index<'m>) -> Option<Vec<Ix<'m>>> {
        None
    }

    /// The elements of an input at these offsets.
    fn load(&self, _pull: &Pull<'_, 'm>, _param: ParamId, _index: &Index<'m>, _offsets: &[Ix<'m>]) -> Option<Val<'m>> {
        None
    }
}

/// An index of a gather, and what is to be done about it.
#[derive(Clone, Copy)]
pub(in crate::emit) struct Wanted {
    /// The index.
    pub id: ValueId,
    /// The extent of the dim that it is an index of.
    pub extent: Dim,
    /// What is to be done about one outside.
    pub bounds: Bounds,
}

/// What an owner does in its own way.
#[derive(Clone, Copy)]
pub(in crate::emit) struct Ways<'a, 'm> {
    /// Asked one after the other.
    pub shortcuts: &'a [&'a dyn Shortcut<'m>],
    /// How it widens `bf16`, if not lane by lane.
    pub widen_bf16: Option<WidenBf16<'m>>,
}

/// Elements of values at the same columns.
type Elements<'m> = Rc<[(ValueId, Lanes<'m>)]>;

/// Where a value is held of another row than the one that is asked for.
struct OfOtherRow;

impl<'m> Held<'m> for OfOtherRow {
    fn read(&self, _: &Index<'m>) -> Option<Lanes<'m>> {
        None
    }
}

/// Emits the values of one kernel.
pub(in crate::emit) struct Pull<'a, 'm> {
    pub b: &'a Builder<'m>,
    pub kernel: &'a Kernel,
    pub machine: &'a dyn Machine,
    /// Arithmetic on indices.
    pub ix: Rc<Indexing<'a, 'm>>,
    /// Arithmetic on lanes.
    pub lanewise: Rc<Lanewise<'a, 'm>>,
    /// The kernel's parameters.
    pub memory: Memory<'a, 'm>,
    /// What is visible where.
    pub scopes: Rc<Scopes>,
    shortcuts: &'a [&'a dyn Shortcut<'m>],
    values: ScopedMap<(ValueId, IndexKey), Lanes<'m>>,
    held: ScopedMap<ValueId, Rc<dyn Held<'m> + 'a>>,
    /// Tables that the owner has loaded, and holds.
    held_tables: ScopedMap<ParamId, Rc<dyn Held<'m> + 'a>>,
    /// By value and where it is asked for, elements of other values at the columns that it is.
    at_columns: ScopedMap<(ValueId, IndexKey), Elements<'m>>,
    /// By quotient, where its numerators may be small.
    far_where: ScopedMap<ValueId, Val<'m>>,
    /// By value, whether a store depends on it.
    reached: Vec<bool>,
}

impl<'a, 'm> Pull<'a, 'm> {
    /// For a kernel that was given these arguments.
    pub fn new(job: Job<'a, 'm>, scopes: Rc<Scopes>, arguments: Arguments<'m>, ways: Ways<'a, 'm>) -> Pull<'a, 'm> {
        let Job { b, kernel, machine, variant } = job;
        let ix = Rc::new(Indexing::new(b, variant, &scopes));
        Pull {
            b,
            kernel,
            machine,
            lanewise: Rc::new(Lanewise::new(job, &scopes, ways.widen_bf16)),
            memory: Memory::new(job, arguments, &ix, &scopes),
            ix,
            shortcuts: ways.shortcuts,
            values: ScopedMap::new(&scopes),
            held: ScopedMap::new(&scopes),
            held_tables: ScopedMap::new(&scopes),
            at_columns: ScopedMap::new(&scopes),
            far_where: ScopedMap::new(&scopes),
            scopes,
            reached: analysis::reached(kernel),
        }
    }

    /// Whether a store depends on the value.
    pub fn is_reached(&self, value: ValueId) -> bool {
        self.reached[value.0 as usize]
    }

    /// The value at this index, emitted once.
    pub fn evaluate(&self, id: ValueId, index: &Index<'m>) -> Lanes<'m> {
        let index = self.seen_by(id, index);
        let key = (id, index.key());
        if let Some(known) = self.values.get(&key) {
            return known;
        }
        let lanes = self.b.made_for(id.0, || {
            let held = self.held.get(&id).and_then(|held| held.read(&index));
            let known = held.or_else(|| self.shortcuts.iter().find_map(|s| s.value(self, id, &index)));
            known.unwrap_or_else(|| self.compute(id, &index))
        });
        self.values.insert(key, lanes);
        lanes
    }

    /// Whoever asks for the value at this index from now on, in this scope, gets these lanes.
    pub fn remember(&self, id: ValueId, index: &Index<'m>, lanes: Lanes<'m>) {
        self.values.insert((id, self.seen_by(id, index).key()), lanes);
    }

    /// The columns that `columns` is at this index are such of other values, where their elements are these: nobody who gathers by them
    /// need look.
    pub fn remember_at_columns(&self, columns: ValueId, index: &Index<'m>, elements: Vec<(ValueId, Lanes<'m>)>) {
        self.at_columns.insert((columns, self.seen_by(columns, index).key()), elements.into());
    }

    /// Wherever a quotient is asked for from now on, in this scope, none of its numerators is less than 2⁻¹⁰⁰, unless this holds, which is
    /// one answer for all lanes.
    pub fn is_far_where(&self, quotient: ValueId, condition: Val<'m>) {
        self.far_where.insert(quotient, condition);
    }

    /// Whoever asks for the value from now on, in this scope, is given what is held.
    pub fn hold(&self, id: ValueId, held: Rc<dyn Held<'m> + 'a>) {
        self.held.insert(id, held);
    }

    /// In this scope, rows are others than the one of which values are held.
    pub fn leave_row(&self) {
        for (id, _) in self.kernel.values().filter(|(id, value)| value.space.per_row && self.holds(*id)) {
            self.hold(id, Rc::new(OfOtherRow));
        }
    }

    /// The value at this index, if it was emitted.
    pub fn known(&self, id: ValueId, index: &Index<'m>) -> Option<Lanes<'m>> {
        self.values.get(&(id, self.seen_by(id, index).key()))
    }

    /// Whoever asks for an element of the table from now on, in this scope, is given what is held of it: it has one dim, of which
    /// an index names the column.
    pub fn hold_table(&self, table: ParamId, held: Rc<dyn Held<'m> + 'a>) {
        self.held_tables.insert(table, held);
    }

    /// Whether the value is held.
    pub fn holds(&self, id: ValueId) -> bool {
        self.held.get(&id).is_some()
    }

    /// The index with what the value depends on. The rest is the same on all lanes.
    pub fn seen_by(&self, id: ValueId, index: &Index<'m>) -> Index<'m> {
        let space = self.kernel.value(id).space;
        let anywhere = || vec![Ix::constant(0)];
        let row = if space.per_row { index.row.clone() } else { anywhere() };
        let column = if space.cols > 1 { index.column.clone() } else { anywhere() };
        let flat = index.flat.filter(|(_, cols)| space.per_row && space.cols == *cols);
        Index::new(row, column, flat)
    }

    /// Values that are the same for the whole launch are emitted before any loop or condition.
    pub fn evaluate_uniforms(&self) {
        for (id, value) in self.kernel.values() {
            if self.is_reached(id) && !value.space.per_row && value.space.cols == 1 {
                self.evaluate(id, &Index::nowhere());
            }
        }
    }

    /// The value at an index that names only what the value depends on, from its operands.
    fn compute(&self, id: ValueId, index: &Index<'m>) -> Lanes<'m> {
        let value = self.kernel.value(id);
        match &value.kind {
            ValueKind::Const(literal) => self.lanewise.constant(*literal),
            ValueKind::Load(param) => self.load(*param, index),
            ValueKind::Row => self.position(&index.row, value.dtype),
            ValueKind::Column => self.position(&index.column, value.dtype),
            ValueKind::Extent(symbol) => {
                let extent = self.memory.extent_argument(*symbol);
                let ty = value_type(self.b, value.dtype);
                Lanes::exact(if value.dtype.bits() < 64 { self.b.trunci(extent, ty) } else { extent }, 1)
            }
            ValueKind::Scalar(op, operands) => {
                let dtypes: Vec<DType> = operands.iter().map(|o| self.kernel.value(*o).dtype).collect();
                let lanes: Vec<Lanes<'m>> = operands.iter().map(|o| self.evaluate(*o, index)).collect();
                let is_exp = *op == ScalarOp::Unary(UnaryOp::Exp);
                if is_exp && self.machine.nan_flows() && analysis::is_not_above_0(self.kernel, operands[0]) {
                    return self.lanewise.exp_not_above_0(lanes[0]);
                }
                if analysis::is_near_quotient(self.kernel, id) && lanes[1].lanes == 1 {
                    let unless = self.far_where.get(&id);
                    let is_stored = self.kernel.stores.iter().any(|store| store.operands().any(|o| o == id));
                    let known = Near { operands: true, unless, looked_at: is_stored };
                    return self.lanewise.quotients(lanes[0], lanes[1], known);
                }
                let is_sigmoid = *op == ScalarOp::Unary(UnaryOp::Sigmoid);
                if is_sigmoid
                    && self.machine.nan_flows()
                    && dtypes[0] == DType::F32
                    && analysis::sixteen_bits(self.kernel, operands[0]).is_some()
                {
                    return self.lanewise.sigmoid_of_16_bits(lanes[0]);
                }
                self.lanewise.scalar(*op, &lanes, &dtypes)
            }
            ValueKind::Remap(operand, map) => self.remap(*operand, map, index),
            ValueKind::Concat(parts) => self.concat(parts, index),
            ValueKind::Gather { table, indices, bounds } => self.gather(*table, indices, *bounds, index),
            ValueKind::GatherRow { value, index: column, bounds } => self.gather_row(*value, *column, *bounds, index),
            // A row schedule holds them, before anybody asks; the verifier of schedules refuses any other.
            ValueKind::RowValue(_) => self.lanewise.constant(Literal::zero(value.dtype)),
        }
    }

    /// Loads element `(row, column)` of an input on every lane.
    pub fn load(&self, param: ParamId, index: &Index<'m>) -> Lanes<'m> {
        let offsets = self.memory.offsets(param, index);
        let shorter = self.shortcuts.iter().find_map(|s| s.load(self, param, index, &offsets));
        let value = shorter.unwrap_or_else(|| self.memory.load_at(param, &offsets));
        Lanes::exact(value, offsets.len() as u32)
    }

    /// A row or column index as an integer dtype; it wraps.
    fn position(&self, at: &[Ix<'m>], dtype: DType) -> Lanes<'m> {
        let (from, to) = (self.ix.bits(), dtype.bits());
        let ty = value_type(self.b, dtype);
        if at.iter().all(|ix| ix.base.is_none()) {
            let known: Vec<i64> = at.iter().map(|ix| ix.plus as i64).collect();
            return Lanes::exact(self.b.const_ints(ty, &known), known.len() as u32);
        }
        let lanes: Vec<Val<'m>> = at
            .iter()
            .map(|ix| {
                let number = self.ix.materialise(*ix);
                match to.cmp(&from) {
                    std::cmp::Ordering::Less => self.b.trunci(number, ty),
                    std::cmp::Ordering::Equal => number,
                    // An index is never negative, so either will do; LLVM narrows a comparison with a signed scalar that was
                    // extended likewise.
                    std::cmp::Ordering::Greater => self.b.extsi(number, ty),
                }
            })
            .collect();
        Lanes::exact(self.b.gather_lanes(&lanes), lanes.len() as u32)
    }
}
