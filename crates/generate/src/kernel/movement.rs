//! Values at other columns.

use super::Growing;
use routefuse_ir::kernel::{ColumnMap, Space, Term, ValueKind};

impl Growing<'_> {
    pub(super) fn remap(&mut self) {
        let Some(v) = self.any() else { return };
        let (dtype, space) = (self.kernel.value(v).dtype, self.kernel.value(v).space);
        let map = match self.c.below(4) {
            0 => {
                let cols = self.c.range(1..space.cols + 1);
                ColumnMap::offset(cols, self.c.range(0..space.cols - cols + 1))
            }
            1 => ColumnMap { cols: self.columns(), base: self.c.range(0..space.cols), terms: vec![] },
            // Each column several times, or all columns several times.
            2 => {
                let times = self.c.of(&[2u64, 3, 4]);
                let term = Term { div: times, modulo: space.cols, mul: 1 };
                ColumnMap { cols: space.cols * times, base: 0, terms: vec![term] }
            }
            _ => {
                let term = Term { div: 1, modulo: space.cols, mul: 1 };
                ColumnMap { cols: space.cols * 2, base: 0, terms: vec![term] }
            }
        };
        if map.cols <= self.profile.most {
            let space = Space { per_row: space.per_row, cols: map.cols };
            self.push(ValueKind::Remap(v, map), dtype, space);
        }
    }

    pub(super) fn concat(&mut self) {
        let Some(v) = self.any() else { return };
        let first = self.kernel.value(v).clone();
        let blocks: Vec<u64> = (1..=first.space.cols).filter(|g| first.space.cols.is_multiple_of(*g)).collect();
        let blocks = if self.c.percent(70) { 1 } else { self.c.of(&blocks) };
        let mut parts = vec![(v, first.space.cols / blocks)];
        let mut per_row = first.space.per_row;
        for (id, other) in self.kernel.values() {
            let fits = other.dtype == first.dtype && other.space.cols % blocks == 0 && parts.len() < 4;
            if fits && self.c.one_in(2) {
                parts.push((id, other.space.cols / blocks));
                per_row |= other.space.per_row;
            }
        }
        let cols = blocks * parts.iter().map(|(_, w)| w).sum::<u64>();
        if cols <= self.profile.most {
            self.push(ValueKind::Concat(parts), first.dtype, Space { per_row, cols });
        }
    }
}
