//! A softmax that columns are chosen from by its logits, where rows are many.
//!
//! [Unique keys](super::unique_keys) choose by the logits, and then it is known whether a softmax is in their order. So everything that
//! is made of all columns comes behind the choice: in a row that is in order, the powers of e and their sum, without a thought of
//! NaNs; in any other, the whole row [by the letter](RowGpu::by_the_letter). Neither way keeps anything in registers for the other.
//!
//! Where only the groups with the largest elements are chosen from, a lane has a group. Its largest key says how many groups come
//! before, and the groups are the right ones if what [holds of chosen columns](RowGpu::is_doubtful) holds of the largest of each.

use super::RowGpu;
use super::columns_of_keys::{LaneKeys, Wanted};
use super::key_order::KeyOrder;
use super::spread::Spread;
use super::unique_keys::Chosen;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::row::{Segments, Selection, compute};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::analysis::{
    Groups, Ordered, SoftmaxChoice, quotients_of_chosen, reached_from, softmax_choice,
};
use routefuse_ir::kernel::{Kernel, RowOp, RowValue, ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, Candidates, ReduceOp, ScalarOp, TopKOrder};
use std::rc::Rc;

/// Columns of a lane of which powers are made at once where a row is done by the letter: as many as are loaded at once.
const LOADED: u32 = 8;

/// Columns of a lane that are divided at once there.
const PIECE: u32 = 4;

