//! The kernels of a program in another order and in other parts, in which more of them can be phases of one launch.
//!
//! Fusion shares kernels, and has no reason to prefer one order of kernels that do not need each other. Phases do: zeros are right
//! before what is counted onto them, one kernel counts and does nothing else, and whatever can wait for the counts comes behind.

use super::counts_apart::apart;
use super::part::part;
use super::together::together;
use super::{buffers, has_alias};
use routefuse_ir::kernel::{Kernel, Param, ParamId, Role, RowOp, Space, Store, Value, ValueId, ValueKind};
use routefuse_ir::program::{Buffer, Program, Step};
use routefuse_ir::{Code, DType, Diagnostic, Diagnostics, Dim, Layout, Literal};

/// The program, arranged, and of each of its kernels which one it was or is a part of; none if nothing would change.
pub(super) fn arranged(program: &Program) -> Result<Option<(Program, Vec<usize>)>, Diagnostics> {
    let (mut new, mut of) = parted(program, apart)?;
    let parts = new.steps.len() > program.steps.len();
    let moved = each_that_adds(&mut new, &mut of, around)?;
    Ok((parts || moved).then_some((new, of)))
}

/// The program with each of its kernels in two, or as it is. What is a part is not parted again, whatever `apart` says of it.
fn parted(
    program: &Program,
    apart: impl Fn(&mut Program, usize) -> Result<Option<[Step; 2]>, Diagnostics>,
) -> Result<(Program, Vec<usize>), Diagnostics> {
    let (mut new, mut steps, mut of) = (program.clone(), vec![], vec![]);
    for (at, step) in program.steps.iter().enumerate() {
        let parts = apart(&mut new, at)?.map_or_else(|| vec![step.clone()], Vec::from);
        of.extend(parts.iter().map(|_| at));
        steps.extend(parts);
    }
    new.steps = steps;
    Ok((new, of))
}

/// Has `around` arrange what is around each kernel that adds, and says whether it did. It says where the kernel is then; what comes behind
/// has yet to be looked at, and there has to be less of it: fewer kernels that add, or as many and fewer kernels.
fn each_that_adds(
    program: &mut Program,
    of: &mut Vec<usize>,
    mut around: impl FnMut(&mut Program, &mut Vec<usize>, usize) -> Result<Option<usize>, Diagnostics>,
) -> Result<bool, Diagnostics> {
    let adds = |step: &&Step| step.kernel.stores.iter().any(|store| store.add_at.is_some());
    let left = |program: &Program, at: usize| {
        let steps = program.steps.get(at..).unwrap_or_default();
        (steps.iter().filter(adds).count(), steps.len())
    };
    let (mut at, mut changed) = (0, false);
    while at < program.steps.len() {
        let before = left(program, at);
        let moved = around(program, of, at)?;
        changed |= moved.is_some();
        at = moved.unwrap_or(at) + 1;
        if left(program, at) >= before {
            let message = format!("the kernels of `{}` are arranged without an end", program.name);
            return Err(Diagnostic::new(Code::Internal, message)
                .help("this is a defect; please report the graph")
                .into());
        }
    }
    Ok(changed)
}

