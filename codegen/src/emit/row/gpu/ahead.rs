//! What depends on columns but on no row: it is emitted before the loop over rows.

use super::RowGpu;
use super::spread::Spread;
use crate::emit::pull::index::Ix;
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::{Kernel, RowValue, ValueId, ValueKind};
use std::rc::Rc;

/// Columns of a lane that are loaded before a loop over rows, where no row changes them. More would fill the registers.
const MOST_AHEAD: usize = 16;

impl RowGpu<'_, '_> {
    /// Emits what depends on columns but on no row before the loop.
    pub(super) fn load_ahead(&self, domains: &[Domain]) {
        let kernel: &Kernel = self.pull.kernel;
        let mut roots: Vec<(ValueId, Rc<Spread<'_>>)> = vec![];
        for (id, value) in kernel.values() {
            if let Some(RowValue { value: operand, width, .. }) = value.kind.row_value().copied()
                && value.space.per_row
                && self.pull.is_reached(id)
            {
                roots.push((operand, self.spreads.of(kernel.value(operand).space.cols / width, width)));
            }
        }
        for domain in domains {
            let spread = self.spreads.of(1, domain.cols);
            for store in domain.stores.iter().map(|s| kernel.stores[*s as usize]) {
                roots.extend(store.operands().map(|id| (id, spread.clone())));
            }
        }
        roots.retain(|(_, spread)| spread.columns.len() <= MOST_AHEAD);
        let nowhere = Ix::constant(0);
        while let Some((id, spread)) = roots.pop() {
            let value = kernel.value(id);
            if !value.space.per_row {
                if value.space.cols > 1 {
                    self.pull.evaluate(id, &spread.index(nowhere));
                }
            } else if let ValueKind::Scalar(_, operands) = &value.kind {
                roots.extend(operands.iter().map(|o| (*o, spread.clone())));
            }
        }
    }
}
