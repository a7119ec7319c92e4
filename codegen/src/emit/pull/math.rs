//! The machine of `routefuse_ir::math` whose operations emit code.

use crate::machine::Machine;
use crate::mlir::builder::{Builder, FloatPredicate, IntPredicate, Val};
use routefuse_ir::math::ScalarMachine;

/// Emits every operation for `lanes` lanes.
pub(in crate::emit) struct MathMachine<'a, 'm> {
    pub b: &'a Builder<'m>,
    pub machine: &'a dyn Machine,
    pub lanes: u32,
}

impl<'m> MathMachine<'_, 'm> {
    fn amount(&self, amount: u32) -> Val<'m> {
        let ty = self.b.lanes_of(self.b.int(32), self.lanes);
        self.b.const_int(ty, i64::from(amount))
    }
}

impl<'m> ScalarMachine for MathMachine<'_, 'm> {
    type F32 = Val<'m>;
    type I32 = Val<'m>;
    type Bool = Val<'m>;

    fn f32(&mut self, value: f32) -> Val<'m> {
        self.b.const_f32(value, self.lanes)
    }
    fn i32(&mut self, value: i32) -> Val<'m> {
        let ty = self.b.lanes_of(self.b.int(32), self.lanes);
        self.b.const_int(ty, i64::from(value))
    }

    fn fadd(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.addf(a, b)
    }
    fn fsub(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.subf(a, b)
    }
    fn fmul(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.mulf(a, b)
    }
    fn fdiv(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.machine.divide(self.b, a, b)
    }
    fn fdiv_logistic(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.machine.divide_logistic(self.b, a, b)
    }
    fn fdiv_logistic_of_16_bits(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.machine.divide_logistic_of_16_bits(self.b, a, b)
    }
    fn nan_flows(&self) -> bool {
        self.machine.nan_flows()
    }
    fn fbelow(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.machine.lesser(self.b, a, b)
    }
    fn fsqrt(&mut self, a: Val<'m>) -> Val<'m> {
        self.machine.square_root(self.b, a)
    }
    fn ffma(&mut self, a: Val<'m>, b: Val<'m>, c: Val<'m>) -> Val<'m> {
        self.machine.multiply_add(self.b, a, b, c)
    }
    fn clamps_to_unit(&self) -> bool {
        self.machine.clamps_to_unit()
    }
    fn ffma_in_unit(&mut self, a: Val<'m>, b: Val<'m>, c: Val<'m>) -> Val<'m> {
        self.machine.multiply_add_in_unit(self.b, a, b, c)
    }
    fn fabs(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.absf(a)
    }
    fn fneg(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.negf(a)
    }

    fn flt(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpf(FloatPredicate::Olt, a, b)
    }
    fn fle(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpf(FloatPredicate::Ole, a, b)
    }
    fn is_nan(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.cmpf(FloatPredicate::Uno, a, a)
    }

    fn iadd(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.addi(a, b)
    }
    fn isub(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.subi(a, b)
    }
    fn iand(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.andi(a, b)
    }
    fn ior(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.ori(a, b)
    }
    fn ixor(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.xori(a, b)
    }
    fn iumin(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.minui(a, b)
    }
    fn ishl(&mut self, a: Val<'m>, amount: u32) -> Val<'m> {
        self.b.shli(a, self.amount(amount))
    }
    fn ishr(&mut self, a: Val<'m>, amount: u32) -> Val<'m> {
        self.b.shrui(a, self.amount(amount))
    }
    fn isar(&mut self, a: Val<'m>, amount: u32) -> Val<'m> {
        self.b.shrsi(a, self.amount(amount))
    }
    fn iult(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Ult, a, b)
    }

    fn isar_not(&mut self, a: Val<'m>, amount: u32) -> Val<'m> {
        if self.machine.flips_after_shift() {
            let shifted = self.isar(a, amount);
            return self.b.not(shifted);
        }
        let flipped = self.b.not(a);
        self.isar(flipped, amount)
    }
    fn ieq(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Eq, a, b)
    }
    fn iule(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Ule, a, b)
    }
    fn isle(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Sle, a, b)
    }
    fn isge(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Sge, a, b)
    }
    fn key_offset(&self) -> u32 {
        self.machine.nan_key_wraps_by()
    }

    fn own_positive_zero(&mut self, a: Val<'m>) -> Option<Val<'m>> {
        self.machine.own_positive_zero(self.b, a)
    }

    fn select_f32(&mut self, condition: Val<'m>, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.select(condition, a, b)
    }
    fn select_i32(&mut self, condition: Val<'m>, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.select(condition, a, b)
    }

    fn bitcast_to_i32(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.bitcast(a, self.b.lanes_of(self.b.int(32), self.lanes))
    }
    fn bitcast_to_f32(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.bitcast(a, self.b.lanes_of(self.b.f32(), self.lanes))
    }
    fn int_to_f32(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.sitofp(a, self.b.f32())
    }
}
