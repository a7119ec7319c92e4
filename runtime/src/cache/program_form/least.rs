//! The least extents of dims.

use super::super::reader::{Malformed, Reader, Writer};
use super::{optional, read_optional};
use routefuse_ir::{BoundTerm, DimBound, SymbolId};

pub(super) fn bound(w: &mut Writer, b: &DimBound) {
    w.u32(b.symbol().0);
    optional(w, b.of().map(|s| s.0));
    w.u64(b.times());
    w.list(b.terms(), |w, &BoundTerm { over, times, plus }| {
        [over, times, plus as u64].into_iter().for_each(|n| w.u64(n))
    });
}

/// What no launch checks is refused, as is a form that is not the normal one.
pub(super) fn read_bound(r: &mut Reader<'_>) -> Result<DimBound, Malformed> {
    let (symbol, of, times) = (SymbolId(r.u32("dims")?), read_optional(r, "dims")?.map(SymbolId), r.u64("dims")?);
    let terms = r.list("dims", |r| {
        let (over, times, plus) = (r.u64("dims")?, r.u64("dims")?, r.u64("dims")? as i64);
        Ok(BoundTerm { over, times, plus })
    })?;
    let bound = DimBound::new(symbol, of, times, terms.iter().copied()).map_err(|_| Malformed::Plan)?;
    if bound.times() == times && bound.of() == of && bound.terms() == terms { Ok(bound) } else { Err(Malformed::Plan) }
}
