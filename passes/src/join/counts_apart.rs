//! A kernel of whole rows that counts, in two: what it stores, and what counts by that.
//!
//! Fusion has a router count the experts that it chooses, since it has them at hand. All its rows then add to a few counts in memory, one
//! after the other. Counted by themselves, from what the router stores, they are phases.

use super::arranged::{is_count, zeroed};
use super::has_alias;
use super::part::part;
use routefuse_ir::kernel::{Kernel, Param, ParamId, Role, Store, ValueId, ValueKind};
use routefuse_ir::program::{Buffer, Intermediate, Program, Step};
use routefuse_ir::{Diagnostics, Dim, Layout, TensorType};

/// The step without its counts, and one that counts; none if it has no row values, or no counts that begin with 0. What is counted by and
/// not stored becomes a buffer of the workspace.
pub(super) fn apart(program: &mut Program, at: usize) -> Result<Option<[Step; 2]>, Diagnostics> {
    let step = program.steps[at].clone();
    let k = &step.kernel;
    let Some(rows) = k.rows.filter(|_| k.has_row_values() && !k.is_ordered() && k.phases.is_none()) else {
        return Ok(None);
    };
    let counts = |s: &usize| {
        let store = &k.stores[*s];
        let target = step.buffers[store.param.0 as usize];
        store.add_at.is_some() && is_count(program, &step, store) && zeroed(&program.steps[..at], target).is_some()
    };
    let (counts, mut others): (Vec<usize>, Vec<usize>) = (0..k.stores.len()).partition(counts);
    if counts.is_empty() || k.error_word().is_some() {
        return Ok(None);
    }
    // What is in memory behind the rows, by value.
    let mut kept: Vec<(ValueId, ParamId)> = vec![];
    for store in others.iter().map(|s| &k.stores[*s]) {
        if is_kept(program, &step, store) {
            kept.push((store.value, store.param));
        }
    }
    // What is neither of a row nor known without one could not become a buffer of rows.
    let has_index = |s: &usize| {
        let index = k.stores[*s].add_at;
        index.is_some_and(|index| k.value(index).space.per_row || is_known(k, index, &kept))
    };
    if !counts.iter().all(has_index) {
        return Ok(None);
    }
    let mut of_rows = Kernel::clone(k);
    let mut buffers = step.buffers.clone();
    for store in counts.iter().map(|s| k.stores[*s]) {
        let index = store.add_at.unwrap_or(store.value);
        if is_known(k, index, &kept) {
            continue;
        }
        let (value, name) = (k.value(index), "counted".to_owned());
        let shape = vec![Dim::Sym(step.symbols[rows.0 as usize]), Dim::Const(value.space.cols)];
        let ty = TensorType { dtype: value.dtype, shape };
        let buffer = Buffer::Intermediate(program.intermediates.len());
        program.intermediates.push(Intermediate { name: name.clone(), ty: ty.clone() });
        let own = TensorType { shape: vec![Dim::Sym(rows), Dim::Const(value.space.cols)], ..ty };
        let param = ParamId(of_rows.params.len() as u32);
        of_rows.params.push(Param { name, role: Role::Output, ty: own, layout: Layout::Contiguous, aliases: None });
        buffers.push(buffer);
        others.push(of_rows.stores.len());
        of_rows.stores.push(Store { param, value: index, add_at: None, put_at: None });
        kept.push((index, param));
    }
    let new = |kernel: Kernel, buffers: &[Buffer]| -> Result<Step, Diagnostics> {
        Ok(Step { kernel: kernel.verify()?, buffers: buffers.to_vec(), symbols: step.symbols.clone(), taken: None })
    };
    let mut counting = Kernel { stores: counts.iter().map(|s| k.stores[*s]).collect(), ..of_rows.clone() };
    for (value, param) in kept {
        counting.values[value.0 as usize].kind = ValueKind::Load(param);
    }
    // What the rows store is read, or not touched.
    for store in others.iter().map(|s| of_rows.stores[*s]) {
        let param = &mut counting.params[store.param.0 as usize];
        (param.role, param.aliases) = (Role::Input, None);
    }
    let all: Vec<usize> = (0..counts.len()).collect();
    let counting = part(&new(counting, &buffers)?, &all)?;
    Ok(Some([part(&new(of_rows, &buffers)?, &others)?, counting]))
}

/// Whether all that a store stores of a row can be read again behind it.
fn is_kept(program: &Program, step: &Step, store: &Store) -> bool {
    let k = &step.kernel;
    let (value, param) = (k.value(store.value), k.param(store.param));
    let target = step.buffers[store.param.0 as usize];
    let once = step.buffers.iter().filter(|b| **b == target).count() == 1;
    let of_rows = value.space.per_row && param.ty.row_symbol() == k.rows;
    let whole = of_rows && param.ty.row_elements() == Some(value.space.cols);
    store.element().is_none() && once && whole && param.ty.dtype == value.dtype && !has_alias(program, target)
}

/// Whether a value needs no whole row but what is kept.
fn is_known(kernel: &Kernel, value: ValueId, kept: &[(ValueId, ParamId)]) -> bool {
    let mut seen = vec![false; kernel.values.len()];
    let mut open = vec![value];
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut seen[id.0 as usize], true) || kept.iter().any(|(of, _)| *of == id) {
            continue;
        }
        let kind = &kernel.value(id).kind;
        // What is read again may be large: only what is small is made of what is kept.
        if kind.is_row_value() || matches!(kind, ValueKind::Load(_)) {
            return false;
        }
        open.extend(kind.operands());
    }
    true
}
