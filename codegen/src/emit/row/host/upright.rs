//! Row values of a block of rows with one in each lane: nothing crosses lanes, and every column is a vector.

use super::RowHost;
use crate::emit::pull::Held;
use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::lanewise::Lanewise;
use crate::emit::row::{Rows, Segments, Selection, compute};
use crate::mlir::builder::{Builder, IntPredicate, Val};
use routefuse_ir::kernel::schedule::block_rows::BLOCK_ROWS;
use routefuse_ir::kernel::{RowValue, ValueId};
use routefuse_ir::op::{ReduceOp, TopKOrder};
use std::rc::Rc;

/// The owner of a block of rows with one in each lane.
struct Upright<'o, 'a, 'm>(&'o RowHost<'a, 'm>);

impl<'m> RowHost<'_, 'm> {
    /// Whoever asks for a row value of these rows gets its columns.
    pub(super) fn row_value_upright(&self, id: ValueId, row_value: RowValue, at: &Index<'m>) {
        let columns = self.b.made_for(id.0, || compute(&Upright(self), row_value, &(), at));
        for (column, lanes) in columns.iter().enumerate() {
            self.pull.remember(id, &at.at(vec![Ix::constant(column as u64)]), *lanes);
        }
        self.pull.hold(
            id,
            Rc::new(InColumns {
                b: self.b,
                ix: Rc::clone(&self.ix),
                lanewise: Rc::clone(&self.lanewise),
                rows: at.row.clone(),
                columns,
            }),
        );
    }
}

/// A value of a block of rows with one in each lane: a vector for each column.
struct InColumns<'a, 'm> {
    b: &'a Builder<'m>,
    ix: Rc<Indexing<'a, 'm>>,
    lanewise: Rc<Lanewise<'a, 'm>>,
    /// The row of each lane.
    rows: Vec<Ix<'m>>,
    columns: Vec<Lanes<'m>>,
}

impl<'m> Held<'m> for InColumns<'_, 'm> {
    /// A column that is data is chosen among all.
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        if index.row.len() == BLOCK_ROWS as usize {
            return Some(self.chosen(&self.columns, &index.column));
        }
        // Some rows of the block.
        let of_lane = |lane: usize| {
            let row = self.rows.iter().position(|row| row.key() == index.row_of(lane).key())? as u32;
            let one = |x: &Lanes<'m>| {
                let of = |v: Val<'m>| self.b.extract(v, if self.b.lanes(self.b.type_of(v)) == 1 { 0 } else { row });
                Lanes { value: of(x.value), lanes: 1, trap: x.trap.map(of), ..*x }
            };
            Some(self.chosen(&self.columns.iter().map(one).collect::<Vec<_>>(), &[index.column_of(lane)]))
        };
        let lanes: Option<Vec<Lanes<'m>>> = (0..index.lanes() as usize).map(of_lane).collect();
        Some(self.lanewise.joined(&lanes?))
    }
}

impl<'m> InColumns<'_, 'm> {
    /// Of these, on every lane the column that is named for it, or for all.
    fn chosen(&self, columns: &[Lanes<'m>], named: &[Ix<'m>]) -> Lanes<'m> {
        if let [Ix { base: None, plus, .. }] = named {
            return columns[*plus as usize];
        }
        let b = self.b;
        let named = b.gather_lanes(&named.iter().map(|ix| self.ix.to_word(*ix)).collect::<Vec<_>>());
        let others = columns.iter().enumerate().skip(1);
        others.fold(columns[0], |chosen, (column, x)| {
            let here = b.cmpi(IntPredicate::Eq, named, b.const_int(b.type_of(named), column as i64));
            self.lanewise.choose(here, *x, chosen)
        })
    }
}

/// A column that is chosen of each row.
struct Chosen<'m> {
    /// Which one, `i32`; −1 where there was no candidate left.
    id: Val<'m>,
    /// For each column, whether it is this one.
    here: Vec<Val<'m>>,
}

