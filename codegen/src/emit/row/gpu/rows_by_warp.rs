//! Rows that are done by the letter, one after the other, by all lanes of their warp.
//!
//! Where lanes have many columns each, what a seldom row takes is as much code as everything else, and registers besides. All lanes of
//! a warp have few columns each of one row. So the warp takes such rows one by one, in a loop, as a team of its own
//! ([`Team::of_warp`](crate::machine::team::Team::of_warp)). It needs no shared memory, which other rows would do without.

use super::spread::{Spread, Spreads};
use super::{Begun, RowGpu};
use crate::emit::pull::index::Ix;
use crate::emit::row::Selection;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::schedule::{RowShape, Selecting};
use std::rc::Rc;

/// Columns of a lane of the warp at most, which are in registers.
const MOST_COLUMNS: u64 = 8;

/// Lanes of a row at least: else a warp has so many rows that one after the other takes too long.
const LEAST_LANES: u32 = 4;

impl<'a, 'm> RowGpu<'a, 'm> {
    /// Whether a warp can take rows of so many columns one by one.
    pub(super) fn has_rows_by_warp(&self, width: u64) -> bool {
        let (lanes, warp) = (self.team.lanes, self.warps.lanes());
        (LEAST_LANES..warp).contains(&lanes)
            && self.warps.has_max()
            && self.warps.scalars().is_none()
            && width <= MOST_COLUMNS * u64::from(warp)
    }

    /// The columns of the k best of a value, for those rows of the warp of which some lane says that it is `wanted`: each lane those
    /// of its own columns of the result. Of other rows what is `known`.
    pub(super) fn columns_by_warp(
        &self,
        value: ValueId,
        what: Selection,
        (wanted, row): (Val<'m>, Ix<'m>),
        (known, result): (&[Val<'m>], &Spread<'m>),
    ) -> Vec<Val<'m>> {
        let (b, team) = (self.b, &self.team);
        let (number, first_of_row) = (self.ix.materialise(row), team.first_of_row());
        let of_row = self.word(((1u64 << team.lanes) - 1) as u32);
        let state = [&[team.having(wanted)], known].concat();
        let mut found = b.repeat_while(
            &state,
            |_, state| {
                self.pull.scopes.scoped(|| {
                    self.pull.machine.keep_loop(b);
                    let first = b.andi(b.trailing_zeros(state[0]), self.word(!(team.lanes - 1)));
                    // By way of another lane, so that nobody knows the row to be one of which memory was asked already.
                    let number = team.moved(number, |word| team.of_warp_lane(word, first));
                    let here = b.cmpi(IntPredicate::Eq, first, first_of_row);
                    self.pull.leave_row();
                    let row = Ix::value(number, 1);
                    let columns = self.of_warp().columns_of_row(value, what, row, (here, &state[1..]), result);
                    let left = b.andi(state[0], b.xori(b.shli(of_row, first), self.word(u32::MAX)));
                    (b.cmpi(IntPredicate::Ne, left, self.word(0)), [&[left], &columns[..]].concat())
                })
            },
            |_, state| state.to_vec(),
        );
        found.split_off(1)
    }

    /// An owner of rows that have all lanes of the warp.
    fn of_warp(&self) -> RowGpu<'a, 'm> {
        let team = Rc::new(self.team.of_warp());
        let shape = RowShape { selecting: Selecting::InMemory, ..RowShape::of(team.lanes, self.shape.threads) };
        let spreads = Spreads::new(self.b, self.pull.kernel, &self.ix, &team, shape);
        let owner =
            RowGpu::new(Rc::clone(&self.pull), self.warps, (shape, team), spreads, (self.peepholes, Begun::Launch));
        owner.by_the_letter.set(true);
        owner
    }

    /// Of a row that has all lanes of the warp, the columns of the k best of a value, −1 where there is none: on the lanes that are
    /// `here` those of their columns of the result, which are others' result. Other lanes keep what they have.
    fn columns_of_row(
        &self,
        value: ValueId,
        what: Selection,
        row: Ix<'m>,
        (here, known): (Val<'m>, &[Val<'m>]),
        result: &Spread<'m>,
    ) -> Vec<Val<'m>> {
        let (b, team, count) = (self.b, &self.team, known.len());
        let spread = self.spreads.of(1, self.pull.kernel.value(value).space.cols);
        let (keys, _) = self.own_keys(value, &spread, &spread.index(row), what.candidates);
        let (first_column, none) = (self.first_column(&spread), self.word(u32::MAX));
        let may_run_out = self.may_run_out(value, what.candidates);
        let state = [&[self.word(0)], known, &keys[..]].concat();
        let found = b.repeat_while(
            &state,
            |_, state| {
                self.pull.machine.keep_loop(b);
                let (round, columns, keys) = (state[0], &state[1..=count], &state[count + 1..]);
                let best = keys[1..].iter().fold(keys[0], |best, key| b.maxui(best, *key));
                let largest = team.max(best, spread.span);
                let lane = team.first(b.cmpi(IntPredicate::Eq, best, largest), spread.span);
                // Of equal ones of a lane the first.
                let last = self.word(keys.len() as u32 - 1);
                let is_best = |i: usize| b.cmpi(IntPredicate::Eq, keys[i], best);
                let register =
                    (0..keys.len() - 1).rev().fold(last, |found, i| b.select(is_best(i), self.word(i as u32), found));
                let mut column = team.from(b.addi(first_column, register), lane);
                if may_run_out {
                    column = b.select(b.cmpi(IntPredicate::Eq, largest, self.word(0)), none, column);
                }
                let own = |(known, at): (&Val<'m>, &super::spread::Column<'m>)| {
                    let asked = b.andi(here, b.cmpi(IntPredicate::Eq, self.ix.to_word(at.at), round));
                    b.select(asked, column, *known)
                };
                let columns: Vec<Val<'m>> = columns.iter().zip(&result.columns).map(own).collect();
                let struck = b.select(b.cmpi(IntPredicate::Eq, team.lane, lane), register, none);
                let left = |(i, key): (u32, &Val<'m>)| {
                    b.select(b.cmpi(IntPredicate::Eq, struck, self.word(i)), self.word(0), *key)
                };
                let left: Vec<Val<'m>> = (0..).zip(keys).map(left).collect();
                let next = b.addi(round, self.word(1));
                let again = b.cmpi(IntPredicate::Ult, next, self.word(what.k as u32));
                (again, [&[next], &columns[..], &left[..]].concat())
            },
            |_, state| state.to_vec(),
        );
        found[1..=count].to_vec()
    }
}
