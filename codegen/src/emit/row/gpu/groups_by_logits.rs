//! A choice from the groups of a softmax by its logits, where rows are few.
//!
//! Some groups of columns are chosen by the largest element of each, and then columns of these. Neighbouring lanes have a group. Each
//! lane sorts the [unique keys](super::unique_keys) of its logits, and then it is known which groups are the best ones, and which
//! columns, before any power of e is made: both come while the sum of the powers does. Where rows are many a lane has a group by itself,
//! which is [another way](super::softmax_by_logits).
//!
//! The groups are the right ones if what [holds of chosen columns](RowGpu::is_doubtful) holds of the largest of each as well. A warp
//! in which that fails chooses once more by the softmax, as the contract says it.

use super::RowGpu;
use super::in_lanes::{Home, Registers};
use super::spread::Spread;
use super::unique_keys::{Chosen, UniqueKeys, has_rounds, is_in_exponents_alone};
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::row::{Segments, Selection, compute};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::analysis::{Groups, SoftmaxChoice};
use routefuse_ir::op::{Candidates, TopKOrder};
use std::rc::Rc;

/// The unique keys of a row whose groups are chosen from.
#[derive(Clone)]
pub(super) struct GroupKeys<'m> {
    choice: SoftmaxChoice,
    groups: Groups,
    /// A lane's own of its group; the largest is the group's.
    keys: UniqueKeys<'m>,
    /// The largest of the row.
    largest: Val<'m>,
}

