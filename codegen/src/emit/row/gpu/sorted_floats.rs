//! Floats that are sorted as they are, where rows are many.
//!
//! A [rank key](super::rank) takes three instructions a column, all of the pipe that compares and sorts. Where the greater and the lesser
//! of two floats are one instruction each, and a NaN where one is, floats need no keys. Every column can come into each place of a
//! sorted list, so a NaN among the columns comes into all of them, and one look at the last of the best says of all columns that they
//! are numbers. That the last is above −∞ is asked there anyway, since −∞ may be no candidate: the same look asks both. Rows of which
//! it is not so are done once more by rank keys, in [rounds](super::kept_rounds).
//!
//! A float is less than another if their difference is below zero: it is 0 for equal ones alone, and rounded to the side where it was. So
//! the marks of keys that are less are signs, and one instruction less of that pipe for each: a difference goes to another one. −0.0
//! less 0.0 has a sign too, so 0.0 is in its place. −∞ stands for what is no column.

use super::RowGpu;
use super::kept_rounds::AT_ONCE;
use super::key_order::{KeyOrder, float};
use super::quick_keys::{Doubt, QuickKeys};
use super::spread::Spread;
use crate::emit::pull::index::Index;
use crate::emit::pull::known::{Lanes, Nans};
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::{RowOp, ValueId};
use routefuse_ir::op::{Candidates, ReduceOp, TopKOrder};

