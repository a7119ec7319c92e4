//! Phases of a kernel as bytes.

use super::{read_plain_kernel, read_type, tensor_type};
use crate::cache::reader::{Malformed, Reader, Writer};
use routefuse_ir::SymbolId;
use routefuse_ir::kernel::phases::{Phase, Phases, Place, Reach};
use routefuse_ir::kernel::{Kernel, ParamId};

pub(super) fn write(w: &mut Writer, phases: &Phases) -> Option<()> {
    let Phases { shared, list, copied, chunks } = phases;
    w.list(shared, tensor_type);
    w.u32(list.len() as u32);
    for Phase { kernel, places, symbols, reach } in list {
        super::kernel(w, kernel)?;
        w.list(places, |w, at| place(w, *at));
        w.list(symbols, |w, s| w.u32(s.0));
        w.text(reach.name());
        if let Reach::Padding { starts } = reach {
            place(w, *starts);
        }
    }
    w.list(copied, |w, (shared, param)| {
        w.u32(*shared);
        w.u32(param.0);
    });
    super::optional(w, chunks.map(|p| p.0));
    Some(())
}

fn place(w: &mut Writer, place: Place) {
    let (tag, at) = match place {
        Place::Param(p) => (0, p.0),
        Place::Shared(b) => (1, b),
    };
    w.u8(tag);
    w.u32(at);
}

fn read_place(r: &mut Reader<'_>) -> Result<Place, Malformed> {
    match (r.u8("phases")?, r.u32("phases")?) {
        (0, at) => Ok(Place::Param(ParamId(at))),
        (1, at) => Ok(Place::Shared(at)),
        (other, _) => Err(Malformed::Unknown { what: "phases", value: other.into() }),
    }
}

/// A phase has no phases of its own.
pub(super) fn read(r: &mut Reader<'_>) -> Result<Phases, Malformed> {
    let shared = r.list("phases", read_type)?;
    let list = r.list("phases", |r| {
        let kernel = read_plain_kernel(r)?;
        if r.bool("phases")? {
            return Err(Malformed::Plan);
        }
        let places = r.list("phases", read_place)?;
        let symbols = r.list("phases", |r| r.u32("phases").map(SymbolId))?;
        let padding = Reach::Padding { starts: Place::Shared(0) };
        let all = [Reach::Rows, Reach::Counted, Reach::EveryBlock, Reach::Divided, Reach::Ranked, padding];
        let named = super::named(r, "phases", |name| all.into_iter().find(|reach| reach.name() == name))?;
        let reach = if named == padding { Reach::Padding { starts: read_place(r)? } } else { named };
        Ok(Phase { kernel, places, symbols, reach })
    })?;
    let copied = r.list("phases", |r| Ok((r.u32("phases")?, ParamId(r.u32("phases")?))))?;
    Ok(Phases { shared, list, copied, chunks: super::read_optional(r, "phases")?.map(ParamId) })
}

/// Whether every number in a phase names something of its kernel; what it names of the whole kernel is the verifier's.
pub(super) fn refer_to_what_is_there(whole: &Kernel, phases: &Phases) -> bool {
    let symbol = |s: &SymbolId| (s.0 as usize) < whole.symbols.len();
    let kernel = |p: &Phase| p.symbols.len() == p.kernel.symbols.len() && p.places.len() == p.kernel.params.len();
    let phase = |p: &Phase| kernel(p) && p.symbols.iter().all(symbol) && super::refers_to_what_is_there(&p.kernel);
    phases.list.iter().all(phase)
}
