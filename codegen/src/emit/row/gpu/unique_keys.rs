//! Selections of 16-bit floats: keys that no two columns share.
//!
//! A float that was widened from 16 bits ends in zeros. So does its rank key, or in ones where it is negative; in their place
//! goes the column, the lower the better. No two columns have one key then. In rounds, where rows are few, the
//! largest key is one lane's, which goes on without a vote; sorted lists, where rows are many, need nothing beside them. All
//! lanes read the columns off the keys.
//!
//! What is selected may be the softmax of such floats. It is in their order, but for what rounding makes equal: the contract
//! then takes the lower column, whatever the logits were. So a softmax is selected by its logits only if what was chosen proves
//! that no other element of the softmax is equal to a chosen one unless their logits are. The proof stands at
//! [`RowGpu::is_doubtful`]; a warp in which it fails for any row selects once more by what the contract says.

use super::RowGpu;
use super::in_lanes::part;
use super::key_order::KeyOrder;
use super::sorting_network;
use super::spread::{Column, Spread};
use crate::emit::pull::index::Index;
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::row::{Segments, Selection};
use crate::machine::Warps;
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::analysis::{Ordered, ordered, softmax_choice};
use routefuse_ir::kernel::schedule::code_size::{LIST, UNROLLED};
use routefuse_ir::kernel::schedule::laid::Laid;
use routefuse_ir::kernel::schedule::{RowShape, Selecting};
use routefuse_ir::kernel::{Kernel, RowOp, RowValue, Value, ValueId, ValueKind};
use routefuse_ir::math::order;
use routefuse_ir::op::{BinaryOp, Candidates, ReduceOp, ScalarOp, TopKOrder, UnaryOp};
use std::rc::Rc;

/// Chosen elements of a softmax are proved to be apart from others down to e^−50 of the largest.
const LEAST_EXPONENT: f32 = -50.0;

/// Whether rows are few and have rounds over one list of unique keys, of so many a lane.
pub(super) fn has_rounds(warps: &dyn Warps, shape: RowShape, registers: u64, k: u64) -> bool {
    let few = shape.selecting == Selecting::InRegisters;
    few && registers <= LIST && k <= UNROLLED && shape.lanes <= warps.lanes() && warps.has_max()
}

/// Whether a selection from one segment has rounds over unique keys.
pub(super) fn are_in_rounds(kernel: &Kernel, warps: &dyn Warps, shape: RowShape, row: &RowValue) -> bool {
    let RowOp::TopK { k, order: TopKOrder::Value, .. } = row.op else { return false };
    let Laid { registers, .. } = Laid::of(kernel, shape, 1, row.width);
    has_rounds(warps, shape, registers, k)
        && ordered(kernel, row.value, row.width).is_some_and(|o| row.width <= u64::from(o.column_mask()))
}

/// Whether a value is nothing but what is taken off the exponents of one power of e, a softmax's: neither the sign of a zero can
/// be seen there, nor which float stands for the largest of a row with a NaN.
pub(super) fn is_in_exponents_alone(kernel: &Kernel, id: ValueId) -> bool {
    let is_stored = |id: ValueId| kernel.stores.iter().any(|store| store.operands().any(|o| o == id));
    let users = |id: ValueId| kernel.values().filter(move |(_, v)| v.kind.operands().contains(&id));
    let is_exponent = |(user, v): (ValueId, &Value)| {
        matches!(&v.kind, ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Sub), o) if o[0] != id)
            && !is_stored(user)
            && users(user).count() == 1
            && users(user).all(|(_, v)| matches!(v.kind, ValueKind::Scalar(ScalarOp::Unary(UnaryOp::Exp), _)))
    };
    !is_stored(id) && users(id).count() == 1 && users(id).all(is_exponent)
}

/// Unique keys, best first, and the largest of all lanes.
#[derive(Clone)]
pub(super) struct UniqueKeys<'m> {
    /// A lane's own; or where lanes exchange sorted lists, the best of all lanes.
    pub sorted: Rc<[Val<'m>]>,
    /// The largest of all lanes that have the segment.
    pub largest: Val<'m>,
    /// Whether the lane has a NaN among the logits of a softmax, if that was asked when they were there anyway.
    nan: Option<Val<'m>>,
    /// They are [keys of pairs](super::pair_keys).
    pub of_pairs: bool,
}

