//! Values that an index names.

use super::Growing;
use routefuse_ir::DType;
use routefuse_ir::kernel::{Bounds, ParamId, Role, Space, ValueId, ValueKind};
use routefuse_ir::op::OutOfRange;

impl Growing<'_> {
    fn policy(&mut self, dtype: DType) -> OutOfRange {
        let fill = OutOfRange::Fill(self.literal(dtype));
        let policy = self.c.of(&[OutOfRange::Pass, fill, OutOfRange::Clamp, OutOfRange::Wrap, OutOfRange::Trap]);
        if policy == OutOfRange::Trap && self.kernel.error_word().is_none() { OutOfRange::Pass } else { policy }
    }

    pub(super) fn integers(&self) -> Vec<ValueId> {
        self.kernel.values().filter(|(_, v)| v.dtype.is_int()).map(|(id, _)| id).collect()
    }

    pub(super) fn gather(&mut self) {
        let indices = self.integers();
        let table = ParamId(self.c.below(self.kernel.params.len()) as u32);
        let param = self.kernel.param(table).clone();
        let rank = param.ty.shape.len();
        if indices.is_empty() || param.role != Role::Input || !(1..=2).contains(&rank) {
            return;
        }
        let chosen: Vec<ValueId> = (0..rank).map(|_| self.c.of(&indices)).collect();
        let Some(space) = self.pointwise(&chosen) else { return };
        let bounds = Bounds::Checked(self.policy(param.ty.dtype));
        let kind = ValueKind::Gather { table, indices: chosen, bounds };
        self.push(kind, param.ty.dtype, space);
    }

    pub(super) fn gather_row(&mut self) {
        let indices = self.integers();
        let Some(value) = self.any().filter(|_| !indices.is_empty()) else { return };
        let index = self.c.of(&indices);
        let (dtype, space) = (self.kernel.value(value).dtype, self.kernel.value(index).space);
        let per_row = self.kernel.value(value).space.per_row || space.per_row;
        let bounds = Bounds::Checked(self.policy(dtype));
        let kind = ValueKind::GatherRow { value, index, bounds };
        self.push(kind, dtype, Space { per_row, cols: space.cols });
    }
}
