//! The rounds of a selection: each finds the best key that is left, and takes it out.

use super::RowGpu;
use super::sorting_network;
use super::spread::Spread;
use crate::machine::Scalars;
use crate::mlir::builder::{Builder, IntPredicate, Val};
use routefuse_ir::kernel::schedule::code_size::LIST;

/// A key of this lane: its word, and how many of the lane's columns lie behind its own.
type Key<'m> = (Val<'m>, Val<'m>);

/// One round over a segment's keys.
#[derive(Clone, Copy)]
pub(super) struct Round<'m> {
    /// The largest key; 0 where no candidate is left.
    pub largest: Val<'m>,
    /// Whether the own lane has it, and no lower one; some lane where no candidate is left.
    pub wins: Val<'m>,
    /// The column of the own lane's best key, within the segment.
    pub column: Val<'m>,
}

/// Pairs of a lane that a list of this many keys takes, if it is kept in memory at all.
pub(super) fn pairs_of_list(registers: u64, k: u64) -> u32 {
    if registers > LIST { 0 } else { registers.min(k) as u32 + 1 }
}

impl<'m> RowGpu<'_, 'm> {
    /// The lane's segment, also where there is none, `i32`.
    pub(super) fn segment(&self, spread: &Spread<'m>) -> Val<'m> {
        self.b.shrui(self.team.lane, self.word(spread.span.trailing_zeros()))
    }

    /// The lane's first column within its segment, `i32`.
    pub(super) fn first_column(&self, spread: &Spread<'m>) -> Val<'m> {
        match spread.registers {
            1 => spread.member,
            registers => self.b.muli(spread.member, self.word(registers)),
        }
    }

    /// k rounds over one segment's keys, all of them free where the mask is not set. At most `code_size::UNROLLED`.
    pub(super) fn rounds(
        &self,
        keys: &[Val<'m>],
        mask: Option<Val<'m>>,
        (k, may_run_out): (u64, bool),
        spread: &Spread<'m>,
        mut found: impl FnMut(u64, Round<'m>),
    ) {
        let team = &self.team;
        let last_column = self.last_column(spread);
        let mut lists = self.lists(keys, k);
        if let [list] = &lists[..]
            && team.has_pairs(list.len() + 1)
        {
            return self.rounds_in_memory(list, mask, (k, may_run_out), spread, found);
        }
        self.free_where_not(mask, &mut lists);
        for round in 0..k {
            let (best, has) = self.round(&lists, last_column, spread);
            let wins = best.wins;
            found(round, best);
            // As far as rounds are left that may ask for it.
            self.go_on(&mut lists, wins, &has, (k - 1 - round) as usize);
        }
    }

    /// As [`Self::rounds`], in a loop. `first` are values that each round takes from the one before; what it is told of is the
    /// round's number, `i32`, what was found, and these. The last round's are returned.
    pub(super) fn rounds_in_loop(
        &self,
        keys: &[Val<'m>],
        mask: Option<Val<'m>>,
        k: u64,
        spread: &Spread<'m>,
        first: &[Val<'m>],
        found: impl Fn(Val<'m>, Round<'m>, &[Val<'m>]) -> Vec<Val<'m>>,
    ) -> Vec<Val<'m>> {
        let mut lists = self.lists(keys, k);
        self.free_where_not(mask, &mut lists);
        self.rounds_of_lists(&lists, self.word(k as u32), spread, first, found)
    }

    /// k rounds over a segment's keys, waiting for each vote, where that is seldom done: as little code as may be. The keys are not
    /// sorted; each round looks at all of them and strikes out the one that it has found.
    pub(super) fn rounds_seldom(
        &self,
        keys: &[Val<'m>],
        k: u64,
        spread: &Spread<'m>,
        found: impl Fn(Val<'m>, &Round<'m>),
    ) {
        let (b, team) = (self.b, &self.team);
        let first_column = self.first_column(spread);
        let one = |round: Val<'m>, keys: &[Val<'m>]| {
            let best = keys[1..].iter().fold(keys[0], |best, key| b.maxui(best, *key));
            let largest = team.max(best, spread.span);
            let wins = team.is_first(b.cmpi(IntPredicate::Eq, best, largest), spread.span);
            // Of equal ones of a lane the first.
            let last = self.word(keys.len() as u32 - 1);
            let register = (0..keys.len() - 1)
                .rev()
                .fold(last, |found, i| b.select(b.cmpi(IntPredicate::Eq, keys[i], best), self.word(i as u32), found));
            found(round, &Round { largest, wins, column: b.addi(first_column, register) });
            team.end_of_turn();
            let struck = b.select(wins, register, self.word(u32::MAX));
            let left = |(i, key): (u32, &Val<'m>)| {
                b.select(b.cmpi(IntPredicate::Eq, struck, self.word(i)), self.word(0), *key)
            };
            (0..).zip(keys).map(left).collect::<Vec<_>>()
        };
        if self.warps.scalars().is_some() {
            let range = (self.word(0), self.seldom(k), self.word(1));
            b.for_loop_carrying(range, keys, |_, round, keys| one(round, keys));
            return;
        }
        b.repeat_while(
            &[&[self.word(0)], keys].concat(),
            |_, state| {
                self.pull.scopes.scoped(|| {
                    self.pull.machine.keep_loop(b);
                    let left = one(state[0], &state[1..]);
                    let next = b.addi(state[0], self.word(1));
                    (b.cmpi(IntPredicate::Ult, next, self.word(k as u32)), [&[next], &left[..]].concat())
                })
            },
            |_, state| state.to_vec(),
        );
    }

    /// `k`, for rounds in a loop that is seldom reached: assemblers write a loop of a known number of runs out. There is a row
    /// wherever this runs, which they do not know.
    fn seldom(&self, k: u64) -> Val<'m> {
        let (b, rows) = (self.b, self.pull.memory.rows());
        let some = b.cmpi(IntPredicate::Ne, rows, b.const_zero(b.type_of(rows)));
        b.select(some, self.word(k as u32), self.word(0))
    }

    /// As [`Self::rounds_in_loop`], of keys in sorted lists.
    fn rounds_of_lists(
        &self,
        lists: &[Vec<Key<'m>>],
        k: Val<'m>,
        spread: &Spread<'m>,
        first: &[Val<'m>],
        found: impl Fn(Val<'m>, Round<'m>, &[Val<'m>]) -> Vec<Val<'m>>,
    ) -> Vec<Val<'m>> {
        let last_column = self.last_column(spread);
        let flat = |lists: &[Vec<Key<'m>>]| -> Vec<Val<'m>> {
            lists.iter().flatten().flat_map(|key| [key.0, key.1]).collect()
        };
        let carried = flat(lists);
        let range = (self.word(0), k, self.word(1));
        let mut last = self.b.for_loop_carrying(range, &[&carried[..], first].concat(), |_, round, state| {
            let (words, theirs) = state.split_at(carried.len());
            let mut words = words.iter().copied();
            let mut next = || words.next().expect("a list goes through the loop whole");
            let mut now: Vec<Vec<Key<'m>>> =
                lists.iter().map(|list| list.iter().map(|_| (next(), next())).collect()).collect();
            let (best, has) = self.round(&now, last_column, spread);
            let wins = best.wins;
            let theirs = found(round, best, theirs);
            self.go_on(&mut now, wins, &has, usize::MAX);
            self.team.end_of_turn();
            [flat(&now), theirs].concat()
        });
        last.split_off(carried.len())
    }

    /// As [`Self::rounds`], of at most a lane's number of rounds, where a warp has a row and agrees on words without memory: the
    /// columns that were found, one a lane in the order of the rounds, −1 where there was no candidate; on the other lanes the first
    /// one.
    pub(super) fn rounds_by_scalars(
        &self,
        (keys, mask): (&[Val<'m>], Option<Val<'m>>),
        (k, may_run_out): (u64, bool),
        spread: &Spread<'m>,
        scalars: &dyn Scalars,
    ) -> Val<'m> {
        let (b, team) = (self.b, &self.team);
        let last_column = self.last_column(spread);
        let mut lists = self.lists(keys, k);
        self.free_where_not(mask, &mut lists);
        let (mut columns, mut largest) = (None, vec![]);
        for round in 0..k {
            let (best, has) = self.best_of(&lists);
            largest.push(team.max(best.0, spread.span));
            let first = scalars.first_lane(b, b.cmpi(IntPredicate::Eq, best.0, largest[round as usize]));
            let column = scalars.read_lane(b, b.subi(last_column, best.1), first);
            columns = Some(columns.map_or(column, |columns| scalars.write_lane(b, columns, column, round as u32)));
            let wins = b.cmpi(IntPredicate::Eq, team.lane, first);
            self.go_on(&mut lists, wins, &has, (k - 1 - round) as usize);
        }
        let columns = columns.expect("at least one is selected");
        if !may_run_out {
            return columns;
        }
        // Seldom, and known from the last round: without a candidate the first lane has said some column.
        let none = |key: Val<'m>| b.cmpi(IntPredicate::Eq, key, self.word(0));
        let without = |b: &Builder<'m>| {
            let found = largest
                .iter()
                .fold(self.word(0), |found, key| b.addi(found, b.select(none(*key), self.word(0), self.word(1))));
            let behind = b.cmpi(IntPredicate::Uge, team.lane, found);
            vec![b.select(behind, self.word(u32::MAX), columns)]
        };
        self.receive();
        b.if_then_else(none(largest[largest.len() - 1]), &[b.int(32)], without, |_| vec![columns])[0]
    }

    /// The lane's last column within its segment, `i32`.
    fn last_column(&self, spread: &Spread<'m>) -> Val<'m> {
        self.b.addi(self.first_column(spread), self.word(spread.registers - 1))
    }

    /// The lane's keys in sorted lists.
    fn lists(&self, keys: &[Val<'m>], k: u64) -> Vec<Vec<Key<'m>>> {
        (0..keys.len())
            .step_by(LIST as usize)
            .map(|from| self.sorted(&keys[from..keys.len().min(from + LIST as usize)], keys.len() - from, k as usize))
            .collect()
    }

    /// A lane that never wins never goes on, so its first key is enough.
    fn free_where_not(&self, mask: Option<Val<'m>>, lists: &mut [Vec<Key<'m>>]) {
        let Some(mask) = mask else { return };
        for list in lists {
            list[0].0 = self.b.select(mask, list[0].0, self.word(0));
        }
    }

    /// The best key that is left; and of every list but the last, whether it has the lane's best.
    fn round(&self, lists: &[Vec<Key<'m>>], last_column: Val<'m>, spread: &Spread<'m>) -> (Round<'m>, Vec<Val<'m>>) {
        let (b, team) = (self.b, &self.team);
        let (best, has) = self.best_of(lists);
        let largest = team.max(best.0, spread.span);
        let wins = team.is_first(b.cmpi(IntPredicate::Eq, best.0, largest), spread.span);
        (Round { largest, wins, column: b.subi(last_column, best.1) }, has)
    }

    /// The lane's best key that is left; and of every list but the last, whether it has that.
    fn best_of(&self, lists: &[Vec<Key<'m>>]) -> (Key<'m>, Vec<Val<'m>>) {
        let b = self.b;
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
        ((best, behind), has)
    }

    /// The winner goes on with its next key; no more than `left` of each list will be asked for.
    fn go_on(&self, lists: &mut [Vec<Key<'m>>], wins: Val<'m>, has: &[Val<'m>], left: usize) {
        let b = self.b;
        let mut takes = wins;
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
        let (b, team) = (self.b, &self.team);
        let last_column = b.addi(self.first_column(spread), self.word(spread.registers - 1));
        // Behind the last one is a free key.
        let free = (self.word(0), self.word(0));
        for (number, key) in (0..).zip(list.iter().chain([&free])) {
            team.write_pair(team.pair(number), [key.0, key.1]);
        }
        let (first, end) = (team.pair(0), team.pair(list.len() as u32));
        let mut at = mask.map_or(first, |mask| b.select(mask, first, end));
        let mut head = (mask.map_or(list[0].0, |mask| b.select(mask, list[0].0, free.0)), list[0].1);
        for round in 0..k {
            let largest = team.max(head.0, spread.span);
            let wins = team.is_first(b.cmpi(IntPredicate::Eq, head.0, largest), spread.span);
            found(round, Round { largest, wins, column: b.subi(last_column, head.1) });
            if round + 1 < k {
                // Nobody goes past the free key.
                let some = may_run_out.then(|| b.cmpi(IntPredicate::Ne, largest, free.0));
                let takes = some.map_or(wins, |some| b.andi(wins, some));
                at = b.select(takes, team.next_pair(at, 1), at);
                let [key, behind] = team.read_pair(at);
                head = (key, behind);
            }
        }
    }

    /// At most k of these keys, best first and equal ones in their order; the first has `count` columns from its own on.
    fn sorted(&self, keys: &[Val<'m>], count: usize, k: usize) -> Vec<Key<'m>> {
        let b = self.b;
        let mut list: Vec<Key<'m>> =
            keys.iter().enumerate().map(|(i, key)| (*key, self.word((count - 1 - i) as u32))).collect();
        // As long as nothing was exchanged, equal keys are in their order.
        let mut exchanged = vec![false; list.len()];
        let pair = |key: Key<'m>| b.bitcast(b.gather_lanes(&[key.1, key.0]), b.int(64));
        sorting_network::sort(list.len(), |i, j| {
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
