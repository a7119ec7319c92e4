//! Which lane has which column, and in which of its registers.

use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::{Arithmetic, Emitter};
use crate::mlir::builder::{IntPredicate, Val};
use std::rc::Rc;

/// Columns in segments, over the lanes of a row.
///
/// `span` lanes share a segment, each `registers` neighbouring columns of it, lower lanes the lower ones; `side` segments lie
/// side by side over the lanes, and the rest in further turns. Where the last lanes or turns have no column of their own
/// they have a copy of another. One segment alone that does not need all lanes is repeated over them.
pub(in crate::emit) struct Spread<'m> {
    /// Segments of the space.
    pub segments: u64,
    /// Columns of a segment.
    pub width: u64,
    /// Lanes of a segment, a power of two.
    pub span: u32,
    /// Columns of a segment that a lane has.
    pub registers: u32,
    /// Segments side by side, a power of two.
    pub side: u32,
    /// Times that `side` segments make them all.
    pub turns: u32,
    /// By turn, then by register.
    pub places: Vec<Place<'m>>,
    /// The segment of each turn.
    pub owned: Vec<Ix<'m>>,
    /// The own lane's number among those of its segment, `i32`.
    pub member: Val<'m>,
    /// This lane is no repetition of another that has the same one segment; none if it is certain.
    pub first: Option<Val<'m>>,
}

/// What a lane has in one register.
#[derive(Clone, Copy)]
pub(in crate::emit) struct Place<'m> {
    /// A column of the space, never past its end.
    pub column: Ix<'m>,
    /// Whether it is the lane's own and no copy; none if it is certain.
    pub valid: Option<Val<'m>>,
}

impl<'m> Spread<'m> {
    /// The columns at a row.
    pub fn index(&self, row: Ix<'m>) -> Index<'m> {
        Index::new(vec![row], self.places.iter().map(|p| p.column).collect(), None)
    }

    /// The registers of one turn.
    pub fn turn(&self, turn: u32) -> std::ops::Range<usize> {
        let registers = self.registers as usize;
        turn as usize * registers..(turn as usize + 1) * registers
    }
}

impl<'m> Emitter<'_, 'm> {
    /// `segments` segments of `width` columns over the lanes. Where sums are made, the registers of a segment are a power of
    /// two in all.
    pub fn new_spread(&self, segments: u64, width: u64, sums: bool) -> Rc<Spread<'m>> {
        let (b, group) = (self.b, self.group());
        let lanes = u64::from(group.lanes);
        let (span, registers) = lanes_and_registers(lanes, segments, width, sums);
        let side = lanes / span;
        let turns = segments.div_ceil(side);
        let word = |n: u64| b.const_int(b.int(32), n as i64);
        let below = |x: Val<'m>, n: u64| b.cmpi(IntPredicate::Ult, x, word(n));
        let all = span == lanes;
        let member = if all { group.lane } else { b.andi(group.lane, word(span - 1)) };
        let neighbour = (!all).then(|| b.shrui(group.lane, word(u64::from(span.trailing_zeros()))));

        // In the segment.
        let (whole, rest) = (width / registers, width % registers);
        // Lanes of a segment that have a column in this register.
        let having = |register: u64| whole + u64::from(register < rest);
        let most = having(0);
        let clamped = if most < span { b.minui(member, word(most - 1)) } else { member };
        let linear = width == span * registers && (segments > 1 || all);
        let within = if span == 1 { Ix::constant(0) } else { self.times(self.lane_index(clamped), registers) };
        let in_segment = |register: u64| {
            let valid = (having(register) < span).then(|| below(member, having(register)));
            let column = within.offset(register);
            // The last lane with columns may have fewer than the others.
            let column = if having(register) < most {
                let last = b.minui(self.materialise(column), self.index_const(width - 1));
                Ix::value(last, 1)
            } else {
                column
            };
            Place { column, valid }
        };
        let in_segment: Vec<Place<'m>> = (0..registers).map(in_segment).collect();

        // Of the row.
        let (mut places, mut owned) = (vec![], vec![]);
        for turn in 0..turns {
            let first = turn * side;
            let left = segments - first;
            let (segment, valid) = match neighbour {
                None => (Ix::constant(first), None),
                Some(_) if segments == 1 => (Ix::constant(0), None),
                Some(neighbour) if left >= side => (self.lane_index(neighbour).offset(first), None),
                Some(neighbour) => {
                    let clamped = b.minui(neighbour, word(left - 1));
                    (self.lane_index(clamped).offset(first), Some(below(neighbour, left)))
                }
            };
            let linear = linear && left >= side;
            let base = if linear {
                self.times(self.lane_index(group.lane), registers).offset(first * width)
            } else {
                self.times(segment, width)
            };
            let from = places.len();
            for (register, place) in (0..registers).zip(&in_segment) {
                let column = if linear { base.offset(register) } else { self.add(base, place.column) };
                let valid = match (valid, place.valid) {
                    (Some(x), Some(y)) => Some(b.andi(x, y)),
                    (x, y) => x.or(y),
                };
                places.push(Place { column, valid });
            }
            // What is asked of a column's segment is known without a division.
            let Place { column, .. } = places[from];
            if let (Some(base), Some(segment_base)) = (column.base, segment.base)
                && column.plus == first * width
                && first == 0
            {
                self.know(Arithmetic::Quotient(crate::emit::pull::index::key(base), 0, width), segment_base);
            }
            owned.push(if linear && first == 0 { self.divide(places[from].column, width) } else { segment });
        }
        let first = (segments == 1 && !all).then(|| below(group.lane, span));
        let (span, registers, side, turns) = (span as u32, registers as u32, side as u32, turns as u32);
        Rc::new(Spread { segments, width, span, registers, side, turns, places, owned, member, first })
    }

    /// A number that is below the lanes of a row, `i32`, as an index.
    pub fn lane_index(&self, lane: Val<'m>) -> Ix<'m> {
        let wide = if self.variant.narrow { lane } else { self.widened_lane(lane) };
        Ix::value(wide, 1)
    }
}

/// The lanes of a segment, and the columns of each.
pub(in crate::emit) fn lanes_and_registers(lanes: u64, segments: u64, width: u64, sums: bool) -> (u64, u64) {
    let span = (lanes / segments.next_power_of_two()).clamp(1, width.next_power_of_two());
    (span, if sums { width.next_power_of_two() / span } else { width.div_ceil(span) })
}