/// Arranges what is around a kernel that counts, and says where it is then; none if nothing is to change, or it does not count.
fn around(program: &mut Program, of: &mut Vec<usize>, at: usize) -> Result<Option<usize>, Diagnostics> {
    let step = program.steps[at].clone();
    let k = &step.kernel;
    let (counts, others): (Vec<usize>, Vec<usize>) = (0..k.stores.len()).partition(|s| k.stores[*s].add_at.is_some());
    let can_count = k.rows.is_some() && k.phases.is_none() && !k.has_row_values() && k.error_word().is_none();
    if counts.is_empty() || !can_count || !counts.iter().all(|s| is_count(program, &step, &k.stores[*s])) {
        return Ok(None);
    }
    // Where each of them is made 0.
    let mut zeros: Vec<(usize, usize)> = vec![];
    for s in &counts {
        let target = step.buffers[k.stores[*s].param.0 as usize];
        let Some(zero) = zeroed(&program.steps[..at], target) else { return Ok(None) };
        zeros.push(zero);
    }
    let mut before: Vec<Option<(usize, Step)>> = vec![];
    for (z, whole) in program.steps[..at].iter().enumerate() {
        let kept: Vec<usize> = (0..whole.kernel.stores.len()).filter(|s| !zeros.contains(&(z, *s))).collect();
        let rest = match kept.len() {
            0 => None,
            n if n == whole.kernel.stores.len() => Some(whole.clone()),
            _ => Some(part(whole, &kept)?),
        };
        before.push(rest.map(|step| (of[z], step)));
    }
    let is_alone = before.iter().filter(|b| b.is_none()).count() == 1 && before.last().is_some_and(Option::is_none);
    let counting = part(&step, &counts)?;
    let behind = waiting(program, &mut before, &counting);
    if is_alone && others.is_empty() && counts.len() == 1 && behind.is_empty() {
        return Ok(None);
    }
    let (own, zeroing) = (of[at], of[zeros[0].0]);
    let mut steps: Vec<(usize, Step)> = before.into_iter().flatten().collect();
    let counted = match counts.len() {
        1 => {
            let store = counting.kernel.stores[0];
            let zero = zero(&counting.kernel, store.param, counting.buffers[store.param.0 as usize])?;
            steps.push((zeroing, zero));
            vec![counting]
        }
        _ => {
            let (all, [counting, apart]) = together(program, &counting)?;
            steps.push((zeroing, zero(&counting.kernel, counting.kernel.stores[0].param, all)?));
            vec![counting, apart]
        }
    };
    let now = steps.len();
    steps.extend(counted.into_iter().map(|step| (own, step)));
    if !others.is_empty() {
        steps.push((own, part(&step, &others)?));
    }
    steps.extend(behind);
    steps.extend(of.drain(at + 1..).zip(program.steps.drain(at + 1..)));
    (*of, program.steps) = steps.into_iter().unzip();
    Ok(Some(now))
}

/// Whether it adds 1 to counts that are no more than that.
pub(super) fn is_count(program: &Program, step: &Step, store: &Store) -> bool {
    let param = step.kernel.param(store.param);
    let is_1 = matches!(step.kernel.value(store.value).kind, ValueKind::Const(l) if l.bits() == 1);
    let is_vector = matches!(param.ty.shape[..], [Dim::Const(_)]) && param.ty.dtype == DType::I32;
    let fits = is_vector && param.layout == Layout::Contiguous;
    is_1 && fits && !has_alias(program, step.buffers[store.param.0 as usize])
}

/// The step and its store of zeros to this buffer, which no step behind it touches.
pub(super) fn zeroed(steps: &[Step], buffer: Buffer) -> Option<(usize, usize)> {
    let (at, step) = steps.iter().enumerate().rfind(|(_, s)| s.buffers.contains(&buffer))?;
    let k = &step.kernel;
    let is_it = |s: &Store| {
        let is_0 = matches!(k.value(s.value).kind, ValueKind::Const(l) if l.bits() == 0);
        is_0 && s.element().is_none() && step.buffers[s.param.0 as usize] == buffer
    };
    let touches = step.buffers.iter().filter(|b| **b == buffer).count();
    (k.rows.is_none() && touches == 1).then_some(())?;
    k.stores.iter().position(is_it).map(|s| (at, s))
}