/// What was chosen.
#[derive(Clone)]
pub(super) struct Chosen<'m> {
    /// The columns.
    pub columns: Lanes<'m>,
    /// Elements of values at these columns, where they were met on the way.
    pub elements: Vec<(ValueId, Lanes<'m>)>,
}

impl<'m> RowGpu<'_, 'm> {
    /// What a selection is by its order, where unique keys are to find it.
    pub(super) fn has_unique_keys(
        &self,
        value: ValueId,
        (k, order): (u64, TopKOrder),
        spread: &Spread<'m>,
    ) -> Option<Ordered> {
        let rounds = has_rounds(self.warps, self.shape, u64::from(spread.registers), k);
        if spread.segments > 1 || order != TopKOrder::Value || !(rounds || self.sorts(spread, k)) {
            return None;
        }
        ordered(self.pull.kernel, value, spread.width).filter(|o| spread.width <= u64::from(o.column_mask()))
    }

    /// The largest of a row that a softmax is made with, where the softmax is selected by unique keys: the best of them says it,
    /// which the first round asks for anyway. Where it is 0, its sign may be another, and in a row with a NaN it may be any float:
    /// neither can be seen in the softmax.
    pub(super) fn largest_by_unique_keys(
        &self,
        of: Segments,
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<Lanes<'m>> {
        let kernel = self.pull.kernel;
        let is_largest = |id: ValueId| {
            let (op, value) = (RowOp::Reduce(ReduceOp::Max), of.operand);
            kernel.value(id).kind.row_value() == Some(&RowValue { op, value, width: of.width })
        };
        let (ordered, k) = kernel.values().find_map(|(id, value)| match value.kind.row_value() {
            Some(RowValue { op: RowOp::TopK { k, order, .. }, value, width }) if self.pull.is_reached(id) => {
                let spread = self.spreads.of(kernel.value(*value).space.cols / width, *width);
                let ordered = self.has_unique_keys(*value, (*k, *order), &spread)?;
                ordered.softmax.is_some_and(is_largest).then_some((ordered, *k))
            }
            _ => None,
        })?;
        if !is_in_exponents_alone(kernel, ordered.softmax?) {
            return None;
        }
        let keys = self.unique_keys((&ordered, k), Candidates::All, (spread, index))?;
        let largest = self.float_of_unique(keys.largest, ordered.column_mask());
        Some(Lanes { nans: Nans::Free, ..Lanes::exact(largest, 1) })
    }

    /// The columns of the k best of a row, where they can be selected by unique keys.
    pub(super) fn select_by_unique_keys(
        &self,
        value: ValueId,
        (what, order): (Selection, TopKOrder),
        (spread, index): (&Spread<'m>, &Index<'m>),
        result: &Spread<'m>,
    ) -> Option<Chosen<'m>> {
        if let Some(chosen) = self.chosen_first.get(&(value, index.key())) {
            return Some(chosen);
        }
        let Selection { k, candidates } = what;
        let ordered = self.has_unique_keys(value, (k, order), spread)?;
        let candidates = if ordered.softmax.is_some() { Candidates::All } else { candidates };
        let keys = self.unique_keys((&ordered, k), candidates, (spread, index))?;
        let b = self.b;
        let cells: Vec<Val<'m>> = result.columns.iter().map(|column| self.ix.to_word(column.at)).collect();
        let best = match self.sorts(spread, k) {
            true => self.best_of_list(&keys.sorted, result),
            false => self.best_unique((&keys.sorted, keys.largest), k, &cells, (spread.span, result)),
        };
        let columns = match keys.of_pairs {
            true => best.iter().map(|key| self.column_of_unique(*key, ordered.column_mask())).collect(),
            false => self.some_columns((&best, 1), candidates, ordered.column_mask()),
        };
        let lanes = |of: &[Val<'m>]| Lanes::exact(b.gather_lanes(of), cells.len() as u32);
        if ordered.softmax.is_none() && keys.of_pairs {
            let last = keys.sorted[keys.sorted.len() - 1];
            let columns = self.columns_of_numbers((what, &ordered), (last, &best, &columns), (spread, index), result);
            return Some(Chosen { columns: lanes(&columns), elements: vec![] });
        }
        let Some(largest) = ordered.softmax else { return Some(Chosen { columns: lanes(&columns), elements: vec![] }) };
        let elements: Vec<Val<'m>> = best.iter().map(|key| self.float_of_unique(*key, ordered.column_mask())).collect();
        let doubtful = self.is_doubtful(&ordered, (largest, keys.nan), &[&elements], (spread, index));
        let by_the_letter = |_: &_| {
            self.pull.scopes.scoped(|| {
                let columns = self.select_by_rank_keys(value, what, (spread, index), &cells);
                let at = columns.iter().map(|column| self.ix.of_word(*column)).collect();
                let elements = self.widened(ordered.source, &index.at(at)).value;
                columns.iter().copied().chain(self.registers(elements, cells.len())).collect()
            })
        };
        let types = [vec![b.int(32); cells.len()], vec![b.f32(); cells.len()]].concat();
        self.receive();
        let doubtful = self.team.any(doubtful);
        let found = b.if_then_else(doubtful, &types, by_the_letter, |_| [columns, elements].concat());
        let kernel = self.pull.kernel;
        let choice = kernel.values().find_map(|(id, _)| softmax_choice(kernel, id).filter(|c| c.from == value));
        if let Some(choice) = choice {
            self.know_chosen(&choice, doubtful);
        }
        let (columns, elements) = found.split_at(cells.len());
        Some(Chosen { columns: lanes(columns), elements: vec![(ordered.source, lanes(elements))] })
    }

    /// The unique keys of a row; 0 for what is no candidate. None where a gather of them may trap.
    pub(super) fn unique_keys(
        &self,
        (ordered, k): (&Ordered, u64),
        candidates: Candidates,
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<UniqueKeys<'m>> {
        let wanted = ((ordered.source, candidates, index.key()), k);
        if let Some(known) = self.unique.get(&wanted) {
            return Some(known);
        }
        let (b, mask) = (self.b, ordered.column_mask());
        if self.sorts(spread, k)
            && let Some(list) = self.best_of_pairs((ordered, k), (spread, index))
        {
            let best = self.best_unique_of_lanes(&list, k, spread);
            // A NaN is the largest of a softmax's, and then nothing is near the largest.
            let nan = Some(b.const_bool(false));
            let keys = UniqueKeys { largest: best[0], sorted: best.into(), nan, of_pairs: true };
            self.unique.insert(wanted, keys.clone());
            return Some(keys);
        }
        // Where registers are short a lane's keys are made piece by piece, and what is asked of all logits is asked first.
        let short = self.pull.machine.lanes_at_once().is_some();
        if ordered.softmax.is_some() && short && self.sorts(spread, k) {
            let keys = self.unique_keys_in_pieces((ordered, k), (spread, index))?;
            self.unique.insert(wanted, keys.clone());
            return Some(keys);
        }
        let (keys, trap) = match ordered.softmax {
            None => self.own_keys(ordered.source, spread, index, candidates),
            Some(_) => {
                let x = self.widened(ordered.source, index);
                (self.words(x, index.lanes() as usize), x.trap)
            }
        };
        if trap.is_some() {
            return None;
        }
        let unique = keys.iter().zip(&spread.columns).map(|(key, column)| {
            let unique = self.unique_key(*key, column, mask);
            let some = match candidates {
                Candidates::All => column.valid,
                Candidates::AboveNegInf => Some(b.cmpi(IntPredicate::Ne, *key, self.word(0))),
            };
            some.map_or(unique, |some| b.select(some, unique, self.word(0)))
        });
        let mut list: Vec<Val<'m>> = unique.collect();
        if self.sorts(spread, k) {
            let list = self.best_of_lane(&list, k, KeyOrder::Words);
            let best = self.best_keys(&list, None, (k, KeyOrder::Words), spread);
            let keys = UniqueKeys { largest: best[0], sorted: best.into(), nan: None, of_pairs: false };
            self.unique.insert(wanted, keys.clone());
            return Some(keys);
        }
        sorting_network::sort(list.len(), |i, j| {
            (list[i], list[j]) = (b.maxui(list[i], list[j]), b.minui(list[i], list[j]));
        });
        let largest = self.team.max(list[0], spread.span);
        let keys = UniqueKeys { sorted: list.into(), largest, nan: None, of_pairs: false };
        self.unique.insert(wanted, keys.clone());
        Some(keys)
    }

    /// The sorted unique keys of a softmax's logits. None where a gather of them may trap.
    fn unique_keys_in_pieces(
        &self,
        (ordered, k): (&Ordered, u64),
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<UniqueKeys<'m>> {
        let x = self.widened(ordered.source, index);
        if x.trap.is_some() {
            return None;
        }
        let nan = self.has_nan(&self.registers(x.value, spread.columns.len()));
        let of_lane = self.best_of_pieces(spread.columns.len(), (k, KeyOrder::Words), |piece| {
            self.pull.machine.finish(self.b);
            let words = self.words(part(self.b, x, piece.start, piece.end), piece.len());
            let key = |(word, column): (&Val<'m>, &Column<'m>)| {
                let unique = self.unique_key(*word, column, ordered.column_mask());
                column.valid.map_or(unique, |valid| self.b.select(valid, unique, self.word(0)))
            };
            words.iter().zip(&spread.columns[piece]).map(key).collect()
        });
        let best = self.best_keys(&of_lane, None, (k, KeyOrder::Words), spread);
        Some(UniqueKeys { largest: best[0], sorted: best.into(), nan: Some(nan), of_pairs: false })
    }

    /// The unique key of a column that has this key.
    fn unique_key(&self, key: Val<'m>, column: &Column<'m>, mask: u32) -> Val<'m> {
        let b = self.b;
        let complement = b.xori(self.ix.to_word(column.at), self.word(mask));
        b.ori(b.andi(key, self.word(!mask)), complement)
    }

    /// For each column of a spread, of the best keys the one of that number.
    pub(super) fn best_of_list(&self, best: &[Val<'m>], spread: &Spread<'m>) -> Vec<Val<'m>> {
        let b = self.b;
        // The column that each lane has in a register, best ones first.
        let of_register = |register: u32| {
            let (run, span) = (spread.run, spread.span);
            let (first, apart) = (register / run * run * span + register % run, run);
            (0..span).map(move |member| (member, (first + member * apart) as usize))
        };
        let chosen = |register: u32| {
            let mut own = of_register(register).filter(|(_, column)| *column < best.len());
            let first = own.next().map_or(self.word(0), |(_, column)| best[column]);
            own.fold(first, |chosen, (member, column)| {
                let here = b.cmpi(IntPredicate::Eq, spread.member, self.word(member));
                b.select(here, best[column], chosen)
            })
        };
        (0..spread.registers).map(chosen).collect()
    }

    /// For each of these cells, numbered from 0 for the best, the key that belongs into it; 0 where there are no more. A lane has its
    /// keys best first, and the first of all is known.
    pub(super) fn best_unique(
        &self,
        (sorted, first): (&[Val<'m>], Val<'m>),
        k: u64,
        cells: &[Val<'m>],
        (span, result): (u32, &Spread<'m>),
    ) -> Vec<Val<'m>> {
        let b = self.b;
        let scalars = self.scalars_of(result).filter(|_| span == self.team.lanes);
        let mut list = sorted.to_vec();
        list.truncate(k as usize);
        // Lanes without a cell have the first one's key.
        let mut best = vec![if scalars.is_some() { first } else { self.word(0) }; cells.len()];
        for round in 0..k {
            let largest = if round == 0 { first } else { self.team.max(list[0], span) };
            for (best, cell) in best.iter_mut().zip(cells) {
                if let Some(scalars) = scalars {
                    if round > 0 {
                        *best = scalars.write_lane(b, *best, largest, round as u32);
                    }
                    continue;
                }
                let here = b.cmpi(IntPredicate::Eq, *cell, self.word(round as u32));
                *best = b.select(here, largest, *best);
            }
            let goes_on = b.cmpi(IntPredicate::Eq, list[0], largest);
            // As far as rounds are left that may ask for it.
            for at in 0..list.len().min((k - 1 - round) as usize) {
                let next = list.get(at + 1).copied().unwrap_or(self.word(0));
                list[at] = b.select(goes_on, next, list[at]);
            }
        }
        if scalars.is_some() {
            best.iter_mut().for_each(|best| *best = self.repeated(*best, result));
        }
        best
    }

    /// 16-bit floats as they are or widened, widened.
    pub(super) fn widened(&self, id: ValueId, index: &Index<'m>) -> Lanes<'m> {
        self.lanewise.cast(self.pull.evaluate(id, index), self.pull.kernel.value(id).dtype, DType::F32)
    }

    /// The words of widened 16-bit floats, in the order of floats, where one zero is both: rank keys, as long as there is no NaN.
    fn words(&self, x: Lanes<'m>, count: usize) -> Vec<Val<'m>> {
        let math = &mut self.lanewise.math(x.lanes);
        let no_sign = order::positive_zero(math, x.value);
        self.registers(order::word(math, no_sign), count)
    }

    /// Whether the columns that this lane has of a row, or the ones chosen that it has, leave it open that a softmax is in the
    /// order of its logits. `chosen` are the chosen ones' logits, in lists of which the last is the least.
    ///
    /// It is in their order as far as the choice goes if no logit is a NaN, and each chosen one is finite, not less than the
    /// largest one less 50, and of a magnitude from which on logits are 2⁻¹⁸ apart or more. Say x is chosen, y is a lesser
    /// logit, and m the largest.
    /// - x − m is at least −50, and floats below 64 are 2⁻¹⁸ apart or less: as x − m and y − m are rounded, they are off by
    ///   2⁻¹⁹ at most, and where the spacing is the same on both sides their distance is not less than it was. It is half on the
    ///   side of x otherwise, so that 2⁻¹⁸ − 2⁻¹⁹ − 2⁻²⁰ = 2⁻²⁰ of the distance are left.
    /// - So the powers of e differ by 2⁻²⁰ of the larger one, eight units in the last place or more. The exponential is off by
    ///   less than one ([`MAX_ULP`](routefuse_ir::math::MAX_ULP)): more than six are left.
    /// - Both are divided by one sum, at most the number of columns, so that the larger quotient is normal. Six units of the
    ///   powers are three of the quotients or more, which are off by half a unit: the lesser logit's element is the lesser one.
    ///
    /// Equal logits, and zeros of either sign, have equal elements, and the lower column is the better one by the key as well.
    pub(super) fn is_doubtful(
        &self,
        ordered: &Ordered,
        (largest, nan): (ValueId, Option<Val<'m>>),
        chosen: &[&[Val<'m>]],
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Val<'m> {
        let b = self.b;
        let own = if nan.is_none() { self.own_logits(ordered, (spread, index)) } else { vec![] };
        let largest = self.widened(largest, index).value;
        let least_apart = b.const_f32(ordered.least_apart(), 1);
        let least_exponent = b.const_f32(LEAST_EXPONENT, 1);
        let chosen = chosen.iter().flat_map(|list| list.iter().enumerate().map(|(at, x)| (at + 1 == list.len(), x)));
        let proofs = chosen.map(|(is_last, x)| {
            let apart = b.cmpf(FloatPredicate::Oge, b.absf(*x), least_apart);
            // Of an infinity the difference is a NaN, or too low.
            let near = || b.cmpf(FloatPredicate::Oge, b.subf(*x, largest), least_exponent);
            if is_last { b.andi(apart, near()) } else { apart }
        });
        let nan = nan.unwrap_or_else(|| self.has_nan(&own));
        proofs.fold(nan, |doubt, proof| b.ori(doubt, b.not(proof)))
    }

    /// The lane's own columns of what is selected, or of what it is a softmax of.
    fn own_logits(&self, ordered: &Ordered, (spread, index): (&Spread<'m>, &Index<'m>)) -> Vec<Val<'m>> {
        self.registers(self.widened(ordered.source, index).value, spread.columns.len())
    }

    /// Whether one of these is a NaN.
    pub(super) fn has_nan(&self, own: &[Val<'m>]) -> Val<'m> {
        let b = self.b;
        let of_two = |two: &[Val<'m>]| b.cmpf(FloatPredicate::Uno, two[0], two[two.len() - 1]);
        own.chunks(2).map(of_two).reduce(|x, y| b.ori(x, y)).expect("a lane has a column")
    }

    /// The column of a unique key.
    pub(super) fn column_of_unique(&self, key: Val<'m>, column_mask: u32) -> Val<'m> {
        let mask = self.word(column_mask);
        self.b.xori(self.b.andi(key, mask), mask)
    }

    /// The columns of unique keys; −1 for keys below `least` where they are no candidates.
    pub(super) fn some_columns(
        &self,
        (keys, least): (&[Val<'m>], u32),
        candidates: Candidates,
        column_mask: u32,
    ) -> Vec<Val<'m>> {
        let b = self.b;
        let column = |key: &Val<'m>| {
            let column = self.column_of_unique(*key, column_mask);
            match candidates {
                Candidates::All => column,
                Candidates::AboveNegInf => {
                    let none = b.cmpi(IntPredicate::Ult, *key, self.word(least));
                    b.select(none, self.word(u32::MAX), column)
                }
            }
        };
        keys.iter().map(column).collect()
    }

    /// The float that a unique key of [`Self::words`] was made of, 0.0 for either zero.
    pub(super) fn float_of_unique(&self, key: Val<'m>, column_mask: u32) -> Val<'m> {
        let b = self.b;
        if let Some(float) = self.pull.machine.float_of_word(b, key, column_mask) {
            return float;
        }
        // A negative float's word has no sign bit, and ends in ones.
        let negative = b.cmpi(IntPredicate::Sge, key, self.word(0));
        let ones = b.ori(key, self.word(column_mask));
        let word = b.select(negative, ones, b.andi(key, self.word(!column_mask)));
        order::float_of_word(&mut self.lanewise.math(1), word)
    }
}

#[cfg(test)]
mod tests {
    use super::{LEAST_EXPONENT, Ordered};
    use routefuse_ir::DType;
    use routefuse_ir::kernel::ValueId;
    use routefuse_ir::math::native::{self, Native};
    use routefuse_ir::math::{bf16_to_f32, f16_to_f32};

    /// Of every logit that may be chosen and the next lower one of its dtype, beside many a largest logit and for several sums,
    /// the elements of the softmax are apart, the larger logit's the larger.
    #[test]
    fn a_chosen_logit_has_a_larger_element_than_any_lesser_one() {
        for dtype in [DType::Bf16, DType::F16] {
            let widened = |bits: u16| match dtype {
                DType::Bf16 => bf16_to_f32(&mut Native, i32::from(bits)),
                _ => f16_to_f32(&mut Native, i32::from(bits)),
            };
            let ordered = Ordered { source: ValueId(0), dtype, softmax: None };
            let mut all: Vec<f32> = (0..=u16::MAX).map(widened).filter(|x| !x.is_nan()).collect();
            all.sort_by(f32::total_cmp);
            // No multiple of a power of two, so that their last places differ.
            for largest in all.iter().step_by(1021).chain([&0.0, &1.0, &-1e-30, &1e-30, &49.75, &-3.2e-3]) {
                for two in all.windows(2) {
                    let [y, x] = two else { unreachable!() };
                    let may_be_chosen =
                        x <= largest && x.abs() >= ordered.least_apart() && x - largest >= LEAST_EXPONENT;
                    if !may_be_chosen || x == y {
                        continue;
                    }
                    let (of_x, of_y) = (native::exp(x - largest), native::exp(y - largest));
                    for sum in [1.0, 1.999_999_9, 767.3] {
                        assert!(of_x / sum > of_y / sum, "{dtype}: {x} and {y}, largest {largest}, sum {sum}");
                    }
                }
            }
        }
    }
}
