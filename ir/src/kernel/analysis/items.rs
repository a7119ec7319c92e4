//! Items that are ranked: what is made of their ranks, if all of it is made at their own columns.

use super::{may_trap, reached_from, starts_of_places};
use crate::dim::Dim;
use crate::dtype::DType;
use crate::kernel::{Kernel, ParamId, RowOp, RowValue, Store, ValueId, ValueKind};

/// What is ranked, and what is made of it. An item can be done before the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Items {
    /// The ranks.
    pub rank: ValueId,
    /// The ids, which do not trap.
    pub ids: ValueId,
    /// Columns of a row.
    pub width: u64,
    /// How many ids are told apart.
    pub bins: u64,
    /// Positions of the stores that ask for ranks, all of as many columns.
    pub stores: Vec<u32>,
    /// The starts of bins, `i32[bins + 1]`, and how many places there are, if ranks are asked for as places alone.
    pub places: Option<(ParamId, Dim)>,
    /// Whether the ranks are the kernel's only row value.
    pub alone: bool,
}

/// The items of a kernel with one value of ranks, of which nothing is asked at other columns.
pub fn items(kernel: &Kernel) -> Option<Items> {
    let rank_of = |(id, v): (ValueId, &ValueKind)| match v {
        ValueKind::RowValue(RowValue { op: RowOp::Rank { bins }, value, width }) => Some((id, *bins, *value, *width)),
        _ => None,
    };
    let mut ranks = kernel.values().filter_map(|(id, v)| rank_of((id, &v.kind)));
    let (rank, bins, ids, width) = ranks.next().filter(|_| ranks.next().is_none())?;
    // Of every value, whether it asks for ranks.
    let mut asks = vec![false; kernel.values.len()];
    asks[rank.0 as usize] = true;
    for (id, value) in kernel.values() {
        if value.kind.operands().iter().any(|o| asks[o.0 as usize]) {
            let at_its_column = matches!(value.kind, ValueKind::Scalar(..) | ValueKind::Gather { .. });
            asks[id.0 as usize] = at_its_column.then_some(true)?;
        }
    }
    let stores: Vec<u32> = (0..kernel.stores.len() as u32)
        .filter(|s| kernel.stores[*s as usize].operands().any(|o| asks[o.0 as usize]))
        .collect();
    let wide = |s: &u32| kernel.store_cols(&kernel.stores[*s as usize]) == width;
    if may_trap(kernel)[ids.0 as usize] || !stores.iter().all(wide) {
        return None;
    }
    let place = |s: &u32| {
        let Store { param, value, put_at, .. } = kernel.stores[*s as usize];
        let starts = starts_of_places(kernel, put_at?, rank, ids)?;
        let [places] = kernel.param(param).ty.shape[..] else { return None };
        let ty = &kernel.param(starts).ty;
        let fits = ty.dtype == DType::I32 && ty.shape == [Dim::Const(bins + 1)];
        (fits && !asks[value.0 as usize]).then_some((starts, places))
    };
    let all: Option<Vec<_>> = stores.iter().map(place).collect();
    let places = all.and_then(|all| all.first().copied().filter(|first| all.iter().all(|other| other == first)));
    let alone = kernel.values.iter().filter(|v| v.kind.is_row_value()).count() == 1;
    Some(Items { rank, ids, width, bins, stores, places, alone })
}

impl Items {
    /// Whether the ids lie in memory that the kernel does not write, and what asks for no ranks asks for none of them either.
    pub fn reads_ids(&self, kernel: &Kernel) -> bool {
        let ValueKind::Load(param) = kernel.value(self.ids).kind else { return false };
        let others = kernel.stores.iter().enumerate().filter(|(s, _)| !self.stores.contains(&(*s as u32)));
        let asked = reached_from(&kernel.values, others.flat_map(|(_, s)| s.operands()));
        !kernel.is_aliased(param) && !asked[self.ids.0 as usize]
    }
}
