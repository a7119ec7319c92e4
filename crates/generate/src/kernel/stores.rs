//! Stores.

use super::Growing;
use routefuse_ir::dim::SymbolId;
use routefuse_ir::kernel::{Role, Space, Store, ValueKind};
use routefuse_ir::{DType, Dim, TensorType};

impl Growing<'_> {
    /// A store of a value, with the row dim first; a value of one column serves all.
    pub(super) fn output(&mut self) {
        let space = Space { per_row: true, cols: 1 };
        let value = self.any().unwrap_or_else(|| self.push(ValueKind::Row, DType::I32, space));
        let v = self.kernel.value(value).clone();
        let cols = if v.space.cols == 1 { self.columns() } else { v.space.cols };
        let mut shape: Vec<Dim> = vec![SymbolId(0).into()];
        if cols > 1 || self.c.one_in(2) {
            shape.push(cols.into());
        }
        let layout = self.layout(shape.len());
        let param = self.param(Role::Output, TensorType::new(v.dtype, shape), layout);
        self.kernel.stores.push(Store { param, value, add_at: None, put_at: None });
    }

    /// A store that adds to counts, where some value is of their dtype.
    pub(super) fn adding_output(&mut self) {
        let dtypes = [DType::I32, DType::U32, DType::I64, DType::U64];
        let integers = self.integers();
        let Some(value) = self.value_where(|v| dtypes.contains(&v.dtype)) else { return };
        let at = self.c.of(&integers);
        if self.pointwise(&[value, at]).is_none() {
            return;
        }
        let extent: Dim = self.c.of(&[4u64, 8, 300]).into();
        let ty = TensorType::new(self.kernel.value(value).dtype, [extent]);
        let layout = self.layout(1);
        let counts = self.param(Role::Input, ty.clone(), layout);
        let param = self.param(Role::Output, ty, layout);
        self.kernel.params[param.0 as usize].aliases = Some(counts);
        self.kernel.stores.push(Store { param, value, add_at: Some(at), put_at: None });
    }
}
