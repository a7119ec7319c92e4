//! What a plan refuses on a GPU, and with which words.

use super::agreement::{Expected, OnGpu, Outcomes, agree, at};
use super::vendor::Vendor;
use crate::memory::Alignment;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::Variant;
use routefuse_ir::{Code, DType, Diagnostic, Graph, Verified};
use routefuse_runtime::gpu::GpuPlan;
use routefuse_runtime::{Args, Device, Plan, TensorMut, TensorRef};
use std::sync::Arc;
use std::time::Instant;

/// The diagnostic has this code and names all of these.
fn refused<T>(result: Result<T, Diagnostic>, code: Code, names: &[&str]) -> Outcomes<()> {
    let Err(e) = result else { return Err(format!("{code} is expected, and nothing was refused")) };
    let text = e.to_string();
    if e.code != code || names.iter().any(|n| !text.contains(n)) {
        return Err(format!("{code} with {names:?} is expected, not: {text}"));
    }
    Ok(())
}

/// Before `prepare` and with a part of the variants: what is missing is named, and nothing is loaded.
pub(super) fn sealed<D: Vendor>(
    g: &Verified<Graph>,
    plan: &Arc<Plan>,
    like: &GpuPlan<D>,
    stream: &D::Own,
) -> Outcomes<u64> {
    let fresh = at("a plan", GpuPlan::new(Arc::clone(plan), like.gpu()))?;
    let extents = g.extents_of_rows(33);
    let expected = Expected::new(g, like, &extents, inputs(g, &extents, Rule::Ids, 1))?;
    let mut rng = SmallRng::seed_from_u64(1);
    let kernel = format!("`{}`", plan.kernels()[0].kernel.name);
    let on = OnGpu::new(&fresh, stream, &expected, Alignment::Sixteen, &mut rng)?;
    let device = like.gpu().device().to_string();
    refused(fresh.launch(D::on(stream), &on.args()), Code::NotPrepared, &[&kernel, "align16/i32", "prepare", &device])?;
    at("some variants", fresh.prepare_where(|_, v| !v.aligned))?;
    refused(fresh.launch(D::on(stream), &on.args()), Code::NotPrepared, &[&kernel, "align16/i32"])?;
    // What is loaded runs; what the arguments do not allow is refused even if asked for.
    let takes = |v: &&Variant| !v.aligned && plan.kernels()[0].schedule.takes(v.shape, 33);
    let last = plan.kernels()[0].variants().iter().rfind(takes).copied();
    let last = last.ok_or("no variant for unaligned memory")?;
    agree(&fresh, stream, &expected, Alignment::Element, D::on(stream).variant(last), &mut rng)?;
    at("prepare", fresh.prepare())?;
    let mut odd = SmallRng::seed_from_u64(0);
    let on = loop {
        let on = OnGpu::new(&fresh, stream, &expected, Alignment::Element, &mut odd)?;
        if on.memory.inputs.iter().any(|i| !on.base(*i).is_multiple_of(16)) {
            break on;
        }
    };
    let wide = D::on(stream).variant(Variant::GPU[0]);
    refused(fresh.launch(wide, &on.args()), Code::NotPrepared, &[&kernel, "align16/i32", "not aligned"])?;
    Ok(4)
}