/// Takes out the steps that can wait for the counts: that rank, store rows by themselves, or sum one row, and nothing before needs them.
fn waiting(program: &Program, before: &mut [Option<(usize, Step)>], counting: &Step) -> Vec<(usize, Step)> {
    let mut waiting = vec![];
    let mut touched = counting.buffers.clone();
    let mut written: Vec<Buffer> = buffers(counting, Role::Output).collect();
    for place in before.iter_mut().rev() {
        let Some((_, step)) = place else { continue };
        let k = &step.kernel;
        let ops: Vec<RowOp> = k.values.iter().filter_map(|v| v.kind.row_value()).map(|row| row.op).collect();
        let can_wait = match k.rows {
            Some(_) => matches!(ops[..], [] | [RowOp::Rank { .. }]),
            None => matches!(ops[..], [RowOp::CumSum]),
        };
        let stays = !can_wait || k.stores.iter().any(|s| s.add_at.is_some());
        let stores_what_is_touched = buffers(step, Role::Output).any(|b| touched.contains(&b));
        let is_needed = stores_what_is_touched || buffers(step, Role::Input).any(|b| written.contains(&b));
        let is_aliased = buffers(step, Role::Output).any(|b| has_alias(program, b));
        if stays || is_needed || is_aliased || k.error_word().is_some() {
            touched.extend(&step.buffers);
            written.extend(buffers(step, Role::Output));
            // What lies in an input may be written: then nothing that reads inputs moves past it.
            if is_aliased {
                break;
            }
            continue;
        }
        waiting.extend(place.take());
    }
    waiting.reverse();
    waiting
}

/// Zeros in a parameter of the kernel.
fn zero(of: &Kernel, param: ParamId, buffer: Buffer) -> Result<Step, Diagnostics> {
    let value = ValueKind::Const(Literal::i32(0));
    let space = Space { per_row: false, cols: 1 };
    let kernel = Kernel {
        name: format!("{}.zeros", of.name),
        params: vec![Param { aliases: None, ..of.param(param).clone() }],
        values: vec![Value { kind: value, dtype: DType::I32, space, name: String::new() }],
        stores: vec![Store { param: ParamId(0), value: ValueId(0), add_at: None, put_at: None }],
        ..Kernel::default()
    };
    Ok(Step { kernel: kernel.verify()?, buffers: vec![buffer], symbols: vec![], taken: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Options, compile_graph};
    use routefuse_ir::text;

    /// Zeros, a router that counts, and what asks for the counts.
    fn program() -> Program {
        let source = "route 1
graph @g {
  dim T
  input %logits : f32[T, 16]
  %ids = topk %logits {k = 4}
  %counts = bin_count %ids {bins = 16}
  %starts = bin_starts %counts {align = 4}
  output ids = %ids
  output starts = %starts
}
";
        let graph = text::parse_verified(source).expect("a right graph");
        compile_graph(graph, &Options::default()).expect("kernels").program
    }

    /// A part is not parted again, whoever takes it for something that can be.
    #[test]
    fn each_kernel_is_parted_once() {
        let program = program();
        let twice = |new: &mut Program, at: usize| {
            let step = new.steps[at].clone();
            Ok(Some([step.clone(), step]))
        };
        let (new, of) = parted(&program, twice).expect("parts");
        assert_eq!(new.steps.len(), 2 * program.steps.len());
        assert!(of.iter().copied().eq((0..program.steps.len()).flat_map(|at| [at, at])));
    }

    /// What arranges and leaves as much to do as there was is a defect, and says so.
    #[test]
    fn what_has_no_end_is_an_error() {
        let adds = |step: &Step| step.kernel.stores.iter().any(|store| store.add_at.is_some());
        let mut program = program();
        assert!(program.steps.iter().any(adds), "one of them counts");
        let mut of: Vec<usize> = (0..program.steps.len()).collect();
        let mut rounds = 0;
        // The same kernel comes behind once more, again and again.
        let error = each_that_adds(&mut program, &mut of, |program, _, at| {
            rounds += 1;
            let step = program.steps[at].clone();
            Ok(adds(&step).then(|| program.steps.insert(at + 1, step)).map(|()| at))
        });
        let error = error.expect_err("it has no end").to_string();
        assert!(error.contains("RF0901") && error.contains("`g`"), "{error}");
        assert!(rounds <= 4, "{rounds} rounds");
    }
}