impl<'m> Upright<'_, '_, 'm> {
    /// The columns of a segment.
    fn segment(&self, of: Segments, number: u64, at: &Index<'m>) -> Vec<Lanes<'m>> {
        let column = |c: u64| {
            let x = self.0.pull.evaluate(of.operand, &at.at(vec![Ix::constant(number * of.width + c)]));
            Lanes { value: self.0.lanewise.spread(x.value, BLOCK_ROWS), lanes: BLOCK_ROWS, ..x }
        };
        (0..of.width).map(column).collect()
    }

    /// Of every segment some columns, which have trapped where one of the segment has.
    fn of_segments(
        &self,
        of: Segments,
        at: &Index<'m>,
        columns: impl Fn(&[Lanes<'m>]) -> Vec<Lanes<'m>>,
    ) -> Vec<Lanes<'m>> {
        let mut all = vec![];
        for number in 0..of.count(self.0.pull.kernel) {
            let segment = self.segment(of, number, at);
            let trap = segment.iter().fold(None, |trap, x| self.0.lanewise.either(trap, x.trap));
            all.extend(columns(&segment).into_iter().map(|x| Lanes { trap, ..x }));
        }
        all
    }

    /// The columns of k rounds. In each, the lowest of the best columns that are left.
    fn rounds(&self, of: Segments, what: Selection, segment: &[Lanes<'m>]) -> Vec<Chosen<'m>> {
        let (owner, b) = (self.0, self.0.b);
        let dtype = owner.pull.kernel.value(of.operand).dtype;
        // Compared as signed, of which every processor is capable; the least is no candidate.
        let none = b.const_int(b.lanes_of(b.int(32), BLOCK_ROWS), i64::from(i32::MIN));
        let key = |x: &Lanes<'m>| b.xori(owner.rank_keys(*x, dtype, what.candidates), none);
        let mut keys: Vec<Val<'m>> = segment.iter().map(key).collect();
        let number = |n: i64| b.const_int(b.type_of(none), n);
        let round = |_: u64| {
            let (mut best, mut id) = (none, number(-1));
            for (column, key) in keys.iter().enumerate() {
                let better = b.cmpi(IntPredicate::Sgt, *key, best);
                id = b.select(better, number(column as i64), id);
                best = b.maxsi(best, *key);
            }
            let here: Vec<Val<'m>> =
                (0..keys.len()).map(|column| b.cmpi(IntPredicate::Eq, id, number(column as i64))).collect();
            for (key, here) in keys.iter_mut().zip(&here) {
                *key = b.select(*here, none, *key);
            }
            Chosen { id, here }
        };
        (0..what.k).map(round).collect()
    }
}

impl<'m> Rows<'m> for Upright<'_, '_, 'm> {
    type Prepared = ();
    /// A vector for each column.
    type Result = Vec<Lanes<'m>>;

    fn reduce(&self, of: Segments, op: ReduceOp, (): &(), at: &Index<'m>) -> Vec<Lanes<'m>> {
        let owner = self.0;
        let dtype = owner.pull.kernel.value(of.operand).dtype;
        self.of_segments(of, at, |segment| {
            if let ([x], true) = (segment, op != ReduceOp::TopTwoSum) {
                return vec![owner.lanewise.settled(*x)];
            }
            let mut states: Vec<Vec<Val<'m>>> =
                segment.iter().map(|x| owner.state_of(op, owner.to_join(op, dtype, *x))).collect();
            // Columns i and i + n/2, halving: the order of sums. What would be behind the end changes nothing.
            while states.len() > 1 {
                let half = states.len().next_power_of_two() / 2;
                let upper = states.split_off(half);
                for (state, other) in states.iter_mut().zip(&upper) {
                    *state = owner.combine(op, dtype, state, other);
                }
            }
            vec![owner.reduced(op, dtype, &states[0])]
        })
    }

    fn cumsum(&self, of: Segments, (): &(), at: &Index<'m>) -> Vec<Lanes<'m>> {
        let owner = self.0;
        let dtype = owner.pull.kernel.value(of.operand).dtype;
        self.of_segments(of, at, |segment| {
            let mut sums: Vec<Val<'m>> = segment.iter().map(|x| owner.lanewise.settled(*x).value).collect();
            let mut distance = 1;
            while distance < sums.len() {
                let sum = |i: usize| match i.checked_sub(distance) {
                    Some(before) => owner.sum(dtype, sums[before], sums[i]),
                    None => sums[i],
                };
                sums = (0..sums.len()).map(sum).collect();
                distance *= 2;
            }
            sums.into_iter().map(|sum| Lanes::exact(sum, BLOCK_ROWS)).collect()
        })
    }

    fn topk(&self, of: Segments, what: Selection, order: TopKOrder, (): &(), at: &Index<'m>) -> Vec<Lanes<'m>> {
        let b = self.0.b;
        self.of_segments(of, at, |segment| {
            let mut ids: Vec<Val<'m>> = self.rounds(of, what, segment).into_iter().map(|chosen| chosen.id).collect();
            if order == TopKOrder::Column {
                // −1 is the greatest unsigned number.
                for end in (1..ids.len()).rev() {
                    for i in 0..end {
                        (ids[i], ids[i + 1]) = (b.minui(ids[i], ids[i + 1]), b.maxui(ids[i], ids[i + 1]));
                    }
                }
            }
            ids.into_iter().map(|id| Lanes::exact(id, BLOCK_ROWS)).collect()
        })
    }

    fn topk_mask(&self, of: Segments, what: Selection, (): &(), at: &Index<'m>) -> Vec<Lanes<'m>> {
        let b = self.0.b;
        self.of_segments(of, at, |segment| {
            let rounds = self.rounds(of, what, segment);
            let chosen = |column: usize| {
                let any = rounds.iter().map(|chosen| chosen.here[column]).reduce(|x, y| b.ori(x, y));
                Lanes::exact(any.unwrap_or_else(|| b.const_bool(false)), BLOCK_ROWS)
            };
            (0..segment.len()).map(chosen).collect()
        })
    }

    /// Of no kernel with ranks rows are done together: each waits for the one before.
    fn bin_rank(&self, of: Segments, _: u64, (): &(), at: &Index<'m>) -> Vec<Lanes<'m>> {
        let none = self.0.b.const_int(self.0.b.lanes_of(self.0.b.int(32), BLOCK_ROWS), -1);
        self.of_segments(of, at, |segment| vec![Lanes::exact(none, BLOCK_ROWS); segment.len()])
    }
}
