//! Keys that are quicker to make than rank keys, and nearly always give the same columns.
//!
//! A selection by sorted lists compares quick keys first. If then the rank keys could say otherwise for any row of the warp,
//! all of it is done once more with rank keys, by the same code. Three kinds are known, and for each what makes it doubtful:
//!
//! - **−∞ that is no candidate.** The rank keys of all floats do where the last of the best is above −∞. Else a NaN, which is a
//!   candidate, should have come before −∞, which is none.
//! - **Dividends** of one divisor, as the powers of a softmax: numbers above zero are in the order of their bits. Quotients are
//!   rounded, so two dividends may have one quotient, and then the lower column comes first. A quotient is within 2⁻²⁴ of its
//!   value, so of two dividends that are 4 units in the last place apart, 2⁻²² of their value at least, quotients that are
//!   normal numbers differ. Doubtful are therefore neighbours among the best that are less than that apart and not equal,
//!   others so near to the last of the best, one of the best that is so small or large that its quotient could be no normal
//!   number, and a divisor far from 1, or NaN.
//! - **[Floats](super::sorted_floats)** as they are, where a NaN spoils all. Doubtful is a last of the best that is not above −∞.

use super::RowGpu;
use super::columns_of_keys::{LaneKeys, Wanted};
use super::kept_rounds::AT_ONCE;
use super::key_order::KeyOrder;
use super::spread::Spread;
use crate::emit::pull::index::Index;
use crate::emit::pull::known::{Lanes, Nans};
use crate::machine::cells::Giving;
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::math::order::{self, NEG_INF_KEY};
use routefuse_ir::op::{BinaryOp, Candidates, ScalarOp, TopKOrder, UnaryOp};
use std::cell::Cell;

/// Units in the last place, less one, within which two dividends are too near to each other.
const NEAR: u32 = 3;

/// The least dividend whose quotient is certainly a normal number, with divisors between [`LEAST_DIVISOR`] and its inverse.
const LEAST_DIVIDEND: f32 = f32::from_bits((127 - 90) << 23);

/// The largest one whose quotient is certainly finite.
const MOST_DIVIDEND: f32 = f32::from_bits((127 + 90) << 23);

/// 2⁻³⁰.
const LEAST_DIVISOR: f32 = f32::from_bits((127 - 30) << 23);

/// The keys of a selection, one a register; 0 where a lane has no column of its own.
pub(super) struct QuickKeys<'m> {
    pub keys: Vec<Val<'m>>,
    /// What makes them doubtful, if they are not rank keys.
    pub doubt: Option<Doubt<'m>>,
    pub trap: Option<Val<'m>>,
}

/// What makes keys doubtful.
#[derive(Clone, Copy)]
pub(super) enum Doubt<'m> {
    /// They are the rank keys of −∞ as well.
    NegInf,
    /// They are the bits of dividends, and one more where `added`.
    Dividends { divisor: Val<'m>, of: ValueId, added: bool },
    /// They are the [floats](super::sorted_floats) of a value.
    Floats { of: ValueId },
}

impl Doubt<'_> {
    /// What the keys are compared as.
    pub fn order(self) -> KeyOrder {
        match self {
            Doubt::NegInf | Doubt::Dividends { .. } => KeyOrder::Words,
            Doubt::Floats { .. } => KeyOrder::Floats,
        }
    }
}

/// Keys of a lane that are looked at before quick keys are tried.
const LOOKED_AT: usize = 2;

