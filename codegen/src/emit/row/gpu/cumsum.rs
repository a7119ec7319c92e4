//! Running sums.

use super::RowGpu;
use super::spread::Spread;
use crate::emit::pull::index::Index;
use crate::emit::pull::known::{Lanes, Nans};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::ValueId;
use std::collections::HashMap;

impl<'m> RowGpu<'_, 'm> {
    /// Running sums of each segment by doubling, in the registers of the spread.
    pub(super) fn sum_segments(&self, value: ValueId, spread: &Spread<'m>, index: &Index<'m>) -> Lanes<'m> {
        let dtype = self.pull.kernel.value(value).dtype;
        let operand = self.pull.evaluate(value, index);
        let registers = self.registers(operand.value, spread.columns.len());
        let sums: Vec<Val<'m>> =
            (0..spread.turns).flat_map(|t| self.running(&registers[spread.turn(t)], dtype, spread)).collect();
        // The first column is what it was; the others are sums.
        let exact = dtype == DType::F32 && operand.nans == Nans::Exact;
        let settled = |(i, x): (usize, &Val<'m>)| {
            let sum = self.lanewise.settled(Lanes { nans: Nans::Free, ..Lanes::exact(*x, 1) }).value;
            if i % spread.registers as usize > 0 {
                return sum;
            }
            let is_first = self.b.cmpi(IntPredicate::Eq, spread.member, self.word(0));
            self.b.select(is_first, registers[i], sum)
        };
        let sums = if exact { sums.iter().enumerate().map(settled).collect() } else { sums };
        let nans = if exact || dtype != DType::F32 { Nans::Exact } else { Nans::Free };
        let value = self.b.gather_lanes(&sums);
        let trap = self.trap_of_segments(operand.trap, spread).map(|trap| {
            let of_turn = self.registers(trap, spread.turns as usize);
            let each = of_turn.iter().flat_map(|t| std::iter::repeat_n(*t, spread.registers as usize));
            self.b.gather_lanes(&each.collect::<Vec<_>>())
        });
        Lanes { value, lanes: spread.columns.len() as u32, nans, trap }
    }

    /// Of one segment: `y[i] = y[i − d] + y[i]` for d = 1, 2, 4, ….
    fn running(&self, own: &[Val<'m>], dtype: DType, spread: &Spread<'m>) -> Vec<Val<'m>> {
        let (b, team) = (self.b, &self.team);
        let add = |x: Val<'m>, y: Val<'m>| if dtype == DType::F32 { b.addf(x, y) } else { b.addi(x, y) };
        let count = own.len() as u64;
        let mut y = own.to_vec();
        let mut d = 1;
        while d < spread.width {
            let mut moved: HashMap<(u64, u64), Val<'m>> = HashMap::new();
            let before = y.clone();
            for register in 0..count {
                // Column i − d is `lanes` lanes before, in register `from`.
                let lanes = d.saturating_sub(register).div_ceil(count);
                let from = register + lanes * count - d;
                let other = *moved.entry((from, lanes)).or_insert_with(|| {
                    let x = before[from as usize];
                    if lanes == 0 {
                        return x;
                    }
                    let lane = b.subi(team.lane, self.word(lanes as u32));
                    team.moved(x, |word| team.from(word, lane))
                });
                let sum = add(other, before[register as usize]);
                y[register as usize] = if lanes == 0 {
                    sum
                } else {
                    let enough = b.cmpi(IntPredicate::Uge, spread.member, self.word(lanes as u32));
                    b.select(enough, sum, before[register as usize])
                };
            }
            d *= 2;
        }
        y
    }
}
