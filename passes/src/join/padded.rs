//! The fill of what items are put over, made the fill of the places that no item has.

use super::{Bound, Reach};
use routefuse_ir::kernel::{ParamId, Role, ValueKind};
use routefuse_ir::program::Buffer;

/// What items are put over, and the starts that say where.
pub(super) type Laid = (Buffer, Buffer);

/// A kernel that fills, apart from what it does beside: one that does the rest, if there is any, and for each table of starts one
/// that pads. `None` if what is filled has other than one place a row.
pub(super) fn apart(fill: &Bound, laid: &[Laid]) -> Option<Vec<Bound>> {
    let is_place = |target: &Buffer| {
        let store = fill.kernel.stores[fill.stored_at(*target)?];
        let ty = &fill.kernel.param(store.param).ty;
        let one_a_row = ty.shape.len() == 1 && ty.row_symbol().is_some();
        (store.element().is_none() && one_a_row).then_some(())
    };
    laid.iter().try_for_each(|(target, _)| is_place(target))?;
    let starts_of = |buffer: Buffer| laid.iter().find(|(target, _)| *target == buffer).map(|(_, starts)| *starts);
    let mut tables: Vec<Buffer> = vec![];
    for (_, starts) in laid {
        if !tables.contains(starts) {
            tables.push(*starts);
        }
    }
    let rest = with(fill, |buffer| starts_of(buffer).is_none());
    let pads = tables.into_iter().filter_map(|starts| {
        Some(Bound { starts: Some(starts), ..with(fill, |buffer| starts_of(buffer) == Some(starts))? })
    });
    Some(rest.into_iter().chain(pads).collect())
}

/// The kernel with the stores to some buffers alone, if there are any.
fn with(of: &Bound, keeps: impl Fn(Buffer) -> bool) -> Option<Bound> {
    let Bound { mut kernel, buffers, symbols, reach: _, starts: _ } = of.copy();
    let is_kept: Vec<bool> =
        kernel.params.iter().zip(&buffers).map(|(p, b)| p.role != Role::Output || keeps(*b)).collect();
    let number = |p: ParamId| ParamId(is_kept[..p.0 as usize].iter().filter(|kept| **kept).count() as u32);
    kernel.stores.retain(|s| is_kept[s.param.0 as usize]);
    if kernel.stores.is_empty() {
        return None;
    }
    kernel.stores.iter_mut().for_each(|s| s.param = number(s.param));
    for value in &mut kernel.values {
        match &mut value.kind {
            ValueKind::Load(param) | ValueKind::Gather { table: param, .. } => *param = number(*param),
            _ => {}
        }
    }
    let mut kept = is_kept.iter();
    kernel.params.retain(|_| kept.next() == Some(&true));
    kernel.params.iter_mut().for_each(|p| p.aliases = p.aliases.map(number));
    let buffers = buffers.iter().zip(&is_kept).filter(|(_, kept)| **kept).map(|(b, _)| *b).collect();
    Some(Bound { kernel, buffers, symbols, reach: Reach::Divided, starts: None })
}