/// What is known of a choice before the softmax is.
#[derive(Clone)]
pub(super) struct ByLogits<'m> {
    /// The best keys of what is chosen from, best first, on all lanes.
    best: Rc<[Val<'m>]>,
    /// Where a lane has a group: whether it is chosen from, and its largest key.
    group: Option<[Val<'m>; 2]>,
}

impl<'m> RowGpu<'_, 'm> {
    /// The largest logit of a softmax whose groups are chosen from: the best of the keys says it.
    pub(super) fn largest_of_groups(
        &self,
        of: Segments,
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<Lanes<'m>> {
        let choice = self.choice_from_groups(of)?;
        let found = self.choose_by_logits(&choice, (spread, index))?;
        let float = self.float_of_unique(found.best[0], choice.ordered.column_mask());
        Some(Lanes { nans: Nans::Free, ..Lanes::exact(float, 1) })
    }

    /// The choice from groups of a softmax that is made with this largest logit.
    pub(super) fn choice_from_groups(&self, of: Segments) -> Option<SoftmaxChoice> {
        let kernel = self.pull.kernel;
        let largest = RowValue { op: RowOp::Reduce(ReduceOp::Max), value: of.operand, width: of.width };
        let is_largest = |id: ValueId| kernel.value(id).kind.row_value() == Some(&largest);
        kernel.values().find_map(|(id, _)| {
            softmax_choice(kernel, id)
                .filter(|choice| choice.groups.is_some() && choice.ordered.softmax.is_some_and(is_largest))
        })
    }

    /// The sum of a softmax's powers, if columns are chosen from it by its logits: they are chosen first, and whoever asks for them is
    /// given them.
    pub(super) fn sum_of_chosen_from(
        &self,
        of: Segments,
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<Lanes<'m>> {
        let (b, kernel) = (self.b, self.pull.kernel);
        let sum = RowValue { op: RowOp::Reduce(ReduceOp::Sum), value: of.operand, width: of.width };
        let (sum, _) = kernel.values().find(|(_, v)| v.kind.row_value() == Some(&sum))?;
        let choice = softmax_choice(kernel, sum).filter(|choice| self.pull.is_reached(choice.chosen))?;
        let ByLogits { best, group } = self.choose_by_logits(&choice, (spread, index))?;
        let (ordered, largest) = (&choice.ordered, choice.ordered.softmax?);
        let result = self.spreads.of(1, choice.k);
        let mine = self.best_of_list(&best, &result);
        let columns: Vec<Val<'m>> = mine.iter().map(|key| self.column_of_unique(*key, ordered.column_mask())).collect();
        let elements: Vec<Val<'m>> = mine.iter().map(|key| self.float_of_unique(*key, ordered.column_mask())).collect();
        let of_group = group.map(|[kept, first]| {
            let first = b.select(kept, first, best[0]);
            self.float_of_unique(first, ordered.column_mask())
        });
        // A NaN is the largest of keys, and nothing is near to it.
        let no_nan = Some(b.const_bool(false));
        let to_prove = [&elements[..], of_group.as_slice()];
        let doubtful = self.team.any(self.is_doubtful(ordered, (largest, no_nan), &to_prove, (spread, index)));
        let count = result.columns.len();
        // A lane that has a row alone has its largest logit first, whose power is 1. What the others' powers hang on is known sooner than
        // the sum.
        let powers = if best[0] == mine[0] { count } else { 0 };
        let mut types = [vec![b.int(32); count], vec![b.f32(); count + powers + 1]].concat();
        types.extend(group.map(|_| b.int(1)));
        let found = b.if_then_else(
            doubtful,
            &types,
            |_| self.chosen_by_the_letter(&choice, (spread, index), &result, powers > 0),
            |_| {
                self.pull.scopes.scoped(|| {
                    let sum = self.sum_of_numbers(of, (ordered.source, largest), (spread, index));
                    let kept = group.map(|[kept, _]| kept);
                    let powers = (0..powers).map(|at| match at {
                        0 => b.const_f32(1.0, 1),
                        _ => self.power_of_number(elements[at], elements[0]),
                    });
                    let of_columns = columns.iter().chain(&elements).copied().chain(powers);
                    of_columns.chain([sum]).chain(kept).collect()
                })
            },
        );
        let lanes = |of: &[Val<'m>]| Lanes::exact(b.gather_lanes(of), count as u32);
        let (columns, rest) = found.split_at(count);
        let (elements, rest) = rest.split_at(count);
        let (powers, rest) = rest.split_at(powers);
        let mut known = vec![(ordered.source, lanes(elements))];
        if !powers.is_empty() {
            known.push((of.operand, Lanes { nans: Nans::Free, ..lanes(powers) }));
        }
        let chosen = Chosen { columns: lanes(columns), elements: known };
        self.chosen_first.insert((choice.from, index.key()), chosen);
        self.know_chosen(&choice, doubtful);
        let (sum, kept) = (rest[0], &rest[1..]);
        if let (Some(groups), [kept]) = (choice.groups, kept) {
            self.kept_first.insert(groups.scores, Lanes::exact(*kept, 1));
            self.unneeded.borrow_mut().push(groups.scores);
        }
        Some(Lanes { nans: Nans::Free, ..Lanes::exact(sum, 1) })
    }

    /// Where no row of the warp is doubtful, what is chosen of a softmax is at least e^−50 over the number of columns, and so is no
    /// numerator of a quotient less than 2⁻⁷³ × 2⁻¹⁶.
    pub(super) fn know_chosen(&self, choice: &SoftmaxChoice, doubtful: Val<'m>) {
        let kernel = self.pull.kernel;
        let is_softmax = |kind: &ValueKind| matches!(kind, ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Div), o) if o[1] == choice.sum);
        let softmax = kernel.values().filter(|(_, v)| is_softmax(&v.kind)).map(|(id, _)| id);
        let of_chosen = quotients_of_chosen(kernel, choice.from, choice.chosen);
        softmax.chain(of_chosen).for_each(|id| self.pull.is_far_where(id, doubtful));
    }

    /// The best keys of a choice, if they are keys of pairs. They are emitted once.
    fn choose_by_logits(
        &self,
        choice: &SoftmaxChoice,
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<ByLogits<'m>> {
        let SoftmaxChoice { k, order, ordered, .. } = choice;
        let is_narrow = spread.width <= u64::from(ordered.column_mask());
        if *order != TopKOrder::Value || spread.segments > 1 || !is_narrow || !self.sorts(spread, *k) {
            return None;
        }
        let Some(groups) = choice.groups else {
            let keys = self.unique_keys((ordered, *k), Candidates::All, (spread, index))?;
            return keys.of_pairs.then_some(ByLogits { best: keys.sorted, group: None });
        };
        if let Some(known) = self.by_logits.get(&(choice.from, index.key())) {
            return Some(known);
        }
        let found = self.choose_from_groups((ordered, *k), groups, (spread, index))?;
        self.by_logits.insert((choice.from, index.key()), found.clone());
        Some(found)
    }

    /// As [`Self::choose_by_logits`], where each lane has a group.
    fn choose_from_groups(
        &self,
        (ordered, k): (&Ordered, u64),
        groups: Groups,
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<ByLogits<'m>> {
        let b = self.b;
        let of_group = self.spreads.of(groups.count, spread.width / groups.count);
        let lanes = self.team.lanes;
        if of_group.span > 1 || of_group.turns > 1 || groups.count != u64::from(lanes) || spread.span != lanes {
            return None;
        }
        let list = self.best_of_pairs((ordered, k), (&of_group, &of_group.index(index.row[0])))?;
        let before = (1..lanes).fold(self.word(0), |before, mask| {
            let more = b.cmpi(IntPredicate::Ugt, self.team.xor(list[0], mask), list[0]);
            self.warps.add_where(b, more, before, 1)
        });
        let kept = b.cmpi(IntPredicate::Ult, before, self.word(groups.keep as u32));
        let masked: Vec<Val<'m>> = list.iter().map(|key| b.select(kept, *key, self.word(0))).collect();
        let best = self.best_unique_of_lanes(&masked, k, spread);
        Some(ByLogits { best: best.into(), group: Some([kept, list[0]]) })
    }

    /// The power of a logit, where the largest is another number.
    fn power_of_number(&self, logit: Val<'m>, largest: Val<'m>) -> Val<'m> {
        self.lanewise.exp_of_number_not_above_0(Lanes::exact(self.b.subf(logit, largest), 1)).value
    }

    /// The sum of a softmax's powers, of logits that are no NaNs, and of which the largest is finite.
    fn sum_of_numbers(
        &self,
        of: Segments,
        (logits, largest): (ValueId, ValueId),
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Val<'m> {
        let pull = &self.pull;
        if pull.machine.clamps_to_unit() {
            let (logits, largest) = (pull.evaluate(logits, index), pull.evaluate(largest, index).value);
            pull.remember(of.operand, index, self.lanewise.exp_of_difference(logits, largest));
        } else if let ValueKind::Scalar(_, operands) = &pull.kernel.value(of.operand).kind {
            let exponents = pull.evaluate(operands[0], index);
            pull.remember(of.operand, index, self.lanewise.exp_of_number_not_above_0(exponents));
        }
        self.reduce_segments(ReduceOp::Sum, of.operand, spread, index).value
    }

    /// The columns, their logits, the sum, and whether the lane's group is chosen from, as the contract says them, of a row that is
    /// begun anew.
    fn chosen_by_the_letter(
        &self,
        choice: &SoftmaxChoice,
        (spread, index): (&Spread<'m>, &Index<'m>),
        result: &Spread<'m>,
        with_powers: bool,
    ) -> Vec<Val<'m>> {
        let (b, kernel) = (self.b, self.pull.kernel);
        let cells: Vec<Val<'m>> = result.columns.iter().map(|column| self.ix.to_word(column.at)).collect();
        // The best of the keys is the largest logit, or a NaN where there is one.
        let (at, largest) = (Index::new(index.row.clone(), vec![Ix::constant(0)], None), choice.ordered.softmax);
        let known = largest.map(|largest| (largest, self.pull.evaluate(largest, &at)));
        self.by_the_letter(index.row[0], |row| {
            let (at, index) = (Index::new(vec![row], vec![Ix::constant(0)], None), spread.index(row));
            if let Some((largest, lanes)) = known {
                self.pull.remember(largest, &at, lanes);
            }
            let columns = self.select_in_pieces(choice, (spread, row), &cells).unwrap_or_else(|| {
                let reached = reached_from(&kernel.values, [choice.from]);
                for (id, v) in kernel.values().filter(|(id, v)| reached[id.0 as usize] && v.space.per_row) {
                    if let Some(row_value) = v.kind.row_value().filter(|_| Some(id) != largest) {
                        let computed = compute(self, *row_value, &(), &at);
                        self.hold(id, computed, row);
                    }
                }
                let what = Selection { k: choice.k, candidates: choice.candidates };
                // Where lanes have groups they choose from their own, whose elements are known.
                match choice.groups {
                    None => self.select_by_rank_keys(choice.from, what, (spread, &index), &cells),
                    Some(groups) => {
                        let of_groups = self.spreads.of(groups.count, spread.width / groups.count);
                        let of_row = self.spreads.side_by_side(&of_groups);
                        self.select_by_rank_keys(choice.from, what, (&of_row, &of_groups.index(row)), &cells)
                    }
                }
            });
            let last = self.word(spread.width as u32 - 1);
            let at_chosen = columns.iter().map(|column| self.ix.of_word(b.minui(*column, last))).collect();
            let at_chosen = index.at(at_chosen);
            let elements = self.widened(choice.ordered.source, &at_chosen).value;
            let powers = power_of(kernel, choice).filter(|_| with_powers);
            let powers = powers.map(|power| self.registers(self.pull.evaluate(power, &at_chosen).value, cells.len()));
            let sum = self.pull.evaluate(choice.sum, &at).value;
            let kept = choice.groups.map(|groups| {
                let of_groups = self.spreads.of(1, groups.count);
                self.pull.evaluate(groups.mask, &of_groups.index(row)).value
            });
            let elements = self.registers(elements, cells.len());
            columns.into_iter().chain(elements).chain(powers.into_iter().flatten()).chain([sum]).chain(kept).collect()
        })
    }

    /// The columns of a choice from a softmax by rank keys; its sum, and whether the lane's group is chosen from, for whoever asks. A
    /// lane's columns are done piece by piece in loops, between which they lie where its keys do: that is as little code as a seldom
    /// way should be.
    fn select_in_pieces(
        &self,
        choice: &SoftmaxChoice,
        (spread, row): (&Spread<'m>, Ix<'m>),
        cells: &[Val<'m>],
    ) -> Option<Vec<Val<'m>>> {
        let (b, kernel, registers) = (self.b, self.pull.kernel, spread.registers);
        let sorted = !self.has_kept_rounds(spread);
        let is_cut =
            registers > LOADED && spread.run.is_multiple_of(LOADED) && spread.width.is_multiple_of(u64::from(LOADED));
        if !is_cut || self.team.has_places() || spread.span == 1 || (sorted && choice.groups.is_some()) {
            return None;
        }
        let groups = match choice.groups {
            Some(groups) => {
                let width = spread.width / groups.count;
                if !width.is_multiple_of(u64::from(PIECE)) {
                    return None;
                }
                let ValueKind::Scalar(_, operands) = &kernel.value(choice.from).kind else { return None };
                Some((groups, width as u32, operands[1], operands[2]))
            }
            None => None,
        };
        let power = power_of(kernel, choice)?;
        let (at, index) = (Index::new(vec![row], vec![Ix::constant(0)], None), spread.index(row));
        let (word, float) = (b.int(32), b.f32());
        let giving = self.team.giving();
        let at_piece = |piece: Val<'m>, size: u32| {
            let first = self.ix.times(self.ix.of_word(piece), u64::from(size));
            Index::new(vec![row], (0..u64::from(size)).map(|column| first.offset(column)).collect(), None)
        };
        // Pieces are in the order of the lane's registers; those behind the last column are copies of the last one.
        let with_columns = (spread.width as u32).div_ceil(spread.run * spread.span) * spread.run;
        let nothing = vec![self.word(0); (registers - with_columns) as usize];
        giving.give_keys_from(self.word(with_columns), &nothing);
        let each_piece = |size: u32, body: &dyn Fn(Val<'m>, &Index<'m>, Val<'m>)| {
            let (of_run, pieces) = (spread.run / size, spread.width as u32 / size);
            self.seldom_loop(with_columns / size, self.word(0), |piece, none| {
                let run = b.muli(b.divui(piece, self.word(of_run)), self.word(of_run * spread.span));
                let within = b.remui(piece, self.word(of_run));
                let of_row = b.addi(b.addi(run, b.muli(spread.member, self.word(of_run))), within);
                let own = b.cmpi(IntPredicate::Ult, of_row, self.word(pieces));
                let safe = b.minui(of_row, self.word(pieces - 1));
                body(b.muli(piece, self.word(size)), &at_piece(safe, size), own);
                none
            });
        };
        each_piece(LOADED, &|number, index, own| {
            let powers = self.registers(self.pull.evaluate(power, index).value, LOADED as usize);
            let key = |power: &Val<'m>| b.select(own, b.bitcast(*power, word), self.word(0));
            let words: Vec<Val<'m>> = powers.iter().map(key).collect();
            giving.give_keys_from(number, &words);
        });
        let powers = |words: Vec<Val<'m>>| {
            let floats: Vec<Val<'m>> = words.into_iter().map(|power| b.bitcast(power, float)).collect();
            Lanes { nans: Nans::Free, ..Lanes::exact(b.gather_lanes(&floats), floats.len() as u32) }
        };
        self.pull.remember(power, &index, powers(giving.kept_keys(registers as usize)));
        let sum = self.reduce_segments(ReduceOp::Sum, power, spread, &index);
        self.pull.remember(choice.sum, &at, sum);
        giving.overwriting();
        let keys_of = |id: ValueId, index: &Index<'m>, words: Vec<Val<'m>>| {
            self.pull.remember(power, index, powers(words));
            self.registers(self.keys(id, index, choice.candidates).value, index.lanes() as usize)
        };
        // Lanes that sort have many columns each.
        let size = if sorted { LOADED } else { PIECE };
        match groups {
            None => each_piece(size, &|number, index, own| {
                let keys = keys_of(choice.from, index, giving.kept_keys_from(number, size as usize));
                let keys: Vec<Val<'m>> = keys.iter().map(|key| b.select(own, *key, self.word(0))).collect();
                giving.give_keys_from(number, &keys);
            }),
            Some((groups, width, softmax, others)) => {
                // Each lane goes through its own group, whoever has written the powers.
                let of_group = width / PIECE;
                let piece_of_row = |piece| b.addi(b.muli(self.team.lane, self.word(of_group)), piece);
                let address = |piece| self.address_of_key(&giving, b.muli(piece, self.word(PIECE)), spread);
                let best = self.seldom_loop(of_group, self.word(0), |piece, best| {
                    let piece = piece_of_row(piece);
                    let (address, index) = (address(piece), at_piece(piece, PIECE));
                    let keys = keys_of(softmax, &index, giving.read_keys(address, PIECE));
                    giving.write_keys(address, &keys);
                    keys.iter().fold(best, |best, key| b.maxui(best, *key))
                });
                let kept = self.ranks_below(best, groups.keep, self.team.lanes);
                let left_out = self.keys(others, &at, choice.candidates).value;
                self.seldom_loop(of_group, self.word(0), |piece, none| {
                    let address = address(piece_of_row(piece));
                    let keys = giving.read_keys(address, PIECE);
                    let keys: Vec<Val<'m>> = keys.iter().map(|key| b.select(kept, *key, left_out)).collect();
                    giving.write_keys(address, &keys);
                    none
                });
                let of_groups = self.spreads.of(1, groups.count);
                self.pull.remember(groups.mask, &of_groups.index(row), Lanes::exact(kept, 1));
            }
        }
        let may_run_out = choice.candidates == Candidates::AboveNegInf;
        let giving = if sorted {
            let keys = giving.kept_keys(registers as usize);
            let wanted = Wanted { of_floats: true, ..Wanted::of_all(choice.k, choice.candidates, may_run_out) };
            let list = self.best_of_lane(&keys, choice.k, KeyOrder::Words);
            self.give_once(giving, (LaneKeys::InRegisters(&keys), list), None, wanted, (spread, 0)).0
        } else {
            self.give_best_kept(&giving, (choice.k, may_run_out), spread);
            giving
        };
        let taking = giving.settled();
        Some(cells.iter().map(|cell| taking.take(*cell)).collect())
    }
}

/// What a softmax that is chosen from divides.
fn power_of(kernel: &Kernel, choice: &SoftmaxChoice) -> Option<ValueId> {
    kernel.value(choice.sum).kind.row_value().map(|row| row.value)
}
