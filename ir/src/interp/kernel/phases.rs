//! Phases, one after the other: what every block computes for itself is computed once, and rows that blocks divide are done in
//! order.

use super::{Kernel, Outcome, POISON, Role, Tensor, defect};
use crate::diag::Diagnostics;
use crate::kernel::phases::{Phase, Phases, Place, Reach};
use crate::tensor_type::TensorType;

/// Runs them. The outputs are in the order of the kernel's; counts of chunks are between two launches, and not of this meaning:
/// they are what they were.
pub(super) fn run(
    kernel: &Kernel,
    phases: &Phases,
    extents: &[u64],
    inputs: &[&Tensor],
) -> Result<Outcome, Diagnostics> {
    let buffer = |ty: &TensorType| {
        let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(extents)).collect();
        let mut tensor = Tensor::zeros(ty.dtype, &shape);
        tensor.bytes_mut().fill(POISON);
        tensor
    };
    let mut shared: Vec<Tensor> = phases.shared.iter().map(buffer).collect();
    shared[0].bytes_mut().fill(0);
    let mut given = inputs.iter();
    let mut params: Vec<Tensor> = Vec::with_capacity(kernel.params.len());
    for p in &kernel.params {
        params.push(match p.role {
            Role::Input => given.next().map(|t| Tensor::clone(t)).unwrap_or_else(|| buffer(&p.ty)),
            Role::Output | Role::ErrorWord => buffer(&p.ty),
        });
    }
    for phase in &phases.list {
        run_one(kernel, phase, extents, &mut shared, &mut params)?;
    }
    for (of, to) in &phases.copied {
        params[to.0 as usize] = shared[*of as usize].clone();
    }
    let outputs = kernel.params.iter().zip(params).filter(|(p, _)| p.role == Role::Output).map(|(_, t)| t);
    Ok(Outcome { outputs: outputs.collect(), trapped: false })
}

fn run_one(
    whole: &Kernel,
    phase: &Phase,
    extents: &[u64],
    shared: &mut [Tensor],
    params: &mut [Tensor],
) -> Result<(), Diagnostics> {
    let Phase { kernel, places, symbols, reach } = phase;
    if matches!(reach, Reach::Ranked) && kernel.rows.is_none() {
        return Err(defect(whole, "ranks what has no rows"));
    }
    let extents: Vec<u64> = symbols.iter().map(|s| extents[s.0 as usize]).collect();
    let with =
        |role: Role| kernel.params.iter().zip(places).filter(move |(p, _)| p.role == role).map(|(_, place)| place);
    let read = |place: &Place| match place {
        Place::Param(p) => params[p.0 as usize].clone(),
        Place::Shared(b) => shared[*b as usize].clone(),
    };
    let inputs: Vec<Tensor> = with(Role::Input).map(read).collect();
    let outcome = super::run(&kernel.clone().verify()?, &extents, &inputs.iter().collect::<Vec<_>>())?;
    let padding = match reach {
        Reach::Padding { starts } => Some((numbers(&read(starts)), numbers(&shared[0]))),
        _ => None,
    };
    for (place, tensor) in with(Role::Output).zip(outcome.outputs) {
        match (place, &padding) {
            (Place::Param(p), Some((starts, counts))) => pad(&mut params[p.0 as usize], &tensor, starts, counts),
            (Place::Param(p), None) => params[p.0 as usize] = tensor,
            (Place::Shared(b), _) => shared[*b as usize] = tensor,
        }
    }
    Ok(())
}

/// Elements of a table of `i32`.
fn numbers(table: &Tensor) -> Vec<u64> {
    (0..table.len()).map(|i| u64::from(table.bits(i) as u32)).collect()
}

/// Of the places that no item has, the elements of a tensor.
fn pad(to: &mut Tensor, from: &Tensor, starts: &[u64], counts: &[u64]) {
    let places = from.len() as u64;
    let ends = starts.iter().skip(1);
    let of_bins = starts.iter().zip(ends).zip(counts).map(|((start, end), count)| (start + count).min(*end)..*end);
    let behind = starts.last().copied().unwrap_or(0)..places;
    for place in of_bins.chain([behind]).flatten().filter(|place| *place < places) {
        to.set_bits(place as usize, from.bits(place as usize));
    }
}
