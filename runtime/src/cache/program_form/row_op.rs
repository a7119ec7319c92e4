//! Operations on rows as bytes.

use super::named;
use crate::cache::reader::{Malformed, Reader, Writer};
use routefuse_ir::kernel::RowOp;
use routefuse_ir::op::{Candidates, ReduceOp, TopKOrder};

pub(super) fn write(w: &mut Writer, op: RowOp) {
    match op {
        RowOp::Reduce(op) => {
            w.u8(0);
            w.text(op.mnemonic());
        }
        RowOp::CumSum => w.u8(1),
        RowOp::TopK { k, candidates, order } => {
            w.u8(2);
            w.u64(k);
            w.text(candidates.name());
            w.text(order.name());
        }
        RowOp::TopKMask { k, candidates } => {
            w.u8(3);
            w.u64(k);
            w.text(candidates.name());
        }
        RowOp::Rank { bins } => {
            w.u8(4);
            w.u64(bins);
        }
    }
}

pub(super) fn read(r: &mut Reader<'_>) -> Result<RowOp, Malformed> {
    fn find<T: Copy>(all: &[(T, &str)], name: &str) -> Option<T> {
        all.iter().find(|entry| entry.1 == name).map(|entry| entry.0)
    }
    let candidates = |r: &mut Reader<'_>| named(r, "row values", |name| find(Candidates::ALL, name));
    Ok(match r.u8("row values")? {
        0 => RowOp::Reduce(named(r, "row values", |name| find(&ReduceOp::ALL, name))?),
        1 => RowOp::CumSum,
        2 => {
            let (k, candidates) = (r.u64("row values")?, candidates(r)?);
            RowOp::TopK { k, candidates, order: named(r, "row values", |name| find(TopKOrder::ALL, name))? }
        }
        3 => RowOp::TopKMask { k: r.u64("row values")?, candidates: candidates(r)? },
        4 => RowOp::Rank { bins: r.u64("row values")? },
        other => return Err(Malformed::Unknown { what: "row values", value: other.into() }),
    })
}
