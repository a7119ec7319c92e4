//! The k best columns of each segment.
//!
//! Every lane sorts its own keys, best first. Then k rounds: the lanes' best keys are compared, and the lowest lane that has the
//! largest puts its column into the round's slot and goes on with its next key.

use super::sorting_network as network;
use super::spread::Spread;
use crate::emit::pull::Emitter;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::eval::row::rank_key;
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::op::{Candidates, ScalarOp, TopKOrder};

/// Keys that a lane sorts together; more are several lists.
const LIST: usize = 16;

/// Segments of so many columns at most, one a lane, rank a column by asking all others.
const ASKED: u64 = 16;

/// A key of this lane: its word, and how many of the lane's columns lie behind its own.
type Key<'m> = (Val<'m>, Val<'m>);

/// One round over a segment's keys.
struct Round<'m> {
    /// The largest key; 0 where no candidate is left.
    largest: Val<'m>,
    /// Whether the own lane has it, and no lower one; some lane where no candidate is left.
    wins: Val<'m>,
    /// The column of the own lane's best key, within the segment.
    column: Val<'m>,
}

impl<'m> Emitter<'_, 'm> {
    /// The columns of the k best of each segment, column by column in the registers of `result`, a spread of them all.
    pub fn topk(
        &self,
        value: ValueId,
        (k, candidates, order): (u64, Candidates, TopKOrder),
        (spread, index): (&Spread<'m>, &Index<'m>),
        result: &Spread<'m>,
    ) -> Lanes<'m> {
        let (b, group) = (self.b, self.group());
        let masked = self.masked(value, index, candidates);
        let (keys, trap) = self.own_keys(masked.map_or(value, |m| m.0), spread, index, candidates);
        let trap = self.either(trap, masked.and_then(|m| m.1.trap));
        let mask = masked.map(|m| m.1.value);
        let may_run_out = self.may_run_out(value, candidates);
        let slots: Vec<Val<'m>> = result.places.iter().map(|place| self.as_word(place.column)).collect();
        for turn in 0..spread.turns {
            let first = self.times(spread.owned[turn as usize], k);
            let mut largest = vec![];
            let own = spread.places[spread.turn(turn)][0].valid;
            self.rounds(&keys[spread.turn(turn)], mask, (k, may_run_out), spread, |round, found| {
                let slot = self.as_word(first.offset(round));
                let wins = if spread.segments == 1 || spread.segments % u64::from(spread.side) == 0 {
                    found.wins
                } else {
                    // A copy of another turn's segment has no keys, and nothing to say.
                    own.map_or(found.wins, |own| b.andi(found.wins, own))
                };
                group.give_where(wins, found.column, slot);
                largest.push(found.largest);
            });
            if may_run_out {
                // Seldom, and known from the last round: without a candidate the first lane has given some column.
                let none = |key: Val<'m>| b.cmpi(IntPredicate::Eq, key, self.word(0));
                group.settle_memory();
                b.if_then(none(largest[largest.len() - 1]), |_| {
                    for (round, key) in (0..).zip(&largest) {
                        let gives = own.map_or(none(*key), |own| b.andi(none(*key), own));
                        let slot = self.as_word(first.offset(round));
                        b.if_then(gives, |_| group.give(self.word(u32::MAX), slot));
                    }
                });
            }
        }
        group.settle_memory();
        let mut chosen: Vec<Val<'m>> = slots.iter().map(|slot| group.take(*slot)).collect();
        if order == TopKOrder::Column && k > 1 {
            let ranks: Vec<Val<'m>> =
                chosen.iter().zip(&result.places).map(|(x, place)| self.rank_among(*x, place.column, k)).collect();
            group.settle_memory();
            for (column, (rank, place)) in chosen.iter().zip(ranks.iter().zip(&result.places)) {
                let first = self.times(self.divide(place.column, k), k);
                group.give(*column, b.addi(self.as_word(first), *rank));
            }
            group.settle_memory();
            chosen = slots.iter().map(|slot| group.take(*slot)).collect();
        }
        let lanes = Lanes::exact(b.gather_lanes(&chosen), chosen.len() as u32);
        let Some(trap) = self.trap_of_segments(trap, spread) else { return lanes };
        // Whether the column's segment trapped, a bit, comes the same way.
        group.settle_memory();
        for (turn, bit) in self.registers(trap, spread.turns as usize).iter().enumerate() {
            let segment = self.as_word(spread.owned[turn]);
            let own = spread.places[spread.turn(turn as u32)][0].valid;
            let give = || group.give(b.extui(*bit, b.int(32)), segment);
            match own {
                Some(own) => b.if_then(own, |_| give()),
                None => give(),
            }
        }
        group.settle_memory();
        let bits: Vec<Val<'m>> = result
            .places
            .iter()
            .map(|place| {
                let word = group.take(self.as_word(self.divide(place.column, k)));
                b.cmpi(IntPredicate::Ne, word, self.word(0))
            })
            .collect();
        group.settle_memory();
        Lanes { trap: Some(b.gather_lanes(&bits)), ..lanes }
    }

    /// A selection that leaves a lane all its columns or none, and what it selects from: the selected value and the condition.
    /// Its keys can be sorted before the condition is known.
    fn masked(&self, value: ValueId, index: &Index<'m>, candidates: Candidates) -> Option<(ValueId, Lanes<'m>)> {
        let ValueKind::Scalar(ScalarOp::Select, operands) = &self.kernel.value(value).kind else { return None };
        let other = self.kernel.value(operands[2]);
        let ValueKind::Const(literal) = other.kind else { return None };
        if rank_key(other.dtype, literal.bits(), candidates) != 0 {
            return None;
        }
        let condition = self.evaluate(operands[0], index);
        (condition.lanes == 1).then_some((operands[1], condition))
    }

    /// Whether there may be fewer candidates than columns.
    fn may_run_out(&self, value: ValueId, candidates: Candidates) -> bool {
        candidates == Candidates::AboveNegInf && self.kernel.value(value).dtype.is_float()
    }

    /// How many of the k slots of a segment have a lower column than `own`, which is at `place`. −1 is no low one, and of
    /// several the first comes first.
    fn rank_among(&self, own: Val<'m>, place: Ix<'m>, k: u64) -> Val<'m> {
        let b = self.b;
        let (first, at) = (self.times(self.divide(place, k), k), self.as_word(self.remainder(place, k)));
        (0..k).fold(self.word(0), |rank, i| {
            let other = self.group().take(self.as_word(first.offset(i)));
            let earlier = b.cmpi(IntPredicate::Ult, self.word(i as u32), at);
            let same = b.andi(b.cmpi(IntPredicate::Eq, other, own), earlier);
            let before = b.ori(b.cmpi(IntPredicate::Ult, other, own), same);
            b.addi(rank, b.extui(before, b.int(32)))
        })
    }

    /// Whether each column is among the k best of its segment, in the registers of the spread.
    pub fn topk_mask(
        &self,
        value: ValueId,
        (k, candidates): (u64, Candidates),
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Lanes<'m> {
        let (b, group) = (self.b, self.group());
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
            } else {
                // What the last round found: all keys up to it are chosen.
                let mut last = (self.word(0), self.word(u32::MAX));
                let may_run_out = self.may_run_out(value, candidates);
                self.rounds(own, None, (k, may_run_out), spread, |round, Round { largest, wins, column }| {
                    if round + 1 == k {
                        let column = group.from(column, group.first(wins, spread.span));
                        let none = b.cmpi(IntPredicate::Eq, largest, self.word(0));
                        last = (largest, b.select(none, self.word(u32::MAX), column));
                    }
                });
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
    fn ranks_below(&self, key: Val<'m>, k: u64, span: u32) -> Val<'m> {
        let (b, group) = (self.b, self.group());
        let mut rank = self.word(0);
        for mask in 1..span {
            // The other lane is a lower one if the highest bit that differs is set here. Then its equal key comes first.
            let lower = group.has(1 << mask.ilog2());
            let bound = b.subi(key, b.extui(lower, b.int(32)));
            let before = b.cmpi(IntPredicate::Ugt, group.xor(key, mask), bound);
            rank = b.addi(rank, b.extui(before, b.int(32)));
        }
        b.cmpi(IntPredicate::Ult, rank, self.word(k as u32))
    }

    /// As [`Self::topk_mask`], for one segment of so few columns that every lane of `spread` has the one of the segment that it
    /// owns: its lanes ask about several columns at once, and their votes are counted. The answer for each segment.
    pub fn mask_of_segments(
        &self,
        value: ValueId,
        (k, candidates): (u64, Candidates),
        spread: &Spread<'m>,
        row: Ix<'m>,
    ) -> Lanes<'m> {
        let (b, group) = (self.b, self.group());
        let keys = self.keys(value, &Index::new(vec![row], vec![spread.owned[0]], None), candidates);
        let valid = (spread.segments < u64::from(spread.side))
            .then(|| b.cmpi(IntPredicate::Ult, self.segment(spread), self.word(spread.segments as u32)));
        let key = valid.map_or(keys.value, |valid| b.select(valid, keys.value, self.word(0)));
        let mut rank = self.word(0);
        for first in (0..spread.side).step_by(spread.span as usize) {
            let other = b.addi(spread.member, self.word(first));
            let lower = b.cmpi(IntPredicate::Ult, other, self.segment(spread));
            let bound = b.subi(key, b.extui(lower, b.int(32)));
            let theirs = group.from(key, b.muli(other, self.word(spread.span)));
            // With more lanes than segments, some ask about none.
            let mut before = b.cmpi(IntPredicate::Ugt, theirs, bound);
            if spread.span > spread.side {
                before = b.andi(before, b.cmpi(IntPredicate::Ult, other, self.word(spread.side)));
            }
            rank = b.addi(rank, group.count(before, spread.span));
        }
        let some = b.cmpi(IntPredicate::Ne, key, self.word(0));
        let chosen = b.andi(some, b.cmpi(IntPredicate::Ult, rank, self.word(k as u32)));
        let trap = keys.trap.map(|trap| {
            let trap = valid.map_or(trap, |valid| b.andi(valid, trap));
            b.cmpi(IntPredicate::Ne, group.max(b.extui(trap, b.int(32)), group.lanes), self.word(0))
        });
        Lanes { trap, ..Lanes::exact(chosen, 1) }
    }

    /// The lane's segment, also where there is none, `i32`.
    fn segment(&self, spread: &Spread<'m>) -> Val<'m> {
        self.b.shrui(self.group().lane, self.word(spread.span.trailing_zeros()))
    }

    /// The lane's first column within its segment, `i32`.
    fn first_column(&self, spread: &Spread<'m>) -> Val<'m> {
        match spread.registers {
            1 => spread.member,
            registers => self.b.muli(spread.member, self.word(registers)),
        }
    }

    /// k rounds over one segment's keys, all of them free where the mask is not set.
    fn rounds(
        &self,
        keys: &[Val<'m>],
        mask: Option<Val<'m>>,
        (k, may_run_out): (u64, bool),
        spread: &Spread<'m>,
        mut found: impl FnMut(u64, Round<'m>),
    ) {
        let (b, group) = (self.b, self.group());
        let last_column = b.addi(self.first_column(spread), self.word(spread.registers - 1));
        let mut lists: Vec<Vec<Key<'m>>> = (0..keys.len())
            .step_by(LIST)
            .map(|from| self.sorted(&keys[from..keys.len().min(from + LIST)], keys.len() - from, k as usize))
            .collect();
        if let [list] = &lists[..]
            && group.has_entries(list.len() + 1)
        {
            return self.rounds_in_memory(list, mask, (k, may_run_out), spread, found);
        }
        if let Some(mask) = mask {
            // A lane that never wins never goes on, so its first key is enough.
            for list in &mut lists {
                list[0].0 = b.select(mask, list[0].0, self.word(0));
            }
        }
        for round in 0..k {
            let heads: Vec<Key<'m>> = lists.iter().map(|list| list[0]).collect();
            let best = heads[1..].iter().fold(heads[0].0, |best, head| b.maxui(best, head.0));
            // The first list that has it, the last one being the only one left.
            let mut behind = heads[heads.len() - 1].1;
            let mut has = vec![];
            for head in heads[..heads.len() - 1].iter().rev() {
                let this = b.cmpi(IntPredicate::Eq, head.0, best);
                behind = b.select(this, head.1, behind);
                has.push(this);
            }
            has.reverse();
            let largest = group.max(best, spread.span);
            let wins = group.is_first(b.cmpi(IntPredicate::Eq, best, largest), spread.span);
            found(round, Round { largest, wins, column: b.subi(last_column, behind) });
            // The winner goes on with its next key, as far as rounds are left that may ask for it.
            let mut takes = wins;
            let left = (k - 1 - round) as usize;
            for (i, list) in lists.iter_mut().enumerate() {
                let this = has.get(i).map_or(takes, |this| b.andi(takes, *this));
                for at in 0..list.len().min(left) {
                    let next = list.get(at + 1).copied().unwrap_or((self.word(0), self.word(0)));
                    list[at] = (b.select(this, next.0, list[at].0), b.select(this, next.1, list[at].1));
                }
                if let Some(this) = has.get(i) {
                    takes = b.andi(takes, b.not(*this));
                }
            }
        }
    }

    /// As [`Self::rounds`], with the sorted keys in shared memory: where there are many rows, a lane that reads its next key
    /// takes fewer instructions than one that shifts a list of registers, and other rows' work hides that it waits.
    fn rounds_in_memory(
        &self,
        list: &[Key<'m>],
        mask: Option<Val<'m>>,
        (k, may_run_out): (u64, bool),
        spread: &Spread<'m>,
        mut found: impl FnMut(u64, Round<'m>),
    ) {
        let (b, group) = (self.b, self.group());
        let last_column = b.addi(self.first_column(spread), self.word(spread.registers - 1));
        // Behind the last one is a free key.
        let free = (self.word(0), self.word(0));
        for (entry, key) in (0..).zip(list.iter().chain([&free])) {
            group.write_entry(group.entry(entry), [key.0, key.1]);
        }
        let (first, end) = (group.entry(0), group.entry(list.len() as u32));
        let mut at = mask.map_or(first, |mask| b.select(mask, first, end));
        let mut head = (mask.map_or(list[0].0, |mask| b.select(mask, list[0].0, free.0)), list[0].1);
        for round in 0..k {
            let largest = group.max(head.0, spread.span);
            let wins = group.is_first(b.cmpi(IntPredicate::Eq, head.0, largest), spread.span);
            found(round, Round { largest, wins, column: b.subi(last_column, head.1) });
            if round + 1 < k {
                // Nobody goes past the free key.
                let some = may_run_out.then(|| b.cmpi(IntPredicate::Ne, largest, free.0));
                let takes = some.map_or(wins, |some| b.andi(wins, some));
                at = b.select(takes, group.next_entry(at, 1), at);
                let [key, behind] = group.read_entry(at);
                head = (key, behind);
            }
        }
    }

    /// Entries of a lane that a list of this many keys takes, if it is kept in memory at all.
    pub fn entries_of_list(registers: u64, k: u64) -> u32 {
        if registers > LIST as u64 { 0 } else { registers.min(k) as u32 + 1 }
    }

    /// At most k of these keys, best first and equal ones in their order; the first has `count` columns from its own on.
    fn sorted(&self, keys: &[Val<'m>], count: usize, k: usize) -> Vec<Key<'m>> {
        let b = self.b;
        let mut list: Vec<Key<'m>> =
            keys.iter().enumerate().map(|(i, key)| (*key, self.word((count - 1 - i) as u32))).collect();
        // As long as nothing was exchanged, equal keys are in their order.
        let mut exchanged = vec![false; list.len()];
        let pair = |key: Key<'m>| b.bitcast(b.gather_lanes(&[key.1, key.0]), b.int(64));
        network::sort(list.len(), |i, j| {
            let (x, y) = (list[i], list[j]);
            let swaps = if exchanged[i] || exchanged[j] {
                b.cmpi(IntPredicate::Ugt, pair(y), pair(x))
            } else {
                b.cmpi(IntPredicate::Ugt, y.0, x.0)
            };
            list[i] = (b.select(swaps, y.0, x.0), b.select(swaps, y.1, x.1));
            list[j] = (b.select(swaps, x.0, y.0), b.select(swaps, x.1, y.1));
            (exchanged[i], exchanged[j]) = (true, true);
        });
        list.truncate(k);
        list
    }
}
