//! Reductions of segments on the host.

use super::RowHost;
use super::fold::{Combine, EIGHT, fold_eight, fold_lanes};
use super::workspace::Workspace;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::types::memory_type;
use crate::emit::row::Segments;
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::ValueId;
use routefuse_ir::math::order;
use routefuse_ir::op::{Candidates, ReduceOp};

/// Vectors of a segment that are written out; more are a loop.
pub(super) const UNROLLED: u64 = 64;

impl<'m> RowHost<'_, 'm> {
    /// Reduces every segment of the operand into its columns.
    pub(super) fn reduce_segments(&self, work: &Workspace<'m>, op: ReduceOp, of: Segments, row: &Index<'m>) {
        let Segments { operand, width } = of;
        let cols = self.pull.kernel.value(operand).space.cols;
        let (segments, dtype) = (cols / width, self.pull.kernel.value(operand).dtype);
        if width == 1 && op != ReduceOp::TopTwoSum {
            return self.columns(Ix::constant(0), cols, |at| {
                let x = self.neighbouring(operand, row, at[0], at.len() as u64);
                self.stack.write(&work.out, at, self.lanewise.settled(x));
            });
        }
        let lanes = self.vectors.lanes();
        let vectors = width.div_ceil(lanes);
        let eight = lanes == EIGHT && segments.is_multiple_of(EIGHT) && width > lanes / 2 && vectors <= UNROLLED;
        let together = if eight { EIGHT } else { 1 };
        let combine = |x: &[Val<'m>], y: &[Val<'m>]| self.combine(op, dtype, x, y);
        let body = |first: Ix<'m>| {
            let state =
                |i: u64| self.segment_state(work, op, (operand, row), self.ix.times(first.offset(i), width), width);
            let state = if eight {
                fold_eight(self.b, (0..EIGHT).map(state).collect(), &combine)
            } else {
                fold_lanes(self.b, state(0), 1, &combine)
            };
            let columns: Vec<Ix<'m>> = (0..together).map(|i| first.offset(i)).collect();
            self.stack.write(&work.out, &columns, self.reduced(op, dtype, &state));
            for column in &columns {
                let trap = self.segment_trap(work, (operand, row), self.ix.times(*column, width), width);
                self.stack.write_trap(&work.out, *column, trap);
            }
        };
        if segments * vectors <= UNROLLED {
            (0..segments / together).for_each(|i| body(Ix::constant(i * together)));
        } else {
            self.loop_over(segments, together, body);
        }
    }

    /// A segment's columns joined, lane by lane, to one state. The lanes are a power of two, at most a vector's.
    fn segment_state(
        &self,
        work: &Workspace<'m>,
        op: ReduceOp,
        source: (ValueId, &Index<'m>),
        first: Ix<'m>,
        width: u64,
    ) -> Vec<Val<'m>> {
        let whole_vector = self.vectors.lanes();
        let lanes = whole_vector.min(width.next_power_of_two());
        let vectors = width.div_ceil(lanes);
        let dtype = self.pull.kernel.value(source.0).dtype;
        let prepared = |first: Ix<'m>, lanes: u64| self.prepared(op, source, first, lanes);
        let fill = self.identity(op, dtype, 1);
        let vector = |m: u64| {
            let count = lanes.min(width - m * lanes);
            self.padded(first.offset(m * lanes), (count, lanes), fill, &prepared)
        };
        let start = |x: Val<'m>| self.state_of(op, x);
        let combine = |x: &[Val<'m>], y: &[Val<'m>]| self.combine(op, dtype, x, y);
        if op == ReduceOp::Sum {
            if vectors <= UNROLLED {
                return vec![self.tree(0, 1, vectors, &vector, &combine)];
            }
            return vec![self.long_sum(work, source, first, width, &combine)];
        }
        if vectors <= UNROLLED {
            let rest = |state: Vec<Val<'m>>, m: u64| match op {
                // One of the second state is nothing, so there is less to do.
                ReduceOp::TopTwoSum => self.insert_key(&state, vector(m)),
                _ => combine(&state, &[vector(m)]),
            };
            return (1..vectors).fold(start(vector(0)), rest);
        }
        let (i64, whole) = (|n: u64| self.b.const_int(self.b.int(64), n as i64), width / whole_vector * whole_vector);
        let state = start(vector(0));
        let mut state =
            self.b.for_loop_carrying((i64(whole_vector), i64(whole), i64(whole_vector)), &state, |_, at, state| {
                self.pull.scopes.scoped(|| {
                    combine(state, &start(prepared(self.ix.add(first, Ix::value(at, whole_vector)), whole_vector)))
                })
            });
        if whole < width {
            state = combine(&state, &start(vector(whole / whole_vector)));
        }
        state
    }

    /// The canonical sum of the vectors `m`, `m + stride`, …: that of every second one and that of the others.
    fn tree(
        &self,
        m: u64,
        stride: u64,
        vectors: u64,
        vector: &dyn Fn(u64) -> Val<'m>,
        combine: Combine<'_, 'm>,
    ) -> Val<'m> {
        if m + stride >= vectors {
            return vector(m);
        }
        let even = self.tree(m, 2 * stride, vectors, vector, combine);
        let odd = self.tree(m + stride, 2 * stride, vectors, vector, combine);
        combine(&[even], &[odd])[0]
    }

    /// The canonical sum of a long segment to the lanes of one vector: halves are added on the stack until few vectors are left.
    fn long_sum(
        &self,
        work: &Workspace<'m>,
        (operand, row): (ValueId, &Index<'m>),
        first: Ix<'m>,
        width: u64,
        combine: Combine<'_, 'm>,
    ) -> Val<'m> {
        let dtype = self.pull.kernel.value(operand).dtype;
        let (element, size) = (memory_type(self.b, dtype), dtype.size());
        let lanes = self.vectors.lanes();
        let halves = work.halves.expect("there is room for a half of a long segment");
        let (mut count, mut read_first) = (width, true);
        while count > UNROLLED * lanes {
            let half = count.next_power_of_two() / 2;
            let read = |at: &[Ix<'m>], from: u64, first_time: bool| {
                if first_time {
                    let start = self.ix.add(first, at[0]).offset(from);
                    return self.neighbouring(operand, row, start, at.len() as u64).value;
                }
                let at: Vec<Ix<'m>> = at.iter().map(|ix| ix.offset(from)).collect();
                self.stack.read_at(halves, element, size, &at)
            };
            self.columns(Ix::constant(0), count - half, |at| {
                let sum = combine(&[read(at, 0, read_first)], &[read(at, half, read_first)])[0];
                self.stack.write_at(halves, element, size, at[0], sum);
            });
            if read_first {
                self.columns(Ix::constant(count - half), 2 * half - count, |at| {
                    self.stack.write_at(halves, element, size, at[0], read(at, 0, true));
                });
            }
            (count, read_first) = (half, false);
        }
        let vector = |m: u64| {
            let at: Vec<Ix<'m>> = (0..lanes).map(|lane| Ix::constant(m * lanes + lane)).collect();
            self.stack.read_at(halves, element, size, &at)
        };
        self.tree(0, 1, count / lanes, &vector, combine)
    }

    /// Whether a column of a segment trapped, if one may.
    pub(super) fn segment_trap(
        &self,
        work: &Workspace<'m>,
        (operand, row): (ValueId, &Index<'m>),
        first: Ix<'m>,
        width: u64,
    ) -> Option<Val<'m>> {
        let cell = work.trap?;
        let byte = self.b.int(8);
        self.b.store(self.b.const_int(byte, 0), cell, 1);
        self.columns(first, width, |at| {
            let Some(trap) = self.neighbouring(operand, row, at[0], at.len() as u64).trap else { return };
            let lanes = self.b.lanes(self.b.type_of(trap));
            let any = (0..lanes).map(|lane| self.b.extract(trap, lane)).reduce(|x, y| self.b.ori(x, y));
            let any = any.map_or_else(|| self.b.const_int(byte, 0), |any| self.b.extui(any, byte));
            let before = self.b.load(cell, byte, 1, false);
            self.b.store(self.b.ori(before, any), cell, 1);
        });
        let after = self.b.load(cell, byte, 1, false);
        Some(self.b.cmpi(IntPredicate::Ne, after, self.b.const_int(byte, 0)))
    }

    // What is joined.

    /// What columns of the operand are joined as.
    fn prepared(&self, op: ReduceOp, (operand, row): (ValueId, &Index<'m>), first: Ix<'m>, lanes: u64) -> Val<'m> {
        if op == ReduceOp::TopTwoSum {
            return self.ranked((operand, row), first, lanes, Candidates::All);
        }
        let dtype = self.pull.kernel.value(operand).dtype;
        self.to_join(op, dtype, self.neighbouring(operand, row, first, lanes))
    }

    /// What elements are joined as.
    pub(super) fn to_join(&self, op: ReduceOp, dtype: DType, x: Lanes<'m>) -> Val<'m> {
        match op {
            ReduceOp::TopTwoSum => self.rank_keys(x, dtype, Candidates::All),
            ReduceOp::Max | ReduceOp::Min if dtype == DType::F32 => {
                // A NaN is worse than every number.
                let (b, ints) = (self.b, self.b.lanes_of(self.b.int(32), x.lanes));
                let ordered = order::place(&mut self.lanewise.math(x.lanes), b.bitcast(x.value, ints));
                let is_nan = b.cmpf(FloatPredicate::Uno, x.value, x.value);
                b.select(is_nan, self.identity(op, dtype, x.lanes), ordered)
            }
            _ => x.value,
        }
    }

    /// The state of one element.
    pub(super) fn state_of(&self, op: ReduceOp, x: Val<'m>) -> Vec<Val<'m>> {
        match op {
            ReduceOp::TopTwoSum => vec![x, self.b.const_int(self.b.type_of(x), 0)],
            _ => vec![x],
        }
    }

    /// What changes nothing that it is joined with.
    fn identity(&self, op: ReduceOp, dtype: DType, lanes: u32) -> Val<'m> {
        let b = self.b;
        let ints = |bits: u32, value: i64| b.const_int(b.lanes_of(b.int(bits), lanes), value);
        let bits = dtype.bits();
        let (least, most) = (1i64 << (bits - 1), (1u64 << (bits - 1)).wrapping_sub(1) as i64);
        match op {
            ReduceOp::Sum if dtype == DType::F32 => b.const_f32(-0.0, lanes),
            ReduceOp::Max if dtype.is_signed() || dtype == DType::F32 => ints(bits, least),
            ReduceOp::Min if dtype.is_signed() || dtype == DType::F32 => ints(bits, most),
            ReduceOp::Min => ints(bits, -1),
            ReduceOp::TopTwoSum => ints(32, 0),
            ReduceOp::Sum | ReduceOp::Max => ints(bits, 0),
        }
    }

    /// Two states joined.
    pub(super) fn combine(&self, op: ReduceOp, dtype: DType, x: &[Val<'m>], y: &[Val<'m>]) -> Vec<Val<'m>> {
        let b = self.b;
        let signed = dtype.is_signed() || dtype == DType::F32;
        match op {
            ReduceOp::Sum if dtype == DType::F32 => vec![b.addf(x[0], y[0])],
            ReduceOp::Sum => vec![b.addi(x[0], y[0])],
            ReduceOp::Max if signed => vec![b.maxsi(x[0], y[0])],
            ReduceOp::Max => vec![b.maxui(x[0], y[0])],
            ReduceOp::Min if signed => vec![b.minsi(x[0], y[0])],
            ReduceOp::Min => vec![b.minui(x[0], y[0])],
            // The better of the worse of both best and the better of both second.
            ReduceOp::TopTwoSum => {
                vec![b.maxui(x[0], y[0]), b.maxui(b.minui(x[0], y[0]), b.maxui(x[1], y[1]))]
            }
        }
    }

    /// The two best keys after another.
    fn insert_key(&self, state: &[Val<'m>], key: Val<'m>) -> Vec<Val<'m>> {
        let b = self.b;
        vec![b.maxui(state[0], key), b.maxui(b.minui(state[0], key), state[1])]
    }

    /// What a state stands for.
    pub(super) fn reduced(&self, op: ReduceOp, dtype: DType, state: &[Val<'m>]) -> Lanes<'m> {
        let b = self.b;
        let lanes = b.lanes(b.type_of(state[0]));
        let free = |value| Lanes { nans: Nans::Free, ..Lanes::exact(value, lanes) };
        let x = match op {
            ReduceOp::Sum if dtype == DType::F32 => free(state[0]),
            ReduceOp::Max | ReduceOp::Min if dtype == DType::F32 => {
                free(b.bitcast(order::place(&mut self.math_of(state[0]), state[0]), b.lanes_of(b.f32(), lanes)))
            }
            ReduceOp::TopTwoSum => {
                let (x, y) = (self.ranked_floats(state[0]), self.ranked_floats(state[1]));
                let alone = b.cmpi(IntPredicate::Eq, state[1], b.const_int(b.type_of(state[1]), 0));
                free(b.select(alone, x.value, b.addf(x.value, y.value)))
            }
            _ => Lanes::exact(state[0], lanes),
        };
        self.lanewise.settled(x)
    }
}
