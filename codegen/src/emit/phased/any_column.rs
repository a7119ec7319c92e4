//! Which numbers the ids of a row have, as the bits of a word.
//!
//! Where each is asked whether some id is equal to it, each id is compared with each of them. A thread that has all ids of the row sets a
//! bit for each instead, and looks at the bits.

use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::{Pull, Shortcut};
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::analysis::{AnyEqual, any_equal};
use routefuse_ir::kernel::{ValueId, ValueKind};
use routefuse_ir::op::ScalarOp;

/// Bits of the word.
const BITS: u64 = 32;

/// The shortcut.
pub(super) struct AnyColumn;

impl<'m> Shortcut<'m> for AnyColumn {
    fn value(&self, pull: &Pull<'_, 'm>, id: ValueId, index: &Index<'m>) -> Option<Lanes<'m>> {
        let is_made_of_some = matches!(pull.kernel.value(id).kind, ValueKind::Scalar(ScalarOp::Cast(DType::Bool), _));
        if !is_made_of_some || index.row.len() > 1 || index.column.iter().any(|column| column.base.is_some()) {
            return None;
        }
        let any = any_equal(pull.kernel, id)?;
        if any.numbers.len() < 2 || any.columns.len() < 2 || any.numbers.iter().any(|n| *n >= BITS) {
            return None;
        }
        let b = pull.b;
        let bits = word(pull, &any, index);
        let lane = |column: &Ix<'m>| {
            let number = any.numbers[column.plus as usize];
            let bit = b.andi(bits, b.const_int(b.int(32), i64::from((1u32 << number) as i32)));
            b.cmpi(IntPredicate::Ne, bit, b.const_int(b.int(32), 0))
        };
        let lanes: Vec<Val<'m>> = index.column.iter().map(lane).collect();
        Some(Lanes::exact(b.gather_lanes(&lanes), lanes.len() as u32))
    }
}

/// A bit for each number that some id has.
fn word<'m>(pull: &Pull<'_, 'm>, any: &AnyEqual, index: &Index<'m>) -> Val<'m> {
    let (b, i32) = (pull.b, pull.b.int(32));
    let zero = b.const_int(i32, 0);
    any.columns.iter().fold(zero, |bits, column| {
        let id = pull.evaluate(any.value, &index.at(vec![Ix::constant(*column)])).value;
        let ty = b.type_of(id);
        let has_bit = b.cmpi(IntPredicate::Ult, id, b.const_int(ty, BITS as i64));
        let short = match b.width(ty) {
            32 => id,
            bits if bits < 32 => b.extui(id, i32),
            _ => b.trunci(id, i32),
        };
        let bit = b.shli(b.const_int(i32, 1), b.andi(short, b.const_int(i32, BITS as i64 - 1)));
        b.ori(bits, b.select(has_bit, bit, zero))
    })
}
