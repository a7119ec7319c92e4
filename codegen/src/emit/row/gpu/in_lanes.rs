//! What is held of a row: registers of the team's lanes.

use super::spread::Spread;
use crate::emit::pull::Held;
use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::machine::team::Team;
use crate::mlir::builder::{Builder, IntPredicate, Val};
use routefuse_ir::kernel::ValueId;
use std::rc::Rc;

/// A value in the lanes' registers.
#[derive(Clone)]
pub(super) struct Registers<'m> {
    pub lanes: Lanes<'m>,
    pub spread: Rc<Spread<'m>>,
    pub home: Home,
    /// Of columns, elements of other values at them.
    pub elements: Vec<(ValueId, Lanes<'m>)>,
}

/// Which columns of a value the registers of a spread are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// Those of the spread.
    Columns,
    /// One for each segment, on all its lanes: a register a turn.
    Segments,
}

impl<'m> Registers<'m> {
    /// Where a lane has the value in its own registers.
    pub fn own_index(&self, row: Ix<'m>) -> Index<'m> {
        match self.home {
            Home::Columns => self.spread.index(row),
            Home::Segments => Index::new(vec![row], self.spread.owned.clone(), None),
        }
    }
}

/// A value that is held in the lanes' registers. A column that another lane has comes by shuffle.
pub(super) struct InLanes<'a, 'm> {
    pub b: &'a Builder<'m>,
    pub ix: Rc<Indexing<'a, 'm>>,
    pub team: Rc<Team<'a, 'm>>,
    pub registers: Registers<'m>,
}

impl<'m> InLanes<'_, 'm> {
    /// The lane of the row that has a column, and in which of its registers.
    fn home_of(&self, column: Ix<'m>) -> (Ix<'m>, Ix<'m>) {
        let (ix, Registers { spread, home, .. }) = (&self.ix, &self.registers);
        let (span, side) = (u64::from(spread.span), u64::from(spread.side));
        let (per_segment, per_lane, run) = match home {
            Home::Columns => (spread.width, u64::from(spread.registers), u64::from(spread.run)),
            Home::Segments => (1, 1, 1),
        };
        let one = spread.segments == 1;
        let segment = if one { Ix::constant(0) } else { ix.divide(column, per_segment) };
        let within = if one { column } else { ix.remainder(column, per_segment) };
        if run < per_lane {
            // There is one segment.
            let of_all = ix.divide(within, run);
            let register = ix.add(ix.times(ix.divide(of_all, span), run), ix.remainder(within, run));
            return (ix.remainder(of_all, span), register);
        }
        let (turn, beside) = (ix.divide(segment, side), ix.remainder(segment, side));
        let lane = ix.add(ix.times(beside, span), ix.divide(within, per_lane));
        (lane, ix.add(ix.times(turn, per_lane), ix.remainder(within, per_lane)))
    }

    /// The elements of a vector of registers at these columns.
    fn at(&self, vector: Val<'m>, columns: &[Ix<'m>]) -> Val<'m> {
        let (b, team, count) = (self.b, &self.team, self.registers.lanes.lanes as usize);
        let registers = registers(b, vector, count);
        let values = columns.iter().map(|column| {
            let (lane, register) = self.home_of(*column);
            let lane = self.ix.to_word(lane);
            let moved = |register: usize| team.moved(registers[register], |word| team.from(word, lane));
            if let (None, plus) = (register.base, register.plus) {
                return moved(plus as usize);
            }
            let register = self.ix.to_word(register);
            (1..count).fold(moved(0), |found, i| {
                let here = b.cmpi(IntPredicate::Eq, register, b.const_int(b.int(32), i as i64));
                b.select(here, moved(i), found)
            })
        });
        b.gather_lanes(&values.collect::<Vec<_>>())
    }
}

impl<'m> InLanes<'_, 'm> {
    /// One column, of which all lanes that may have it are asked before any answer is waited for: `together` is called in between.
    pub fn at_once(&self, column: Ix<'m>, together: impl Fn()) -> Lanes<'m> {
        let (b, team, lanes) = (self.b, &self.team, self.registers.lanes);
        let (lane, register) = self.home_of(column);
        let lane = self.ix.to_word(lane);
        let one = |vector: Val<'m>| {
            let own = registers(b, vector, lanes.lanes as usize);
            let moved: Vec<Val<'m>> = own.iter().map(|x| team.moved(*x, |word| team.from(word, lane))).collect();
            together();
            if let (None, plus) = (register.base, register.plus) {
                return moved[plus as usize];
            }
            let register = self.ix.to_word(register);
            (1..moved.len()).fold(moved[0], |found, i| {
                let here = b.cmpi(IntPredicate::Eq, register, b.const_int(b.int(32), i as i64));
                b.select(here, moved[i], found)
            })
        };
        Lanes { value: one(lanes.value), lanes: 1, nans: lanes.nans, trap: lanes.trap.map(one) }
    }
}

impl<'m> Held<'m> for InLanes<'_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        let columns = &index.column;
        let lanes = self.registers.lanes;
        let trap = lanes.trap.map(|trap| self.at(trap, columns));
        let value = self.at(lanes.value, columns);
        Some(Lanes { value, lanes: columns.len() as u32, nans: lanes.nans, trap })
    }
}

/// The registers of a vector; one for all where it is a scalar.
pub(super) fn registers<'m>(b: &Builder<'m>, vector: Val<'m>, count: usize) -> Vec<Val<'m>> {
    let lanes = b.lanes(b.type_of(vector)) as usize;
    (0..count).map(|lane| b.extract(vector, if lanes == 1 { 0 } else { lane as u32 })).collect()
}

/// Lanes `from..to` of a vector; one serves all.
pub(super) fn part<'m>(b: &Builder<'m>, x: Lanes<'m>, from: usize, to: usize) -> Lanes<'m> {
    let slice = |v: Val<'m>| {
        let lanes: Vec<Val<'m>> = (from..to).map(|lane| b.extract(v, lane as u32)).collect();
        b.gather_lanes(&lanes)
    };
    let one = |v: Val<'m>| b.lanes(b.type_of(v)) == 1;
    let trap = x.trap.map(|t| if one(t) { t } else { slice(t) });
    if x.lanes == 1 {
        return Lanes { trap, ..x };
    }
    Lanes { value: slice(x.value), lanes: (to - from) as u32, trap, ..x }
}
