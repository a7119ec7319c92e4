//! Sums, extremes, and the sum of the two best.

use super::RowGpu;
use super::spread::Spread;
use crate::emit::pull::index::Index;
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::lanewise::NAN;
use crate::emit::pull::types::value_type;
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::ValueId;
use routefuse_ir::math::order;
use routefuse_ir::op::{BinaryOp, Candidates, NanRule, ReduceOp, ScalarOp};

/// Times that the registers of a sum are halved at most for which it is shorter to read the sums of all groups of lanes than to
/// exchange them by way of memory.
const MOST_HALVED: usize = 4;

impl<'m> RowGpu<'_, 'm> {
    /// One reduction of each segment: a register a turn, the same on all lanes of the segment.
    pub(super) fn reduce_segments(
        &self,
        op: ReduceOp,
        value: ValueId,
        spread: &Spread<'m>,
        index: &Index<'m>,
    ) -> Lanes<'m> {
        let dtype = self.pull.kernel.value(value).dtype;
        if op == ReduceOp::TopTwoSum {
            if let Some((sum, trap)) = self.sum_of_listed_floats(value, spread, index) {
                let lanes = Lanes { nans: Nans::Free, ..Lanes::exact(sum, 1) };
                return Lanes { trap: self.trap_of_segments(trap, spread), ..lanes };
            }
            let (keys, trap) = self.own_keys(value, spread, index, Candidates::All);
            let sums: Vec<Val<'m>> = (0..spread.turns)
                .map(|turn| {
                    let keys = &keys[spread.turn(turn)];
                    let listed = if spread.turns == 1 { self.two_best_of_list(value, keys, index) } else { None };
                    self.top_two_sum(keys, listed, spread)
                })
                .collect();
            let lanes = Lanes { nans: Nans::Free, ..Lanes::exact(self.b.gather_lanes(&sums), spread.turns) };
            return Lanes { trap: self.trap_of_segments(trap, spread), ..lanes };
        }
        if op == ReduceOp::Sum && self.is_in_pieces(spread) {
            self.make_in_pieces(value, spread, index);
        }
        let operand = self.pull.evaluate(value, index);
        let registers = self.registers(operand.value, spread.columns.len());
        let one = |turn: u32| {
            let columns = &spread.columns[spread.turn(turn)];
            let own = &registers[spread.turn(turn)];
            match op {
                _ if spread.width == 1 => own[0],
                ReduceOp::Sum => {
                    // What changes no sum: −0.0, or 0.
                    let zero = match dtype {
                        DType::F32 => self.b.const_f32(-0.0, 1),
                        _ => self.b.const_zero(value_type(self.b, dtype)),
                    };
                    let own = own.iter().zip(columns).map(|(x, p)| p.valid.map_or(*x, |v| self.b.select(v, *x, zero)));
                    let mut own: Vec<Val<'m>> = own.collect();
                    // Runs that no lane has columns in.
                    own.resize(own.len().next_power_of_two(), zero);
                    self.tree(own, dtype, spread)
                }
                _ => self.extreme_of_segment(own, op == ReduceOp::Max, dtype, spread.span),
            }
        };
        let results: Vec<Val<'m>> = (0..spread.turns).map(one).collect();
        let nans = match op {
            _ if dtype != DType::F32 => Nans::Exact,
            _ if spread.width == 1 => operand.nans,
            ReduceOp::Sum => Nans::Free,
            _ => Nans::Canonical,
        };
        let trap = self.trap_of_segments(operand.trap, spread);
        Lanes { value: self.b.gather_lanes(&results), lanes: spread.turns, nans, trap }
    }

    /// The canonical tree over a segment's registers, a power of two on each of its lanes.
    fn tree(&self, mut registers: Vec<Val<'m>>, dtype: DType, spread: &Spread<'m>) -> Val<'m> {
        // Runs that lie behind those of all lanes are farther away than any lane.
        while registers.len() > spread.run as usize {
            registers = self.halves_added(&registers, dtype);
        }
        if self.team.is_block()
            && spread.span == self.team.lanes
            && dtype.bits() == 32
            && let Some(registers) = self.added_over_warps(&registers, dtype)
        {
            return self.tree_over_lanes(registers, dtype, self.warps.lanes());
        }
        self.tree_over_lanes(registers, dtype, spread.span)
    }

    /// Of all threads of a block, the sums over the lanes of one number in all warps, on every warp: lanes of other warps are the
    /// farthest. None where the row's shelf has no room.
    fn added_over_warps(&self, registers: &[Val<'m>], dtype: DType) -> Option<Vec<Val<'m>>> {
        let (b, team, warp) = (self.b, &self.team, self.warps.lanes());
        let is_float = dtype == DType::F32;
        let word = |x: &Val<'m>| if is_float { b.bitcast(*x, b.int(32)) } else { *x };
        let all = self.put_of_lane(&registers.iter().map(word).collect::<Vec<_>>())?;
        team.settle_memory();
        let own = b.andi(team.lane, self.word(warp - 1));
        let of_warp = |n: u32| -> Vec<Val<'m>> {
            let words = self.get_of_lane(&all, b.addi(own, self.word(n * warp)));
            words.into_iter().map(|x| if is_float { b.bitcast(x, b.f32()) } else { x }).collect()
        };
        let mut sums: Vec<Vec<Val<'m>>> = (0..team.lanes / warp).map(of_warp).collect();
        while sums.len() > 1 {
            let far = sums.split_off(sums.len() / 2);
            for (near, far) in sums.iter_mut().zip(&far) {
                for (x, y) in near.iter_mut().zip(far) {
                    *x = if is_float { b.addf(*x, *y) } else { b.addi(*x, *y) };
                }
            }
        }
        sums.pop()
    }

    /// The two halves of these registers, added.
    fn halves_added(&self, registers: &[Val<'m>], dtype: DType) -> Vec<Val<'m>> {
        let (low, high) = registers.split_at(registers.len() / 2);
        let add = |(x, y): (&Val<'m>, &Val<'m>)| match dtype {
            DType::F32 => self.b.addf(*x, *y),
            _ => self.b.addi(*x, *y),
        };
        low.iter().zip(high).map(add).collect()
    }

    /// The canonical tree over `span` lanes of these registers, a power of two: lanes first, from the farthest on. As long
    /// as there is more than one register, a lane and its partner each go on with half of them.
    fn tree_over_lanes(&self, mut registers: Vec<Val<'m>>, dtype: DType, span: u32) -> Val<'m> {
        let (b, team) = (self.b, &self.team);
        let add = |x: Val<'m>, y: Val<'m>| if dtype == DType::F32 { b.addf(x, y) } else { b.addi(x, y) };
        let from = |x: Val<'m>, mask: u32| team.moved(x, |word| team.xor(word, mask));
        let mut halved = vec![];
        let mut mask = span / 2;
        while mask > 0 {
            if registers.len() > 1 {
                let upper = team.has(mask);
                let (low, high) = registers.split_at(registers.len() / 2);
                let pairs = low.iter().zip(high);
                let each = |(low, high): (&Val<'m>, &Val<'m>)| {
                    let (own, others) = (b.select(upper, *high, *low), b.select(upper, *low, *high));
                    add(own, from(others, mask))
                };
                registers = pairs.map(each).collect();
                halved.push(mask);
            } else {
                registers[0] = add(registers[0], from(registers[0], mask));
            }
            mask /= 2;
        }
        // The halves of the registers, from the farthest on: those that partners have first.
        if let Some(scalars) = team.scalars()
            && span == team.lanes
            && dtype.bits() == 32
            && (1..=MOST_HALVED).contains(&halved.len())
            && !team.has_xor(halved[0])
        {
            // As many lanes as share a sum are side by side.
            let apart = span >> halved.len();
            let of = |group: u32| team.moved(registers[0], |word| scalars.read_lane(b, word, self.word(group * apart)));
            registers = (0..1 << halved.len()).map(of).collect();
        } else {
            for mask in halved {
                for x in &mut registers {
                    *x = add(*x, from(*x, mask));
                }
            }
        }
        while registers.len() > 1 {
            registers = self.halves_added(&registers, dtype);
        }
        registers[0]
    }

    /// The largest or least of `span` lanes of these registers. Copies do no harm.
    fn extreme_of_segment(&self, registers: &[Val<'m>], largest: bool, dtype: DType, span: u32) -> Val<'m> {
        let (b, team) = (self.b, &self.team);
        if dtype.bits() > 32 {
            let op =
                ScalarOp::Binary(if largest { BinaryOp::Max(NanRule::Number) } else { BinaryOp::Min(NanRule::Number) });
            let best = |x: Val<'m>, y: Val<'m>| {
                self.lanewise.scalar(op, &[Lanes::exact(x, 1), Lanes::exact(y, 1)], &[dtype, dtype]).value
            };
            let own = registers[1..].iter().fold(registers[0], |x, y| best(x, *y));
            let with_other = |own, mask| best(own, team.moved(own, |word| team.across(word, mask)));
            return team.masks(span).into_iter().fold(own, with_other);
        }
        let (sign, ones) = (self.word(1 << 31), self.word(u32::MAX));
        // Words in the order of the elements, the least for what is never the largest.
        let word = |x: &Val<'m>| {
            let ordered = match dtype {
                DType::F32 => order::word(&mut self.lanewise.math(1), *x),
                _ => {
                    let wide = self.lanewise.cast(
                        Lanes::exact(*x, 1),
                        dtype,
                        if dtype.is_signed() { DType::I32 } else { DType::U32 },
                    );
                    if dtype.is_signed() { b.xori(wide.value, sign) } else { wide.value }
                }
            };
            let ordered = if largest { ordered } else { b.xori(ordered, ones) };
            match dtype {
                // A number comes before a NaN.
                DType::F32 => b.select(b.cmpf(FloatPredicate::Uno, *x, *x), self.word(0), ordered),
                _ => ordered,
            }
        };
        let folds = dtype == DType::F32 && self.pull.machine.has_number_extremes();
        let folded = folds.then(|| {
            let better = |x, y| if largest { b.greater_number(x, y) } else { b.lesser_number(x, y) };
            registers[1..].iter().fold(registers[0], |x, y| better(x, *y))
        });
        let words: Vec<Val<'m>> = folded.as_ref().map_or(registers, std::slice::from_ref).iter().map(word).collect();
        let own = words[1..].iter().fold(words[0], |x, y| b.maxui(x, *y));
        let best = team.max(own, span);
        let ordered = if largest { best } else { b.xori(best, ones) };
        match dtype {
            DType::F32 => {
                let none = b.cmpi(IntPredicate::Eq, best, self.word(0));
                b.select(none, b.const_f32_bits(NAN, 1), order::float_of_word(&mut self.lanewise.math(1), ordered))
            }
            _ => {
                let wide = if dtype.is_signed() { b.xori(ordered, sign) } else { ordered };
                if dtype.bits() < 32 { b.trunci(wide, value_type(self.b, dtype)) } else { wide }
            }
        }
    }

    /// The better and the next of `span` lanes of these rank keys, added as floats. The two best of the lane may be known.
    fn top_two_sum(&self, keys: &[Val<'m>], known: Option<[Val<'m>; 2]>, spread: &Spread<'m>) -> Val<'m> {
        let (b, team) = (self.b, &self.team);
        // The best two of two pairs, each with the better one first.
        let merged = |(a, b2): (Val<'m>, Val<'m>), (c, d): (Val<'m>, Val<'m>)| {
            (b.maxui(a, c), b.maxui(b.minui(a, c), b.maxui(b2, d)))
        };
        let pair = |pair: &[Val<'m>]| match pair {
            [x, y] => (b.maxui(*x, *y), b.minui(*x, *y)),
            _ => (pair[0], self.word(0)),
        };
        let mut pairs: Vec<(Val<'m>, Val<'m>)> = match known {
            Some([best, next]) => vec![(best, next)],
            None => keys.chunks(2).map(pair).collect(),
        };
        while pairs.len() > 1 {
            pairs = pairs.chunks(2).map(|two| if let [x, y] = two { merged(*x, *y) } else { two[0] }).collect();
        }
        let (mut best, mut next) = pairs[0];
        for mask in team.masks(spread.span) {
            (best, next) = merged((best, next), (team.across(best, mask), team.across(next, mask)));
        }
        let float = |key| self.ranked_float(key);
        if spread.width == 1 { float(best) } else { b.addf(float(best), float(next)) }
    }

    /// Whether any column of a segment trapped, a register a turn.
    pub fn trap_of_segments(&self, trap: Option<Val<'m>>, spread: &Spread<'m>) -> Option<Val<'m>> {
        let b = self.b;
        let traps = self.registers(trap?, spread.columns.len());
        let any = |turn: u32| {
            let own = &traps[spread.turn(turn)];
            let own = own[1..].iter().fold(own[0], |x, y| b.ori(x, *y));
            let any = self.team.max(b.extui(own, b.int(32)), spread.span);
            b.cmpi(IntPredicate::Ne, any, self.word(0))
        };
        Some(b.gather_lanes(&(0..spread.turns).map(any).collect::<Vec<_>>()))
    }
}
