//! Pieces of a row: what is written out, what is a loop.

use super::RowHost;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::Val;
use routefuse_ir::kernel::ValueId;

/// Pieces that are written out; more are a loop.
const UNROLLED: u64 = 1;

impl<'m> RowHost<'_, 'm> {
    /// A loop over `0..count`, each in a scope of its own; `by` divides what the body gets.
    pub fn loop_over(&self, count: u64, by: u64, body: impl FnOnce(Ix<'m>)) {
        let i64 = |n: u64| self.b.const_int(self.b.int(64), n as i64);
        self.b.for_loop(i64(0), i64(count), i64(by), |_, at| self.pull.scopes.scoped(|| body(Ix::value(at, by))));
    }

    /// Hands out the columns from `first` on in pieces: whole ones, as a loop if there are many, then falling powers of two.
    pub fn columns(&self, first: Ix<'m>, count: u64, body: impl Fn(&[Ix<'m>])) {
        let lanes_at = |at: Ix<'m>, lanes: u64| -> Vec<Ix<'m>> { (0..lanes).map(|lane| at.offset(lane)).collect() };
        let mut from = 0;
        let piece = self.vectors.piece();
        if count / piece > UNROLLED {
            from = count / piece * piece;
            self.loop_over(from, piece, |at| body(&lanes_at(self.ix.add(first, at), piece)));
        }
        while from < count {
            let lanes = piece.min(1 << (count - from).ilog2());
            body(&lanes_at(first.offset(from), lanes));
            from += lanes;
        }
    }

    /// A value at `lanes` neighbouring columns, with an element for each.
    pub fn neighbouring(&self, id: ValueId, row: &Index<'m>, first: Ix<'m>, lanes: u64) -> Lanes<'m> {
        let columns = (0..lanes).map(|lane| first.offset(lane)).collect();
        let x = self.pull.evaluate(id, &row.at(columns));
        Lanes { value: self.lanewise.spread(x.value, lanes as u32), lanes: lanes as u32, ..x }
    }

    /// A vector of `lanes` columns, a power of two, of which the first `count` exist and the others are `fill`. `of` gives
    /// columns that exist, a power of two.
    pub fn padded(
        &self,
        first: Ix<'m>,
        (count, lanes): (u64, u64),
        fill: Val<'m>,
        of: &dyn Fn(Ix<'m>, u64) -> Val<'m>,
    ) -> Val<'m> {
        if count == lanes {
            return of(first, lanes);
        }
        let mut all = Vec::new();
        let mut from = 0;
        while from < count {
            let lanes = 1 << (count - from).ilog2();
            let part = of(first.offset(from), lanes);
            all.extend((0..lanes).map(|lane| self.b.extract(part, lane as u32)));
            from += lanes;
        }
        all.resize(lanes as usize, fill);
        self.b.gather_lanes(&all)
    }
}
