//! What only AMD's runtime has: its library, its limits, its target ids, its current devices.

use crate::hip::code_object;
use crate::plans::*;
use crate::vendor::{StandIn, Vendor};
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic, Verified};
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule_of;
use routefuse_runtime::hip::{DriverVersion, Gpu, Hip, HipPlan, Launch, Memory, Stream};
use routefuse_runtime::{Compiler, Plan};
use std::sync::Arc;

/// A compiler whose code has other `e_flags`, or is for another target than it says, or is cut short.
struct Other {
    flags: u32,
    target: &'static str,
    bytes: usize,
}

// SAFETY: the stand-in runs nothing of it.
unsafe impl Compiler for Other {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        let right = Notes::<Hip>::default().compile(kernel, variant)?;
        let text = format!("// target {}\n// kernel k {variant}\n// parameters {}\n", self.target, right.slots.len());
        let mut code = code_object(self.flags, &text);
        code.truncate(self.bytes);
        Ok(Artifact { code, ..right })
    }

    fn version(&self) -> &str {
        "other"
    }

    fn host_cpu(&self) -> &str {
        ""
    }
}

fn plan_by(compiler: Other, target: &str) -> Arc<Plan> {
    let program = compile_graph(example("c_pack"), &Options::default()).unwrap().program;
    let target = Target::named(target).unwrap();
    let schedules = program.steps.iter().map(|s| schedule_of(&s.kernel, target)).collect();
    Arc::new(Plan::new(program, schedules, target, Arc::new(compiler), Arc::default()).unwrap())
}

/// Code for another processor, for another setting of xnack or sramecc, or cut short is refused when it is loaded.
#[test]
fn code_for_another_processor() {
    let driver = StandIn::<Hip>::new();
    let gpu = Gpu::open(0).unwrap();
    let prepare = |flags, target, bytes| {
        let loads = driver.count("loads");
        let e = HipPlan::new(plan_by(Other { flags, target, bytes }, "gfx942"), &gpu).unwrap().prepare().unwrap_err();
        assert_eq!(driver.count("loads"), loads);
        (e.code, e.to_string())
    };
    let (code, text) = prepare(0x54c, "gfx90a", usize::MAX);
    assert_eq!(code, Code::TargetNotHere);
    for part in ["hipModuleLoadData", "hipErrorNoBinaryForGpu (209)", "`pack` align16/i32"] {
        assert!(text.contains(part), "{text}");
    }
    let (code, text) = prepare(0x74c, "gfx942:xnack+", usize::MAX);
    assert_eq!(code, Code::TargetNotHere);
    assert!(text.contains("is for xnack+, and hip:0 is gfx942:sramecc+:xnack-"), "{text}");
    let (code, text) = prepare(0x94c, "gfx942:sramecc-", usize::MAX);
    assert!(code == Code::TargetNotHere && text.contains("sramecc-"), "{text}");
    let (code, text) = prepare(0x54c, "gfx942", 125);
    assert!(code == Code::CannotLoad && text.contains("cut short"), "{text}");
    // The plan itself says for whom it is.
    let of = |target| plan_by(Other { flags: 0, target: "", bytes: 0 }, target);
    for target in ["gfx90a", "gfx1100", "sm_90", "gfx11-generic"] {
        assert_eq!(HipPlan::new(of(target), &gpu).unwrap_err().code, Code::TargetNotHere, "{target}");
    }
    assert!(HipPlan::new(of("gfx9-4-generic"), &gpu).is_ok());
}

#[test]
fn a_runtime_that_is_too_old() {
    let driver = StandIn::<Hip>::new();
    driver.set("version", 50_722_804);
    for e in [Gpu::open(0).unwrap_err(), Gpu::count().unwrap_err(), DriverVersion::installed().unwrap_err()] {
        assert_eq!(e.code, Code::NoDevice);
        assert!(e.to_string().contains("the HIP runtime is HIP 5.7, and this build needs HIP 6.0"), "{e}");
    }
    driver.set("version", 60_032_830);
    let info = Gpu::open(1).unwrap().info().unwrap();
    assert_eq!((info.driver.parts(), info.ordinal, info.compute_units), ((6, 0), 1, 4));
    assert_eq!((info.architecture.as_str(), info.target.map(Target::name)), ("gfx942:sramecc+:xnack-", Some("gfx942")));
    let e = Gpu::open(2).unwrap_err();
    assert!(e.code == Code::NoDevice && e.to_string().contains("no AMD GPU 2: the HIP runtime sees 2"), "{e}");
}

/// 2³² threads are more than HIP takes, and one block of them fewer are not.
#[test]
fn grids_that_hip_refuses_are_refused_first() {
    let driver = StandIn::<Hip>::new();
    let gpu = Gpu::open(0).unwrap();
    let stream = Stream::new(&gpu).unwrap();
    let plan = on_gpu::<Hip>(&example("a_remap_static"), &gpu);
    let kernel = &plan.plan().kernels()[0];
    let launch = |rows: u64| {
        let tensors = tensors(plan.plan().program(), &[rows], Manner::USUAL);
        plan.launch(&stream, &args(&tensors, Manner::USUAL, gpu.device()))
    };
    let threads = |rows: u64| {
        let shape = kernel.schedule.shape_for(rows);
        let variant = kernel.variants().iter().find(|v| v.aligned && !v.narrow && v.shape == shape).unwrap();
        kernel.schedule.blocks(rows, *variant).unwrap() * u64::from(kernel.schedule.threads(*variant))
    };
    let mut rows = 1u64 << 20;
    while threads(rows) < 1 << 32 {
        rows *= 2;
    }
    // The last extent with fewer threads, by halving.
    let (mut fits, mut many) = (rows / 2, rows);
    while many - fits > 1 {
        let middle = fits + (many - fits) / 2;
        if threads(middle) < 1 << 32 { fits = middle } else { many = middle }
    }
    assert_eq!(launch(fits), Ok(()));
    let calls = driver.count("calls");
    let e = launch(many).unwrap_err();
    assert_eq!((e.code, driver.count("calls")), (Code::ExtentTooLarge, calls));
    assert!(e.to_string().contains("4294967295 threads"), "{e}");
}

