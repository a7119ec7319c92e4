//! Running sums on the host.

use super::room::Room;
use crate::emit::pull::Emitter;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::Val;
use routefuse_ir::DType;
use routefuse_ir::kernel::ValueId;

/// The widest segment whose sums are made in a vector.
const IN_REGISTERS: u64 = 32;

/// Lanes of a piece of a wider one.
const LANES: u64 = 8;

impl<'m> Emitter<'_, 'm> {
    /// The running sums of every segment.
    pub(in crate::emit) fn host_cumsum(&self, room: &Room<'m>, operand: ValueId, width: u64, row: &Index<'m>) {
        let value = self.kernel.value(operand);
        let (segments, dtype) = (value.space.cols / width, value.dtype);
        let body = |segment: Ix<'m>| {
            let first = self.times(segment, width);
            if width <= IN_REGISTERS {
                self.short_cumsum(room, (operand, row), first, width, dtype);
            } else {
                self.long_cumsum(room, (operand, row), first, width, dtype);
            }
            let trap = self.segment_trap(room, (operand, row), first, width);
            self.write_trap(&room.out, segment, trap);
        };
        if segments == 1 { body(Ix::constant(0)) } else { self.host_loop(segments, 1, body) }
    }

    /// With the bits that the definition says.
    fn sum(&self, dtype: DType, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        if dtype != DType::F32 {
            return self.b.addi(x, y);
        }
        let sum = self.b.addf(x, y);
        let lanes = self.b.lanes(self.b.type_of(sum));
        self.settled(Lanes { nans: crate::emit::pull::known::Nans::Free, ..Lanes::exact(sum, lanes) }).value
    }

    fn short_cumsum(&self, room: &Room<'m>, source: (ValueId, &Index<'m>), first: Ix<'m>, width: u64, dtype: DType) {
        let b = self.b;
        let lanes = width.next_power_of_two();
        let zero = b.const_zero(self.memory_type(dtype));
        let read = |first: Ix<'m>, lanes: u64| self.settled(self.neighbouring(source.0, source.1, first, lanes)).value;
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
        self.write_lanes(room, first, Lanes::exact(y, 1), width);
    }

    fn long_cumsum(
        &self,
        room: &Room<'m>,
        (operand, row): (ValueId, &Index<'m>),
        first: Ix<'m>,
        width: u64,
        dtype: DType,
    ) {
        self.columns(first, width, |at| {
            let x = self.neighbouring(operand, row, at[0], at.len() as u64);
            self.write_scratch(&room.out, at, self.settled(x));
        });
        let lanes_at = |at: Ix<'m>, lanes: u64| -> Vec<Ix<'m>> { (0..lanes).map(|lane| at.offset(lane)).collect() };
        // From the last column down, so that what is read has not been written in the same step.
        let piece = |before: Ix<'m>, at: Ix<'m>, lanes: u64| {
            let (before, at) = (lanes_at(before, lanes), lanes_at(at, lanes));
            let (x, y) = (self.read_scratch(&room.out, &before), self.read_scratch(&room.out, &at));
            self.write_scratch(&room.out, &at, Lanes::exact(self.sum(dtype, x.value, y.value), lanes as u32));
        };
        let mut distance = 1;
        while distance < width {
            let count = width - distance;
            let whole = count / LANES;
            if whole > 0 {
                self.host_loop(whole, 1, |step| {
                    let back = self.b.muli(self.materialise(step), self.index_const(LANES));
                    let from = |last: u64| Ix::value(self.b.subi(self.index_const(last - LANES), back), 1);
                    piece(self.add(first, from(width - distance)), self.add(first, from(width)), LANES);
                });
            }
            let mut rest = count % LANES;
            while rest > 0 {
                let lanes = 1 << rest.ilog2();
                rest -= lanes;
                piece(first.offset(rest), first.offset(rest + distance), lanes);
            }
            distance *= 2;
        }
    }
}
