//! Rounds over a lane's keys alone, where rows are few: columns come afterwards.
//!
//! A lane sorts its keys without their columns, in two instructions an exchange instead of six, and goes on to its next key in one
//! selection instead of two. A round says the largest key, and by a vote that nobody waits for which lane had it. Then the lane that
//! wants the column of a round looks for that key among those of that lane, which lie on the row's [shelf](super::shelves).
//!
//! Where all threads of a block have a row, every warp does all of this for itself: its lanes take over the sorted lists of all lanes
//! of their number in the other warps.
//!
//! This finds the lowest column unless a key is met twice: by two lanes in one round, or by one lane in two. Then the columns are
//! chosen once more, by a way that waits for each vote.

use super::RowGpu;
use super::key_order::KeyOrder;
use super::merge::merge;
use super::spread::Spread;
use crate::emit::pull::index::Index;
use crate::emit::row::Selection;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::schedule::code_size::UNROLLED;

/// What rounds have found so far, as the own lane sees it.
#[derive(Clone, Copy)]
struct Found<'m> {
    /// The key of the round of the own place in the result.
    own: Val<'m>,
    /// The lanes of the warp that had it, a bit each.
    lanes: Val<'m>,
    /// Whether a round found the same key as the one before.
    twins: Val<'m>,
    /// The key of the last round.
    last: Val<'m>,
}

/// Warps of a row at most: more lists are too long a merge.
const MOST_WARPS: u32 = 8;

impl<'m> RowGpu<'_, 'm> {
    /// The columns of the k best, best first, each on the lanes that have its place in the result; −1 where there is no candidate.
    /// None where columns have to come another way.
    pub(super) fn select_by_keys_alone(
        &self,
        (value, keys, mask): (ValueId, &[Val<'m>], Option<Val<'m>>),
        (what, may_run_out): (Selection, bool),
        (spread, index): (&Spread<'m>, &Index<'m>),
        result: &Spread<'m>,
    ) -> Option<Val<'m>> {
        let (b, team, k) = (self.b, &self.team, what.k);
        let warp = self.warps.lanes();
        let all = spread.span == team.lanes && spread.span.div_ceil(warp) <= MOST_WARPS;
        let has_rounds = self.few() && all && self.warps.scalars().is_none() && team.has_max(spread.span.min(warp));
        if !has_rounds || k > UNROLLED || spread.segments > 1 || result.registers > 1 {
            return None;
        }
        let zero = self.word(0);
        // In other warps nobody sees which lanes count.
        let masked: Option<Vec<Val<'m>>> =
            mask.filter(|_| team.is_block()).map(|mask| keys.iter().map(|key| b.select(mask, *key, zero)).collect());
        let keys = masked.as_deref().unwrap_or(keys);
        let mut list = self.best_of_lane(keys, k, KeyOrder::Words);
        if let Some(mask) = mask {
            // A lane that never wins never goes on, so its first key is enough.
            list[0] = b.select(mask, list[0], self.word(0));
        }
        let unsorted = self.put_of_lane(keys)?;
        let of_block = if team.is_block() { Some(self.put_of_lane(&list)?) } else { None };
        team.settle_memory();
        self.unsettled.set(false);
        let in_warps = |lane: Val<'m>| (0..spread.span.div_ceil(warp)).map(move |n| b.addi(lane, self.word(n * warp)));
        if let Some(lists) = of_block {
            let own = b.andi(team.lane, self.word(warp - 1));
            let lists = in_warps(own).map(|lane| self.get_of_lane(&lists, lane));
            let exchanges = self.exchanges(k, KeyOrder::Words, false);
            let merged = lists.reduce(|x, y| merge(&x, &y, k as usize, &exchanges));
            list = merged.expect("a block has a warp");
        }
        let cell = self.ix.to_word(result.columns[0].at);
        let first = Found { own: self.word(0), lanes: self.word(0), twins: b.const_bool(false), last: self.word(0) };
        // What a round finds, and the list that is left.
        let one = |round: Val<'m>, list: &[Val<'m>], left: usize, so_far: Found<'m>| {
            let largest = team.max(list[0], warp);
            let goes_on = b.cmpi(IntPredicate::Eq, list[0], largest);
            let having = team.having(goes_on);
            let here = b.cmpi(IntPredicate::Eq, cell, round);
            let twin = b.cmpi(IntPredicate::Eq, so_far.last, largest);
            // No candidate is what many lanes have.
            let some = may_run_out.then(|| b.cmpi(IntPredicate::Ne, largest, self.word(0)));
            let twin = some.map_or(twin, |some| b.andi(twin, some));
            let found = Found {
                own: b.select(here, largest, so_far.own),
                lanes: b.select(here, having, so_far.lanes),
                twins: b.ori(so_far.twins, twin),
                last: largest,
            };
            let next = |at: usize| list.get(at + 1).copied().unwrap_or(self.word(0));
            let take = |(at, key): (usize, &Val<'m>)| if at < left { b.select(goes_on, next(at), *key) } else { *key };
            (found, list.iter().enumerate().map(take).collect::<Vec<_>>())
        };
        let mut found = first;
        for round in 0..k {
            // No more of a list than is asked for in the rounds that are left.
            (found, list) = one(self.word(round as u32), &list, (k - 1 - round) as usize, found);
        }
        let Found { own, lanes, twins, .. } = found;

        // The lane of the lowest number that had it, and of those of that number in other warps the first.
        let lane = b.andi(b.trailing_zeros(lanes), self.word(warp - 1));
        let theirs: Vec<Vec<Val<'m>>> = in_warps(lane).map(|lane| self.get_of_lane(&unsorted, lane)).collect();
        let columns = (0..).zip(&theirs).flat_map(|(n, keys)| {
            (0..).zip(keys).map(move |(register, key)| (n * warp * spread.registers + register, *key))
        });
        let columns: Vec<(u32, Val<'m>)> = columns.collect();
        let last = self.word(columns[columns.len() - 1].0);
        let behind = columns[..columns.len() - 1].iter().rev().fold(last, |found, (column, key)| {
            b.select(b.cmpi(IntPredicate::Eq, *key, own), self.word(*column), found)
        });
        let mut column = b.addi(b.muli(lane, self.word(spread.registers)), behind);
        let mut shared = b.cmpi(IntPredicate::Ne, b.andi(lanes, b.subi(lanes, self.word(1))), self.word(0));
        if may_run_out {
            // No candidate is what many lanes have.
            let some = b.cmpi(IntPredicate::Ne, own, self.word(0));
            column = b.select(some, column, self.word(u32::MAX));
            shared = b.andi(shared, some);
        }
        let by_the_letter =
            |_: &_| self.pull.scopes.scoped(|| self.select_by_rank_keys(value, what, (spread, index), &[cell]));
        let doubtful = team.any(b.ori(shared, twins));
        Some(b.if_then_else(doubtful, &[b.int(32)], by_the_letter, |_| vec![column])[0])
    }
}
