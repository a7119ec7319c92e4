//! Whether sums of what is computed of counts fit a word, since all counts together are no more than the items.

use super::super::phases::{Phase, Place};
use super::super::{Kernel, ValueId, ValueKind};
use crate::dtype::DType;
use crate::op::{BinaryOp, ScalarOp};

/// A number that is not negative, and at most (`of_count` × the count of the column + `plus`) / `over`.
#[derive(Clone, Copy)]
struct AtMost {
    of_count: u128,
    plus: u128,
    over: u128,
}

/// Whether a word holds the running sums of a value of a phase: they have no more bits, or all columns together are less than 2³² for
/// any number of items that an `i32` holds.
pub fn sums_fit_a_word(phase: &Phase, value: ValueId, cols: u64) -> bool {
    if phase.kernel.value(value).dtype.bits() <= u32::BITS {
        return true;
    }
    let sum = at_most(phase, value).and_then(|most| {
        let counts = most.of_count.checked_mul(i32::MAX as u128)?;
        Some(counts.checked_add(most.plus.checked_mul(cols.into())?)? / most.over)
    });
    sum.is_some_and(|sum| sum <= u32::MAX.into())
}

fn at_most(phase: &Phase, id: ValueId) -> Option<AtMost> {
    let kernel = &phase.kernel;
    let value = kernel.value(id);
    match &value.kind {
        ValueKind::Const(_) => Some(AtMost { of_count: 0, plus: number(kernel, id)?, over: 1 }),
        ValueKind::Load(param) if phase.places[param.0 as usize] == Place::Shared(0) => {
            Some(AtMost { of_count: 1, plus: 0, over: 1 })
        }
        ValueKind::Scalar(op, operands) => {
            let of = |n: usize| at_most(phase, *operands.get(n)?);
            match (op, &operands[..]) {
                (ScalarOp::Cast(DType::I64 | DType::U64), [_]) => of(0),
                (ScalarOp::Binary(op), [_, other]) => scaled(*op, of(0)?, number(kernel, *other)?),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What an operation with a constant, which is not negative, makes of a number.
fn scaled(op: BinaryOp, AtMost { of_count, plus, over }: AtMost, n: u128) -> Option<AtMost> {
    Some(match op {
        // The greater of two numbers is at most their sum.
        BinaryOp::Add | BinaryOp::Max(_) => AtMost { of_count, plus: plus.checked_add(n.checked_mul(over)?)?, over },
        BinaryOp::Min(_) => AtMost { of_count, plus, over },
        BinaryOp::Mul => AtMost { of_count: of_count.checked_mul(n)?, plus: plus.checked_mul(n)?, over },
        BinaryOp::Div if n > 0 => AtMost { of_count, plus, over: over.checked_mul(n)? },
        _ => None?,
    })
}

/// A constant integer of 64 bits that is not negative.
fn number(kernel: &Kernel, id: ValueId) -> Option<u128> {
    let value = kernel.value(id);
    match value.kind {
        ValueKind::Const(l) if matches!(value.dtype, DType::I64 | DType::U64) && l.bits() <= i64::MAX as u64 => {
            Some(l.bits().into())
        }
        _ => None,
    }
}
