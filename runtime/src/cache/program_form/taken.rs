//! When a kernel of a program runs: 0 if always, 1 for extents that are all between two numbers, and 2 for those but some.

use super::super::reader::{Malformed, Reader, Writer};
use routefuse_ir::SymbolId;
use routefuse_ir::program::Taken;

pub(super) fn write(w: &mut Writer, taken: Option<Taken>) {
    let Some(Taken { symbol, least, most, except }) = taken else { return w.u8(0) };
    w.u8(1 + u8::from(except.is_some()));
    w.u32(symbol.0);
    w.u64(least);
    w.u8(most.is_some().into());
    most.iter().for_each(|most| w.u64(*most));
    except.iter().flat_map(|(first, last)| [*first, *last]).for_each(|extent| w.u64(extent));
}

pub(super) fn read(r: &mut Reader<'_>) -> Result<Option<Taken>, Malformed> {
    let except = match r.u8("rows")? {
        0 => return Ok(None),
        tag @ (1 | 2) => tag == 2,
        other => return Err(Malformed::Unknown { what: "rows", value: other.into() }),
    };
    let (symbol, least) = (SymbolId(r.u32("rows")?), r.u64("rows")?);
    let most = if r.bool("rows")? { Some(r.u64("rows")?) } else { None };
    let except = if except { Some((r.u64("rows")?, r.u64("rows")?)) } else { None };
    let taken = Taken { symbol, least, most, except };
    if taken.is_sound() { Ok(Some(taken)) } else { Err(Malformed::Plan) }
}
