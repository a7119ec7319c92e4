//! Programmatic dependent launch: kernels behind a producer that finishes late.

use crate::gpu::agreement::{Expected, OnGpu, Outcomes, at};
use crate::gpu::vendor::Vendor;
use crate::memory::Alignment;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::{Graph, Verified};
use routefuse_runtime::cuda::cudarc::driver::{CudaSlice, CudaStream, result, sys};
use routefuse_runtime::cuda::{Cuda, CudaPlan, Launch};
use std::ffi::c_void;
use std::sync::Arc;

/// `late` lets its dependents go at once, waits 100 µs, and only then copies `n` bytes. `early` copies four bytes without
/// waiting for anything: it shows that the dependents of `late` do run before it has written.
const PTX: &str = "
.version 8.0
.target sm_90
.address_size 64
.visible .entry late(.param .u64 from, .param .u64 to, .param .u64 n) {
    .reg .b64 %r<10>; .reg .pred %p<3>; .reg .b16 %h; .reg .b32 %h32;
    griddepcontrol.launch_dependents;
    griddepcontrol.wait;
    mov.u64 %r1, %globaltimer;
$spin:
    mov.u64 %r2, %globaltimer;
    sub.u64 %r3, %r2, %r1;
    setp.lt.u64 %p1, %r3, 100000;
    @%p1 bra $spin;
    ld.param.u64 %r4, [from]; ld.param.u64 %r5, [to]; ld.param.u64 %r6, [n];
    cvta.to.global.u64 %r4, %r4; cvta.to.global.u64 %r5, %r5;
    mov.u32 %h32, %tid.x;
    cvt.u64.u32 %r7, %h32;
$copy:
    setp.ge.u64 %p2, %r7, %r6;
    @%p2 bra $end;
    add.u64 %r8, %r4, %r7; add.u64 %r9, %r5, %r7;
    ld.global.u8 %h, [%r8]; st.global.u8 [%r9], %h;
    add.u64 %r7, %r7, 256;
    bra $copy;
$end:
    ret;
}
.visible .entry early(.param .u64 from, .param .u64 to, .param .u64 n) {
    .reg .b64 %r<3>; .reg .b32 %v;
    ld.param.u64 %r1, [from]; ld.param.u64 %r2, [to];
    cvta.to.global.u64 %r1, %r1; cvta.to.global.u64 %r2, %r2;
    ld.volatile.global.u32 %v, [%r1]; st.global.u32 [%r2], %v;
    ret;
}
";

/// The two kernels above.
pub(super) struct Producer {
    module: sys::CUmodule,
    late: sys::CUfunction,
    early: sys::CUfunction,
}

impl Producer {
    pub fn new() -> Outcomes<Producer> {
        let text = format!("{PTX}\0");
        let find = |module, name: &std::ffi::CStr| {
            // SAFETY: a live module.
            unsafe { result::module::get_function(module, name.to_owned()) }
        };
        // SAFETY: the text ends in a zero; the driver checks the rest.
        let module = at("the producer's PTX", unsafe { result::module::load_data(text.as_ptr().cast()) })?;
        Ok(Producer { module, late: at("late", find(module, c"late"))?, early: at("early", find(module, c"early"))? })
    }

    /// Copies `n` bytes, launched with or without programmatic dependence on what is in front.
    fn copy(
        &self,
        function: sys::CUfunction,
        stream: &CudaStream,
        from: u64,
        to: u64,
        n: u64,
        dependent: bool,
    ) -> Outcomes<()> {
        let mut slots = [from, to, n];
        let mut parameters: Vec<*mut c_void> = slots.iter_mut().map(|s| (&raw mut *s).cast()).collect();
        let mut value = sys::CUlaunchAttributeValue { pad: [0; 64] };
        value.programmaticStreamSerializationAllowed = 1;
        let id = sys::CUlaunchAttributeID_enum::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
        let mut attribute = sys::CUlaunchAttribute { id, pad: [0; 4], value };
        let config = sys::CUlaunchConfig {
            gridDimX: 1,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: if function == self.late { 256 } else { 1 },
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 0,
            hStream: stream.cu_stream(),
            attrs: &raw mut attribute,
            numAttrs: u32::from(dependent),
        };
        // SAFETY: three 8-byte parameters, as both kernels take; both addresses have `n` bytes.
        let result = unsafe {
            sys::cuLaunchKernelEx(&raw const config, function, parameters.as_mut_ptr(), std::ptr::null_mut())
        };
        at("the producer's launch", result.result())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // SAFETY: loaded by `new`; every user of it has waited for its stream.
        let _ = unsafe { result::module::unload(self.module) };
    }
}

/// How often a kernel that does not wait is launched before it is said to be late as well. Both kernels have to be on the GPU within
/// 100 µs, and other threads and processes share the processors and the GPU.
const TRIES: usize = 20;

