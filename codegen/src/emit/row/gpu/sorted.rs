//! Selecting by sorted lists of keys alone.
//!
//! Every lane sorts its own keys in lists as long as what is selected, merges them to its best keys, and exchanges those with
//! the lanes of its segment, so that all of them have the segment's best keys. An exchange of keys alone is a minimum and a
//! maximum, where one of keys with their columns takes five instructions, and a lane of many columns sorts several rows' worth
//! at once. Whose columns the best keys are is [found afterwards](super::columns_of_keys).

use super::RowGpu;
use super::exchange::{Exchanges, Exchanging};
use super::key_order::KeyOrder;
use super::merge::merge;
use super::sorting_network;
use super::spread::Spread;
use crate::emit::peephole::masked_keys;
use crate::emit::pull::index::Index;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::schedule::sorted::applies;
use routefuse_ir::kernel::{RowOp, RowValue, Term, ValueId, ValueKind};
use routefuse_ir::op::{Candidates, TopKOrder};
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

impl<'m> RowGpu<'_, 'm> {
    /// Whether this owner's shape selects `k` from the spread's segments by sorted lists.
    pub(super) fn sorts(&self, spread: &Spread<'m>, k: u64) -> bool {
        applies(self.shape, u64::from(spread.registers), k)
    }

    /// The best `k` of a segment's keys, best first, on all its lanes, of every lane's own; those of lanes without the mask do
    /// not count.
    pub(super) fn best_keys(
        &self,
        of_lane: &[Val<'m>],
        mask: Option<Val<'m>>,
        (k, order): (u64, KeyOrder),
        spread: &Spread<'m>,
    ) -> Vec<Val<'m>> {
        let mut best = of_lane.to_vec();
        if let Some(mask) = mask {
            let none = self.word(order.none());
            best = best.iter().map(|key| self.b.select(mask, *key, none)).collect();
        }
        self.best_of_lists(best, (k, order), spread.span)
    }

    /// As [`Self::best_keys`], where exactly `kept` lanes of the segment, a power of two, have the mask: their lists alone are
    /// exchanged, by as many lanes at a time.
    pub(super) fn best_keys_of_kept(
        &self,
        of_lane: &[Val<'m>],
        (mask, kept): (Val<'m>, u32),
        (k, order): (u64, KeyOrder),
        spread: &Spread<'m>,
    ) -> Vec<Val<'m>> {
        let number = self.b.andi(spread.member, self.word(kept - 1));
        let lane = self.team.nth(mask, number, kept, spread.span);
        let theirs = of_lane.iter().map(|key| self.team.from(*key, lane)).collect();
        self.best_of_lists(theirs, (k, order), kept)
    }

    /// How many lanes have columns left, if it is shorter to exchange among these alone. That is known where a selection is made
    /// from some groups of columns, and each group is as many lanes. Every group is a candidate, so that exactly as many are kept
    /// as are wanted. Where some lanes are reached in fewer instructions than any, it is not shorter: gfx942 counted 264 instructions
    /// for a row of 256 columns, and 260 without.
    pub(super) fn kept_lanes(&self, value: ValueId, candidates: Candidates, spread: &Spread<'m>) -> Option<u32> {
        if !self.warps.reaches_all_lanes_alike() {
            return None;
        }
        let kernel = self.pull.kernel;
        let (condition, _) = masked_keys::masked(kernel, value, candidates)?;
        let ValueKind::Remap(groups, map) = &kernel.value(condition).kind else { return None };
        let RowValue { op: RowOp::TopKMask { k, candidates: Candidates::All }, width, .. } =
            *kernel.value(*groups).kind.row_value()?
        else {
            return None;
        };
        let columns = u64::from(spread.registers) * u64::from(spread.span);
        let whole = spread.segments == 1 && columns == spread.width && spread.run == spread.registers;
        let repeats = Term { div: columns / width, modulo: width, mul: 1 };
        let is_spread = map.base == 0 && map.terms == [repeats] && kernel.value(*groups).space.cols == width;
        let lanes = k * u64::from(spread.span) / width;
        let even = u64::from(spread.span).is_multiple_of(width) && lanes.is_power_of_two();
        (whole && is_spread && even && spread.span < self.warps.lanes() && lanes < u64::from(spread.span))
            .then_some(lanes as u32)
    }

    /// The best `k` of the lists of each `lanes` neighbours, on all of them.
    fn best_of_lists(&self, lists: Vec<Val<'m>>, (k, order): (u64, KeyOrder), lanes: u32) -> Vec<Val<'m>> {
        let mut best = lists;
        let exchanges = self.exchanges(k, order, false);
        let mut other = 1;
        while other < lanes {
            let theirs: Vec<Val<'m>> = best.iter().map(|key| self.team.across(*key, other)).collect();
            best = merge(&best, &theirs, k as usize, &exchanges);
            other *= 2;
        }
        best
    }

    /// As [`Self::best_keys`], of keys that no two lanes share: each of them may be found in a round, in which the lane that has the
    /// largest goes on to its next. That is shorter where lanes are many and lists long.
    pub(super) fn best_unique_of_lanes(&self, of_lane: &[Val<'m>], k: u64, spread: &Spread<'m>) -> Vec<Val<'m>> {
        let (b, exchanges) = (self.b, spread.span.ilog2() as usize);
        let count = of_lane.len().min(k as usize);
        let counted = Counted::default();
        merge(&vec![(); count], &vec![(); count], k as usize, &counted);
        let merges = exchanges * (count + counted.operations.get());
        let rounds: usize = (0..k as usize).map(|round| 2 * exchanges + 1 + count.min(k as usize - 1 - round)).sum();
        if 3 * rounds > 2 * merges {
            return self.best_keys(of_lane, None, (k, KeyOrder::Words), spread);
        }
        let mut list = of_lane[..count].to_vec();
        let mut best = vec![];
        for round in 0..k as usize {
            let largest = self.team.max(list[0], spread.span);
            let goes_on = b.cmpi(IntPredicate::Eq, list[0], largest);
            // As far as rounds are left that may ask for it.
            for at in 0..count.min(k as usize - 1 - round) {
                let next = list.get(at + 1).copied().unwrap_or(self.word(0));
                list[at] = b.select(goes_on, next, list[at]);
            }
            best.push(largest);
        }
        best
    }

    /// Of a value's keys at these columns of one turn, the two best of the lane, if they are sorted for a selection anyway, which
    /// then finds them sorted.
    pub(super) fn two_best_of_list(&self, value: ValueId, keys: &[Val<'m>], index: &Index<'m>) -> Option<[Val<'m>; 2]> {
        let (k, ..) = self.selection_of(value, index, keys.len())?;
        let list: Rc<[Val<'m>]> = self.best_of_lane(keys, k, KeyOrder::Words).into();
        let two = [list[0], list[1]];
        self.lists.insert(((value, Candidates::All, index.key()), k, KeyOrder::Words), list);
        Some(two)
    }

    /// The sum of the two best of a value at a spread of its columns, of groups that are lanes, if its floats are
    /// [sorted for a selection](Self::two_best_of_list); and what traps.
    pub(super) fn sum_of_listed_floats(
        &self,
        value: ValueId,
        spread: &Spread<'m>,
        index: &Index<'m>,
    ) -> Option<(Val<'m>, Option<Val<'m>>)> {
        let b = self.b;
        let (k, candidates, order) = self.selection_of(value, index, spread.columns.len())?;
        let all = self.spreads.of(1, self.pull.kernel.value(value).space.cols);
        if spread.span > 1 || spread.turns > 1 || !self.sorts_floats(value, (k, candidates, order), &all) {
            return None;
        }
        let floats = self.floats(value, &all, index);
        let list: Rc<[Val<'m>]> = self.best_of_lane(&floats.keys, k, KeyOrder::Floats).into();
        let [best, next] = self.two_best_floats(value, &floats.keys, &list);
        self.lists.insert(((value, Candidates::All, index.key()), k, KeyOrder::Floats), list);
        Some((b.addf(b.bitcast(best, b.f32()), b.bitcast(next, b.f32())), floats.trap))
    }

    /// How many of a value at these columns, `count` of each lane, are selected by sorted lists, if some are; and which of them count,
    /// and in which order they are wanted.
    fn selection_of(&self, value: ValueId, index: &Index<'m>, count: usize) -> Option<(u64, Candidates, TopKOrder)> {
        let kernel = self.pull.kernel;
        kernel.values.iter().find_map(|v| {
            let RowValue { op: RowOp::TopK { k, candidates, order, .. }, value: from, width } = *v.kind.row_value()?
            else {
                return None;
            };
            let inside = masked_keys::masked(kernel, from, candidates).map_or(from, |(_, inside)| inside);
            let spread = self.spreads.of(kernel.value(from).space.cols / width, width);
            let same = inside == value && spread.turns == 1 && spread.index(index.row[0]).key() == index.key();
            (same && k >= 2 && count >= 2 && self.sorts(&spread, k)).then_some((k, candidates, order))
        })
    }

    /// The best `k` of a lane's keys, best first; all of them if there are no more.
    pub(super) fn best_of_lane(&self, keys: &[Val<'m>], k: u64, order: KeyOrder) -> Vec<Val<'m>> {
        self.best_of_pieces(keys.len(), (k, order), |piece| keys[piece].to_vec())
    }

    /// As [`Self::best_of_lane`], of `count` keys that are asked for piece by piece.
    pub(super) fn best_of_pieces(
        &self,
        count: usize,
        (k, order): (u64, KeyOrder),
        keys_of: impl Fn(Range<usize>) -> Vec<Val<'m>>,
    ) -> Vec<Val<'m>> {
        let size = (k as usize).next_power_of_two();
        let exchanges = self.exchanges(k, order, count > size);
        let mut best: Option<Vec<Val<'m>>> = None;
        for first in (0..count).step_by(size) {
            let list = in_order(&keys_of(first..count.min(first + size)), k, &exchanges);
            let merged = match best {
                Some(best) => {
                    let merged = merge(&best, &list, k as usize, &exchanges);
                    self.pull.machine.finish(self.b);
                    merged
                }
                None => list,
            };
            best = Some(merged);
        }
        best.expect("a lane has a key")
    }
}

/// The best `k` of these keys, best first.
fn in_order<'m>(keys: &[Val<'m>], k: u64, exchanges: &Exchanges<'_, 'm>) -> Vec<Val<'m>> {
    let mut list = keys.to_vec();
    let mut pairs = vec![];
    sorting_network::sort(list.len(), |i, j| pairs.push((i, j)));
    for (at, (i, j)) in pairs.iter().copied().enumerate() {
        let last = pairs[at + 1..].iter().all(|(x, y)| ![*x, *y].contains(&i));
        [list[i], list[j]] = exchanges.exchange(list[i], list[j], last);
    }
    list.truncate(k as usize);
    list
}

/// Counts what a merge takes.
#[derive(Default)]
struct Counted {
    operations: Cell<usize>,
}

impl Exchanging<()> for Counted {
    fn larger(&self, _: (), _: ()) {
        self.operations.set(self.operations.get() + 1);
    }

    fn lesser(&self, x: (), y: ()) {
        self.larger(x, y);
    }
}