/// Machine code that is kept makes a plan that loads without whoever made it. Prints how long both take.
pub(super) fn kept_code<D: Vendor>(g: &Verified<Graph>, like: &GpuPlan<D>, stream: &D::Own) -> Outcomes<u64> {
    let artifacts = at("the artifacts", like.artifacts())?;
    let own = like.plan().target() == at("the target", like.gpu().target())?;
    let format = if own { D::MACHINE_CODE } else { D::SOURCE.unwrap_or(D::MACHINE_CODE) };
    if let Some(other) = artifacts.iter().find(|a| a.format != format) {
        return Err(format!("an artifact is {:?}, not {format:?}", other.format));
    }
    // A second handle of the GPU, which has nothing loaded.
    let gpu = D::again(like.gpu())?;
    let program = like.plan().program().clone();
    // SAFETY: a compiler's code for this very program, or what the driver made of it.
    let plan = at("a plan", unsafe { Plan::from_artifacts(program, like.plan().target(), artifacts.clone()) })?;
    let plan = at("a plan", GpuPlan::new(Arc::new(plan), &gpu))?;
    let start = Instant::now();
    at("prepare", plan.prepare())?;
    let loaded = start.elapsed();
    let gpu = D::again(like.gpu())?;
    let again = at("a plan", GpuPlan::new(Arc::clone(like.plan()), &gpu))?;
    let start = Instant::now();
    at("prepare", again.prepare())?;
    let linked = start.elapsed();
    println!(
        "  prepare of `{}`, {} variants: {:.2} ms from what is kept, {:.1} ms from what was compiled",
        g.name,
        artifacts.len(),
        loaded.as_secs_f64() * 1e3,
        linked.as_secs_f64() * 1e3
    );
    let extents = g.extents_of_rows(33);
    let expected = Expected::new(g, like, &extents, inputs(g, &extents, Rule::Ids, 1))?;
    let mut rng = SmallRng::seed_from_u64(1);
    agree(&plan, stream, &expected, Alignment::Sixteen, D::on(stream), &mut rng)?;
    Ok(1)
}

/// Code that is none, or for something else.
pub(super) fn broken_code<D: Vendor>(like: &GpuPlan<D>) -> Outcomes<u64> {
    let right = at("the artifacts", like.plan().artifacts())?;
    let load = |code: &[u8]| {
        let artifacts = right.iter().map(|a| Artifact { code: code.to_vec(), ..Artifact::clone(a) }).collect();
        let program = like.plan().program().clone();
        // SAFETY: it is refused before anything runs.
        let plan = unsafe { Plan::from_artifacts(program, like.plan().target(), artifacts)? };
        GpuPlan::new(Arc::new(plan), like.gpu())?.prepare()
    };
    let kernel = format!("`{}`", like.plan().kernels()[0].kernel.name);
    let wrong = D::wrong_code(&right[0].code);
    for (code, number, words) in &wrong {
        refused(load(code), *number, &[&[kernel.as_str()], *words].concat())?;
    }
    Ok(wrong.len() as u64)
}

/// Memory that is elsewhere, that overlaps, and a stream that is elsewhere. `plan` is a remap: ids, map, n; out.
pub(super) fn memory<D: Vendor>(plan: &GpuPlan<D>, stream: &D::Own) -> Outcomes<u64> {
    let memory = D::store(plan.gpu(), stream, &[0; 1 << 14])?;
    let base = D::address(stream, &memory) as usize;
    let on = plan.gpu().device();
    let read = |at: usize, shape: &[u64], on: Device| {
        // SAFETY: inside `memory`, which outlives every launch here.
        unsafe { TensorRef::contiguous(std::ptr::with_exposed_provenance(base + at), 4096, DType::I32, shape) }.on(on)
    };
    let write = |at: usize, shape: &[u64]| {
        // SAFETY: as above.
        unsafe { TensorMut::contiguous(std::ptr::with_exposed_provenance_mut(base + at), 4096, DType::I32, shape) }
            .on(on)
    };
    let launch = |ids_on: Device, out_at: usize, stream: &D::Own| {
        let mut args = Args::new();
        args.input(read(0, &[4, 8], ids_on)).input(read(4096, &[256], on)).input(read(8192, &[], on));
        args.output(write(out_at, &[4, 8]));
        plan.launch(D::on(stream), &args)
    };
    at("a launch", launch(on, 12288, stream))?;
    refused(launch(Device::Host, 12288, stream), Code::WrongDevice, &["`ids`", "the host", &on.to_string()])?;
    let far = D::numbered(63);
    refused(launch(far, 12288, stream), Code::WrongDevice, &["`ids`", &far.to_string()])?;
    refused(launch(on, 64, stream), Code::PartialOverlap, &["`ids`", "overlaps"])?;
    let foreign = D::foreign(plan.gpu())?;
    if let Some(foreign) = &foreign {
        refused(launch(on, 12288, foreign), Code::WrongDevice, &["another context"])?;
    }
    let checks = 4 + u64::from(foreign.is_some());
    drop(foreign);
    D::enter(plan.gpu())?;
    D::wait(stream)?;
    Ok(checks)
}

