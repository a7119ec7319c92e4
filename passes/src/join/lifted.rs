//! Running sums of inputs, made a row by themselves.
//!
//! A sum that no row has a part in, such as how many experts of a mask are before each, is the same wherever it is asked for. Fusion
//! has it computed by each kernel that asks, and then lanes have to share that kernel's rows. As a row of its own it is one that every
//! block can do in its memory, and who asks looks it up there.

use super::alike::{Of, alike};
use super::output;
use super::part::pruned;
use routefuse_ir::kernel::analysis::reached_from;
use routefuse_ir::kernel::{Kernel, Param, ParamId, Role, RowOp, Store, Value, ValueId, ValueKind};
use routefuse_ir::program::{Buffer, Intermediate, Program, Step};
use routefuse_ir::{Diagnostics, Dim, TensorType};

/// The program with sums of inputs in front of the kernels of rows that nothing else keeps from being divided, and of each of its
/// kernels which one it was or is a part of; none if there is no such sum.
pub(super) fn lifted(program: &Program) -> Result<Option<(Program, Vec<usize>)>, Diagnostics> {
    let mut new = Program { steps: vec![], ..program.clone() };
    let mut of = vec![];
    let mut known: Vec<Step> = vec![];
    for (at, step) in program.steps.iter().enumerate() {
        let sums = sums_of_inputs(program, step);
        let mut kernel = Kernel::clone(&step.kernel);
        let mut all = step.buffers.clone();
        for sum in sums {
            let value = step.kernel.value(sum);
            let ty = TensorType { dtype: value.dtype, shape: vec![Dim::Const(value.space.cols)] };
            let name = if value.name.is_empty() { "sums".to_owned() } else { value.name.clone() };
            let alone =
                alone(step, sum, output(name.clone(), ty.clone()), Buffer::Intermediate(new.intermediates.len()))?;
            let known_one = known.iter().find(|other| alike(stored(&alone), stored(other)));
            let one = known_one.unwrap_or(&alone);
            kernel.params.push(Param { role: Role::Input, ..output(name.clone(), ty.clone()) });
            all.push(one.buffers[one.kernel.stores[0].param.0 as usize]);
            if known_one.is_none() {
                new.intermediates.push(Intermediate { name, ty });
                new.steps.push(alone.clone());
                of.push(at);
                known.push(alone);
            }
            kernel.values[sum.0 as usize].kind = ValueKind::Load(ParamId(all.len() as u32 - 1));
        }
        of.push(at);
        new.steps.push(match all.len() == step.buffers.len() {
            true => step.clone(),
            false => Step { taken: step.taken, ..pruned(&kernel, &all, &step.symbols)? },
        });
    }
    Ok((!known.is_empty()).then_some((new, of)))
}

/// What a kernel stores first.
fn stored(step: &Step) -> (Of<'_>, ValueId) {
    (Of { kernel: &step.kernel, buffers: &step.buffers, symbols: &step.symbols }, step.kernel.stores[0].value)
}

/// The running sums of a kernel of rows that are made of inputs alone, if it has no other row values but ranks.
fn sums_of_inputs(program: &Program, step: &Step) -> Vec<ValueId> {
    let k = &step.kernel;
    let rows = || k.values().filter_map(|(id, v)| Some((id, v, v.kind.row_value()?)));
    let sums: Vec<ValueId> = rows().filter(|(.., row)| row.op == RowOp::CumSum).map(|(id, ..)| id).collect();
    let others = rows().any(|(.., row)| !matches!(row.op, RowOp::CumSum | RowOp::Rank { .. }));
    let is_kept = |b: &Buffer| match b {
        Buffer::Input(i) => !program.outputs.iter().any(|o| o.alias.input() == Some(*i)),
        _ => false,
    };
    let is_liftable = |sum: &ValueId| {
        let value = k.value(*sum);
        let whole = value.kind.row_value().is_some_and(|row| row.width == value.space.cols);
        let made_of = reached_from(&k.values, [*sum]);
        let reads_inputs = |(id, v): (ValueId, &Value)| match v.kind {
            _ if !made_of[id.0 as usize] => true,
            ValueKind::RowValue(_) => id == *sum,
            ValueKind::Load(p) | ValueKind::Gather { table: p, .. } => is_kept(&step.buffers[p.0 as usize]),
            _ => true,
        };
        whole && value.dtype.is_int() && !value.space.per_row && k.values().all(reads_inputs)
    };
    let fits = k.rows.is_some() && k.phases.is_none() && k.error_word().is_none() && !others;
    if fits && sums.iter().all(is_liftable) { sums } else { vec![] }
}

/// A kernel of one row that stores the sum.
fn alone(step: &Step, sum: ValueId, param: Param, buffer: Buffer) -> Result<Step, Diagnostics> {
    let k = &step.kernel;
    let mut kernel = Kernel { name: format!("{}.sums", k.name), rows: None, ..Kernel::clone(k) };
    kernel.params.push(param);
    kernel.stores = vec![Store { param: ParamId(k.params.len() as u32), value: sum, add_at: None, put_at: None }];
    let buffers: Vec<Buffer> = step.buffers.iter().copied().chain([buffer]).collect();
    pruned(&kernel, &buffers, &step.symbols)
}
