//! Rank keys: see `routefuse_ir::eval::row`.

use crate::emit::pull::Emitter;
use crate::emit::pull::held::Kept;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::eval::row::{NAN_KEY, NEG_INF_KEY, rank_key};
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::op::{Candidates, ScalarOp};

/// The sign bit of 32 bits.
const SIGN: i64 = 1 << 31;

impl<'m> Emitter<'_, 'm> {
    /// The rank keys of a value at `lanes` neighbouring columns: those that are kept, if it is kept as keys, and of a choice
    /// between such a value and a constant the choice between their keys.
    pub fn ranked(
        &self,
        (id, row): (ValueId, &Index<'m>),
        first: Ix<'m>,
        lanes: u64,
        candidates: Candidates,
    ) -> Val<'m> {
        let b = self.b;
        let value = self.kernel.value(id);
        if let Some(Kept::Keys(keys)) = self.keeps(id) {
            let at: Vec<Ix<'m>> = (0..lanes).map(|lane| first.offset(lane)).collect();
            return self.above(self.read_scratch(&keys, &at).value, candidates);
        }
        if let ValueKind::Scalar(ScalarOp::Select, operands) = &value.kind
            && let ValueKind::Const(other) = self.kernel.value(operands[2]).kind
            && let Some(Kept::Keys(_)) = self.keeps(operands[1])
        {
            let condition = self.neighbouring(operands[0], row, first, lanes).value;
            let key = self.ranked((operands[1], row), first, lanes, candidates);
            let other = i64::from(rank_key(value.dtype, other.bits(), candidates));
            return b.select(condition, key, b.const_int(b.type_of(key), other));
        }
        self.rank_keys(self.neighbouring(id, row, first, lanes), value.dtype, candidates)
    }

    /// Keys of candidates of all kinds, without those that are none.
    fn above(&self, keys: Val<'m>, candidates: Candidates) -> Val<'m> {
        let b = self.b;
        let constant = |v: i64| b.const_int(b.type_of(keys), v);
        match candidates {
            Candidates::All => keys,
            Candidates::AboveNegInf => {
                let none = b.cmpi(IntPredicate::Eq, keys, constant(i64::from(NEG_INF_KEY)));
                b.select(none, constant(0), keys)
            }
        }
    }

    /// The rank keys of elements, `i32` a lane, to be compared as unsigned.
    pub fn rank_keys(&self, x: Lanes<'m>, dtype: DType, candidates: Candidates) -> Val<'m> {
        let b = self.b;
        let ty = b.lanes_of(b.int(32), x.lanes);
        let constant = |v: i64| b.const_int(ty, v);
        if dtype.is_float() {
            let x = self.widened(x, dtype).value;
            // −0.0 becomes 0.0.
            let bits = b.bitcast(b.addf(x, b.const_f32(0.0, b.lanes(b.type_of(x)))), ty);
            let flips = b.ori(b.shrsi(bits, constant(31)), constant(SIGN));
            let key = b.select(b.cmpf(FloatPredicate::Uno, x, x), constant(i64::from(NAN_KEY)), b.xori(bits, flips));
            return self.above(key, candidates);
        }
        let (i32, signed) = (b.int(32), dtype.is_signed());
        let wide = match dtype.bits() {
            32 => x.value,
            _ if signed => b.extsi(x.value, i32),
            _ => b.extui(x.value, i32),
        };
        let key = if signed { b.xori(wide, constant(SIGN)) } else { wide };
        b.addi(b.minui(key, constant(i64::from(u32::MAX - 1))), constant(1))
    }

    /// The floats that rank keys stand for.
    pub fn ranked_floats(&self, keys: Val<'m>) -> Lanes<'m> {
        let b = self.b;
        let ty = b.type_of(keys);
        let sign = b.shrsi(keys, b.const_int(ty, 31));
        // A key with the sign bit is a positive float with that bit flipped; any other is a negative one, all bits flipped.
        // The key of NaN gives one, if another.
        let flips = b.ori(b.not(sign), b.const_int(ty, SIGN));
        let lanes = b.lanes(ty);
        let value = b.bitcast(b.xori(keys, flips), b.lanes_of(b.f32(), lanes));
        Lanes { value, lanes, nans: Nans::Free, trap: None }
    }
}
