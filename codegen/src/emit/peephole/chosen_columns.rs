//! A column of a narrow value that is data, in another row on each lane, is chosen among all columns by comparison.
//!
//! - **Machine:** the host, in kernels of a row schedule whose rows are done in blocks: the lanes are rows.
//! - **Reason:** every column of a block is a vector already. Two instructions a column and no memory, where taking an index
//!   apart, eight loads and putting a vector together are twenty-four.
//! - **Test:** `peephole::tests`.

use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::{Pull, Shortcut};
use crate::mlir::builder::IntPredicate;
use routefuse_ir::kernel::schedule::block_rows::NARROW;
use routefuse_ir::kernel::{Bounds, ValueId, ValueKind};
use routefuse_ir::op::OutOfRange;

/// The peephole.
pub(in crate::emit) struct ChosenColumns;

impl<'m> Shortcut<'m> for ChosenColumns {
    fn value(&self, pull: &Pull<'_, 'm>, id: ValueId, index: &Index<'m>) -> Option<Lanes<'m>> {
        let ValueKind::GatherRow { value, index: column, bounds } = pull.kernel.value(id).kind else { return None };
        let cols = pull.kernel.value(value).space.cols;
        // An index outside is another column by these.
        let moved = matches!(bounds, Bounds::Checked(OutOfRange::Clamp | OutOfRange::Wrap));
        if index.row.len() == 1 || cols > NARROW || moved {
            return None;
        }
        let (b, dtype) = (pull.b, pull.kernel.value(column).dtype);
        let at = pull.evaluate(column, index);
        if at.lanes == 1 {
            return None;
        }
        let element = |column: u64| pull.evaluate(value, &index.at(vec![Ix::constant(column)]));
        let number = |column: u64| b.const_int(b.type_of(at.value), column as i64);
        let chosen = (1..cols).fold(element(0), |chosen, column| {
            let here = b.cmpi(IntPredicate::Eq, at.value, number(column));
            pull.lanewise.choose(here, element(column), chosen)
        });
        Some(pull.gathered_row((at, dtype), (value, bounds), chosen))
    }
}
