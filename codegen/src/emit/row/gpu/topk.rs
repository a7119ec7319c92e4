//! The k best columns of each segment.
//!
//! Every lane sorts its own keys, best first. Then k rounds: the lanes' best keys are compared, and the lowest lane that has the
//! largest puts its column into the round's cell and goes on with its next key. Or, where the shape says so, all is done with
//! [sorted lists of keys](super::sorted).

use super::RowGpu;
use super::columns_of_keys::{LaneKeys, Wanted};
use super::key_order::KeyOrder;
use super::quick_keys::{Doubt, QuickKeys};
use super::rounds::Round;
use super::spread::{Column, Spread};
use super::unique_keys::Chosen;
use crate::emit::peephole::{Peephole, masked_keys};
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::row::Selection;
use crate::machine::Scalars;
use crate::machine::cells::{Giving, Taking};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::analysis::reached_from;
use routefuse_ir::kernel::schedule::code_size::UNROLLED;
use routefuse_ir::kernel::{Kernel, RowOp, ValueId};
use routefuse_ir::op::{Candidates, ReduceOp, TopKOrder};

/// Segments of so many columns at most, one a lane, rank a column by asking all others.
const ASKED: u64 = 16;

impl<'m> RowGpu<'_, 'm> {
    /// The columns of the k best of each segment, column by column in the registers of `result`, a spread of them all.
    pub(super) fn select_columns(
        &self,
        value: ValueId,
        (what, order): (Selection, TopKOrder),
        (spread, index): (&Spread<'m>, &Index<'m>),
        result: &Spread<'m>,
    ) -> Chosen<'m> {
        if let Some(chosen) = self.select_by_unique_keys(value, (what, order), (spread, index), result) {
            return chosen;
        }
        let columns = self.select_by_rounds(value, (what, order), (spread, index), result);
        Chosen { columns, elements: vec![] }
    }

    /// As [`Self::select_columns`], by rounds over (key, column).
    fn select_by_rounds(
        &self,
        value: ValueId,
        (what, order): (Selection, TopKOrder),
        (spread, index): (&Spread<'m>, &Index<'m>),
        result: &Spread<'m>,
    ) -> Lanes<'m> {
        let Selection { k, candidates } = what;
        let sorts = self.sorts(spread, k);
        if let Some(columns) = self.select_by_pieces(value, (what, order), (spread, index), result) {
            return columns;
        }
        let masked = self.masked(value, index, candidates);
        let of = masked.map_or(value, |m| m.0);
        let QuickKeys { keys, doubt, trap } = if sorts {
            self.quick_keys(of, (k, candidates, order), spread, index)
        } else {
            let (keys, trap) = self.own_keys(of, spread, index, candidates);
            QuickKeys { keys, doubt: None, trap }
        };
        let trap = self.lanewise.either(trap, masked.and_then(|m| m.1.trap));
        let mask = masked.map(|m| m.1.value);
        let may_run_out = self.may_run_out(value, candidates);
        if let Some(scalars) = self.scalars_of(result)
            && !sorts
            && spread.segments == 1
            && k <= UNROLLED
            && (order == TopKOrder::Value || k == 1)
        {
            let columns = self.rounds_by_scalars((&keys, mask), (k, may_run_out), spread, scalars);
            let columns = self.repeated(columns, result);
            // The traps of one segment are those of all chosen columns.
            return Lanes { trap: self.trap_of_segments(trap, spread), ..Lanes::exact(columns, 1) };
        }
        let cells: Vec<Val<'m>> = result.columns.iter().map(|column| self.ix.to_word(column.at)).collect();
        let by_keys_alone = if sorts {
            None
        } else {
            self.select_by_keys_alone((value, &keys, mask), (what, may_run_out), (spread, index), result)
        };
        if let Some(mut column) = by_keys_alone {
            if order == TopKOrder::Column && k > 1 {
                let giving = self.team.giving();
                giving.give(column, cells[0]);
                column = self.in_order_of_columns(giving.settled(), &[column], &cells, k, result).0[0];
            }
            return Lanes { trap: self.trap_of_segments(trap, spread), ..Lanes::exact(column, 1) };
        }
        // Marks are in the order of the columns where a lane's columns are neighbours.
        let by_column = sorts && order == TopKOrder::Column && spread.run == spread.registers;
        let mut giving = self.team.giving();
        for turn in 0..spread.turns {
            let keys = &keys[spread.turn(turn)];
            if sorts {
                // What other values sort as well are rank keys of all floats.
                let key_order = doubt.map_or(KeyOrder::Words, Doubt::order);
                let of_all = match doubt {
                    Some(Doubt::NegInf | Doubt::Floats { .. }) => true,
                    Some(Doubt::Dividends { .. }) => false,
                    None => candidates == Candidates::All,
                };
                let known = self.lists.get(&((of, Candidates::All, index.key()), k, key_order));
                let known = known.filter(|_| of_all && spread.turns == 1);
                let of_floats = self.pull.kernel.value(value).dtype.is_float();
                let of_whole_rows = hangs_on_a_sum(self.pull.kernel, of, spread.width);
                let kept_lanes = mask.and_then(|_| self.kept_lanes(value, candidates, spread));
                let wanted = Wanted {
                    k,
                    candidates,
                    order: key_order,
                    may_run_out,
                    by_column,
                    mask,
                    kept_lanes,
                    of_floats,
                    of_whole_rows,
                };
                let keys = LaneKeys::InRegisters(keys);
                giving = self.give_sorted(giving, (keys, known.as_deref()), doubt, wanted, (spread, turn));
            } else {
                self.give_best(&giving, (keys, mask), (k, may_run_out), spread, turn);
            }
        }
        let mut taking = giving.settled();
        let mut chosen: Vec<Val<'m>> = cells.iter().map(|cell| taking.take(*cell)).collect();
        if order == TopKOrder::Column && k > 1 && !by_column {
            (chosen, taking) = self.in_order_of_columns(taking, &chosen, &cells, k, result);
        }
        let lanes = Lanes::exact(self.b.gather_lanes(&chosen), chosen.len() as u32);
        let Some(trap) = self.trap_of_segments(trap, spread) else { return lanes };
        Lanes { trap: Some(self.trap_of_chosen(taking, trap, k, spread, result)), ..lanes }
    }

    /// What the lanes of a row agree on without memory, where rows are few and each of these columns has a lane of its own, of its
    /// number.
    pub(super) fn scalars_of(&self, result: &Spread<'m>) -> Option<&dyn Scalars> {
        self.team.scalars().filter(|_| self.few() && result.segments == 1 && result.registers == 1)
    }

    /// Words that the first lanes have, one a column of the result, on every group of as many lanes that may ask for something of
    /// the whole result, such as its sum, which each group finds for itself.
    pub(super) fn repeated(&self, words: Val<'m>, result: &Spread<'m>) -> Val<'m> {
        let (b, lanes) = (self.b, widest_beside(self.pull.kernel).next_power_of_two().min(u64::from(self.team.lanes)));
        let masks = std::iter::successors(Some(result.span), |mask| Some(mask * 2));
        masks.take_while(|mask| u64::from(*mask) < lanes).fold(words, |words, mask| {
            let behind = b.cmpi(IntPredicate::Ne, b.andi(self.team.lane, self.word(mask)), self.word(0));
            b.select(behind, self.team.xor(words, mask), words)
        })
    }

    /// As [`Self::select_columns`] of one segment, best first, by rank keys alone: where it is seldom done, little code is what
    /// counts. `cells` are the numbers of the chosen ones that this lane wants.
    pub(super) fn select_by_rank_keys(
        &self,
        value: ValueId,
        Selection { k, candidates }: Selection,
        (spread, index): (&Spread<'m>, &Index<'m>),
        cells: &[Val<'m>],
    ) -> Vec<Val<'m>> {
        let (keys, _) = self.own_keys(value, spread, index, candidates);
        let may_run_out = self.may_run_out(value, candidates);
        let mut giving = self.team.giving();
        if self.sorts(spread, k) && self.has_kept_rounds(spread) {
            giving.give_keys(&keys);
            self.give_best_kept(&giving, (k, may_run_out), spread);
        } else if self.sorts(spread, k) && (self.team.has_places() || spread.span > 1) {
            let of_floats = self.pull.kernel.value(value).dtype.is_float();
            let wanted = Wanted { of_floats, ..Wanted::of_all(k, candidates, may_run_out) };
            giving = self.give_sorted(giving, (LaneKeys::InRegisters(&keys), None), None, wanted, (spread, 0));
        } else {
            self.rounds_seldom(&keys, k, spread, |round, found| self.give_found(&giving, found, round, may_run_out));
        }
        let taking = giving.settled();
        cells.iter().map(|cell| taking.take(*cell)).collect()
    }

    /// Puts what a round has found into a cell, −1 where there was no candidate.
    fn give_found(&self, giving: &Giving<'_, '_, 'm>, found: &Round<'m>, cell: Val<'m>, may_run_out: bool) {
        let b = self.b;
        let none = may_run_out.then(|| b.cmpi(IntPredicate::Eq, found.largest, self.word(0)));
        let column = none.map_or(found.column, |none| b.select(none, self.word(u32::MAX), found.column));
        giving.give_where(found.wins, column, cell);
    }

    /// Puts the columns of one turn's k best into the row's cells, −1 where candidates run out.
    fn give_best(
        &self,
        giving: &Giving<'_, '_, 'm>,
        (keys, mask): (&[Val<'m>], Option<Val<'m>>),
        (k, may_run_out): (u64, bool),
        spread: &Spread<'m>,
        turn: u32,
    ) {
        let b = self.b;
        let first = self.ix.times(spread.owned[turn as usize], k);
        let own = spread.columns[spread.turn(turn)][0].valid;
        let wins = |found: &Round<'m>| {
            if spread.segments == 1 || spread.segments.is_multiple_of(u64::from(spread.side)) {
                found.wins
            } else {
                // A copy of another turn's segment has no keys, and nothing to say.
                own.map_or(found.wins, |own| b.andi(found.wins, own))
            }
        };
        let in_loop = |first: Val<'m>, round: Val<'m>, found: &Round<'m>| {
            let found = Round { wins: wins(found), ..*found };
            self.give_found(giving, &found, b.addi(first, round), may_run_out);
        };
        if k > UNROLLED {
            let first = self.ix.to_word(first);
            self.rounds_in_loop(keys, mask, k, spread, &[], |round, found, _| {
                in_loop(first, round, &found);
                vec![]
            });
            return;
        }
        let mut largest = vec![];
        let found = |round: u64, found: Round<'m>| {
            let cell = self.ix.to_word(first.offset(round));
            giving.give_where(wins(&found), found.column, cell);
            largest.push(found.largest);
        };
        self.rounds(keys, mask, (k, may_run_out), spread, found);
        if may_run_out {
            // Seldom, and known from the last round: without a candidate the first lane has given some column.
            let none = |key: Val<'m>| b.cmpi(IntPredicate::Eq, key, self.word(0));
            giving.overwriting();
            b.if_then(none(largest[largest.len() - 1]), |_| {
                for (round, key) in (0..).zip(&largest) {
                    let gives = own.map_or(none(*key), |own| b.andi(none(*key), own));
                    let cell = self.ix.to_word(first.offset(round));
                    b.if_then(gives, |_| giving.give(self.word(u32::MAX), cell));
                }
            });
        }
    }

    /// The chosen columns of each segment in ascending order, by way of the row's cells.
    fn in_order_of_columns<'t, 'a>(
        &self,
        taking: Taking<'t, 'a, 'm>,
        chosen: &[Val<'m>],
        cells: &[Val<'m>],
        k: u64,
        result: &Spread<'m>,
    ) -> (Vec<Val<'m>>, Taking<'t, 'a, 'm>) {
        let b = self.b;
        let ranks: Vec<Val<'m>> = if k > UNROLLED {
            self.ranks_in_loop(&taking, chosen, k, result)
        } else {
            chosen.iter().zip(&result.columns).map(|(x, column)| self.rank_among(&taking, *x, column.at, k)).collect()
        };
        let giving = taking.giving();
        for (chosen, (rank, column)) in chosen.iter().zip(ranks.iter().zip(&result.columns)) {
            let first = self.ix.times(self.ix.divide(column.at, k), k);
            giving.give(*chosen, b.addi(self.ix.to_word(first), *rank));
        }
        let taking = giving.settled();
        (cells.iter().map(|cell| taking.take(*cell)).collect(), taking)
    }

    /// Whether each chosen column's segment trapped, `i1`: a bit a segment comes by way of the row's cells.
    fn trap_of_chosen(
        &self,
        taking: Taking<'_, '_, 'm>,
        trap: Val<'m>,
        k: u64,
        spread: &Spread<'m>,
        result: &Spread<'m>,
    ) -> Val<'m> {
        let b = self.b;
        let giving = taking.giving();
        for (turn, bit) in self.registers(trap, spread.turns as usize).iter().enumerate() {
            let segment = self.ix.to_word(spread.owned[turn]);
            let own = spread.columns[spread.turn(turn as u32)][0].valid;
            let give = || giving.give(b.extui(*bit, b.int(32)), segment);
            match own {
                Some(own) => b.if_then(own, |_| give()),
                None => give(),
            }
        }
        let taking = giving.settled();
        let bit = |column: &Column<'m>| {
            let word = taking.take(self.ix.to_word(self.ix.divide(column.at, k)));
            b.cmpi(IntPredicate::Ne, word, self.word(0))
        };
        let bits: Vec<Val<'m>> = result.columns.iter().map(bit).collect();
        self.team.settle_memory();
        b.gather_lanes(&bits)
    }

    /// A selection that leaves a lane all its columns or none, and what it selects from: the selected value and the condition.
    /// Its keys can be sorted before the condition is known.
    fn masked(&self, value: ValueId, index: &Index<'m>, candidates: Candidates) -> Option<(ValueId, Lanes<'m>)> {
        if !self.peepholes.has(Peephole::MaskedKeys) {
            return None;
        }
        let (condition, inside) = masked_keys::masked(self.pull.kernel, value, candidates)?;
        let condition = self.pull.evaluate(condition, index);
        (condition.lanes == 1).then_some((inside, condition))
    }

    /// Whether there may be fewer candidates than columns.
    pub(super) fn may_run_out(&self, value: ValueId, candidates: Candidates) -> bool {
        candidates == Candidates::AboveNegInf && self.pull.kernel.value(value).dtype.is_float()
    }

    /// How many of the k cells of a segment have a lower column than `own`, which is at `at`. −1 is no low one, and of
    /// several the first comes first.
    fn rank_among(&self, taking: &Taking<'_, '_, 'm>, own: Val<'m>, at: Ix<'m>, k: u64) -> Val<'m> {
        let (first, own_number) = (self.ix.times(self.ix.divide(at, k), k), self.ix.to_word(self.ix.remainder(at, k)));
        (0..k).fold(self.word(0), |rank, i| {
            let other = taking.take(self.ix.to_word(first.offset(i)));
            self.rank_behind(rank, (own, own_number), (other, self.word(i as u32)))
        })
    }

    /// As [`Self::rank_among`], of all the lane's columns at once, in a loop over the cells.
    fn ranks_in_loop(
        &self,
        taking: &Taking<'_, '_, 'm>,
        chosen: &[Val<'m>],
        k: u64,
        result: &Spread<'m>,
    ) -> Vec<Val<'m>> {
        let b = self.b;
        let (firsts, numbers): (Vec<Val<'m>>, Vec<Val<'m>>) = result
            .columns
            .iter()
            .map(|column| {
                let first = self.ix.times(self.ix.divide(column.at, k), k);
                (self.ix.to_word(first), self.ix.to_word(self.ix.remainder(column.at, k)))
            })
            .unzip();
        let range = (self.word(0), self.word(k as u32), self.word(1));
        b.for_loop_carrying(range, &vec![self.word(0); chosen.len()], |_, i, ranks| {
            let next = |at: usize| {
                let other = taking.take(b.addi(firsts[at], i));
                self.rank_behind(ranks[at], (chosen[at], numbers[at]), (other, i))
            };
            (0..ranks.len()).map(next).collect()
        })
    }

    /// The rank with one more before it, if the other column comes before; each with the number of its cell.
    fn rank_behind(&self, rank: Val<'m>, own: (Val<'m>, Val<'m>), other: (Val<'m>, Val<'m>)) -> Val<'m> {
        let b = self.b;
        let earlier = b.cmpi(IntPredicate::Ult, other.1, own.1);
        let same = b.andi(b.cmpi(IntPredicate::Eq, other.0, own.0), earlier);
        let before = b.ori(b.cmpi(IntPredicate::Ult, other.0, own.0), same);
        b.addi(rank, b.extui(before, b.int(32)))
    }

    /// Whether each column is among the k best of its segment, in the registers of the spread.
    pub(super) fn mark_columns(
        &self,
        value: ValueId,
        Selection { k, candidates }: Selection,
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Lanes<'m> {
        let (b, team) = (self.b, &self.team);
        let (keys, trap) = self.own_keys(value, spread, index, candidates);
        let trap = self.trap_of_segments(trap, spread).map(|trap| {
            let of_turn = self.registers(trap, spread.turns as usize);
            let each = of_turn.into_iter().flat_map(|t| std::iter::repeat_n(t, spread.registers as usize));
            b.gather_lanes(&each.collect::<Vec<_>>())
        });
        let some = |key: Val<'m>| b.cmpi(IntPredicate::Ne, key, self.word(0));
        let mut mask = vec![];
        for turn in 0..spread.turns {
            let own = &keys[spread.turn(turn)];
            if k >= spread.width {
                mask.extend(own.iter().map(|key| some(*key)));
            } else if spread.registers == 1 && spread.width <= ASKED {
                mask.push(b.andi(some(own[0]), self.ranks_below(own[0], k, spread.span)));
            } else if self.sorts(spread, k) {
                let may_run_out =
                    self.may_run_out(value, candidates) || own.len() as u64 * u64::from(spread.span) > spread.width;
                let best = self.best_of_lane(own, k, KeyOrder::Words);
                let best = self.best_keys(&best, None, (k, KeyOrder::Words), spread);
                let wanted = Wanted { by_column: true, ..Wanted::of_all(k, candidates, may_run_out) };
                let (marks, _) = self.marks((own, None), &best, None, wanted, spread);
                mask.extend((0..own.len() as u32).map(|i| self.is_marked(marks, i)));
            } else {
                // What the last round found: all keys up to it are chosen.
                let mut last = (self.word(0), self.word(u32::MAX));
                let may_run_out = self.may_run_out(value, candidates);
                let last_of = |Round { largest, wins, column }: Round<'m>| {
                    let column = team.from(column, team.first(wins, spread.span));
                    let none = b.cmpi(IntPredicate::Eq, largest, self.word(0));
                    (largest, b.select(none, self.word(u32::MAX), column))
                };
                if k > UNROLLED {
                    let first = [self.word(0), b.const_bool(false), self.word(0)];
                    let found = self.rounds_in_loop(own, None, k, spread, &first, |_, found, _| {
                        vec![found.largest, found.wins, found.column]
                    });
                    last = last_of(Round { largest: found[0], wins: found[1], column: found[2] });
                } else {
                    self.rounds(own, None, (k, may_run_out), spread, |round, found| {
                        if round + 1 == k {
                            last = last_of(found);
                        }
                    });
                }
                for (register, key) in own.iter().enumerate() {
                    let better = b.cmpi(IntPredicate::Ugt, *key, last.0);
                    let column = b.addi(self.first_column(spread), self.word(register as u32));
                    let before = b.cmpi(IntPredicate::Sle, column, last.1);
                    let same = b.andi(b.cmpi(IntPredicate::Eq, *key, last.0), before);
                    mask.push(b.ori(better, same));
                }
            }
        }
        Lanes { trap, ..Lanes::exact(b.gather_lanes(&mask), mask.len() as u32) }
    }

    /// Whether fewer than k of the segment's keys, one a lane, come before the own one, which is not 0.
    pub(super) fn ranks_below(&self, key: Val<'m>, k: u64, span: u32) -> Val<'m> {
        let (b, team) = (self.b, &self.team);
        let mut rank = self.word(0);
        for mask in 1..span {
            // The other lane is a lower one if the highest bit that differs is set here. Then its equal key comes first.
            let lower = team.has(1 << mask.ilog2());
            let bound = b.subi(key, b.extui(lower, b.int(32)));
            let before = b.cmpi(IntPredicate::Ugt, team.xor(key, mask), bound);
            rank = b.addi(rank, b.extui(before, b.int(32)));
        }
        b.cmpi(IntPredicate::Ult, rank, self.word(k as u32))
    }

    /// As [`Self::mark_columns`], for one segment of so few columns that every lane of `spread` has the one of the segment that it
    /// owns: its lanes ask about several columns at once, and their votes are counted. The answer for each segment.
    pub(super) fn mark_segments(
        &self,
        value: ValueId,
        Selection { k, candidates }: Selection,
        spread: &Spread<'m>,
        row: Ix<'m>,
    ) -> Lanes<'m> {
        let (b, team) = (self.b, &self.team);
        let keys = self.keys(value, &Index::new(vec![row], vec![spread.owned[0]], None), candidates);
        let valid = (spread.segments < u64::from(spread.side))
            .then(|| b.cmpi(IntPredicate::Ult, self.segment(spread), self.word(spread.segments as u32)));
        let key = valid.map_or(keys.value, |valid| b.select(valid, keys.value, self.word(0)));
        let mut rank = self.word(0);
        for first in (0..spread.side).step_by(spread.span as usize) {
            let other = b.addi(spread.member, self.word(first));
            let lower = b.cmpi(IntPredicate::Ult, other, self.segment(spread));
            let bound = b.subi(key, b.extui(lower, b.int(32)));
            let theirs = team.from(key, b.muli(other, self.word(spread.span)));
            // With more lanes than segments, some ask about none.
            let mut before = b.cmpi(IntPredicate::Ugt, theirs, bound);
            if spread.span > spread.side {
                before = b.andi(before, b.cmpi(IntPredicate::Ult, other, self.word(spread.side)));
            }
            rank = b.addi(rank, team.count(before, spread.span));
        }
        let some = b.cmpi(IntPredicate::Ne, key, self.word(0));
        let chosen = b.andi(some, b.cmpi(IntPredicate::Ult, rank, self.word(k as u32)));
        let trap = keys.trap.map(|trap| {
            let trap = valid.map_or(trap, |valid| b.andi(valid, trap));
            b.cmpi(IntPredicate::Ne, team.max(b.extui(trap, b.int(32)), team.lanes), self.word(0))
        });
        Lanes { trap, ..Lanes::exact(chosen, 1) }
    }
}

