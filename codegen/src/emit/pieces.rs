//! The pieces of one row on the host, one after the other.

use super::pull::Pull;
use super::pull::index::{Index, Ix};
use crate::mlir::builder::Val;
use routefuse_ir::kernel::schedule::{Domain, Piece};

/// Pieces of a row that are written out; more of them are a loop.
const UNROLLED: u64 = 8;

/// Stores one row, but for a last column by itself if `odd` are done elsewhere: pieces of the domain's width, then of falling
/// powers of two.
pub(super) fn store_row<'m>(pull: &Pull<'_, 'm>, domains: &[&Domain], row: Val<'m>, odd: bool) {
    let row = vec![Ix::value(row, 1)];
    for domain in domains {
        let (Piece::InRow { width } | Piece::AcrossRows { width } | Piece::Rows { width }) = domain.piece;
        let (width, end) = (u64::from(width), domain.cols - u64::from(odd && has_last_column(domain)));
        let mut from = 0;
        if end / width > UNROLLED {
            let whole = end / width * width;
            let i64 = |n: u64| pull.b.const_int(pull.b.int(64), n as i64);
            pull.b.for_loop(i64(0), i64(whole), i64(width), |_, first| {
                let columns = (0..width).map(|lane| Ix::value(first, width).offset(lane)).collect();
                pull.scopes.scoped(|| pull.piece(&domain.stores, &Index::new(row.clone(), columns, None)));
            });
            from = whole;
        }
        while from < end {
            let lanes = width.min(1 << (end - from).ilog2());
            let columns = (from..from + lanes).map(Ix::constant).collect();
            pull.piece(&domain.stores, &Index::new(row.clone(), columns, None));
            from += lanes;
        }
    }
}

/// Whether falling powers of two leave a row's last column by itself.
pub(super) fn has_last_column(domain: &Domain) -> bool {
    domain.cols > 1 && domain.cols % 2 == 1
}
