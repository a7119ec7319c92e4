//! The columns of a segment's best keys, which are known by themselves.
//!
//! Every lane marks its keys that reach the last of the best, and puts their columns into the row's cells, behind those of the
//! lanes before it. Then the lanes share out the cells: the rank of a column is how many of the best keys are larger than its
//! own, and that is the cell where it belongs. A lane finds the key of a column in shared memory: among the keys that the lanes
//! keep there, or [beside the column](super::places) where they keep them in registers.
//!
//! Two things are seldom, and each is a branch of the whole warp. More marks than there are cells mean that several columns tie
//! for the last ones, or with quick keys nearly do: the lowest of the equal ones stay. Twins among the best have one rank: the lower column comes first.

use super::RowGpu;
use super::kept_rounds::AT_ONCE;
use super::key_order::KeyOrder;
use super::spread::Spread;
use crate::machine::cells::{Giving, Taking};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::op::Candidates;

/// Which of a lane's keys are marked, and how many are in its segment.
#[derive(Clone, Copy)]
pub(super) struct Marks<'m> {
    /// A bit for each of the lane's keys, in a word of 32 or 64 bits.
    pub bits: Val<'m>,
    /// How many the lane has, `i32`.
    own: Val<'m>,
    /// How many the segment's lanes before it have, `i32`.
    pub before: Val<'m>,
    /// How many the segment has, `i32`.
    pub all: Val<'m>,
}

/// A lane's keys of one turn.
#[derive(Clone, Copy)]
pub(super) enum LaneKeys<'k, 'm> {
    /// These.
    InRegisters(&'k [Val<'m>]),
    /// So many, which the lane has written.
    Written(usize),
}

impl<'k, 'm> LaneKeys<'k, 'm> {
    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            LaneKeys::InRegisters(keys) => keys.len(),
            LaneKeys::Written(count) => count,
        }
    }

    /// The keys, if they are in registers.
    pub fn in_registers(self) -> Option<&'k [Val<'m>]> {
        match self {
            LaneKeys::InRegisters(keys) => Some(keys),
            LaneKeys::Written(_) => None,
        }
    }
}

/// What is selected, and how.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'m> {
    pub k: u64,
    pub candidates: Candidates,
    /// What keys are compared as.
    pub order: KeyOrder,
    /// There may be fewer candidates.
    pub may_run_out: bool,
    /// The columns are wanted in their own order, not in that of their keys.
    pub by_column: bool,
    /// Whether the lane's keys count, if some do not.
    pub mask: Option<Val<'m>>,
    /// Of how many of the segment's lanes they do, a power of two, if that is certain.
    pub kept_lanes: Option<u32>,
    /// The keys are of floats: none is the largest word.
    pub of_floats: bool,
    /// Each of the values hangs on all of its row, by a sum.
    pub of_whole_rows: bool,
}

impl Wanted<'_> {
    /// The `k` best of all keys of a segment, which are not of floats, best first.
    pub fn of_all(k: u64, candidates: Candidates, may_run_out: bool) -> Self {
        Wanted {
            k,
            candidates,
            order: KeyOrder::Words,
            may_run_out,
            by_column: false,
            mask: None,
            kept_lanes: None,
            of_floats: false,
            of_whole_rows: false,
        }
    }
}