/// Whether each column of a value hangs on a sum of its segment of `width` columns, so that one NaN makes NaNs of all.
pub(super) fn hangs_on_a_sum(kernel: &Kernel, id: ValueId, width: u64) -> bool {
    let reached = reached_from(&kernel.values, [id]);
    kernel.values().filter(|(id, _)| reached[id.0 as usize]).any(|(_, value)| {
        value.kind.row_value().is_some_and(|row| row.op == RowOp::Reduce(ReduceOp::Sum) && row.width == width)
    })
}

/// How many columns the widest value has for which something of several chosen columns at once is asked; 0 if there is none.
fn widest_beside(kernel: &Kernel) -> u64 {
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Of {
        Nothing,
        /// Its columns are of chosen columns.
        Chosen,
        /// One of its columns may be of several.
        Several,
    }
    let mut of = vec![Of::Nothing; kernel.values.len()];
    let mut widest = 0;
    for (id, value) in kernel.values() {
        let cols = value.space.cols;
        let through = value.kind.operands().into_iter().map(|operand| {
            let (from, width) = (of[operand.0 as usize], kernel.value(operand).space.cols);
            if from == Of::Chosen && width > cols { Of::Several } else { from }
        });
        let selects = value.kind.row_value().is_some_and(|row| matches!(row.op, RowOp::TopK { .. }));
        let most = through.fold(if selects { Of::Chosen } else { Of::Nothing }, Of::max);
        if most == Of::Several {
            widest = widest.max(cols);
        }
        of[id.0 as usize] = most;
    }
    widest
}