/// A guarded output that is its input's view launches nothing; one apart is copied; one in between is refused. `plan` copies
/// its one input to its one output.
pub(super) fn guarded<D: Vendor>(plan: &GpuPlan<D>, stream: &D::Own) -> Outcomes<u64> {
    let program = plan.plan().program();
    let (port, rows) = (&program.inputs[0], 8u64);
    let shape: Vec<u64> = port.ty.shape.iter().map(|d| d.resolve(&vec![rows; program.symbols.len()])).collect();
    let size = (shape.iter().product::<u64>() * port.ty.dtype.size()) as usize;
    let data: Vec<u8> = (0..size as u32).map(|i| (i * 7 + 1) as u8 & 1).collect();
    let mut host = vec![0u8; 3 * size + 256];
    host[..size].copy_from_slice(&data);
    let memory = D::store(plan.gpu(), stream, &host)?;
    D::wait(stream)?;
    let base = D::address(stream, &memory) as usize;
    let (on, dtype) = (plan.gpu().device(), port.ty.dtype);
    let launch = |out: usize| {
        let mut args = Args::new();
        // SAFETY: inside `memory`, which outlives every launch here.
        let input =
            unsafe { TensorRef::contiguous(std::ptr::with_exposed_provenance(base), size as u64, dtype, &shape) };
        let out = std::ptr::with_exposed_provenance_mut(base + out);
        // SAFETY: as above.
        let output = unsafe { TensorMut::contiguous(out, size as u64, dtype, &shape) };
        args.input(input.on(on)).output(output.on(on));
        plan.launch(D::on(stream), &args)
    };
    let same = D::capture(stream, || at("the same view", launch(0)))?;
    // Not every vendor says what a graph holds; then nothing is shown.
    let launches = same.as_ref().map_or(Ok(Some(0)), D::nodes)?;
    if let Some(count) = launches.filter(|n| *n > 0) {
        return Err(format!("{count} launches where input and output are one view"));
    }
    refused(launch(dtype.size() as usize), Code::PartialOverlap, &[&port.name, "overlaps"])?;
    let apart = size.next_multiple_of(128) + 128;
    at("a copy", launch(apart))?;
    let mut after = vec![0u8; host.len()];
    D::read(stream, &memory, &mut after)?;
    host[apart..apart + size].copy_from_slice(&data);
    if after != host {
        return Err("the guarded copy is wrong".to_owned());
    }
    Ok(2 + u64::from(launches.is_some()))
}

/// Arguments and slots that a launch has room for on the stack; for more it allocates, as the runtime's documentation says.
const ROOM: (usize, usize) = (32, 80);

/// Launches allocate nothing, as `allocations` counts them for this thread.
pub(super) fn allocations<D: Vendor>(
    g: &Verified<Graph>,
    plan: &GpuPlan<D>,
    stream: &D::Own,
    allocations: fn() -> u64,
) -> Outcomes<u64> {
    let program = plan.plan().program();
    let slots = plan.plan().artifacts().map_err(|e| e.to_string())?.iter().map(|a| a.slots.len()).max().unwrap_or(0);
    if program.inputs.len() + program.outputs.len() >= ROOM.0 || slots > ROOM.1 {
        return Ok(0);
    }
    let extents = g.extents_of_rows(33);
    let expected = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Ids, 1))?;
    let on = OnGpu::new(plan, stream, &expected, Alignment::Sixteen, &mut SmallRng::seed_from_u64(1))?;
    let args = on.args();
    at("the launch", plan.launch(on.workspace(D::on(stream)), &args))?;
    let before = allocations();
    for dependent in [false, true] {
        at("the launch", plan.launch(on.workspace(D::on(stream).dependent(dependent)), &args))?;
    }
    let made = allocations() - before;
    D::wait(stream)?;
    if made > 0 {
        return Err(format!("two launches of `{}` made {made} allocations", g.name));
    }
    Ok(2)
}
