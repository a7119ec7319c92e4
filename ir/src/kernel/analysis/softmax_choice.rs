//! Selections from groups of a softmax, by the largest of each group.

use super::{Ordered, ordered};
use crate::kernel::{Kernel, RowOp, RowValue, ValueId, ValueKind};
use crate::op::{BinaryOp, Candidates, ReduceOp, ScalarOp, TopKOrder};

/// A choice of columns from a softmax of 16-bit floats, of which nothing but what is chosen is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftmaxChoice {
    /// The choice.
    pub chosen: ValueId,
    /// What it chooses from: the softmax, or that with some groups of columns left out.
    pub from: ValueId,
    /// How many are chosen.
    pub k: u64,
    /// What counts as a candidate.
    pub candidates: Candidates,
    /// The order in which they come.
    pub order: TopKOrder,
    /// The order of the softmax.
    pub ordered: Ordered,
    /// The sum that its powers are divided by.
    pub sum: ValueId,
    /// Which groups are chosen from, if not all.
    pub groups: Option<Groups>,
}

/// The groups of columns that are chosen from: those with the largest elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The largest element of each group.
    pub scores: ValueId,
    /// Whether each group is chosen from.
    pub mask: ValueId,
    /// How many are.
    pub keep: u64,
    /// How many there are.
    pub count: u64,
}

/// The choice of columns that is made from the softmax whose sum this value is, over whole rows, if nobody else wants the softmax.
pub fn softmax_choice(kernel: &Kernel, sum: ValueId) -> Option<SoftmaxChoice> {
    let users = |of: ValueId| kernel.values().filter(move |(_, v)| v.kind.operands().contains(&of)).map(|(id, _)| id);
    let is_stored = |id: ValueId| kernel.stores.iter().any(|store| store.operands().any(|o| o == id));
    let RowValue { op: RowOp::Reduce(ReduceOp::Sum), value: power, width } = *kernel.value(sum).kind.row_value()?
    else {
        return None;
    };
    let is_quotient = |id: &ValueId| {
        let quotient = ScalarOp::Binary(BinaryOp::Div);
        matches!(&kernel.value(*id).kind, ValueKind::Scalar(op, o) if *op == quotient && o[..] == [power, sum])
    };
    let mut quotients = users(sum).filter(is_quotient);
    let (softmax, None) = (quotients.next()?, quotients.next()) else { return None };
    let ordered =
        ordered(kernel, softmax, width).filter(|o| o.softmax.is_some() && kernel.value(softmax).space.cols == width)?;
    let groups = groups_of(kernel, softmax, width);
    let from = groups.map_or(softmax, |(_, kept)| kept);
    let choice = users(from).find_map(|id| match *kernel.value(id).kind.row_value()? {
        RowValue { op: RowOp::TopK { k, candidates, order }, value, width: of } if value == from && of == width => {
            let groups = groups.map(|(groups, _)| groups);
            Some(SoftmaxChoice { chosen: id, from, k, candidates, order, ordered, sum, groups })
        }
        _ => None,
    })?;
    let at_chosen = |id: ValueId| {
        let gathers = |value: ValueId, index: ValueId| value == from && index == choice.chosen;
        id == choice.chosen
            || matches!(kernel.value(id).kind, ValueKind::GatherRow { value, index, .. } if gathers(value, index))
    };
    let has_enough = choice.groups.is_none_or(|groups| choice.k <= groups.keep * (width / groups.count));
    (has_enough && users(from).all(at_chosen) && !is_stored(from) && !is_stored(softmax)).then_some(choice)
}

/// The groups of a softmax that are chosen from, and the softmax without the others, if that is all that is made of it.
fn groups_of(kernel: &Kernel, softmax: ValueId, width: u64) -> Option<(Groups, ValueId)> {
    let users = |of: ValueId| kernel.values().filter(move |(_, v)| v.kind.operands().contains(&of)).map(|(id, _)| id);
    let only = |of: ValueId| {
        let mut users = users(of);
        let one = users.next()?;
        let stored = kernel.stores.iter().any(|store| store.operands().any(|o| o == of));
        (users.next().is_none() && !stored).then_some(one)
    };
    let scores = users(softmax).find(|id| {
        kernel.value(*id).kind.row_value().is_some_and(|row| {
            row.op == RowOp::Reduce(ReduceOp::Max) && row.width < width && width.is_multiple_of(row.width)
        })
    })?;
    let of_group = kernel.value(scores).kind.row_value()?.width;
    let count = width / of_group;
    let mask = only(scores)?;
    let RowValue { op: RowOp::TopKMask { k: keep, .. }, width: all, .. } = *kernel.value(mask).kind.row_value()? else {
        return None;
    };
    let of_columns = only(mask)?;
    let ValueKind::Remap(_, map) = &kernel.value(of_columns).kind else { return None };
    let of_each = |column: u64| map.apply(column) == column / of_group;
    let kept = only(of_columns)?;
    let ValueKind::Scalar(ScalarOp::Select, operands) = &kernel.value(kept).kind else { return None };
    let ValueKind::Const(others) = kernel.value(operands[2]).kind else { return None };
    // Left out is what is less than all that a softmax is, or the least that it may be.
    let is_least = others.as_f64().is_some_and(|x| x <= 0.0);
    let two = users(softmax).all(|id| id == scores || id == kept);
    let fits = all == count && keep * of_group <= width && operands[..2] == [of_columns, softmax];
    (fits && two && is_least && (0..width).all(of_each)).then_some((Groups { scores, mask, keep, count }, kept))
}
