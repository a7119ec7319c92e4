//! The k best columns of each segment.
//!
//! Every lane sorts its own keys, best first. Then k rounds: the lanes' best keys are compared, the lowest lane that has the
//! largest gives its column, and goes on with its next key.

use super::network;
use super::spread::Spread;
use crate::emit::index::Index;
use crate::emit::lanes::Lanes;
use crate::emit::scope::Emitter;
use crate::mlir_builder::{IntPredicate, Val};
use routefuse_ir::kernel::ValueId;
use routefuse_ir::op::{Candidates, TopKOrder};

/// Keys that a lane sorts together; more are several lists.
const LIST: usize = 16;

/// Segments of so many columns at most, one a lane, rank a column by asking all others.
const ASKED: u64 = 16;

/// A key of this lane: its word and its register.
type Key<'m> = (Val<'m>, Val<'m>);

/// What the rounds of one segment found; the same on all its lanes.
struct Found<'m> {
    /// The column of each round within its segment, −1 where no candidate was left.
    columns: Vec<Val<'m>>,
    /// The last key; 0 where no candidate was left.
    last: Val<'m>,
}

impl<'m> Emitter<'_, 'm> {
    /// The columns of the k best of each segment. Of one segment, column by column in the registers of `result`, a spread of
    /// k columns; of several, k registers for each turn, on all lanes of a segment.
    pub fn topk(
        &self,
        value: ValueId,
        (k, candidates, order): (u64, Candidates, TopKOrder),
        (spread, index): (&Spread<'m>, &Index<'m>),
        result: Option<&Spread<'m>>,
    ) -> Lanes<'m> {
        let (keys, trap) = self.own_keys(value, spread, index, candidates);
        let trap = self.trap_of_segments(trap, spread);
        let mut found: Vec<Vec<Val<'m>>> =
            (0..spread.turns).map(|turn| self.rounds(&keys[spread.turn(turn)], k, spread).columns).collect();
        if order == TopKOrder::Column {
            for columns in &mut found {
                // As unsigned numbers −1 comes last.
                network::sort(columns.len(), |i, j| {
                    let (x, y) = (columns[i], columns[j]);
                    (columns[i], columns[j]) = (self.b.minui(x, y), self.b.maxui(x, y));
                });
            }
        }
        let each = |trap: Val<'m>, times: usize| {
            let of_turn = self.registers(trap, spread.turns as usize);
            let each = of_turn.into_iter().flat_map(|t| std::iter::repeat_n(t, times));
            self.b.gather_lanes(&each.collect::<Vec<_>>())
        };
        let Some(result) = result else {
            let all: Vec<Val<'m>> = found.concat();
            let trap = trap.map(|t| each(t, k as usize));
            return Lanes { trap, ..Lanes::exact(self.b.gather_lanes(&all), all.len() as u32) };
        };
        let registers = result.registers as usize;
        let own = (0..registers).map(|register| {
            let columns = found[0].iter().skip(register).step_by(registers);
            // Lanes without a column have a copy, since somebody may index by it.
            let copy = found[0][register.min(found[0].len() - 1)];
            columns.enumerate().skip(1).fold(copy, |own, (member, column)| {
                let mine = self.b.cmpi(IntPredicate::Eq, result.member, self.word(member as u32));
                self.b.select(mine, *column, own)
            })
        });
        let own: Vec<Val<'m>> = own.collect();
        let trap = trap.map(|t| each(t, registers));
        Lanes { trap, ..Lanes::exact(self.b.gather_lanes(&own), registers as u32) }
    }

    /// Whether each column is among the k best of its segment, in the registers of the spread.
    pub fn topk_mask(
        &self,
        value: ValueId,
        (k, candidates): (u64, Candidates),
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Lanes<'m> {
        let b = self.b;
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
                mask.push(b.andi(some(own[0]), self.ranks_below(own[0], k, spread)));
            } else {
                let Found { columns, last } = self.rounds(own, k, spread);
                let last_column = columns[columns.len() - 1];
                for (register, key) in own.iter().enumerate() {
                    let better = b.cmpi(IntPredicate::Ugt, *key, last);
                    let column = self.column_of(self.word(register as u32), spread);
                    let before = b.cmpi(IntPredicate::Sle, column, last_column);
                    let same = b.andi(b.cmpi(IntPredicate::Eq, *key, last), before);
                    mask.push(b.ori(better, same));
                }
            }
        }
        Lanes { trap, ..Lanes::exact(b.gather_lanes(&mask), mask.len() as u32) }
    }

    /// Whether fewer than k of the segment's keys, one a lane, come before the own one, which is not 0.
    fn ranks_below(&self, key: Val<'m>, k: u64, spread: &Spread<'m>) -> Val<'m> {
        let (b, group) = (self.b, self.group());
        let mut rank = self.word(0);
        for mask in 1..spread.span {
            // The other lane is a lower one if the highest bit that differs is set here. Then its equal key comes first.
            let lower = group.has(1 << mask.ilog2());
            let bound = b.subi(key, b.extui(lower, b.int(32)));
            let before = b.cmpi(IntPredicate::Ugt, group.xor(key, mask), bound);
            rank = b.addi(rank, b.extui(before, b.int(32)));
        }
        b.cmpi(IntPredicate::Ult, rank, self.word(k as u32))
    }

    /// The column, within its segment, of a register, `i32`.
    fn column_of(&self, register: Val<'m>, spread: &Spread<'m>) -> Val<'m> {
        if spread.registers == 1 {
            return spread.member;
        }
        self.b.addi(self.b.muli(spread.member, self.word(spread.registers)), register)
    }

    /// k rounds over one segment's keys.
    fn rounds(&self, keys: &[Val<'m>], k: u64, spread: &Spread<'m>) -> Found<'m> {
        let (b, group) = (self.b, self.group());
        let k = k as usize;
        let mut lists: Vec<Vec<Key<'m>>> = (0..keys.len())
            .step_by(LIST)
            .map(|from| self.sorted(&keys[from..keys.len().min(from + LIST)], from, k))
            .collect();
        let mut found = Found { columns: vec![], last: self.word(0) };
        for round in 0..k {
            let heads: Vec<Key<'m>> = lists.iter().map(|list| list[0]).collect();
            let best = heads[1..].iter().fold(heads[0].0, |best, head| b.maxui(best, head.0));
            // The first list that has it, the last one being the only one left.
            let mut register = heads[heads.len() - 1].1;
            let mut has = vec![];
            for head in heads[..heads.len() - 1].iter().rev() {
                let this = b.cmpi(IntPredicate::Eq, head.0, best);
                register = b.select(this, head.1, register);
                has.push(this);
            }
            has.reverse();
            let largest = group.max(best, spread.span);
            let lane = group.first(b.cmpi(IntPredicate::Eq, best, largest), spread.span);
            let column = group.from(self.column_of(register, spread), lane);
            let none = b.cmpi(IntPredicate::Eq, largest, self.word(0));
            found.columns.push(b.select(none, self.word(u32::MAX), column));
            found.last = largest;
            // The winner goes on with its next key, as far as rounds are left that may ask for it.
            let mut wins = b.cmpi(IntPredicate::Eq, lane, group.lane);
            let left = k - 1 - round;
            for (i, list) in lists.iter_mut().enumerate() {
                let takes = match has.get(i) {
                    Some(this) => b.andi(wins, *this),
                    None => wins,
                };
                for at in 0..list.len().min(left) {
                    let next = list.get(at + 1).copied().unwrap_or((self.word(0), self.word(0)));
                    list[at] = (b.select(takes, next.0, list[at].0), b.select(takes, next.1, list[at].1));
                }
                if let Some(this) = has.get(i) {
                    wins = b.andi(wins, b.not(*this));
                }
            }
        }
        found
    }

    /// At most k of these keys, best first and equal ones in their order, each with its register, from `first` on.
    fn sorted(&self, keys: &[Val<'m>], first: usize, k: usize) -> Vec<Key<'m>> {
        let b = self.b;
        let mut list: Vec<Key<'m>> =
            keys.iter().enumerate().map(|(i, key)| (*key, self.word((first + i) as u32))).collect();
        // As long as nothing was exchanged, equal keys are in their order.
        let mut exchanged = vec![false; list.len()];
        network::sort(list.len(), |i, j| {
            let (x, y) = (list[i], list[j]);
            let mut swaps = b.cmpi(IntPredicate::Ugt, y.0, x.0);
            if exchanged[i] || exchanged[j] {
                let before = b.cmpi(IntPredicate::Ult, y.1, x.1);
                swaps = b.ori(swaps, b.andi(b.cmpi(IntPredicate::Eq, y.0, x.0), before));
            }
            list[i] = (b.select(swaps, y.0, x.0), b.select(swaps, y.1, x.1));
            list[j] = (b.select(swaps, x.0, y.0), b.select(swaps, x.1, y.1));
            (exchanged[i], exchanged[j]) = (true, true);
        });
        list.truncate(k);
        list
    }
}
