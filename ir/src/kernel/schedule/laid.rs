//! Which lane of a row has which columns: how segments of a value lie over the lanes of a shape on a GPU.
//!
//! Emitters take the numbers and the formulas from here, and so does whoever draws a schedule.
//!
//! `span` lanes share a segment, each `registers` columns of it; `side` segments lie side by side over the lanes, and the rest
//! in further turns. Where the last lanes or turns have no column of their own they have a copy of another. One segment alone
//! that does not need all lanes is repeated over them.
//!
//! Mostly a lane's columns of a segment are neighbours, lower lanes having the lower ones. Where few lanes have many columns they
//! come in runs of `run`:
//! ```text
//! 32 columns over 2 lanes, run = 8     lane 0: 0–7 and 16–23     lane 1: 8–15 and 24–31
//! ```
//! Then the lanes of a row load neighbouring pieces of memory at a time, and a sum begins with additions within a lane.

use super::{Domain, RowShape, Selecting, sorted};
use crate::kernel::{Kernel, RowOp, RowValue, ValueId};
use crate::op::ReduceOp;

/// A value of so few columns, which is not the widest, is laid over the lanes column by column: of several such values of
/// nearly as many columns, as of chosen experts with and without shared ones, each lane has the same columns.
const NARROW: u64 = 32;

/// How segments of equally many columns lie over the lanes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laid {
    /// Segments of the value.
    pub segments: u64,
    /// Columns of a segment.
    pub width: u64,
    /// Lanes of a segment, a power of two.
    pub span: u64,
    /// Columns of a segment that a lane has.
    pub registers: u64,
    /// So many of them are neighbours, a divisor of `registers`; a power of two where it is less.
    pub run: u64,
    /// Segments side by side, a power of two.
    pub side: u64,
    /// Times that `side` segments make them all.
    pub turns: u64,
}

impl Laid {
    /// How segments of a value lie over the lanes of this shape. What a kernel does with them decides: columns in runs are for
    /// what does not depend on which lane comes first.
    pub fn of(kernel: &Kernel, shape: RowShape, segments: u64, width: u64) -> Laid {
        let lanes = u64::from(shape.lanes);
        let sums = has_sums(kernel, segments, width);
        let (span, registers) = lanes_and_registers(lanes, segments, width, sums);
        let side = lanes / span;
        let turns = segments.div_ceil(side);
        let plain = Laid { segments, width, span, registers, run: registers, side, turns };
        if shape.selecting != Selecting::Sorted || segments > 1 || registers == 1 {
            return plain;
        }
        let mut widest = 1;
        for row in kernel.values.iter().filter_map(|v| v.kind.row_value()) {
            let cols = kernel.value(row.value).space.cols;
            widest = widest.max(cols);
            let fits = match row.op {
                _ if cols != width => true,
                // Other segments of the same columns. Of a softmax they are the largest of groups, which have their own lanes.
                _ if row.width != width => sums && row.op == RowOp::Reduce(ReduceOp::Max),
                RowOp::Reduce(ReduceOp::TopTwoSum) | RowOp::CumSum | RowOp::Rank { .. } => false,
                RowOp::Reduce(_) => true,
                RowOp::TopK { k, .. } | RowOp::TopKMask { k, .. } => {
                    sorted::applies(shape, registers.next_multiple_of(sorted::RUN), k)
                }
            };
            if !fits {
                return plain;
            }
        }
        let run = if width <= NARROW && width < widest { 1 } else { sorted::RUN };
        // No more runs than some lane has columns in: a sum takes what is missing to a power of two as nothing.
        let whole = width.div_ceil(run * span) * run;
        if !sums || registers % run == 0 { Laid { registers: whole, run, ..plain } } else { plain }
    }

    /// The column of a segment that its first lane has in this register: that of any other lane is [`Laid::run`] columns further
    /// for each lane.
    pub fn first(self, register: u64) -> u64 {
        register / self.run * self.run * self.span + register % self.run
    }

    /// Lanes of a segment that have a column of their own in this register: the first ones. The others have a copy.
    pub fn having(self, register: u64) -> u64 {
        self.width.saturating_sub(self.first(register)).div_ceil(self.run).min(self.span)
    }

    /// The column of the value that a lane of the row has as its own, in this register of this turn. Lanes that repeat one
    /// segment have no column of their own.
    pub fn column(self, lane: u64, turn: u64, register: u64) -> Option<u64> {
        let (member, segment) = (lane % self.span, turn * self.side + lane / self.span);
        let own = segment < self.segments && member < self.having(register);
        own.then(|| segment * self.width + self.first(register) + member * self.run)
    }

