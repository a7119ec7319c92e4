//! Quotients whose operands are of ordinary size: those of a softmax, and those of what is chosen from it by its sum.

use super::is_not_above_0;
use crate::kernel::{Bounds, Kernel, RowOp, RowValue, ValueId, ValueKind};
use crate::op::{BinaryOp, ReduceOp, ScalarOp, UnaryOp};

/// The largest numerator.
const MOST: f64 = (1u64 << 60) as f64;

/// The largest divisor; the least one is its inverse.
const MOST_DIVISOR: f64 = (1u64 << 20) as f64;

/// What a number may be off by the roundings on the way: of sums of 2¹⁹ columns some 40, each by 2⁻²⁴.
const SLACK: f64 = 1.0 + 1.0 / (1 << 16) as f64;

/// The widest sum of which that holds.
const MOST_COLUMNS: u64 = 1 << 19;

/// Whether each numerator of this quotient, an `f32`, is at most 2⁶⁰, not negative and not −0.0, and each divisor is 2⁻²⁰ to 2²⁰; of both,
/// one that is a NaN aside.
pub fn is_near_quotient(kernel: &Kernel, id: ValueId) -> bool {
    let ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Div), operands) = &kernel.value(id).kind else { return false };
    let [x, y] = operands[..] else { return false };
    let least_divisor = 1.0 / MOST_DIVISOR;
    range(kernel, x).is_some_and(|[_, most]| most <= MOST)
        && range(kernel, y).is_some_and(|[least, most]| least_divisor <= least && most < MOST_DIVISOR)
}

/// The quotients of what is chosen from a value by these columns, by anything.
pub fn quotients_of_chosen(kernel: &Kernel, from: ValueId, columns: ValueId) -> impl Iterator<Item = ValueId> {
    let is_chosen = move |id: ValueId| matches!(kernel.value(id).kind, ValueKind::GatherRow { value, index, .. } if value == from && index == columns);
    let divides = move |kind: &ValueKind| match kind {
        ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Div), operands) => is_chosen(operands[0]),
        _ => false,
    };
    kernel.values().filter(move |(_, v)| divides(&v.kind)).map(|(id, _)| id)
}

/// The least and the largest that an element may be, if it is no NaN; none of a value that may be negative or −0.0, or of which
/// nothing is known.
fn range(kernel: &Kernel, id: ValueId) -> Option<[f64; 2]> {
    match &kernel.value(id).kind {
        ValueKind::Scalar(ScalarOp::Unary(UnaryOp::Exp), operands) if is_not_above_0(kernel, operands[0]) => {
            Some([0.0, 1.0])
        }
        ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Div), operands) => {
            let ([least, most], [least_divisor, most_divisor]) =
                (range(kernel, operands[0])?, range(kernel, operands[1])?);
            // A small quotient may be rounded to less.
            let least = least / most_divisor / SLACK;
            let least = if least < f64::from(f32::MIN_POSITIVE) { 0.0 } else { least };
            (least_divisor > 0.0).then(|| [least, most / least_divisor * SLACK])
        }
        // Of proved columns it is an element.
        ValueKind::GatherRow { value, bounds: Bounds::Proved, .. } => range(kernel, *value),
        ValueKind::RowValue(RowValue { op: RowOp::Reduce(ReduceOp::Sum), value, width }) if *width <= MOST_COLUMNS => {
            let [least, most] = range(kernel, *value)?;
            let columns = *width as f64;
            let one = if *width == kernel.value(*value).space.cols { one_of(kernel, *value)? } else { 0.0 };
            Some([f64::max(least * columns, one) / SLACK, most * columns * SLACK])
        }
        _ => None,
    }
}

/// What one element of a row of the value is at least, if none is a NaN: of what is not negative.
fn one_of(kernel: &Kernel, id: ValueId) -> Option<f64> {
    match &kernel.value(id).kind {
        // The largest of a row taken off itself leaves 0, or a NaN.
        ValueKind::Scalar(ScalarOp::Unary(UnaryOp::Exp), operands) if is_not_above_0(kernel, operands[0]) => Some(1.0),
        ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Div), operands) => {
            let [_, most_divisor] = range(kernel, operands[1])?;
            Some(one_of(kernel, operands[0])? / most_divisor / SLACK)
        }
        // Among the best of a row is the best one: NaNs are worse than any number, and what is not negative is a candidate.
        ValueKind::GatherRow { value, index, bounds: Bounds::Proved } => match kernel.value(*index).kind.row_value() {
            Some(RowValue { op: RowOp::TopK { .. }, value: from, width })
                if from == value && *width == kernel.value(*value).space.cols =>
            {
                one_of(kernel, *value)
            }
            _ => Some(0.0),
        },
        _ => Some(0.0),
    }
}
