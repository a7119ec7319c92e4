//! A kernel of some of a kernel's stores.

use routefuse_ir::kernel::analysis::reached;
use routefuse_ir::kernel::{Bounds, Kernel, ParamId, RowValue, Store, Value, ValueId, ValueKind};
use routefuse_ir::program::{Buffer, Step};
use routefuse_ir::{Diagnostics, SymbolId};

/// The step with these of its stores alone, and what they need.
pub(super) fn part(step: &Step, stores: &[usize]) -> Result<Step, Diagnostics> {
    let kept = stores.iter().map(|s| step.kernel.stores[*s]).collect();
    pruned(&Kernel { stores: kept, ..Kernel::clone(&step.kernel) }, &step.buffers, &step.symbols)
}

/// The step of a kernel without what none of its stores needs.
pub(super) fn pruned(whole: &Kernel, of: &[Buffer], symbols: &[SymbolId]) -> Result<Step, Diagnostics> {
    let mut kernel = whole.clone();
    let live = reached(&kernel);
    let mut number = 0;
    let values: Vec<Option<ValueId>> = live
        .iter()
        .map(|live| {
            number += u32::from(*live);
            live.then(|| ValueId(number - 1))
        })
        .collect();
    let value = |v: ValueId| values[v.0 as usize].unwrap_or(v);
    let read = kernel.values().filter(|(id, _)| live[id.0 as usize]).filter_map(|(_, v)| match v.kind {
        ValueKind::Load(p) | ValueKind::Gather { table: p, .. } => Some(p),
        _ => None,
    });
    let mut used: Vec<ParamId> = read.collect();
    used.extend(kernel.stores.iter().map(|s| s.param));
    used.extend(used.clone().into_iter().filter_map(|p| kernel.param(p).aliases));
    let traps = kernel.values().any(|(id, v)| live[id.0 as usize] && v.kind.bounds().is_some_and(Bounds::may_trap));
    used.extend(kernel.error_word().filter(|_| traps));
    used.sort_unstable();
    used.dedup();
    let param = |p: ParamId| ParamId(used.iter().position(|of| *of == p).unwrap_or(0) as u32);
    kernel.values = kernel
        .values
        .iter()
        .zip(&live)
        .filter(|(_, live)| **live)
        .map(|(v, _)| Value { kind: renumbered(&v.kind, value, param), ..v.clone() })
        .collect();
    kernel.stores.iter_mut().for_each(|s| {
        let Store { param: p, value: v, add_at, put_at } = *s;
        *s = Store { param: param(p), value: value(v), add_at: add_at.map(value), put_at: put_at.map(value) };
    });
    kernel.params = used.iter().map(|p| whole.param(*p).clone()).collect();
    kernel.params.iter_mut().for_each(|p| p.aliases = p.aliases.map(param));
    let buffers = used.iter().map(|p| of[p.0 as usize]).collect();
    Ok(Step { kernel: kernel.verify()?, buffers, symbols: symbols.to_vec(), taken: None })
}

/// The same of other operands and parameters.
fn renumbered(kind: &ValueKind, value: impl Fn(ValueId) -> ValueId, param: impl Fn(ParamId) -> ParamId) -> ValueKind {
    match kind {
        ValueKind::Const(_) | ValueKind::Row | ValueKind::Column | ValueKind::Extent(_) => kind.clone(),
        ValueKind::Load(p) => ValueKind::Load(param(*p)),
        ValueKind::Scalar(op, operands) => ValueKind::Scalar(*op, operands.iter().map(|o| value(*o)).collect()),
        ValueKind::Remap(x, map) => ValueKind::Remap(value(*x), map.clone()),
        ValueKind::Concat(parts) => ValueKind::Concat(parts.iter().map(|(x, width)| (value(*x), *width)).collect()),
        ValueKind::Gather { table, indices, bounds } => {
            let indices = indices.iter().map(|i| value(*i)).collect();
            ValueKind::Gather { table: param(*table), indices, bounds: *bounds }
        }
        ValueKind::GatherRow { value: x, index, bounds } => {
            ValueKind::GatherRow { value: value(*x), index: value(*index), bounds: *bounds }
        }
        ValueKind::RowValue(row) => ValueKind::RowValue(RowValue { value: value(row.value), ..*row }),
    }
}
