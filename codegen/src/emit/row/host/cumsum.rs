//! Running sums on the host.

use super::RowHost;
use super::workspace::Workspace;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::types::memory_type;
use crate::emit::row::Segments;
use crate::mlir::builder::Val;
use routefuse_ir::DType;
use routefuse_ir::kernel::ValueId;

/// The widest segment whose sums are made in a vector.
const IN_REGISTERS: u64 = 32;

impl<'m> RowHost<'_, 'm> {
    /// The running sums of every segment.
    pub(super) fn sum_segments(&self, work: &Workspace<'m>, Segments { operand, width }: Segments, row: &Index<'m>) {
        let value = self.pull.kernel.value(operand);
        let (segments, dtype) = (value.space.cols / width, value.dtype);
        let body = |segment: Ix<'m>| {
            let first = self.ix.times(segment, width);
            if width <= IN_REGISTERS {
                self.short_cumsum(work, (operand, row), first, width, dtype);
            } else {
                self.long_cumsum(work, (operand, row), first, width, dtype);
            }
            let trap = self.segment_trap(work, (operand, row), first, width);
            self.stack.write_trap(&work.out, segment, trap);
        };
        if segments == 1 { body(Ix::constant(0)) } else { self.loop_over(segments, 1, body) }
    }

    /// With the bits that the definition says.
    pub(super) fn sum(&self, dtype: DType, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        if dtype != DType::F32 {
            return self.b.addi(x, y);
        }
        let sum = self.b.addf(x, y);
        let lanes = self.b.lanes(self.b.type_of(sum));
        self.lanewise.settled(Lanes { nans: Nans::Free, ..Lanes::exact(sum, lanes) }).value
    }

    fn short_cumsum(
        &self,
        work: &Workspace<'m>,
        source: (ValueId, &Index<'m>),
        first: Ix<'m>,
        width: u64,
        dtype: DType,
    ) {
        let b = self.b;
        let lanes = width.next_power_of_two();
        let zero = b.const_zero(memory_type(self.b, dtype));
        let read = |first: Ix<'m>, lanes: u64| {
            self.lanewise.settled(self.neighbouring(source.0, source.1, first, lanes)).value
        };
        let mut y = self.padded(first, (width, lanes), zero, &read);
        let mut distance = 1;
        while distance < width {
            let moved: Vec<i32> = (0..lanes as i32).map(|lane| (lane - distance as i32).max(0)).collect();
            let sum = self.sum(dtype, b.shuffle(y, y, &moved), y);
            let last: Vec<i32> = (0..lanes as i32)
                .map(|lane| if (lane as u64) < distance { lane } else { lane + lanes as i32 })
                .collect();
            y = b.shuffle(y, sum, &last);
            distance *= 2;
        }
        self.write_lanes(work, first, Lanes::exact(y, 1), width);
    }

    fn long_cumsum(
        &self,
        work: &Workspace<'m>,
        (operand, row): (ValueId, &Index<'m>),
        first: Ix<'m>,
        width: u64,
        dtype: DType,
    ) {
        self.columns(first, width, |at| {
            let x = self.neighbouring(operand, row, at[0], at.len() as u64);
            self.stack.write(&work.out, at, self.lanewise.settled(x));
        });
        let lanes_at = |at: Ix<'m>, lanes: u64| -> Vec<Ix<'m>> { (0..lanes).map(|lane| at.offset(lane)).collect() };
        // From the last column down, so that what is read has not been written in the same turn.
        let piece = |before: Ix<'m>, at: Ix<'m>, lanes: u64| {
            let (before, at) = (lanes_at(before, lanes), lanes_at(at, lanes));
            let (x, y) = (self.stack.read(&work.out, &before), self.stack.read(&work.out, &at));
            self.stack.write(&work.out, &at, Lanes::exact(self.sum(dtype, x.value, y.value), lanes as u32));
        };
        let vector = self.vectors.lanes();
        let mut distance = 1;
        while distance < width {
            let count = width - distance;
            let whole = count / vector;
            if whole > 0 {
                self.loop_over(whole, 1, |turn| {
                    let back = self.b.muli(self.ix.materialise(turn), self.ix.constant(vector));
                    let from = |last: u64| Ix::value(self.b.subi(self.ix.constant(last - vector), back), 1);
                    piece(self.ix.add(first, from(width - distance)), self.ix.add(first, from(width)), vector);
                });
            }
            let mut rest = count % vector;
            while rest > 0 {
                let lanes = 1 << rest.ilog2();
                rest -= lanes;
                piece(first.offset(rest), first.offset(rest + distance), lanes);
            }
            distance *= 2;
        }
    }
}
