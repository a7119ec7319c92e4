//! The bin of each row, bin by bin: the rows of one are neighbours, and where they end the next one's start says.

use super::FlatHost;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::analysis::{Search, search};
use routefuse_ir::kernel::schedule::{Domain, Piece};

/// With fewer rows than bins by this factor, to look for the bin of each takes less time than to go through all bins.
const BINS_OF_A_ROW: u64 = 4;

impl<'m> FlatHost<'_, 'm> {
    /// A domain of one column, by pieces of several rows, or by bins if there are many rows and each looks for its bin.
    pub(super) fn by_rows_or_bins(&self, domain: &Domain, begin: Val<'m>, end: Val<'m>) {
        let b = self.b;
        let found = search(self.pull.kernel).and_then(|found| Some((found, self.bins(&found)?)));
        let Some((search, bins)) = found else { return self.by_rows(domain, begin, end) };
        let few = b.const_int(b.int(64), (bins / BINS_OF_A_ROW) as i64);
        let many = b.cmpi(IntPredicate::Sgt, b.subi(end, begin), few);
        let by_bins = || self.by_bins(domain, (search, bins), begin, end);
        self.either(many, by_bins, || self.by_rows(domain, begin, end));
    }

    /// The bins of a search, if their starts are of the dtype that starts have, and no row times the step is more than an `i64` holds.
    fn bins(&self, search: &Search) -> Option<u64> {
        let ty = &self.pull.kernel.param(search.table).ty;
        let bins = ty.shape.first()?.as_const()?.checked_sub(1)?;
        (ty.dtype == DType::I32 && search.step <= i32::MAX as u64 && bins > 0).then_some(bins)
    }

    /// All rows. Row r is of the last bin whose start is at most r × step. So the first row of a bin is its start by the step,
    /// rounded up. Starts that fall, which there are none of, would leave no row out all the same.
    fn by_bins(&self, domain: &Domain, (search, bins): (Search, u64), begin: Val<'m>, end: Val<'m>) {
        let (b, pull, i64) = (self.b, &self.pull, self.b.int(64));
        let Piece::Rows { width } = domain.piece else { return };
        let number = |n: u64| b.const_int(i64, n as i64);
        let range = (number(0), number(bins + 1), number(1));
        b.for_loop_carrying(range, &[begin], |_, bin, from| {
            let next = b.minui(b.addi(bin, number(1)), number(bins));
            let first = pull.scopes.scoped(|| {
                let start = pull.memory.load_at(search.table, &[Ix::value(next, 1)]);
                let start = b.maxsi(b.extsi(start, i64), number(0));
                b.divui(b.addi(start, number(search.step - 1)), number(search.step))
            });
            let is_last = b.cmpi(IntPredicate::Eq, bin, number(bins));
            let to = b.select(is_last, end, b.maxsi(b.minsi(first, end), from[0]));
            let middle = self.end_of_blocks(from[0], to, width.into());
            let rows = |lanes: u64, from, to| {
                b.for_loop(from, to, number(lanes), |_, row| {
                    pull.scopes.scoped(|| {
                        let row = Ix::value(row, 1);
                        let rows = (0..lanes).map(|lane| row.offset(lane)).collect();
                        let index = Index::new(rows, vec![Ix::constant(0)], None);
                        let bin = if lanes == 1 { bin } else { b.splat(bin, lanes as u32) };
                        pull.remember(search.value, &index, Lanes::exact(bin, lanes as u32));
                        pull.piece(&domain.stores, &index);
                    });
                });
            };
            rows(width.into(), from[0], middle);
            rows(1, middle, to);
            vec![to]
        });
    }
}
