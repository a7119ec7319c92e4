//! What a plan refuses on a GPU, and with which words.

use super::agreement::{Expected, OnGpu, Outcomes, agree, at};
use super::streams::{capture, nodes};
use crate::memory::Alignment;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::schedule::Variant;
use routefuse_ir::{Code, DType, Diagnostic, Graph, Verified};
use routefuse_runtime::cuda::cudarc::driver::{CudaContext, CudaStream};
use routefuse_runtime::cuda::{CudaPlan, Launch};
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
pub(super) fn sealed(
    g: &Verified<Graph>,
    plan: &Arc<Plan>,
    like: &CudaPlan,
    stream: &Arc<CudaStream>,
) -> Outcomes<u64> {
    let fresh = at("a plan", CudaPlan::new(Arc::clone(plan), like.gpu()))?;
    let extents = vec![33; g.symbols.len()];
    let expected = Expected::new(g, like, &extents, inputs(g, &extents, Rule::Ids, 1))?;
    let mut rng = SmallRng::seed_from_u64(1);
    let kernel = format!("`{}`", plan.kernels()[0].kernel.name);
    let on = OnGpu::new(&fresh, stream, &expected, Alignment::Sixteen, &mut rng)?;
    refused(fresh.launch(stream, &on.args()), Code::NotPrepared, &[&kernel, "align16/i32", "prepare", "cuda:"])?;
    at("some variants", fresh.prepare_where(|_, v| !v.aligned))?;
    refused(fresh.launch(stream, &on.args()), Code::NotPrepared, &[&kernel, "align16/i32"])?;
    // What is loaded runs; what the arguments do not allow is refused even if asked for.
    let last = plan.kernels()[0].variants().iter().rfind(|v| !v.aligned).copied();
    let last = last.ok_or("no variant for unaligned memory")?;
    agree(&fresh, stream, &expected, Alignment::Element, Launch::on(stream).variant(last), &mut rng)?;
    at("prepare", fresh.prepare())?;
    let mut odd = SmallRng::seed_from_u64(0);
    let on = loop {
        let on = OnGpu::new(&fresh, stream, &expected, Alignment::Element, &mut odd)?;
        if on.memory.inputs.iter().any(|i| !on.base(*i).is_multiple_of(16)) {
            break on;
        }
    };
    let wide = Launch::on(stream).variant(Variant::GPU[0]);
    refused(fresh.launch(wide, &on.args()), Code::NotPrepared, &[&kernel, "align16/i32", "not aligned"])?;
    Ok(4)
}

/// Machine code from the driver makes a plan that loads without its linker. Prints how long both take.
pub(super) fn cubins(g: &Verified<Graph>, like: &CudaPlan, stream: &Arc<CudaStream>) -> Outcomes<u64> {
    let artifacts = at("the artifacts", like.artifacts())?;
    let own = like.plan().target() == at("the target", like.gpu().target())?;
    let format = if own { CodeFormat::Cubin } else { CodeFormat::Ptx };
    if let Some(other) = artifacts.iter().find(|a| a.format != format) {
        return Err(format!("an artifact is {:?}, not {format:?}", other.format));
    }
    // A second handle of the GPU, which has nothing loaded.
    let gpu = at("the GPU", routefuse_runtime::cuda::Gpu::of(like.gpu().context()))?;
    let program = like.plan().program().clone();
    // SAFETY: what the driver made of a compiler's code for this very program.
    let plan = at("a plan", unsafe { Plan::from_artifacts(program, like.plan().target(), artifacts.clone()) })?;
    let plan = at("a plan", CudaPlan::new(Arc::new(plan), &gpu))?;
    let start = Instant::now();
    at("prepare", plan.prepare())?;
    let loaded = start.elapsed();
    let gpu = at("the GPU", routefuse_runtime::cuda::Gpu::of(like.gpu().context()))?;
    let again = at("a plan", CudaPlan::new(Arc::clone(like.plan()), &gpu))?;
    let start = Instant::now();
    at("prepare", again.prepare())?;
    let linked = start.elapsed();
    println!(
        "  prepare of `{}`, {} variants: {:.2} ms from machine code, {:.1} ms from PTX",
        g.name,
        artifacts.len(),
        loaded.as_secs_f64() * 1e3,
        linked.as_secs_f64() * 1e3
    );
    let extents = vec![33; g.symbols.len()];
    let expected = Expected::new(g, like, &extents, inputs(g, &extents, Rule::Ids, 1))?;
    let mut rng = SmallRng::seed_from_u64(1);
    agree(&plan, stream, &expected, Alignment::Sixteen, Launch::on(stream), &mut rng)?;
    Ok(1)
}

/// Code that is none.
pub(super) fn broken_code(like: &CudaPlan) -> Outcomes<u64> {
    let load = |code: &str| {
        let broken = |a: &Artifact| Artifact { code: code.as_bytes().to_vec(), ..a.clone() };
        let artifacts = like.plan().artifacts()?.into_iter().map(broken).collect();
        let program = like.plan().program().clone();
        // SAFETY: it is refused before anything runs.
        let plan = unsafe { Plan::from_artifacts(program, like.plan().target(), artifacts)? };
        CudaPlan::new(Arc::new(plan), like.gpu())?.prepare()
    };
    let kernel = format!("`{}`", like.plan().kernels()[0].kernel.name);
    refused(load("nothing"), Code::CannotLoad, &[&kernel, "names no version"])?;
    refused(load(".version 99.0\n.target sm_90\n"), Code::CannotLoad, &[&kernel, "PTX 99.0", "update the driver"])?;
    let text = ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry routefuse_kernel() { nonsense; }\n";
    refused(load(text), Code::DriverFailed, &[&kernel, "cuLinkAddData", "CUDA_ERROR", "nonsense"])?;
    let text = ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry other() { ret; }\n";
    refused(load(text), Code::DriverFailed, &[&kernel, "cuModuleGetFunction", "CUDA_ERROR_NOT_FOUND (500)"])?;
    Ok(4)
}