impl<'m> RowGpu<'_, 'm> {
    /// The largest logit of a softmax whose groups are chosen from by several lanes each. From here on nobody asks for the largest
    /// element of a group.
    pub(super) fn largest_of_shared_groups(
        &self,
        of: Segments,
        (spread, index): (&Spread<'m>, &Index<'m>),
    ) -> Option<Lanes<'m>> {
        let choice = self.choice_from_groups(of)?;
        let SoftmaxChoice { k, order, ordered, groups: Some(groups), .. } = choice else { return None };
        let lanes = u64::from(self.team.lanes);
        let of_group = self.owners_of(&groups)?;
        let fits = spread.segments == 1 && spread.width <= u64::from(ordered.column_mask());
        let all_lanes =
            u64::from(of_group.span) * groups.count == lanes && of_group.width * groups.count == spread.width;
        let rounds = has_rounds(self.warps, self.shape, u64::from(of_group.registers), k);
        if order != TopKOrder::Value || !fits || !all_lanes || !rounds {
            return None;
        }
        if !is_in_exponents_alone(self.pull.kernel, ordered.softmax?) {
            return None;
        }
        let of_group_index = of_group.index(index.row[0]);
        let keys = self.unique_keys((&ordered, k), Candidates::All, (&of_group, &of_group_index))?;
        let largest = self.team.max(keys.sorted[0], self.team.lanes);
        let float = self.float_of_unique(largest, ordered.column_mask());
        self.group_keys.insert(groups.scores, GroupKeys { choice, groups, keys, largest });
        self.unneeded.borrow_mut().push(groups.scores);
        Some(Lanes { nans: Nans::Free, ..Lanes::exact(float, 1) })
    }

    /// Which groups are chosen from, each answer on the lanes of its group, if that is known by logits; and with it what is chosen of
    /// them, for whoever asks.
    pub(super) fn kept_by_logits(&self, scores: ValueId, at: &Index<'m>) -> Option<Registers<'m>> {
        let GroupKeys { choice, groups, keys, largest } = self.group_keys.get(&scores)?;
        let (b, row, ordered) = (self.b, at.row[0], &choice.ordered);
        let of_group = self.owners_of(&groups)?;
        let spread = self.spreads.of(1, of_group.width * groups.count);
        let (index, of_group_index) = (spread.index(row), of_group.index(row));
        let result = self.spreads.of(1, choice.k);
        let cells: Vec<Val<'m>> = result.columns.iter().map(|column| self.ix.to_word(column.at)).collect();

        let before = self.groups_before(keys.largest, &of_group);
        let kept = b.cmpi(IntPredicate::Ult, before, self.word(groups.keep as u32));
        let mut list = keys.sorted.to_vec();
        // A lane that never wins never goes on, so its first key is enough.
        list[0] = b.select(kept, list[0], self.word(0));
        let first = b.select(kept, keys.largest, largest);
        // The row's largest is of a group that is kept.
        let best = self.best_unique((&list, largest), choice.k, &cells, (self.team.lanes, &result));
        let column = |key: &Val<'m>| self.column_of_unique(*key, ordered.column_mask());
        let element = |key: &Val<'m>| self.float_of_unique(*key, ordered.column_mask());
        let columns: Vec<Val<'m>> = best.iter().map(column).collect();
        let elements: Vec<Val<'m>> = best.iter().map(element).collect();
        let first = [element(&first)];
        let to_prove = [&elements[..], &first[..]];
        let doubtful = self.is_doubtful(ordered, (ordered.softmax?, None), &to_prove, (&of_group, &of_group_index));

        let types = [vec![b.int(32); cells.len()], vec![b.f32(); cells.len()], vec![b.int(1)]].concat();
        self.receive();
        let doubtful = self.team.any(doubtful);
        let found = b.if_then_else(
            doubtful,
            &types,
            |_| self.chosen_by_softmax(&choice, &groups, (&spread, &index), &cells),
            |_| [columns, elements, vec![kept]].concat(),
        );
        let lanes = |of: &[Val<'m>]| Lanes::exact(b.gather_lanes(of), cells.len() as u32);
        let (columns, elements) = (lanes(&found[..cells.len()]), lanes(&found[cells.len()..2 * cells.len()]));
        let chosen = Chosen { columns, elements: vec![(ordered.source, elements)] };
        self.know_chosen(&choice, doubtful);
        self.chosen_first.insert((choice.from, index.key()), chosen);
        let kept = Lanes::exact(found[2 * cells.len()], 1);
        Some(Registers { lanes: kept, spread: of_group, home: Home::Segments, elements: vec![] })
    }

    /// The lanes of the groups.
    fn owners_of(&self, groups: &Groups) -> Option<Rc<Spread<'m>>> {
        self.spreads.owners(&self.spreads.of(1, groups.count))
    }

    /// How many groups have a larger key than this one's, which is unique: the lanes of a group ask about several at once.
    fn groups_before(&self, key: Val<'m>, of_group: &Spread<'m>) -> Val<'m> {
        let (b, team, span) = (self.b, &self.team, of_group.span);
        (0..of_group.side).step_by(span as usize).fold(self.word(0), |before, first| {
            let other = b.addi(of_group.member, self.word(first));
            let theirs = team.from(key, b.muli(other, self.word(span)));
            let larger = b.cmpi(IntPredicate::Ugt, theirs, key);
            // With more lanes than groups, some ask about none.
            let larger = match span > of_group.side {
                true => b.andi(larger, b.cmpi(IntPredicate::Ult, other, self.word(of_group.side))),
                false => larger,
            };
            b.addi(before, team.count(larger, span))
        })
    }

    /// The columns, their logits, and whether the lane's group is chosen from, as the contract says them.
    fn chosen_by_softmax(
        &self,
        choice: &SoftmaxChoice,
        groups: &Groups,
        (spread, index): (&Spread<'m>, &Index<'m>),
        cells: &[Val<'m>],
    ) -> Vec<Val<'m>> {
        let (b, row) = (self.b, index.row[0]);
        let at = Index::new(vec![row], vec![Ix::constant(0)], None);
        self.pull.scopes.scoped(|| {
            let outer = self.by_the_letter.replace(true);
            let of_groups = [groups.scores, groups.mask].into_iter();
            for (id, row_value) in of_groups.filter_map(|id| Some((id, *self.pull.kernel.value(id).kind.row_value()?)))
            {
                let computed = compute(self, row_value, &(), &at);
                self.hold(id, computed, row);
            }
            let what = Selection { k: choice.k, candidates: choice.candidates };
            let columns = self.select_by_rank_keys(choice.from, what, (spread, index), cells);
            let last = self.word(spread.width as u32 - 1);
            let at_chosen = columns.iter().map(|column| self.ix.of_word(b.minui(*column, last))).collect();
            let elements = self.widened(choice.ordered.source, &index.at(at_chosen)).value;
            let own =
                Index::new(vec![row], self.owners_of(groups).map(|owners| owners.owned[0]).into_iter().collect(), None);
            let kept = self.pull.evaluate(groups.mask, &own).value;
            self.by_the_letter.set(outer);
            columns.into_iter().chain(self.registers(elements, cells.len())).chain([kept]).collect()
        })
    }
}
