//! Rank keys: see [`routefuse_ir::math::order`].

use super::RowGpu;
use super::spread::Spread;
use crate::emit::peephole::{Peephole, masked_keys, plain_keys};
use crate::emit::pull::index::{Index, IndexKey};
use crate::emit::pull::known::{Lanes, Nans};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::eval::row::rank_key;
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::math::order::{self, Known, NAN_KEY, NEG_INF_KEY};
use routefuse_ir::op::{Candidates, ScalarOp};

/// Rank keys of a value, by what counts as a candidate and where.
pub(super) type KeysOf = (ValueId, Candidates, IndexKey);

impl<'m> RowGpu<'_, 'm> {
    /// The rank keys of a value at a spread of its columns, one a register; 0 where a lane has no column of its own.
    pub fn own_keys(
        &self,
        id: ValueId,
        spread: &Spread<'m>,
        index: &Index<'m>,
        candidates: Candidates,
    ) -> (Vec<Val<'m>>, Option<Val<'m>>) {
        let keys = self.keys(id, index, candidates);
        let trap = keys.trap;
        let keys = self.registers(keys.value, spread.columns.len());
        let zero = self.word(0);
        let own = keys.iter().zip(&spread.columns);
        (own.map(|(key, column)| column.valid.map_or(*key, |valid| self.b.select(valid, *key, zero))).collect(), trap)
    }

    /// The rank keys of a value. Those of a selection are a selection of keys, so that what selects groups of columns does
    /// not make their keys anew.
    pub fn keys(&self, id: ValueId, index: &Index<'m>, candidates: Candidates) -> Lanes<'m> {
        let value = self.pull.kernel.value(id);
        let index = self.pull.seen_by(id, index);
        let wanted = (id, candidates, index.key());
        if let Some(known) = self.keys.get(&wanted) {
            return known;
        }
        let keys = match &value.kind {
            ValueKind::Const(literal) => {
                let key = rank_key(value.dtype, literal.bits(), candidates);
                let added = if value.dtype.is_float() && key > NAN_KEY { self.added_to_keys() } else { 0 };
                Lanes::exact(self.word(key + added), 1)
            }
            ValueKind::Scalar(ScalarOp::Select, operands) => {
                let condition = self.pull.evaluate(operands[0], &index);
                if let Some(keys) = self.keys_but_masked(condition, operands, &index, candidates) {
                    self.keys.insert(wanted, keys);
                    return keys;
                }
                let x = self.keys(operands[1], &index, candidates);
                let y = self.keys(operands[2], &index, candidates);
                let chosen =
                    self.lanewise.scalar(ScalarOp::Select, &[condition, x, y], &[DType::Bool, DType::U32, DType::U32]);
                Lanes { nans: Nans::Exact, ..chosen }
            }
            _ => {
                let x = self.pull.evaluate(id, &index);
                if value.dtype.is_float() {
                    self.float_keys(id, x, candidates)
                } else {
                    self.integer_keys(x, value.dtype)
                }
            }
        };
        self.keys.insert(wanted, keys);
        keys
    }

    /// The rank keys of a selection of something that is no candidate for the other columns: one selection for that and for
    /// what is no candidate by itself.
    fn keys_but_masked(
        &self,
        condition: Lanes<'m>,
        operands: &[ValueId],
        index: &Index<'m>,
        candidates: Candidates,
    ) -> Option<Lanes<'m>> {
        let b = self.b;
        if candidates == Candidates::All || !self.peepholes.has(Peephole::MaskedKeys) {
            return None;
        }
        if !masked_keys::is_no_candidate(self.pull.kernel, operands[2], candidates) {
            return None;
        }
        let keys = self.keys(operands[1], index, Candidates::All);
        let lanes = keys.lanes.max(condition.lanes);
        let words = b.lanes_of(b.int(32), lanes);
        let all = self.lanewise.spread(keys.value, lanes);
        let some = b.cmpi(IntPredicate::Ne, all, b.const_int(words, i64::from(NEG_INF_KEY + self.added_to_keys())));
        let own = b.andi(some, self.lanewise.spread(condition.value, lanes));
        let value = b.select(own, all, b.const_int(words, 0));
        Some(Lanes { trap: self.lanewise.either(condition.trap, keys.trap), ..Lanes::exact(value, lanes) })
    }

    pub(super) fn added_to_keys(&self) -> u32 {
        self.pull.machine.nan_key_wraps_by()
    }

    /// The rank keys of integers.
    fn integer_keys(&self, x: Lanes<'m>, dtype: DType) -> Lanes<'m> {
        let wide = if dtype.bits() < 32 { self.lanewise.cast(x, dtype, DType::I32).value } else { x.value };
        let key = order::integer_key(&mut self.lanewise.math(x.lanes), wide, dtype.is_signed());
        Lanes { value: key, nans: Nans::Exact, ..x }
    }

    /// The rank keys of a value's floats; those of numbers are larger by the machine's offset.
    pub(super) fn float_keys(&self, id: ValueId, x: Lanes<'m>, candidates: Candidates) -> Lanes<'m> {
        let (kernel, dtype) = (self.pull.kernel, self.pull.kernel.value(id).dtype);
        let x = self.lanewise.cast(x, dtype, DType::F32);
        let plain = self.peepholes.has(Peephole::PlainKeys) && dtype == DType::F32;
        let known = Known {
            no_negative_zero: plain && self.no_negative_zero[id.0 as usize],
            made_by_arithmetic: plain && plain_keys::is_made_by_arithmetic(kernel, id),
        };
        self.lanewise.many_in_pieces(x, |x| {
            let key = order::float_key(&mut self.lanewise.math(x.lanes), x.value, known, candidates);
            Lanes { value: key, nans: Nans::Exact, ..x }
        })
    }

    /// The float that a rank key stands for.
    pub(super) fn ranked_float(&self, key: Val<'m>) -> Val<'m> {
        order::float_of_key(&mut self.lanewise.math(1), key)
    }
}
