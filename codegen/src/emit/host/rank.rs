//! Rank keys: see `routefuse_ir::eval::row`.

use crate::emit::lanes::{Lanes, Nans};
use crate::emit::scope::Emitter;
use crate::mlir_builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::eval::row::{NAN_KEY, NEG_INF_KEY};
use routefuse_ir::op::Candidates;

/// The sign bit of 32 bits.
const SIGN: i64 = 1 << 31;

impl<'m> Emitter<'_, 'm> {
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
            if candidates == Candidates::All {
                return key;
            }
            let none = b.cmpi(IntPredicate::Eq, key, constant(i64::from(NEG_INF_KEY)));
            return b.select(none, constant(0), key);
        }
        let (i32, signed) = (b.int(32), dtype.is_signed());
        let wide = match dtype.bits() {
            32 => x.value,
            _ if signed => b.extsi(x.value, i32),
            _ => b.extui(x.value, i32),
        };
        let key = if signed { b.xori(wide, constant(SIGN)) } else { wide };
        b.maxui(key, constant(1))
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
