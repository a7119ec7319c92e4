//! Values on lanes: what is asked of one value at one index.

use crate::emit::flat::gpu::Fork;
use crate::emit::pull::index::{Index, Ix, key};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::{Arithmetic, Emitter};
use crate::mlir::builder::{Builder, FloatPredicate, IntPredicate, Val};
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::op::ScalarOp;
use routefuse_ir::target::TargetKind;
use routefuse_ir::{DType, Literal};

/// The canonical quiet NaN of `f32`.
pub(in crate::emit) const NAN: u32 = 0x7fc0_0000;

impl<'m> Emitter<'_, 'm> {
    /// The value at this index, emitted once.
    pub fn evaluate(&self, id: ValueId, index: &Index<'m>) -> Lanes<'m> {
        let index = self.seen_by(id, index);
        let key = index.key();
        if let Some(known) = self.known(id, &key) {
            return known;
        }
        let known = self.kept(id, &index).or_else(|| self.by_rows(id, &index));
        let lanes = known.unwrap_or_else(|| self.compute(id, &index));
        self.remember(id, key, lanes);
        lanes
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

    /// The value on lanes that are in few rows and at one column: once for each row. A comparison costs no more than to
    /// choose between two, so it is made on every lane.
    fn by_rows(&self, id: ValueId, index: &Index<'m>) -> Option<Lanes<'m>> {
        let value = self.kernel.value(id);
        let is_cheap = match value.kind {
            ValueKind::Scalar(..) => value.dtype == DType::Bool,
            ValueKind::Const(_) | ValueKind::Row | ValueKind::Column => true,
            _ => false,
        };
        if is_cheap || index.column.len() > 1 {
            return None;
        }
        let forks: Vec<Option<Fork<'m>>> = index.row.iter().map(|row| self.fork(*row)).collect();
        if forks.iter().all(Option::is_none) {
            return None;
        }
        let at = |row: Ix<'m>| self.evaluate(id, &Index::new(vec![row], index.column.clone(), None));
        let lanes = || index.row.iter().zip(&forks);
        let then: Vec<Lanes<'m>> = lanes().map(|(row, fork)| at(fork.map_or(*row, |f| f.then))).collect();
        let otherwise: Vec<Lanes<'m>> = lanes().map(|(row, fork)| at(fork.map_or(*row, |f| f.otherwise))).collect();
        let conditions = forks.iter().map(|fork| fork.map_or_else(|| self.b.const_bool(false), |f| f.condition));
        let condition = self.b.gather_lanes(&conditions.collect::<Vec<_>>());
        Some(self.choose(condition, self.joined(&then), self.joined(&otherwise)))
    }

    /// The value at an index that names only what the value depends on, from its operands.
    pub fn compute(&self, id: ValueId, index: &Index<'m>) -> Lanes<'m> {
        let value = self.kernel.value(id);
        match &value.kind {
            ValueKind::Const(literal) => self.constant(*literal),
            ValueKind::Load(param) => self.load(*param, index),
            ValueKind::Row => self.position(&index.row, value.dtype),
            ValueKind::Column => self.position(&index.column, value.dtype),
            ValueKind::Scalar(op, operands) => {
                if *op == ScalarOp::Select
                    && let Some(chosen) = self.ones_beyond_bound(id, index)
                {
                    return chosen;
                }
                let dtypes: Vec<DType> = operands.iter().map(|o| self.kernel.value(*o).dtype).collect();
                let operands: Vec<Lanes<'m>> = operands.iter().map(|o| self.evaluate(*o, index)).collect();
                self.scalar(*op, &operands, &dtypes)
            }
            ValueKind::Remap(operand, map) => self.remap(*operand, map, index),
            ValueKind::Concat(parts) => self.concat(parts, index),
            ValueKind::Gather { table, indices, out_of_range, proved } => {
                self.gather(*table, indices, *out_of_range, *proved, index)
            }
            ValueKind::GatherRow { value, index: column, out_of_range, proved } => {
                self.gather_row(*value, *column, *out_of_range, *proved, index)
            }
            // A row schedule keeps them, before anybody asks; `check` refuses any other.
            ValueKind::Reduce { .. }
            | ValueKind::CumSum { .. }
            | ValueKind::TopK { .. }
            | ValueKind::TopKMask { .. } => self.constant(Literal::zero(value.dtype)),
        }
    }

    /// A constant on one lane.
    pub fn constant(&self, literal: Literal) -> Lanes<'m> {
        if literal.dtype() != DType::F32 {
            let ty = self.value_type(literal.dtype());
            return Lanes::exact(self.b.const_int(ty, literal.bits() as i64), 1);
        }
        let bits = literal.bits() as u32;
        let canonical = bits == NAN || !f32::from_bits(bits).is_nan();
        let nans = if canonical { Nans::Canonical } else { Nans::Exact };
        Lanes { nans, ..Lanes::exact(self.b.const_f32_bits(bits, 1), 1) }
    }

    /// A row or column index as an integer dtype; it wraps.
    fn position(&self, places: &[Ix<'m>], dtype: DType) -> Lanes<'m> {
        let (from, to) = (self.index_bits(), dtype.bits());
        let ty = self.value_type(dtype);
        if places.iter().all(|ix| ix.base.is_none()) {
            let known: Vec<i64> = places.iter().map(|ix| ix.plus as i64).collect();
            return Lanes::exact(self.b.const_ints(ty, &known), known.len() as u32);
        }
        let lanes: Vec<Val<'m>> = places
            .iter()
            .map(|ix| {
                let place = self.materialise(*ix);
                match to.cmp(&from) {
                    std::cmp::Ordering::Less => self.b.trunci(place, ty),
                    std::cmp::Ordering::Equal => place,
                    // An index is never negative, so either will do; LLVM narrows a comparison with a signed scalar that was
                    // extended likewise.
                    std::cmp::Ordering::Greater => self.b.extsi(place, ty),
                }
            })
            .collect();
        Lanes::exact(self.b.gather_lanes(&lanes), lanes.len() as u32)
    }

    /// With the bits that the definition says: a NaN that arithmetic made becomes the canonical one.
    pub fn settled(&self, x: Lanes<'m>) -> Lanes<'m> {
        if x.nans != Nans::Free {
            return x;
        }
        if self.kind == TargetKind::Host && Builder::can_hide(x.lanes) {
            return self.settled_by_comparison(x);
        }
        // All in integers: to LLVM a NaN is a NaN, and it drops a float selection where an operation gives one by itself, as
        // the root of a negative number.
        let bits = self.b.bitcast(x.value, self.b.lanes_of(self.b.int(32), x.lanes));
        let constant = |v: u32| self.b.const_int(self.b.type_of(bits), i64::from(v));
        let magnitude = self.b.andi(bits, constant(0x7fff_ffff));
        let is_nan = self.b.cmpi(IntPredicate::Ugt, magnitude, constant(0x7f80_0000));
        let settled = self.b.select(is_nan, constant(NAN), bits);
        let value = self.b.bitcast(settled, self.b.type_of(x.value));
        Lanes { value, nans: Nans::Canonical, ..x }
    }

    /// As [`Self::settled`], with two instructions in place of four: LLVM cannot know what operation the value is from.
    fn settled_by_comparison(&self, x: Lanes<'m>) -> Lanes<'m> {
        let value = self.once(Arithmetic::Settled(key(x.value)), || {
            let hidden = self.b.hidden(x.value);
            let is_nan = self.b.cmpf(FloatPredicate::Uno, hidden, hidden);
            self.b.select(is_nan, self.b.const_f32_bits(NAN, x.lanes), hidden)
        });
        Lanes { value, nans: Nans::Canonical, ..x }
    }

    /// Both with NaNs of which one thing can be said when either is chosen, and what that is.
    pub fn agree(&self, x: Lanes<'m>, y: Lanes<'m>) -> (Lanes<'m>, Lanes<'m>, Nans) {
        match x.nans.or(y.nans) {
            Nans::Exact => (self.settled(x), self.settled(y), Nans::Exact),
            nans => (x, y, nans),
        }
    }

    /// On `lanes` lanes; one serves all.
    pub fn spread(&self, value: Val<'m>, lanes: u32) -> Val<'m> {
        if self.b.lanes(self.b.type_of(value)) == lanes { value } else { self.b.splat(value, lanes) }
    }

    /// `x` where `condition` (one answer, or one a lane), else `y`, with the traps of the chosen one.
    pub fn choose(&self, condition: Val<'m>, x: Lanes<'m>, y: Lanes<'m>) -> Lanes<'m> {
        let (x, y, nans) = self.agree(x, y);
        let answers = self.b.lanes(self.b.type_of(condition));
        let lanes = answers.max(x.lanes).max(y.lanes);
        let value = self.select(condition, self.spread(x.value, lanes), self.spread(y.value, lanes));
        let trap = (x.trap.is_some() || y.trap.is_some()).then(|| {
            let or_none = |trap: Option<Val<'m>>| self.spread(trap.unwrap_or_else(|| self.b.const_bool(false)), lanes);
            self.b.select(condition, or_none(x.trap), or_none(y.trap))
        });
        Lanes { value, lanes, nans, trap }
    }

    /// One answer for a vector is a mask on the host: as a selection, LLVM would join it with selections lane by lane, and
    /// widen the joined answers with instructions of their own.
    fn select(&self, condition: Val<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        let b = self.b;
        let ty = b.type_of(x);
        let one_for_all = b.lanes(b.type_of(condition)) == 1 && b.lanes(ty) > 1;
        let bits = if b.element(ty) == b.f32() { 32 } else { b.width(b.element(ty)) };
        if self.kind != TargetKind::Host || !one_for_all || bits == 1 {
            return b.select(condition, x, y);
        }
        let ints = b.with_lanes(b.int(bits), ty);
        let (x, y) = (b.bitcast(x, ints), b.bitcast(y, ints));
        let mask = b.opaque(b.extsi(condition, b.int(bits.max(32))), self.kind);
        let mask = b.splat(if bits < 32 { b.trunci(mask, b.int(bits)) } else { mask }, b.lanes(ty));
        b.bitcast(b.xori(y, b.andi(b.xori(x, y), mask)), ty)
    }

    /// The traps of either.
    pub fn either(&self, x: Option<Val<'m>>, y: Option<Val<'m>>) -> Option<Val<'m>> {
        match (x, y) {
            (Some(x), Some(y)) => {
                let lanes = self.b.lanes(self.b.type_of(x)).max(self.b.lanes(self.b.type_of(y)));
                Some(self.b.ori(self.spread(x, lanes), self.spread(y, lanes)))
            }
            (trap, None) | (None, trap) => trap,
        }
    }
}
