//! Unique keys of `bf16`, two columns at a time, where rows are many and the machine has instructions for two of them in a word.
//!
//! [Unique keys](super::unique_keys) are made of rank keys elsewhere: widened, asked for NaN and −∞, told apart by the column, nine
//! instructions a column or more. Of a word of two columns three times two are enough. The keys have the same form: the upper half is
//! in the order of the numbers, and the lower one is the lower the higher the column. Two things differ from rank keys:
//!
//! - A NaN is not the worst. Where it ends up is asked for: where columns are chosen by the numbers themselves it is −∞, and else,
//!   as a softmax of it is NaNs alone, it is the largest, where it is noticed.
//! - −∞ is a number. Where it is no candidate, or where a NaN counts for more or less than it, the last of the best tells.
//!
//! Rows in which the keys do not decide are [done by the letter](RowGpu::by_the_letter): from the logits on, which memory is asked for
//! again. What only such a row needs is in no register meanwhile.

use super::RowGpu;
use super::key_order::KeyOrder;
use super::spread::{Column, Spread};
use crate::emit::pull::index::{Index, Ix};
use crate::emit::row::Selection;
use crate::machine::NanInPair;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::analysis::Ordered;
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::op::ScalarOp;
use std::collections::HashMap;

/// The bits of a key that are the column's.
const COLUMN_MASK: u32 = 0xffff;

/// The least key of what is above −∞: that of the lowest number in any column.
const ABOVE_NEG_INF: u32 = 0x0080_0000;

impl<'m> RowGpu<'_, 'm> {
    /// The best `k` unique keys of a lane's columns, best first. None where they are made another way.
    pub(super) fn best_of_pairs(
        &self,
        (ordered, k): (&Ordered, u64),
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<Vec<Val<'m>>> {
        let (b, own) = (self.b, shared_part(spread, k));
        let keys = self.keys_of_pairs(ordered, own, (spread, index))?;
        let list = self.best_of_lane(&keys, k, KeyOrder::Words);
        let Some(own) = own else { return Some(list) };
        let minus = b.subi(self.word(0), self.ix.to_word(own));
        let machine = self.pull.machine;
        let factor = machine.factors_beside(b).map(|[one, _]| one);
        let whole = |key: &Val<'m>| match factor {
            Some(one) => machine.multiply_add_words(b, [*key, one, minus]),
            None => b.addi(*key, minus),
        };
        Some(list.iter().map(whole).collect())
    }

    /// The unique keys of a lane's columns, one a register; 0 where it has none of its own; without the part of their numbers that is
    /// shared, if there is one. None where they are made another way.
    fn keys_of_pairs(
        &self,
        ordered: &Ordered,
        shared: Option<Ix<'m>>,
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<Vec<Val<'m>>> {
        let (b, kernel, machine) = (self.b, self.pull.kernel, self.pull.machine);
        let in_pairs = spread.columns.len().is_multiple_of(2) && spread.run.is_multiple_of(2);
        if ordered.dtype != DType::Bf16 || !machine.has_bf16_pairs() || !in_pairs || self.by_the_letter.get() {
            return None;
        }
        let raw = narrow(&kernel.value(ordered.source).kind).unwrap_or(ordered.source);
        let x = self.pull.evaluate(raw, index);
        if x.trap.is_some() || x.lanes as usize != spread.columns.len() {
            return None;
        }
        let nan = if ordered.softmax.is_some() { NanInPair::Largest } else { NanInPair::NegInf };
        let pairs = b.bitcast(x.value, b.lanes_of(b.int(32), x.lanes / 2));
        let mut of_base = HashMap::new();
        let mut keys = vec![];
        let are_known = shared.is_some() || spread.columns.iter().all(|column| column.at.base.is_none());
        let selectors = if are_known { machine.pair_selectors(b) } else { None };
        for (pair, columns) in (0..).zip(spread.columns.chunks(2)) {
            let numbered = |column: &Column<'m>| shared.map_or(column.at, |_| Ix::constant(column.at.plus));
            let codes = self.codes([numbered(&columns[0]), numbered(&columns[1])], &mut of_base);
            keys.extend(machine.keys_of_bf16_pair(b, b.extract(pairs, pair), (codes, selectors), nan));
        }
        let own = |(key, column): (&Val<'m>, &Column<'m>)| {
            column.valid.map_or(*key, |valid| b.select(valid, *key, self.word(0)))
        };
        Some(keys.iter().zip(&spread.columns).map(own).collect())
    }

    /// The lower halves of the keys of two columns: 16 bits each, the first one's below.
    fn codes(&self, columns: [Ix<'m>; 2], of_base: &mut HashMap<(usize, u64), Val<'m>>) -> Val<'m> {
        let b = self.b;
        let both = |n: u64| self.word((n as u32) << 16 | n as u32);
        let [first, second] = columns;
        if first.offset(1).key() != second.key() {
            let code = |at: Ix<'m>| b.xori(self.ix.to_word(at), self.word(COLUMN_MASK));
            return b.ori(code(first), b.shli(code(second), self.word(16)));
        }
        let after = b.addi(both(first.plus), self.word(1 << 16));
        let Some(base) = first.base else { return b.subi(self.word(u32::MAX), after) };
        let from = Ix { base: Some(base), plus: 0, multiple: first.multiple };
        let code = || {
            let base = self.ix.to_word(from);
            b.subi(self.word(u32::MAX), b.ori(base, b.shli(base, self.word(16))))
        };
        b.subi(*of_base.entry(from.key()).or_insert_with(code), after)
    }

    /// The columns of keys of pairs of the numbers that are chosen by. `last` is the last of the best keys, `mine` are those that the
    /// lane wants the columns of, and `columns` are these of rows in which there are enough
    /// numbers above −∞. In others −∞ counts as what it is, and where there is a NaN as well, rank keys decide.
    pub(super) fn columns_of_numbers(
        &self,
        (what, ordered): (Selection, &Ordered),
        (last, mine, columns): (Val<'m>, &[Val<'m>], &[Val<'m>]),
        (spread, index): (&Spread<'m>, &Index<'m>),
        result: &Spread<'m>,
    ) -> Vec<Val<'m>> {
        let (b, mask) = (self.b, ordered.column_mask());
        let types = vec![b.int(32); columns.len()];
        let runs_out = b.cmpi(IntPredicate::Ult, last, self.word(ABOVE_NEG_INF));
        b.if_then_else(
            self.team.any(runs_out),
            &types,
            |_| {
                self.by_the_letter(index.row[0], |row| {
                    let index = spread.index(row);
                    let floats = self.registers(self.widened(ordered.source, &index).value, spread.columns.len());
                    let nan = b.andi(self.has_nan(&floats), runs_out);
                    let numbers = self.some_columns((mine, ABOVE_NEG_INF), what.candidates, mask);
                    let (known, any) = (numbers.clone(), self.team.any(nan));
                    let by_rank_keys = |_: &_| {
                        if self.has_rows_by_warp(spread.width) {
                            return self.columns_by_warp(ordered.source, what, (nan, row), (&numbers, result));
                        }
                        // Once more from memory: else all of the row would be in registers meanwhile.
                        self.by_the_letter(row, |row| {
                            let keys =
                                self.unique_keys((ordered, what.k), what.candidates, (spread, &spread.index(row)));
                            keys.map_or(columns.to_vec(), |keys| {
                                let best = self.best_of_list(&keys.sorted, result);
                                self.some_columns((&best, 1), what.candidates, mask)
                            })
                        })
                    };
                    b.if_then_else(any, &types, by_rank_keys, |_| known)
                })
            },
            |_| columns.to_vec(),
        )
    }

    /// Emits a row once more, from what memory has of it on, for warps in which some row needs it: nothing that was computed of the
    /// row before is taken from there, so that it takes no registers until here. `row` is the row that `body` is given.
    pub(super) fn by_the_letter<R>(&self, row: Ix<'m>, body: impl FnOnce(Ix<'m>) -> R) -> R {
        self.pull.scopes.scoped(|| {
            // The row's number by way of the lane itself: else the assembler would know that memory was asked already, and keep that.
            let number = self.ix.materialise(row);
            let same = self.team.moved(number, |word| self.team.from(word, self.team.lane));
            self.pull.leave_row();
            let outer = self.by_the_letter.replace(true);
            let result = body(Ix::value(same, 1));
            self.by_the_letter.set(outer);
            result
        })
    }
}

