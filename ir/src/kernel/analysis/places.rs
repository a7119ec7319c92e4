//! Where a kernel puts items: at their bin's start and as many places on as they rank, if that is before the next start.

use super::super::{Kernel, ParamId, ValueId, ValueKind};
use crate::dtype::DType;
use crate::op::{BinaryOp, CompareOp, ScalarOp};

/// The table of starts, if this index is the place of each id of this rank, or −1 for what has none:
/// ```text
/// bin   = rank ≥ 0 ? i64(id) : 0
/// place = i64(starts[bin]) + i64(rank)
/// index = rank ≥ 0 and place < i64(starts[bin + 1]) ? place : −1
/// ```
pub fn starts_of_places(kernel: &Kernel, index: ValueId, rank: ValueId, ids: ValueId) -> Option<ParamId> {
    let k = In(kernel);
    let [live, place, nowhere] = k.of(ScalarOp::Select, index)?;
    let [ranked, before_next] = k.of(ScalarOp::Binary(BinaryOp::And), live)?;
    let [of, next] = k.of(ScalarOp::Compare(CompareOp::Lt), before_next)?;
    let [start, more] = k.of(ScalarOp::Binary(BinaryOp::Add), place)?;
    let [of_rank, zero] = k.of(ScalarOp::Compare(CompareOp::Ge), ranked)?;
    let ((table, bin), (same, next_bin)) = (k.gathered(start)?, k.gathered(next)?);
    let [from, one] = k.of(ScalarOp::Binary(BinaryOp::Add), next_bin)?;
    let [ranked_too, id, other] = k.of(ScalarOp::Select, bin)?;
    let is_index = k.is(nowhere, -1) && of == place && of_rank == rank && k.is(zero, 0) && k.is_wide(more, rank);
    let is_bin = ranked_too == ranked && k.is_wide(id, ids) && k.is(other, 0) && from == bin && k.is(one, 1);
    (is_index && is_bin && table == same).then_some(table)
}

/// Questions about a kernel's values.
struct In<'k>(&'k Kernel);

impl In<'_> {
    /// The operands, if the value is this operation.
    fn of<const N: usize>(&self, op: ScalarOp, id: ValueId) -> Option<[ValueId; N]> {
        match &self.0.value(id).kind {
            ValueKind::Scalar(found, operands) if *found == op => operands.as_slice().try_into().ok(),
            _ => None,
        }
    }

    /// Whether it is this integer.
    fn is(&self, id: ValueId, n: i64) -> bool {
        let value = self.0.value(id);
        let mask = if value.dtype.bits() < 64 { (1 << value.dtype.bits()) - 1 } else { u64::MAX };
        matches!(value.kind, ValueKind::Const(l) if value.dtype.is_int() && l.bits() == n as u64 & mask)
    }

    /// Whether it is the other value as an `i64`.
    fn is_wide(&self, id: ValueId, of: ValueId) -> bool {
        let casts = self.0.value(id).kind == ValueKind::Scalar(ScalarOp::Cast(DType::I64), vec![of]);
        casts || (id == of && self.0.value(id).dtype == DType::I64)
    }

    /// The table and the one index of a gather, as an `i64`.
    fn gathered(&self, id: ValueId) -> Option<(ParamId, ValueId)> {
        let ValueKind::Scalar(_, operands) = &self.0.value(id).kind else { return None };
        let [narrow] = operands[..] else { return None };
        match &self.0.value(narrow).kind {
            ValueKind::Gather { table, indices, .. } if self.is_wide(id, narrow) => Some((*table, *indices.first()?)),
            _ => None,
        }
    }
}
