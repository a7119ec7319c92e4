//! When a kernel of a program runs.

use super::super::reader::{Malformed, Reader, Writer};
use routefuse_ir::SymbolId;
use routefuse_ir::program::Taken;

pub(super) fn write(w: &mut Writer, taken: Option<Taken>) {
    w.u8(taken.is_some().into());
    if let Some(Taken { symbol, least, most }) = taken {
        w.u32(symbol.0);
        w.u64(least);
        w.u8(most.is_some().into());
        most.iter().for_each(|most| w.u64(*most));
    }
}

pub(super) fn read(r: &mut Reader<'_>) -> Result<Option<Taken>, Malformed> {
    if !r.bool("rows")? {
        return Ok(None);
    }
    let (symbol, least) = (SymbolId(r.u32("rows")?), r.u64("rows")?);
    let most = if r.bool("rows")? { Some(r.u64("rows")?) } else { None };
    Ok(Some(Taken { symbol, least, most }))
}