/// Memory that is elsewhere, that overlaps, and a stream that is elsewhere. `plan` is a remap: ids, map, n; out.
pub(super) fn memory(plan: &CudaPlan, stream: &Arc<CudaStream>) -> Outcomes<u64> {
    let memory = at("memory", stream.alloc_zeros::<u8>(1 << 14))?;
    let base = super::agreement::address(&memory, stream) as usize;
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
    let launch = |ids_on: Device, out_at: usize, stream: &CudaStream| {
        let mut args = Args::new();
        args.input(read(0, &[4, 8], ids_on)).input(read(4096, &[256], on)).input(read(8192, &[], on));
        args.output(write(out_at, &[4, 8]));
        plan.launch(stream, &args)
    };
    at("a launch", launch(on, 12288, stream))?;
    refused(launch(Device::Host, 12288, stream), Code::WrongDevice, &["`ids`", "the host", &on.to_string()])?;
    refused(launch(Device::Cuda(63), 12288, stream), Code::WrongDevice, &["`ids`", "cuda:63"])?;
    refused(launch(on, 64, stream), Code::PartialOverlap, &["`ids`", "overlaps"])?;
    let ordinal = plan.gpu().context().ordinal();
    let other = at("another context", CudaContext::new_non_primary(ordinal, 0))?;
    let foreign = at("its stream", other.new_stream())?;
    refused(launch(on, 12288, &foreign), Code::WrongDevice, &["another context"])?;
    drop(foreign);
    at("the context", plan.gpu().context().bind_to_thread())?;
    at("the stream", stream.synchronize())?;
    Ok(5)
}

/// A guarded output that is its input's view launches nothing; one apart is copied; one in between is refused. `plan` copies
/// its one input to its one output.
pub(super) fn guarded(plan: &CudaPlan, stream: &Arc<CudaStream>) -> Outcomes<u64> {
    let program = plan.plan().program();
    let (port, rows) = (&program.inputs[0], 8u64);
    let shape: Vec<u64> = port.ty.shape.iter().map(|d| d.resolve(&vec![rows; program.symbols.len()])).collect();
    let size = (shape.iter().product::<u64>() * port.ty.dtype.size()) as usize;
    let data: Vec<u8> = (0..size as u32).map(|i| (i * 7 + 1) as u8 & 1).collect();
    let mut host = vec![0u8; 3 * size + 256];
    host[..size].copy_from_slice(&data);
    let memory = at("memory", stream.clone_htod(&host))?;
    at("the stream", stream.synchronize())?;
    let base = super::agreement::address(&memory, stream) as usize;
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
        plan.launch(stream, &args)
    };
    let same = capture(stream, || at("the same view", launch(0)))?;
    if let Some(count) = same.as_ref().map(nodes).transpose()?.filter(|n| *n > 0) {
        return Err(format!("{count} launches where input and output are one view"));
    }
    refused(launch(dtype.size() as usize), Code::PartialOverlap, &[&port.name, "overlaps"])?;
    let apart = size.next_multiple_of(128) + 128;
    at("a copy", launch(apart))?;
    let after = at("a copy from the GPU", stream.clone_dtoh(&memory))?;
    at("the stream", stream.synchronize())?;
    host[apart..apart + size].copy_from_slice(&data);
    if after != host {
        return Err("the guarded copy is wrong".to_owned());
    }
    Ok(3)
}

/// Arguments and slots that a launch has room for on the stack; for more it allocates, as the runtime's documentation says.
const ROOM: (usize, usize) = (32, 80);

/// Launches allocate nothing, as `allocations` counts them for this thread.
pub(super) fn allocations(
    g: &Verified<Graph>,
    plan: &CudaPlan,
    stream: &Arc<CudaStream>,
    allocations: fn() -> u64,
) -> Outcomes<u64> {
    let program = plan.plan().program();
    let slots = plan.plan().artifacts().map_err(|e| e.to_string())?.iter().map(|a| a.slots.len()).max().unwrap_or(0);
    if program.inputs.len() + program.outputs.len() >= ROOM.0 || slots > ROOM.1 {
        return Ok(0);
    }
    let extents = vec![33; g.symbols.len()];
    let expected = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Ids, 1))?;
    let on = OnGpu::new(plan, stream, &expected, Alignment::Sixteen, &mut SmallRng::seed_from_u64(1))?;
    let args = on.args();
    at("the launch", plan.launch(on.workspace(Launch::on(stream)), &args))?;
    let before = allocations();
    for dependent in [false, true] {
        at("the launch", plan.launch(on.workspace(Launch::on(stream).dependent(dependent)), &args))?;
    }
    let made = allocations() - before;
    at("the stream", stream.synchronize())?;
    if made > 0 {
        return Err(format!("two launches of `{}` made {made} allocations", g.name));
    }
    Ok(2)
}