/// The part that all of a lane's columns have in common, where it is shorter to put it into the best `k` of their keys than into the code of
/// each pair. In a lane keys are in the same order without it, since what it takes from a code is no more than there is.
fn shared_part<'m>(spread: &Spread<'m>, k: u64) -> Option<Ix<'m>> {
    let first = spread.columns[0].at;
    let alike = |column: &Column<'m>| column.valid.is_none() && column.at.key().0 == first.key().0;
    let pairs = spread.columns.len() as u64 / 2;
    (first.base.is_some() && pairs > k && spread.columns.iter().all(alike)).then_some(Ix { plus: 0, ..first })
}

/// The 16-bit floats that a value widens.
fn narrow(kind: &ValueKind) -> Option<ValueId> {
    match kind {
        ValueKind::Scalar(ScalarOp::Cast(DType::F32), operands) => Some(operands[0]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ABOVE_NEG_INF, COLUMN_MASK};
    use routefuse_ir::math::bf16_to_f32;
    use routefuse_ir::math::native::Native;

    /// The upper half of a key, as machines make it of a number, of which −0 is 0.
    fn upper(bits: u16) -> u16 {
        let bits = if bits == 0x8000 { 0 } else { bits };
        bits ^ (if bits >> 15 == 1 { 0xffff } else { 0 } | 0x8000)
    }

    /// What all columns of a lane have in common may be taken off afterwards: nothing is borrowed from the half above.
    #[test]
    fn the_shared_part_of_columns_is_taken_off_afterwards() {
        for (shared, plus) in [(0u32, 0u32), (8, 96), (0xfff8, 7), (0, 0xffff), (0xffff, 0)] {
            for upper in [1u32, 0x7fff, 0x8000, 0xffff] {
                let key = |column: u32| upper << 16 | (COLUMN_MASK - column);
                assert_eq!(key(plus).wrapping_sub(shared), key(plus + shared));
            }
        }
    }

    #[test]
    fn upper_halves_are_in_the_order_of_numbers() {
        let mut all: Vec<u16> = (0..=u16::MAX).filter(|x| !bf16_to_f32(&mut Native, i32::from(*x)).is_nan()).collect();
        all.sort_by_key(|x| upper(*x));
        let float = |x: u16| bf16_to_f32(&mut Native, i32::from(x));
        assert!(
            all.windows(2).all(|two| float(two[0]) < float(two[1]) || float(two[0]) == 0.0 && float(two[1]) == 0.0)
        );
        let key = |x: u16, code: u32| u32::from(upper(x)) << 16 | code;
        assert!(key(0xff80, COLUMN_MASK) < ABOVE_NEG_INF && key(0xff7f, 0) >= ABOVE_NEG_INF);
        assert!(upper(0xff80) > 0, "no number has the key of what is no column");
    }
}