impl<'m> RowGpu<'_, 'm> {
    /// As [`Self::give_sorted`], by the lane's keys, which it has written if they are not in registers, and its best of them. Also
    /// the best of the segment; and with a slack, whether others are within that of the last.
    pub(super) fn give_once<'t, 'a>(
        &self,
        giving: Giving<'t, 'a, 'm>,
        (keys, of_lane): (LaneKeys<'_, 'm>, Vec<Val<'m>>),
        slack: Option<Val<'m>>,
        wanted: Wanted<'m>,
        (spread, turn): (&Spread<'m>, u32),
    ) -> (Giving<'t, 'a, 'm>, Vec<Val<'m>>, Option<Val<'m>>) {
        let b = self.b;
        let Wanted { k, may_run_out, by_column, .. } = wanted;
        // A copy of another segment marks nothing, and has nothing to say.
        let own = spread.columns[spread.turn(turn)][0]
            .valid
            .filter(|_| spread.segments > 1 && !spread.segments.is_multiple_of(u64::from(spread.side)));
        let both = |x: Option<Val<'m>>, y: Option<Val<'m>>| match (x, y) {
            (Some(x), Some(y)) => Some(b.andi(x, y)),
            (x, y) => x.or(y),
        };
        let wanted = Wanted { mask: both(wanted.mask, own), ..wanted };
        let kept = wanted.mask.zip(wanted.kept_lanes).filter(|_| own.is_none());
        let best = match kept {
            Some(kept) => self.best_keys_of_kept(&of_lane, kept, (k, wanted.order), spread),
            None => self.best_keys(&of_lane, wanted.mask, (k, wanted.order), spread),
        };
        let in_places = self.team.has_places() && !by_column;
        let cells_of = || self.ix.to_word(self.ix.times(spread.owned[turn as usize], k));
        let held = keys.in_registers().filter(|_| self.team.has_places());
        let (first, all, near) = if let (true, Some(keys)) = (in_places, held) {
            let first = cells_of();
            let (all, near) = self.give_reaching(&giving, (keys, &of_lane, &best), slack, wanted, (first, spread));
            (first, all, near)
        } else {
            let keys = held.map_or_else(|| giving.kept_keys(keys.len()), <[Val<'m>]>::to_vec);
            // Of rows with a NaN that is all there is, and then it counts how long it takes.
            let kept = (!self.team.has_places() && !wanted.of_whole_rows).then_some(&giving);
            let (marks, near) = self.marks((&keys, kept), &best, slack, wanted, spread);
            let first = cells_of();
            self.give_marked(&giving, marks, b.addi(first, marks.before), spread);
            (first, marks.all, near)
        };
        let taking = giving.settled();
        let cells: Vec<LookedInto<'m>> = (0..k.div_ceil(u64::from(spread.span)))
            .map(|turn| {
                let number = b.addi(spread.member, self.word(turn as u32 * spread.span));
                let there = ((turn + 1) * u64::from(spread.span) > k)
                    .then(|| b.cmpi(IntPredicate::Ult, number, self.word(k as u32)));
                let filled = may_run_out.then(|| b.cmpi(IntPredicate::Ult, number, all));
                let writes = both(there, own);
                let safe = there.map_or(number, |there| b.select(there, number, self.word(0)));
                let (column, key) = self.look_into(&taking, b.addi(first, safe), in_places);
                LookedInto { number, filled, writes, column, key }
            })
            .collect();
        let ranks = (!by_column).then(|| self.ranks(&taking, &cells, (&best, first, all), wanted, spread));
        let giving = taking.giving();
        if by_column && !may_run_out {
            return (giving, best, near);
        }
        for (i, cell) in cells.iter().enumerate() {
            let rank = ranks.as_ref().map_or(cell.number, |ranks| ranks[i]);
            let or = |x: Val<'m>, otherwise: Val<'m>| cell.filled.map_or(x, |filled| b.select(filled, x, otherwise));
            let (column, at) = (or(cell.column, self.word(u32::MAX)), b.addi(first, or(rank, cell.number)));
            match cell.writes {
                Some(writes) => giving.give_where(writes, column, at),
                None => giving.give(column, at),
            }
        }
        (giving, best, near)
    }

    /// Marks what is selected of the lane's keys, which may be kept in memory as well: as many as there are candidates, and k at most.
    /// With a slack, also whether other keys are less
    /// than the last of the best by no more than that.
    pub(super) fn marks(
        &self,
        (keys, kept): (&[Val<'m>], Option<&Giving<'_, '_, 'm>>),
        best: &[Val<'m>],
        slack: Option<Val<'m>>,
        wanted: Wanted<'m>,
        spread: &Spread<'m>,
    ) -> (Marks<'m>, Option<Val<'m>>) {
        let (b, team) = (self.b, &self.team);
        let last = best[best.len() - 1];
        // What is no candidate is not selected, even where nothing else is left.
        let last = match wanted.order {
            KeyOrder::Words if wanted.may_run_out => b.maxui(last, self.word(1)),
            _ => last,
        };
        // Of floats that are doubtful none is marked: no difference from a NaN has a sign, and there are cells for k columns alone.
        let mask = match wanted.order {
            KeyOrder::Words => wanted.mask,
            KeyOrder::Floats => {
                let certain = b.not(self.floats_are_doubtful(last));
                Some(wanted.mask.map_or(certain, |mask| b.andi(mask, certain)))
            }
        };
        let reaching = |least: Val<'m>| {
            let bits = match wanted.order {
                KeyOrder::Words => self.marked(keys, |key| b.cmpi(IntPredicate::Uge, key, least)),
                KeyOrder::Floats => self.marked_floats(keys, least),
            };
            mask.map_or(bits, |mask| b.select(mask, bits, b.const_int(b.type_of(bits), 0)))
        };
        let least = slack.map_or(last, |slack| b.subi(b.maxui(last, slack), slack));
        let marks = self.counted(reaching(least), spread);
        // With a slack even what is no column can be marked.
        if wanted.k >= spread.width && slack.is_none() {
            return (marks, None);
        }
        let k = self.word(wanted.k as u32);
        let crowded = team.any(b.cmpi(IntPredicate::Ugt, marks.all, k));
        let (i32, bits) = (b.int(32), b.type_of(marks.bits));
        let settled = b.if_then_else(
            crowded,
            &[bits, i32, i32, i32, b.int(1)],
            |_| {
                self.pull.scopes.scoped(|| {
                    let (marks, near) = match slack {
                        None => (marks, b.const_bool(false)),
                        Some(_) => {
                            let exact = self.counted(reaching(last), spread);
                            (exact, b.cmpi(IntPredicate::Ne, exact.all, marks.all))
                        }
                    };
                    let is_last = |key| wanted.order.is_equal(b, key, last);
                    let equal = match kept {
                        Some(giving) => self.kept_marked(giving, keys.len() as u32, is_last),
                        None => self.marked(keys, is_last),
                    };
                    let kept = self.without_ties(marks, b.andi(equal, marks.bits), k, spread);
                    vec![kept.bits, kept.own, kept.before, kept.all, near]
                })
            },
            |_| vec![marks.bits, marks.own, marks.before, marks.all, b.const_bool(false)],
        );
        let marks = Marks { bits: settled[0], own: settled[1], before: settled[2], all: settled[3] };
        (marks, slack.map(|_| settled[4]))
    }

    /// Whether the lane's key of this number is marked.
    pub(super) fn is_marked(&self, marks: Marks<'m>, number: u32) -> Val<'m> {
        let (b, ty) = (self.b, self.b.type_of(marks.bits));
        let bit = b.andi(marks.bits, b.const_int(ty, (1u64 << number) as i64));
        b.cmpi(IntPredicate::Ne, bit, b.const_int(ty, 0))
    }

    /// A bit for each of the lane's keys.
    pub(super) fn marked(&self, keys: &[Val<'m>], holds: impl Fn(Val<'m>) -> Val<'m>) -> Val<'m> {
        let b = self.b;
        let word = |keys: &[Val<'m>]| {
            if self.team.has_places() {
                // Without a constant for each, which would take a register from the keys.
                let put = |word, key: &Val<'m>| b.ori(b.shli(word, self.word(1)), b.extui(holds(*key), b.int(32)));
                return keys.iter().rev().fold(self.word(0), put);
            }
            let add = |word, (i, key): (u32, &Val<'m>)| self.warps.add_where(b, holds(*key), word, 1 << i);
            (0..).zip(keys).fold(self.word(0), add)
        };
        if keys.len() <= 32 {
            return word(keys);
        }
        let long = b.int(64);
        let high = b.shli(b.extui(word(&keys[32..]), long), b.const_int(long, 32));
        b.ori(high, b.extui(word(&keys[..32]), long))
    }

    /// A bit for each of the lane's floats that is no less than this one.
    fn marked_floats(&self, floats: &[Val<'m>], least: Val<'m>) -> Val<'m> {
        let b = self.b;
        let word = |floats: &[Val<'m>]| self.lesser_floats(floats.iter().map(|float| (*float, least)));
        let ty = b.int(if floats.len() > 32 { 64 } else { 32 });
        let mut lesser = word(&floats[..floats.len().min(32)]);
        if floats.len() > 32 {
            let high = b.shli(b.extui(word(&floats[32..]), ty), b.const_int(ty, 32));
            lesser = b.ori(high, b.extui(lesser, ty));
        }
        b.xori(lesser, b.const_int(ty, run_of_ones(floats.len() as u32)))
    }

    /// A bit for each of so many keys that the lane has written, a few of them at a time in a loop.
    fn kept_marked(&self, giving: &Giving<'_, '_, 'm>, count: u32, holds: impl Fn(Val<'m>) -> Val<'m>) -> Val<'m> {
        let b = self.b;
        let ty = b.int(if count > 32 { 64 } else { 32 });
        let wide = |x: Val<'m>| if count > 32 { b.extui(x, ty) } else { x };
        let bits = self.seldom_loop(count.div_ceil(AT_ONCE), b.const_int(ty, 0), |turn, bits| {
            let first = b.muli(turn, self.word(AT_ONCE));
            let keys = giving.kept_keys_from(first, AT_ONCE as usize);
            b.ori(bits, b.shli(wide(self.marked(&keys, &holds)), wide(first)))
        });
        // Behind the last key there may be anything.
        if count.is_multiple_of(AT_ONCE) { bits } else { b.andi(bits, b.const_int(ty, run_of_ones(count))) }
    }

    /// These marks, counted over the segment.
    pub(super) fn counted(&self, bits: Val<'m>, spread: &Spread<'m>) -> Marks<'m> {
        let own = self.ones(bits);
        let (before, all) = self.sum_before(own, spread);
        Marks { bits, own, before, all }
    }

    /// The number of ones, `i32`.
    fn ones(&self, bits: Val<'m>) -> Val<'m> {
        let (b, count) = (self.b, self.b.count_ones(bits));
        if b.width(b.type_of(bits)) > 32 { b.trunci(count, b.int(32)) } else { count }
    }

    /// The sum of a number over the segment's lanes before this one, and over all of them.
    pub(super) fn sum_before(&self, own: Val<'m>, spread: &Spread<'m>) -> (Val<'m>, Val<'m>) {
        let (b, team) = (self.b, &self.team);
        let (mut before, mut all) = (self.word(0), own);
        let mut mask = 1;
        while mask < spread.span {
            let theirs = team.across(all, mask);
            before = b.select(team.has(mask), b.addi(before, theirs), before);
            all = b.addi(all, theirs);
            mask *= 2;
        }
        (before, all)
    }

    /// Of marks that may be more than k, those that stay: of the ones that are `equal` to the last key, the lowest columns.
    pub(super) fn without_ties(&self, marks: Marks<'m>, equal: Val<'m>, k: Val<'m>, spread: &Spread<'m>) -> Marks<'m> {
        let kept = self
            .b
            .with_directed_loops(self.pull.machine.keeps_loop(), || self.lowest_of_equal(marks, equal, k, spread));
        let b = self.b;
        let others = b.andi(marks.bits, b.xori(equal, b.const_int(b.type_of(equal), -1)));
        self.counted(b.ori(others, kept), spread)
    }

    /// The marks that stay of those that are `equal`.
    fn lowest_of_equal(&self, marks: Marks<'m>, equal: Val<'m>, k: Val<'m>, spread: &Spread<'m>) -> Val<'m> {
        let b = self.b;
        let ty = b.type_of(equal);
        let all_equal = self.sum_before(self.ones(equal), spread).1;
        // As many as the larger ones leave room for; all of them where there are no more than k.
        let room = b.subi(k, b.subi(marks.all, all_equal));
        let zero = b.const_int(ty, 0);
        // The columns are in their order run by run, each over all lanes.
        let runs = spread.registers / spread.run;
        let of_run = |x: Val<'m>| b.andi(x, b.const_int(ty, run_of_ones(spread.run)));
        let range = (self.word(0), self.word(runs), self.word(1));
        let kept = b.for_loop_carrying(range, &[zero, room], |_, run, state| {
            let shift = b.muli(run, self.word(spread.run));
            let shift = if b.width(ty) > 32 { b.extui(shift, ty) } else { shift };
            let bits = if runs > 1 { of_run(b.shrui(equal, shift)) } else { equal };
            let own = self.ones(bits);
            let (before, all) = self.sum_before(own, spread);
            let left = b.maxsi(b.minsi(b.subi(state[1], before), own), self.word(0));
            let lowest = b.for_loop_carrying((self.word(0), left, self.word(1)), &[zero, bits], |_, _, state| {
                let lowest = b.andi(state[1], b.subi(zero, state[1]));
                vec![b.ori(state[0], lowest), b.xori(state[1], lowest)]
            });
            let lowest = if runs > 1 { b.shli(lowest[0], shift) } else { lowest[0] };
            vec![b.ori(state[0], lowest), b.subi(state[1], all)]
        });
        kept[0]
    }

    /// Puts the columns of a lane's marks into the row's cells from `first` on.
    fn give_marked(&self, giving: &Giving<'_, '_, 'm>, marks: Marks<'m>, first: Val<'m>, spread: &Spread<'m>) {
        let b = self.b;
        let (ty, i32) = (b.type_of(marks.bits), b.int(32));
        let begin = match spread.run {
            1 => spread.member,
            run => b.muli(spread.member, self.word(run)),
        };
        let range = (self.word(0), marks.own, self.word(1));
        // Lanes have one or two marks, so that a loop that is written out is nothing but longer.
        b.with_directed_loops(self.pull.machine.keeps_loop(), || {
            b.for_loop_carrying(range, &[marks.bits], |_, i, state| {
                let lowest = b.trailing_zeros(state[0]);
                let lowest = if b.width(ty) > 32 { b.trunci(lowest, i32) } else { lowest };
                let mut column = b.addi(begin, lowest);
                if spread.run < spread.registers && spread.span > 1 {
                    // What lies between two runs of a lane are those of the others.
                    let runs = b.andi(lowest, self.word(!(spread.run - 1)));
                    column = b.addi(column, b.muli(runs, self.word(spread.span - 1)));
                }
                giving.give(column, b.addi(first, i));
                vec![b.andi(state[0], b.subi(state[0], b.const_int(ty, 1)))]
            })
        });
    }

    /// Where the columns in these cells belong among the k best.
    fn ranks(
        &self,
        taking: &Taking<'_, '_, 'm>,
        cells: &[LookedInto<'m>],
        (best, first, all): (&[Val<'m>], Val<'m>, Val<'m>),
        wanted: Wanted<'m>,
        spread: &Spread<'m>,
    ) -> Vec<Val<'m>> {
        let b = self.b;
        let key_of = |column, key: Option<Val<'m>>| key.unwrap_or_else(|| self.key_of_column(taking, column, spread));
        let keys: Vec<Val<'m>> = cells.iter().map(|cell| key_of(cell.column, cell.key)).collect();
        // None is larger than itself or less than the last.
        let others = &best[..best.len() - 1];
        let larger = |key: &Val<'m>| match wanted.order {
            KeyOrder::Words => others.iter().fold(self.word(0), |rank, other| {
                self.warps.add_where(b, b.cmpi(IntPredicate::Ugt, *other, *key), rank, 1)
            }),
            KeyOrder::Floats => self.ones(self.lesser_floats(others.iter().map(|other| (*key, *other)))),
        };
        let ranks: Vec<Val<'m>> = keys.iter().map(larger).collect();
        let equal = best.windows(2).map(|two| wanted.order.is_equal(b, two[0], two[1]));
        let Some(twins) = equal.reduce(|x, y| b.ori(x, y)) else { return ranks };
        let i32 = b.int(32);
        b.if_then_else(
            self.team.any(twins),
            &vec![i32; ranks.len()],
            |_| {
                self.pull.scopes.scoped(|| {
                    let range = (self.word(0), self.word(wanted.k as u32), self.word(1));
                    let directive = self.pull.machine.keeps_loop();
                    b.with_directed_loops(directive, || {
                        b.for_loop_carrying(range, &ranks, |_, number, ranks| {
                            let (column, key) = self.look_into(taking, b.addi(first, number), self.team.has_places());
                            let key = key_of(column, key);
                            let filled = wanted.may_run_out.then(|| b.cmpi(IntPredicate::Ult, number, all));
                            let behind = |(rank, (cell, own)): (&Val<'m>, (&LookedInto<'m>, &Val<'m>))| {
                                let same = wanted.order.is_equal(b, key, *own);
                                let before = b.andi(same, b.cmpi(IntPredicate::Ult, column, cell.column));
                                let before = filled.map_or(before, |filled| b.andi(before, filled));
                                b.addi(*rank, b.extui(before, i32))
                            };
                            ranks.iter().zip(cells.iter().zip(&keys)).map(behind).collect()
                        })
                    })
                })
            },
            |_| ranks.clone(),
        )
    }

    /// The column in a cell, or in a place, which has its key as well.
    fn look_into(&self, taking: &Taking<'_, '_, 'm>, at: Val<'m>, place: bool) -> (Val<'m>, Option<Val<'m>>) {
        if !place {
            return (taking.take(at), None);
        }
        let [column, key] = taking.take_place(at);
        (column, Some(key))
    }

    /// The key of a column of the segment, which its lane wrote. A cell that was not filled may hold anything.
    fn key_of_column(&self, taking: &Taking<'_, '_, 'm>, column: Val<'m>, spread: &Spread<'m>) -> Val<'m> {
        let (b, word) = (self.b, |n: u32| self.word(n));
        let column = b.minui(column, word(spread.width as u32 - 1));
        let (member, register) = if spread.run == spread.registers {
            let member = b.divui(column, word(spread.registers));
            (member, b.subi(column, b.muli(member, word(spread.registers))))
        } else {
            let run = b.divui(column, word(spread.run));
            let before = b.muli(b.divui(run, word(spread.span)), word(spread.run));
            (b.andi(run, word(spread.span - 1)), b.addi(before, b.andi(column, word(spread.run - 1))))
        };
        taking.take_key(spread.member, member, register)
    }
}

/// A cell that a lane has looked into.
struct LookedInto<'m> {
    /// Its number among the segment's.
    number: Val<'m>,
    /// Whether a column was put there, if that is not certain.
    filled: Option<Val<'m>>,
    /// Whether this lane says what becomes of it, if that is not certain.
    writes: Option<Val<'m>>,
    /// What is in it.
    column: Val<'m>,
    /// The key beside it, if there is one.
    key: Option<Val<'m>>,
}

/// A word of so many ones.
fn run_of_ones(run: u32) -> i64 {
    if run == 64 { -1 } else { (1i64 << run) - 1 }
}