/// A thread whose current device is another one launches all the same, and has that device afterwards; a borrowed stream's
/// device is compared; the null stream is that of the plan's device.
#[test]
fn current_devices_and_streams_of_others() {
    let driver = StandIn::<Hip>::new();
    let gpus = [0, 1].map(|n| Gpu::open(n).unwrap());
    let plans = gpus.each_ref().map(|gpu| on_gpu::<Hip>(&example("e_post_chain"), gpu));
    let streams = gpus.each_ref().map(|gpu| Stream::new(gpu).unwrap());
    let tensors = tensors(plans[0].plan().program(), &[3], Manner::USUAL);
    let launch = |plan: &HipPlan, on: Launch<'_>| {
        let (launched, calls) = (driver.launched(), driver.count("calls"));
        let result = plan.launch(on, &args(&tensors, Manner::USUAL, plan.gpu().device())).map_err(|e| e.code);
        let device = (driver.launched() > launched).then(|| driver.launch(launched).device);
        (result, device, driver.count("calls") - calls)
    };
    // The thread's device is 0.
    assert_eq!(launch(&plans[0], Launch::on(&streams[0])), (Ok(()), Some(0), 1));
    let (result, device, calls) = launch(&plans[1], Launch::on(&streams[1]));
    assert!((result, device) == (Ok(()), Some(1)) && calls > 1);
    assert_eq!(launch(&plans[0], Launch::on(&streams[0])), (Ok(()), Some(0), 1));
    // AMD's own runtime looks at the stream alone.
    driver.set("strict", 0);
    assert_eq!(launch(&plans[1], Launch::on(&streams[1])), (Ok(()), Some(1), 1));
    driver.set("strict", 1);
    for (n, plan) in plans.iter().enumerate() {
        // SAFETY: the null stream lives as long as the runtime.
        let (result, device, _) = launch(plan, unsafe { Launch::on_raw(std::ptr::null_mut()) });
        assert_eq!((result, device), (Ok(()), Some(n as u32)));
    }
    // SAFETY: the stream outlives what borrows it.
    let borrowed = unsafe { Stream::borrowed(streams[1].raw()) }.unwrap();
    assert_eq!(borrowed.device(), Hip::number(1));
    assert_eq!(launch(&plans[0], Launch::on(&borrowed)), (Err(Code::WrongDevice), None, 0));
    drop(borrowed);
    assert_eq!(launch(&plans[1], Launch::on(&streams[1])).0, Ok(()));
}

/// While a stream is captured, a launch that was prepared is captured; one that was not is an error, and the capture goes on.
#[test]
fn captures() {
    let driver = StandIn::<Hip>::new();
    let gpu = Gpu::open(0).unwrap();
    let stream = Stream::new(&gpu).unwrap();
    let ready = on_gpu::<Hip>(&example("e_post_chain"), &gpu);
    let raw = HipPlan::new(plan::<Hip>(&example("c_pack"), &Arc::default(), &Arc::default()), &gpu).unwrap();
    let memory = |plan: &HipPlan| tensors(plan.plan().program(), &[3], Manner::USUAL);
    let (good, bad) = (memory(&ready), memory(&raw));
    let launched = driver.launched();
    let graph = stream
        .capture(|| {
            let e = raw.launch(&stream, &args(&bad, Manner::USUAL, gpu.device())).unwrap_err();
            assert_eq!(e.code, Code::NotPrepared);
            // Loading is for before.
            assert_eq!(raw.prepare().unwrap_err().code, Code::DriverFailed);
            ready.launch(&stream, &args(&good, Manner::USUAL, gpu.device()))
        })
        .unwrap();
    assert_eq!(driver.launched() - launched, 1);
    // SAFETY: the stand-in runs nothing.
    unsafe { graph.launch(&stream) }.unwrap();
    stream.synchronize().unwrap();
    raw.prepare().unwrap();
    let e = stream.capture(|| stream.synchronize()).unwrap_err();
    assert!(e.to_string().contains("hipErrorStreamCaptureUnsupported"), "{e}");
}

/// Memory is written and read behind what a stream was given; what is too long is refused; what is short is said.
#[test]
fn memory_of_ones_own() {
    let driver = StandIn::<Hip>::new();
    let gpu = Gpu::open(1).unwrap();
    let stream = Stream::new(&gpu).unwrap();
    let mut memory = Memory::of(&gpu, &stream, &[1, 2, 3]).unwrap();
    assert_eq!((memory.bytes(), memory.device(), memory.address() % 256), (3, Hip::number(1), 0));
    memory.write(&stream, &[7, 8]).unwrap();
    assert_eq!(memory.read(&stream).unwrap(), [7, 8, 3]);
    assert_eq!(memory.write(&stream, &[0; 4]).unwrap_err().code, Code::BufferTooSmall);
    assert!(Memory::new(&gpu, 0).unwrap().read(&stream).unwrap().is_empty());
    driver.set("malloc_fails", 2);
    let e = Memory::new(&gpu, 1 << 20).unwrap_err();
    assert_eq!(e.code, Code::DriverFailed);
    assert!(e.to_string().contains("`hipMalloc` failed for 1048576 bytes on hip:1: hipErrorOutOfMemory (2)"), "{e}");
}