    /// The columns that a lane has as its own, as ranges of neighbours: first and last. In ascending order.
    pub fn ranges(self, lane: u64) -> Vec<[u64; 2]> {
        let mut ranges: Vec<[u64; 2]> = vec![];
        let registers = (0..self.turns).flat_map(|turn| (0..self.registers).map(move |register| (turn, register)));
        for column in registers.filter_map(|(turn, register)| self.column(lane, turn, register)) {
            match ranges.last_mut() {
                Some([_, last]) if *last + 1 == column => *last = column,
                _ => ranges.push([column, column]),
            }
        }
        ranges
    }

    /// Lanes that have the same columns as one of the first [`Laid::span`]: one segment that does not need all lanes lies on
    /// them so many times.
    pub fn times(self) -> u64 {
        if self.segments == 1 { self.side } else { 1 }
    }
}

/// The lanes of a segment, and the columns of each. Where sums are made, the registers of a segment are a power of two in all.
fn lanes_and_registers(lanes: u64, segments: u64, width: u64, sums: bool) -> (u64, u64) {
    let span = (lanes / segments.next_power_of_two()).clamp(1, width.next_power_of_two());
    (span, if sums { width.next_power_of_two() / span } else { width.div_ceil(span) })
}

/// Whether segments of these columns are summed.
fn has_sums(kernel: &Kernel, segments: u64, width: u64) -> bool {
    kernel.values.iter().filter_map(|v| v.kind.row_value()).any(|row| {
        row.op == RowOp::Reduce(ReduceOp::Sum)
            && row.width == width
            && kernel.value(row.value).space.cols == segments * width
    })
}

/// Columns in segments that lie over the lanes of a row: what of a kernel asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The stores of this domain, by its position.
    Domain(usize),
    /// This row value, of its operand.
    Operand(ValueId),
    /// This top-k, of the columns that it chooses.
    Chosen(ValueId),
}

/// All that lies over the lanes of a row: segments and their columns, by who asks, in the order in which an emitter declares
/// them.
pub fn asked(kernel: &Kernel, domains: &[Domain]) -> Vec<(Asker, u64, u64)> {
    let mut asked: Vec<_> = (0..).zip(domains).map(|(i, domain)| (Asker::Domain(i), 1, domain.cols)).collect();
    for (id, value) in kernel.values() {
        if let Some(RowValue { value: operand, width, op }) = value.kind.row_value().copied() {
            asked.push((Asker::Operand(id), kernel.value(operand).space.cols / width, width));
            if matches!(op, RowOp::TopK { .. }) {
                asked.push((Asker::Chosen(id), 1, value.space.cols));
            }
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Laid = Laid { segments: 1, width: 8, span: 8, registers: 1, run: 1, side: 4, turns: 1 };

    #[test]
    fn runs_of_a_lane_lie_behind_those_of_all_lanes() {
        let laid = Laid { segments: 1, width: 32, span: 2, registers: 16, run: 8, side: 1, turns: 1 };
        assert_eq!(laid.ranges(0), [[0, 7], [16, 23]]);
        assert_eq!(laid.ranges(1), [[8, 15], [24, 31]]);
    }

    #[test]
    fn one_segment_is_repeated_over_lanes_that_it_does_not_need() {
        assert_eq!((PLAIN.times(), PLAIN.ranges(3), PLAIN.ranges(11)), (4, vec![[3, 3]], vec![]));
    }

    #[test]
    fn every_column_has_one_lane() {
        for segments in 1..=9 {
            for width in 1..=40 {
                for (lanes, run) in [1, 2, 4, 8, 32].into_iter().flat_map(|lanes| [(lanes, 1), (lanes, 8), (lanes, 0)])
                {
                    let (span, registers) = lanes_and_registers(lanes, segments, width, false);
                    let run = if run == 0 || segments > 1 { registers } else { run };
                    let registers = width.div_ceil(run * span) * run;
                    let side = lanes / span;
                    let laid = Laid { segments, width, span, registers, run, side, turns: segments.div_ceil(side) };
                    let mut columns: Vec<u64> =
                        (0..lanes).flat_map(|lane| laid.ranges(lane)).flat_map(|[first, last]| first..=last).collect();
                    columns.sort_unstable();
                    assert!(columns.into_iter().eq(0..segments * width), "{laid:?}");
                }
            }
        }
    }
}