impl<'m> RowGpu<'_, 'm> {
    /// Whether the best `k` of a value in one segment are found by its floats.
    pub(super) fn sorts_floats(
        &self,
        id: ValueId,
        (k, candidates, order): (u64, Candidates, TopKOrder),
        spread: &Spread<'m>,
    ) -> bool {
        let kernel = self.pull.kernel;
        let whole = spread.columns.iter().all(|column| column.valid.is_none());
        // Each lane looks for a NaN among its own.
        let two_best_of_lane = |segments, width| {
            self.spreads.of(segments, width).span == 1 && spread.registers.is_multiple_of(AT_ONCE) && whole
        };
        let mut two_best = kernel.values.iter().filter_map(|v| v.kind.row_value());
        self.pull.machine.sorts_floats()
            && kernel.value(id).dtype == DType::F32
            && order == TopKOrder::Value
            && (whole || candidates == Candidates::AboveNegInf)
            && self.sorts(spread, k)
            && self.exchanges_without_products(k)
            && self.has_kept_rounds(spread)
            && two_best.all(|row| {
                row.op != RowOp::Reduce(ReduceOp::TopTwoSum)
                    || row.value != id
                    || two_best_of_lane(kernel.value(id).space.cols / row.width, row.width)
            })
    }

    /// The floats of a value at a spread of its columns, with 0.0 for −0.0.
    pub(super) fn floats(&self, id: ValueId, spread: &Spread<'m>, index: &Index<'m>) -> QuickKeys<'m> {
        let b = self.b;
        let x = self.pull.evaluate(id, index);
        let none = self.word(KeyOrder::Floats.none());
        let word = |(float, valid): (Val<'m>, Option<Val<'m>>)| {
            let word = b.bitcast(float, b.int(32));
            valid.map_or(word, |valid| b.select(valid, word, none))
        };
        let value = match self.no_negative_zero[id.0 as usize] {
            true => x.value,
            false => self.pull.machine.own_positive_zero(b, x.value).unwrap_or_else(|| {
                let zero = b.const_f32(0.0, x.lanes);
                b.addf(x.value, zero)
            }),
        };
        let floats = self.registers(value, spread.columns.len()).into_iter();
        let keys = floats.zip(spread.columns.iter().map(|column| column.valid)).map(word).collect();
        QuickKeys { keys, doubt: Some(Doubt::Floats { of: id }), trap: x.trap }
    }

    /// The two best of a lane's floats, which are all of a group, as rank keys would say it: these, the first two of their sorted list,
    /// unless there is a NaN.
    pub(super) fn two_best_floats(&self, value: ValueId, floats: &[Val<'m>], list: &[Val<'m>]) -> [Val<'m>; 2] {
        let (b, i32) = (self.b, self.b.int(32));
        let first = float(b, list[0]);
        let two = b.if_then_else(
            self.team.any(b.cmpf(FloatPredicate::Uno, first, first)),
            &[i32, i32],
            |_| {
                self.pull.scopes.scoped(|| {
                    let giving = self.team.giving();
                    giving.give_keys(floats);
                    let none = self.word(0);
                    let best = b.repeat_while(
                        &[none, none, none],
                        |_, state| {
                            self.pull.machine.keep_loop(b);
                            let four = giving.kept_keys_from(state[0], AT_ONCE as usize);
                            let two = four.iter().fold([state[1], state[2]], |[best, next], key| {
                                let key = self.rank_key_of_float(value, *key, Candidates::All);
                                [b.maxui(best, key), b.maxui(next, b.minui(best, key))]
                            });
                            let behind = b.addi(state[0], self.word(AT_ONCE));
                            let goes_on = b.cmpi(IntPredicate::Ult, behind, self.word(floats.len() as u32));
                            (goes_on, vec![behind, two[0], two[1]])
                        },
                        |_, state| state.to_vec(),
                    );
                    best[1..].iter().map(|key| b.bitcast(self.ranked_float(*key), i32)).collect()
                })
            },
            |_| list[..2].to_vec(),
        );
        [two[0], two[1]]
    }

    /// The rank key of a float of a value, by its bits.
    pub(super) fn rank_key_of_float(&self, value: ValueId, bits: Val<'m>, candidates: Candidates) -> Val<'m> {
        let float = Lanes { nans: Nans::Free, ..Lanes::exact(float(self.b, bits), 1) };
        self.float_keys(value, float, candidates).value
    }

    /// Whether the floats may have given other columns than rank keys, by the last of the best: of some NaN it is one.
    pub(super) fn floats_are_doubtful(&self, last: Val<'m>) -> Val<'m> {
        let b = self.b;
        b.not(b.cmpf(FloatPredicate::Ogt, float(b, last), b.const_f32(f32::NEG_INFINITY, 1)))
    }

    /// Of 32 floats at most a bit for each that is less than another: the first of them is the lowest.
    pub(super) fn lesser_floats(&self, pairs: impl DoubleEndedIterator<Item = (Val<'m>, Val<'m>)>) -> Val<'m> {
        let b = self.b;
        let put = |bits, (x, y): (Val<'m>, Val<'m>)| {
            // Of two infinities that are one, the difference is a NaN without a sign.
            let difference = b.subf(float(b, x), float(b, y));
            b.shift_in_sign(bits, b.bitcast(difference, b.int(32)))
        };
        pairs.rev().fold(self.word(0), put)
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Exchanging;
    use super::super::merge::merge;
    use super::super::sorting_network;

    /// The greater and the lesser of two floats, a NaN where one is.
    struct Flooding;

    impl Exchanging<f32> for Flooding {
        fn larger(&self, x: f32, y: f32) -> f32 {
            if x.is_nan() || y.is_nan() { f32::NAN } else { x.max(y) }
        }

        fn lesser(&self, x: f32, y: f32) -> f32 {
            if x.is_nan() || y.is_nan() { f32::NAN } else { x.min(y) }
        }
    }

    /// The best `k` of a list, as a lane sorts it: so many at a time, which are merged.
    fn best_of(columns: &[f32], k: usize) -> Vec<f32> {
        let sorted = |columns: &[f32]| {
            let mut list = columns.to_vec();
            sorting_network::sort(list.len(), |i, j| {
                (list[i], list[j]) = (Flooding.larger(list[i], list[j]), Flooding.lesser(list[i], list[j]));
            });
            list.truncate(k);
            list
        };
        let lists = columns.chunks(k.next_power_of_two()).map(sorted);
        lists.reduce(|x, y| merge(&x, &y, k, &Flooding)).expect("there are columns")
    }

    #[test]
    fn a_nan_comes_into_all_places() {
        for k in 1..=8 {
            for count in 1..=20 {
                let columns: Vec<f32> = (0..count).map(|i| ((i * 7) % 20) as f32).collect();
                for at in 0..count {
                    let mut with_nan = columns.clone();
                    with_nan[at] = f32::NAN;
                    let best = best_of(&with_nan, k);
                    assert!(best.iter().all(|x| x.is_nan()), "{k} of {count}, {at}: {best:?}");
                    // And from one lane's list into that of all, whose lists have as many places.
                    for best in [
                        merge(&best, &best_of(&columns, k), k, &Flooding),
                        merge(&best_of(&columns, k), &best, k, &Flooding),
                    ] {
                        assert!(best.iter().all(|x| x.is_nan()), "{k} of twice {count}, {at}: {best:?}");
                    }
                }
            }
        }
    }

    /// Also of floats between which there are none, and of such whose difference is no normal float or none at all.
    #[test]
    fn a_float_is_less_where_the_difference_has_a_sign() {
        let steps = [0u32, 1, 2, 3, 0x007f_fffe, 0x007f_ffff, 0x0080_0000, 0x0080_0001, 0x3f80_0000, 0x3f80_0001];
        let large = [0x4b80_0000, 0x7f7f_fffe, 0x7f7f_ffff, 0x7f80_0000];
        let some: Vec<f32> =
            steps.iter().chain(&large).flat_map(|bits| [f32::from_bits(*bits), -f32::from_bits(*bits)]).collect();
        for (x, y) in some.iter().flat_map(|x| some.iter().map(move |y| (*x, *y))) {
            let difference = x - y;
            // The machine's NaN has no sign.
            let sign = !difference.is_nan() && difference.is_sign_negative();
            assert!(x == 0.0 && y == 0.0 || sign == (x < y), "{x:e} and {y:e}");
        }
    }
}
