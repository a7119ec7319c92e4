//! Columns of the best keys with these beside them, where lanes keep their keys in registers.
//!
//! A register's number is part of an instruction, so a lane cannot ask for one of its keys by a number that it has computed.
//! Instead it goes through all its keys, and puts each that reaches the last of the best into the row's next place, with the
//! column. This takes two words of shared memory for each of the chosen columns, where the keys would take one for every column.

use super::RowGpu;
use super::columns_of_keys::Wanted;
use super::spread::Spread;
use crate::machine::cells::Giving;
use crate::mlir::builder::{IntPredicate, Val};

/// So many of the best keys, or more, are seldom all in one lane: then those that reach the last of the best are counted in the
/// lane's list of its best, which cannot be sure of that.
const SPREAD_OUT: u64 = 4;

/// Keys that are put into places together where more reach the last of the best than are selected.
const SELDOM_AT_ONCE: u32 = 4;

impl<'m> RowGpu<'_, 'm> {
    /// Puts what is selected of a lane's keys, as [`Self::marks`] finds it, into the row's places from `first` on: as many as there
    /// are candidates, and k at most. `of_lane` are the lane's best keys, `best` the segment's. Gives how many the segment has,
    /// `i32`, and with a slack, whether others are within that of the last.
    ///
    /// Where the keys that reach the last of the best are more than k, those that stay are put into places by code of its own: what
    /// chose among the keys before would take a register for each of them beside the keys themselves.
    pub(super) fn give_reaching(
        &self,
        giving: &Giving<'_, '_, 'm>,
        (keys, of_lane, best): (&[Val<'m>], &[Val<'m>], &[Val<'m>]),
        slack: Option<Val<'m>>,
        wanted: Wanted<'m>,
        (first, spread): (Val<'m>, &Spread<'m>),
    ) -> (Val<'m>, Option<Val<'m>>) {
        let (b, team) = (self.b, &self.team);
        let (last, zero) = (best[best.len() - 1], self.word(0));
        // What is no candidate is not selected, even where nothing else is left.
        let last = if wanted.may_run_out { b.maxui(last, self.word(1)) } else { last };
        let least = slack.map_or(last, |slack| b.subi(b.maxui(last, slack), slack));
        let (mut keys, mut own_least) = (keys.to_vec(), least);
        match wanted.mask {
            Some(mask) if wanted.of_floats => own_least = b.select(mask, least, self.word(u32::MAX)),
            Some(mask) => {
                // What does not count has no key that reaches the least, not even where that is the key of what does not count.
                keys = keys.iter().map(|key| b.select(mask, *key, zero)).collect();
                own_least = b.select(mask, least, self.word(1));
            }
            None => {}
        }
        // With a slack the least may be 0, and what is masked too.
        let masked = |x: Val<'m>| match wanted.mask {
            Some(mask) if !wanted.of_floats => b.select(mask, x, zero),
            _ => x,
        };
        let all_listed = of_lane.len() == keys.len();
        let of_list = all_listed || wanted.k >= SPREAD_OUT;
        let counted = if of_list { of_lane } else { &keys };
        let own = counted
            .iter()
            .fold(zero, |count, key| b.addi(count, b.extui(b.cmpi(IntPredicate::Uge, *key, own_least), b.int(32))));
        let own = masked(own);
        let (before, all) = self.sum_before(own, spread);
        let give_all = |before: Val<'m>| {
            let reaches = |_: u32, key: Val<'m>| b.cmpi(IntPredicate::Uge, key, own_least);
            self.give_where(giving, &keys, reaches, b.addi(first, before), spread);
        };
        // With a slack even what is no column can be marked.
        if wanted.k >= spread.width && slack.is_none() {
            give_all(before);
            return (all, None);
        }
        let k = self.word(wanted.k as u32);
        let mut crowded = b.cmpi(IntPredicate::Ugt, all, k);
        if of_list && !all_listed {
            crowded = b.ori(crowded, b.cmpi(IntPredicate::Uge, own, k));
        }
        let settled = b.if_then_else(
            team.any(crowded),
            &[b.int(32), b.int(1)],
            |_| {
                self.pull.scopes.scoped(|| {
                    let reaching = |least: Val<'m>| {
                        let bits = self.marked(&keys, |key| b.cmpi(IntPredicate::Uge, key, least));
                        wanted.mask.map_or(bits, |mask| b.select(mask, bits, b.const_int(b.type_of(bits), 0)))
                    };
                    let mut marks = self.counted(reaching(least), spread);
                    let mut near = b.const_bool(false);
                    if slack.is_some() {
                        let exact = self.counted(reaching(last), spread);
                        near = b.cmpi(IntPredicate::Ne, exact.all, marks.all);
                        marks = exact;
                    }
                    let equal = self.marked(&keys, |key| b.cmpi(IntPredicate::Eq, key, last));
                    let kept = self.without_ties(marks, b.andi(equal, marks.bits), k, spread);
                    // This is seldom: it had better take few registers than little time.
                    let stays = |register: u32, _: Val<'m>| {
                        if register.is_multiple_of(SELDOM_AT_ONCE) {
                            self.pull.machine.finish(b);
                        }
                        self.is_marked(kept, register)
                    };
                    self.give_where(giving, &keys, stays, b.addi(first, kept.before), spread);
                    vec![kept.all, near]
                })
            },
            |_| {
                self.pull.scopes.scoped(|| {
                    give_all(before);
                    vec![all, b.const_bool(false)]
                })
            },
        );
        (settled[0], slack.map(|_| settled[1]))
    }

    /// Puts the columns of a lane's keys for which this holds, with the keys, into the row's places from `first` on.
    fn give_where(
        &self,
        giving: &Giving<'_, '_, 'm>,
        keys: &[Val<'m>],
        holds: impl Fn(u32, Val<'m>) -> Val<'m>,
        first: Val<'m>,
        spread: &Spread<'m>,
    ) {
        let b = self.b;
        let begin = match spread.run {
            1 => spread.member,
            run => b.muli(spread.member, self.word(run)),
        };
        // Else all these sums would be made before a loop around this, and take as many registers all through it.
        let begin = self.pull.machine.opaque(b, begin);
        let mut place = giving.place(first);
        for (register, key) in (0..).zip(keys) {
            let column = spread.first_column(register);
            giving.give_place(holds(register, *key), b.addi(begin, self.word(column)), *key, &mut place);
        }
    }
}
