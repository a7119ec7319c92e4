//! A remap of which several lanes ask for the same column computes each column once and shuffles the lanes.
//!
//! - **Machine:** the host, in kernels of a row schedule; lanes of one row, a power of two of distinct columns.
//! - **Reason:** a group's score is read by all its experts, and what it is made of may be dear. A shuffle of a register is one
//!   instruction.
//! - **Test:** `peephole::tests`.

use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::{Pull, Shortcut};
use crate::mlir::builder::Val;
use routefuse_ir::kernel::ValueId;

/// The peephole.
pub(in crate::emit) struct DistinctColumns;

impl<'m> Shortcut<'m> for DistinctColumns {
    fn columns(
        &self,
        pull: &Pull<'_, 'm>,
        operand: ValueId,
        columns: &[Ix<'m>],
        index: &Index<'m>,
    ) -> Option<Lanes<'m>> {
        let mut distinct: Vec<Ix<'m>> = vec![];
        let lane_of = |column: &Ix<'m>| {
            let known = distinct.iter().position(|d| d.key() == column.key());
            known.unwrap_or_else(|| {
                distinct.push(*column);
                distinct.len() - 1
            }) as i32
        };
        let lanes_of: Vec<i32> = columns.iter().map(lane_of).collect();
        let fewer = 1 < distinct.len() && distinct.len() < columns.len() && distinct.len().is_power_of_two();
        if !fewer || index.row.len() > 1 {
            return None;
        }
        let x = pull.evaluate(operand, &index.at(distinct));
        let moved = |v: Val<'m>| match pull.b.lanes(pull.b.type_of(v)) {
            1 => v,
            _ => pull.b.shuffle(v, v, &lanes_of),
        };
        let lanes = if x.lanes == 1 { 1 } else { lanes_of.len() as u32 };
        Some(Lanes { value: moved(x.value), lanes, trap: x.trap.map(moved), ..x })
    }
}