impl<'m> RowGpu<'_, 'm> {
    /// Puts the columns of one turn's k best into the row's cells, −1 where candidates run out.
    pub(super) fn give_sorted<'t, 'a>(
        &self,
        giving: Giving<'t, 'a, 'm>,
        (keys, sorted): (LaneKeys<'_, 'm>, Option<&[Val<'m>]>),
        doubt: Option<Doubt<'m>>,
        wanted: Wanted<'m>,
        (spread, turn): (&Spread<'m>, u32),
    ) -> Giving<'t, 'a, 'm> {
        let b = self.b;
        let in_registers = self.team.has_places();
        if let LaneKeys::InRegisters(keys) = keys
            && !in_registers
        {
            giving.give_keys(keys);
        }
        let once = |giving, keys: LaneKeys<'_, 'm>, list: Vec<Val<'m>>, slack| {
            self.give_once(giving, (keys, list), slack, wanted, (spread, turn))
        };
        let best = || match keys {
            LaneKeys::InRegisters(keys) => self.best_of_lane(keys, wanted.k, wanted.order),
            LaneKeys::Written(count) => self.best_of_lane(&giving.kept_keys(count), wanted.k, wanted.order),
        };
        let Some(doubt) = doubt else {
            let list = sorted.map_or_else(best, <[Val<'m>]>::to_vec);
            return once(giving, keys, list, None).0;
        };
        let in_rounds = match doubt {
            Doubt::NegInf => sorted.is_some() && !wanted.by_column && self.has_kept_rounds(spread),
            Doubt::Dividends { .. } => false,
            Doubt::Floats { .. } => true,
        };
        if in_rounds {
            // What was written takes no registers while it is sorted. Blocks with a table have as many as they have anyway.
            let kept = || match keys {
                LaneKeys::InRegisters(keys) if self.shape.table > 0 => self.best_of_lane(keys, wanted.k, wanted.order),
                _ => self.best_of_lane(&giving.kept_keys(keys.len()), wanted.k, wanted.order),
            };
            let list = sorted.map_or_else(kept, <[Val<'m>]>::to_vec);
            let (giving, best, _) = once(giving, keys, list, None);
            // Sorting once more would be as much code again.
            let doubtful = self.team.any(self.quick_keys_are_doubtful(doubt, &best));
            b.if_then(doubtful, |_| {
                giving.overwriting();
                self.rank_kept_keys(&giving, doubt, keys.len(), wanted, (spread, turn));
                self.give_best_kept(&giving, (wanted.k, wanted.may_run_out), spread);
            });
            return giving;
        }
        let looked_at = spread.columns[spread.turn(turn)].iter().take(LOOKED_AT);
        let looks = wanted.of_whole_rows && looked_at.map(|column| column.valid).all(|valid| valid.is_none());
        let quick = match doubt {
            Doubt::NegInf if looks && !in_registers && sorted.is_none() => {
                self.quick_keys_have_hope(&giving, doubt, keys, wanted, (spread, turn))
            }
            _ => b.const_bool(true),
        };
        let giving = Cell::new(Some(giving));
        // Keys in registers go through the loop as well.
        let carried = keys.in_registers().filter(|_| in_registers).unwrap_or(&[]);
        let first = [&[quick], sorted.unwrap_or(&[]), carried].concat();
        b.repeat_while(
            &first,
            |_, state| {
                self.pull.scopes.scoped(|| {
                    let slack = match doubt {
                        Doubt::NegInf | Doubt::Floats { .. } => None,
                        Doubt::Dividends { .. } => Some(b.select(state[0], self.word(NEAR), self.word(0))),
                    };
                    let given = giving.take().expect("the cells are to be written");
                    let (listed, carried) = state[1..].split_at(state.len() - 1 - carried.len());
                    let list = match sorted {
                        Some(_) => listed.to_vec(),
                        None if in_registers => self.best_of_lane(carried, wanted.k, wanted.order),
                        None => self.best_of_lane(&given.kept_keys(keys.len()), wanted.k, wanted.order),
                    };
                    let now = if in_registers { LaneKeys::InRegisters(carried) } else { keys };
                    let (given, best, near) = once(given, now, list, slack);
                    giving.set(Some(given));
                    let doubtful = self.quick_keys_are_doubtful(doubt, &best);
                    let doubtful = near.map_or(doubtful, |near| b.ori(doubtful, near));
                    (b.andi(state[0], self.team.any(doubtful)), carried.to_vec())
                })
            },
            |_, carried| {
                self.pull.scopes.scoped(|| {
                    let given = giving.take().expect("the cells were written");
                    let count = keys.len();
                    let keys = match doubt {
                        Doubt::NegInf if !in_registers => {
                            given.overwriting();
                            self.rank_kept_keys(&given, doubt, count, Wanted { mask: None, ..wanted }, (spread, turn));
                            if sorted.is_some() { given.kept_keys(count) } else { vec![] }
                        }
                        _ => {
                            let keys = if in_registers { carried.to_vec() } else { given.kept_keys(count) };
                            let keys = self.rank_keys_of(doubt, &keys, (spread, turn), wanted.candidates);
                            given.overwriting();
                            if !in_registers {
                                given.give_keys(&keys);
                            }
                            keys
                        }
                    };
                    giving.set(Some(given));
                    let list = sorted.map_or(vec![], |_| self.best_of_lane(&keys, wanted.k, wanted.order));
                    let carried = if in_registers { &keys[..] } else { &[] };
                    [&[b.const_bool(false)], &list[..], carried].concat()
                })
            },
        );
        giving.take().expect("the cells were written")
    }

    /// Writes rank keys in the place of quick keys that the lane has written, so many of them, a few at a time in a loop: 0 where the
    /// lane's do not count.
    fn rank_kept_keys(
        &self,
        giving: &Giving<'_, '_, 'm>,
        doubt: Doubt<'m>,
        count: usize,
        wanted: Wanted<'m>,
        place: (&Spread<'m>, u32),
    ) {
        let (b, zero) = (self.b, self.word(0));
        self.seldom_loop((count as u32).div_ceil(AT_ONCE), zero, |turn, none| {
            let first = b.muli(turn, self.word(AT_ONCE));
            let keys = giving.kept_keys_from(first, AT_ONCE as usize);
            let keys = self.rank_keys_of(doubt, &keys, place, wanted.candidates).into_iter();
            let counted = keys.map(|key| wanted.mask.map_or(key, |mask| b.select(mask, key, zero)));
            giving.give_keys_from(first, &counted.collect::<Vec<_>>());
            none
        });
    }

    /// Whether quick keys are worth a try: no lane's first keys are all no more than −∞'s. Of values that each hang on all
    /// of their row, all are NaNs where one is, and then the rank keys are written in their place at once.
    fn quick_keys_have_hope(
        &self,
        giving: &Giving<'_, '_, 'm>,
        doubt: Doubt<'m>,
        keys: LaneKeys<'_, 'm>,
        wanted: Wanted<'m>,
        (spread, turn): (&Spread<'m>, u32),
    ) -> Val<'m> {
        let b = self.b;
        let first = match keys {
            LaneKeys::InRegisters(keys) => keys[..keys.len().min(LOOKED_AT)].to_vec(),
            LaneKeys::Written(_) => giving.kept_keys(LOOKED_AT),
        };
        let none = first.iter().map(|key| self.quick_keys_are_doubtful(doubt, &[*key]));
        let hopeless = self.team.any(none.reduce(|x, y| b.andi(x, y)).expect("a lane has a key"));
        b.if_then(hopeless, |_| {
            self.pull.scopes.scoped(|| {
                let LaneKeys::InRegisters(keys) = keys else {
                    self.rank_kept_keys(giving, doubt, keys.len(), Wanted { mask: None, ..wanted }, (spread, turn));
                    return;
                };
                let keys = self.rank_keys_of(doubt, keys, (spread, turn), wanted.candidates);
                giving.give_keys(&keys);
            });
        });
        b.not(hopeless)
    }

    /// The quickest keys that there are of a value at a spread of its columns.
    pub(super) fn quick_keys(
        &self,
        id: ValueId,
        (k, candidates, order): (u64, Candidates, TopKOrder),
        spread: &Spread<'m>,
        index: &Index<'m>,
    ) -> QuickKeys<'m> {
        if let Some(found) = self.dividends(id, spread, index) {
            return found;
        }
        if self.sorts_floats(id, (k, candidates, order), spread) {
            return self.floats(id, spread, index);
        }
        if candidates == Candidates::AboveNegInf && self.pull.kernel.value(id).dtype.is_float() {
            let (keys, trap) = self.own_keys(id, spread, index, Candidates::All);
            return QuickKeys { keys, doubt: Some(Doubt::NegInf), trap };
        }
        let (keys, trap) = self.own_keys(id, spread, index, candidates);
        QuickKeys { keys, doubt: None, trap }
    }

    /// Numbers that are not negative, of which the value is what they give divided by one number of the row. They are all
    /// candidates.
    fn dividends(&self, id: ValueId, spread: &Spread<'m>, index: &Index<'m>) -> Option<QuickKeys<'m>> {
        let (b, kernel) = (self.b, self.pull.kernel);
        let ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Div), operands) = &kernel.value(id).kind else { return None };
        let (dividend, divisor) = (kernel.value(operands[0]), kernel.value(operands[1]));
        let positive = matches!(
            &dividend.kind,
            ValueKind::Scalar(ScalarOp::Unary(UnaryOp::Exp | UnaryOp::Exp2 | UnaryOp::Sigmoid | UnaryOp::Softplus), _)
        );
        if !positive || dividend.dtype != DType::F32 || divisor.space.cols > 1 || spread.segments > 1 {
            return None;
        }
        let own = self.pull.evaluate(operands[0], index);
        let by = self.pull.evaluate(operands[1], index);
        if by.lanes > 1 {
            return None;
        }
        let added = spread.columns.iter().any(|column| column.valid.is_some());
        let (one, zero) = (self.word(1), self.word(0));
        let key = |(float, valid): (&Val<'m>, Option<Val<'m>>)| {
            let bits = b.bitcast(*float, b.int(32));
            let key = if added { b.addi(bits, one) } else { bits };
            valid.map_or(key, |valid| b.select(valid, key, zero))
        };
        let floats = self.registers(own.value, spread.columns.len());
        let keys = floats.iter().zip(spread.columns.iter().map(|column| column.valid)).map(key).collect();
        let trap = self.lanewise.either(own.trap, by.trap);
        Some(QuickKeys { keys, doubt: Some(Doubt::Dividends { divisor: by.value, of: id, added }), trap })
    }

    /// Whether quick keys may have given other columns than rank keys, by what is among the best `k`; for the lane's row.
    pub(super) fn quick_keys_are_doubtful(&self, doubt: Doubt<'m>, best: &[Val<'m>]) -> Val<'m> {
        let b = self.b;
        let last = best[best.len() - 1];
        match doubt {
            Doubt::NegInf => b.cmpi(IntPredicate::Ule, last, self.word(NEG_INF_KEY + self.added_to_keys())),
            Doubt::Floats { .. } => self.floats_are_doubtful(last),
            Doubt::Dividends { divisor, .. } => {
                let small = b.cmpi(IntPredicate::Ult, last, self.word(LEAST_DIVIDEND.to_bits() + 1));
                // NaNs are too.
                let large = b.cmpi(IntPredicate::Ugt, best[0], self.word(MOST_DIVIDEND.to_bits()));
                // Neither holds of a NaN.
                let above = b.cmpf(FloatPredicate::Oge, divisor, b.const_f32(LEAST_DIVISOR, 1));
                let below = b.cmpf(FloatPredicate::Ole, divisor, b.const_f32(1.0 / LEAST_DIVISOR, 1));
                let wild = b.ori(b.ori(small, large), b.not(b.andi(above, below)));
                let near = |two: &[Val<'m>]| {
                    let apart = b.subi(b.subi(two[0], two[1]), self.word(1));
                    b.cmpi(IntPredicate::Ult, apart, self.word(NEAR))
                };
                best.windows(2).map(near).fold(wild, |any, near| b.ori(any, near))
            }
        }
    }

    /// The rank keys of what these are the quick keys of.
    pub(super) fn rank_keys_of(
        &self,
        doubt: Doubt<'m>,
        keys: &[Val<'m>],
        (spread, turn): (&Spread<'m>, u32),
        candidates: Candidates,
    ) -> Vec<Val<'m>> {
        let b = self.b;
        match doubt {
            Doubt::NegInf => {
                keys.iter().map(|key| order::only(&mut self.lanewise.math(1), *key, Candidates::AboveNegInf)).collect()
            }
            Doubt::Floats { of } => keys.iter().map(|key| self.rank_key_of_float(of, *key, candidates)).collect(),
            Doubt::Dividends { divisor, of, added } => {
                let rank_key = |(key, valid): (&Val<'m>, Option<Val<'m>>)| {
                    let bits = if added { b.subi(*key, self.word(1)) } else { *key };
                    let dividend = b.bitcast(bits, b.f32());
                    let quotient = self.pull.machine.divide(b, dividend, divisor);
                    let quotient = Lanes { nans: Nans::Free, ..Lanes::exact(quotient, 1) };
                    let key = self.float_keys(of, quotient, candidates).value;
                    valid.map_or(key, |valid| b.select(valid, key, self.word(0)))
                };
                let columns = spread.columns[spread.turn(turn)].iter().map(|column| column.valid);
                keys.iter().zip(columns).map(rank_key).collect()
            }
        }
    }
}