/// A kernel that does not wait does see what was there before the late producer wrote: without this, nothing here would
/// say anything. True if it was seen to be early, once at least.
pub(super) fn producer_is_late(stream: &Arc<CudaStream>) -> Outcomes<bool> {
    let producer = Producer::new()?;
    let from = at("memory", stream.clone_htod(&[1u8; 4]))?;
    for _ in 0..TRIES {
        let (to, seen) = (at("memory", stream.alloc_zeros::<u8>(4))?, at("memory", stream.alloc_zeros::<u8>(4))?);
        at("the stream", stream.synchronize())?;
        let (from, written) = (Cuda::address(stream, &from), Cuda::address(stream, &to));
        producer.copy(producer.late, stream, from, written, 4, false)?;
        producer.copy(producer.early, stream, written, Cuda::address(stream, &seen), 4, true)?;
        let seen = at("a copy", stream.clone_dtoh(&seen))?;
        at("the stream", stream.synchronize())?;
        if seen == [0; 4] {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A late producer writes every input of a kernel; the kernel, launched as its dependent, runs several times over; all of
/// it on the stream itself, and captured and replayed.
pub(super) fn chain(g: &Verified<Graph>, plan: &CudaPlan, stream: &Arc<CudaStream>, rows: u64) -> Outcomes<u64> {
    let producer = Producer::new()?;
    let extents = g.extents_of_rows(rows);
    let mut launches = 0;
    for (seed, captured) in [(1, false), (2, false), (3, true), (4, true)] {
        let what = if captured { "captured" } else { "on the stream" };
        let expected = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Ids, seed))?;
        let other = Expected::new(g, plan, &extents, inputs(g, &extents, Rule::Ids, seed + 100))?;
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut on = OnGpu::new(plan, stream, &expected, Alignment::Sixteen, &mut rng)?;
        // The inputs begin as others; the producer brings the right ones.
        let mut right = Vec::new();
        for i in on.memory.inputs.clone() {
            right.push((i, at("a copy", stream.clone_htod(on.memory.buffers[i].bytes()))?));
        }
        on.refill(&other.inputs)?;
        at("the stream", stream.synchronize())?;
        let body = || -> Outcomes<()> {
            for (buffer, bytes) in &right {
                let begin = on.base(*buffer) - on.memory.buffers[*buffer].base() as u64;
                producer.copy(producer.late, stream, Cuda::address(stream, bytes), begin, bytes.len() as u64, true)?;
            }
            on.launch(Launch::on(stream).dependent(true))
        };
        if captured {
            if let Some(graph) = Cuda::capture(stream, body)? {
                at("the replay", graph.launch())?;
                at("the stream", stream.synchronize())?;
            }
        } else {
            body()?;
        }
        for (i, tensor) in on.memory.inputs.clone().into_iter().zip(&expected.inputs) {
            on.memory.buffers[i].fill(tensor);
        }
        on.check(&expected).map_err(|e| format!("behind a late producer, {what}: {e}"))?;
        launches += 1;
    }
    Ok(launches)
}

/// A kernel whose output is its next input, `depth` times over in two buffers, each launch the dependent of the last.
pub(super) fn in_turn(g: &Verified<Graph>, plan: &CudaPlan, stream: &Arc<CudaStream>, depth: usize) -> Outcomes<u64> {
    use routefuse_ir::{DType, Tensor, interp};
    use routefuse_runtime::{Args, TensorMut, TensorRef};
    // The dynamic and the static remap: `ids`, `map`, `n` in; `out` of the type of `ids`.
    let rows = 97u64;
    let k = g.input_type(0).shape[1].as_const().unwrap_or(8);
    let experts = g.input_type(1).shape[0].as_const().unwrap_or(256);
    let ids = Tensor::from_i32(&[rows, k], &(0..rows * k).map(|i| (i * 37 % experts) as i32).collect::<Vec<_>>());
    let map = Tensor::from_i32(&[experts], &(0..experts).map(|i| ((i * 5 + 3) % experts) as i32).collect::<Vec<_>>());
    let n = Tensor::from_bits(DType::I32, &[], [rows - 5]);
    let mut want = ids.clone();
    for _ in 0..depth {
        want = at("the interpreter", interp::run(g, &[want, map.clone(), n.clone()], &[]))?.outputs.remove(0);
    }
    let upload = |t: &Tensor| at("a copy", stream.clone_htod(t.bytes()));
    let (a, b, map, n) = (upload(&ids)?, upload(&ids)?, upload(&map)?, upload(&n)?);
    let on = plan.gpu().device();
    let read = |slice: &CudaSlice<u8>, shape: &[u64]| {
        let ptr = std::ptr::with_exposed_provenance(Cuda::address(stream, slice) as usize);
        // SAFETY: the memory lives to the end of the function, which waits for the stream.
        unsafe { TensorRef::contiguous(ptr, slice.len() as u64, DType::I32, shape) }.on(on)
    };
    let write = |slice: &CudaSlice<u8>| {
        let ptr = std::ptr::with_exposed_provenance_mut(Cuda::address(stream, slice) as usize);
        // SAFETY: as above.
        unsafe { TensorMut::contiguous(ptr, slice.len() as u64, DType::I32, &[rows, k]) }.on(on)
    };
    for turn in 0..depth {
        let (from, to) = if turn % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let mut args = Args::new();
        args.input(read(from, &[rows, k])).input(read(&map, &[experts])).input(read(&n, &[])).output(write(to));
        at("the launch", plan.launch(Launch::on(stream).dependent(true), &args))?;
    }
    let last = if depth.is_multiple_of(2) { &a } else { &b };
    let got = at("a copy", stream.clone_dtoh(last))?;
    at("the stream", stream.synchronize())?;
    if got != want.bytes() {
        return Err(format!("after {depth} dependent launches the ids are wrong"));
    }
    Ok(depth as u64)
}
