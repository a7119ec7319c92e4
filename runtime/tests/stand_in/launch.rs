//! What a launch asks of the driver: one call a kernel, with the right kernel, grid and parameters, and nothing else.

use crate::plans::*;
use crate::vendor::{StandIn, Vendor};
use routefuse_allocations::{self as allocations, Counting};
use routefuse_ir::diag::Page;
use routefuse_ir::{Code, Diagnostic, text};
use routefuse_runtime::Device;
use routefuse_runtime::gpu::{GpuPlan, Launch, Whose};

#[global_allocator]
static COUNTING: Counting = Counting;

/// In debug builds every launch of the quick way is compared with the thorough one, which allocates.
pub const COMPARES: bool = cfg!(debug_assertions);

fn manners() -> Vec<Manner> {
    let mut all = Vec::new();
    for (off, gap) in [(0, 0), (1, 0), (0, 16), (0, 3), (5, 7), (16, 1 << 27)] {
        for (named, shared) in [(true, false), (false, false), (true, true), (false, true)] {
            all.push(Manner { off, gap, named, shared });
        }
    }
    all
}

pub fn every_launch_is_one_call_with_the_right_parameters<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let stream = V::stream(&gpu);
    let (mut launches, mut variants) = (0, std::collections::BTreeSet::new());
    for (name, g) in examples() {
        let plan = on_gpu(&g, &gpu);
        let program = plan.plan().program();
        for rows in [1u64, 2, 33, 513, 4097, 1 << 29] {
            let extents: Vec<u64> = (0..program.symbols.len() as u64).map(|s| rows + s).collect();
            for manner in manners() {
                let tensors = tensors(program, &extents, manner);
                let args = args(&tensors, manner, gpu.device());
                let launch = with_workspace(&plan, &stream, &extents);
                let (calls, launched) = (driver.count("calls"), driver.launched());
                let before = allocations::of_this_thread();
                let what = || format!("{name}, {rows} rows, {manner:?}");
                match plan.launch(launch, &args) {
                    Ok(()) => {}
                    Err(e) if e.code == Code::ExtentTooLarge => continue,
                    Err(e) => panic!("{}: {e}", what()),
                }
                assert!(COMPARES || allocations::of_this_thread() == before, "{}: allocations", what());
                let steps = program.steps.len();
                assert_eq!(driver.launched() - launched, steps, "{}", what());
                assert_eq!(driver.count("calls") - calls, steps as u64, "{}", what());
                launches += 1;
                if steps > 1 {
                    continue;
                }
                let got = driver.launch(launched);
                let rows = program.steps[0]
                    .kernel
                    .rows
                    .map_or(1, |s| extents[program.steps[0].symbols[s.0 as usize].0 as usize]);
                let variant = variant(&plan, 0, &tensors, rows);
                let schedule = &plan.plan().kernels()[0].schedule;
                variants.insert(variant.to_string());
                assert_eq!(got.kernel(), format!("{} {variant}", program.steps[0].kernel.name), "{}", what());
                assert_eq!(got.values(), expected(&plan, 0, &tensors, &extents), "{}", what());
                // The stand-ins say 2 for each multiprocessor.
                let resident = || 2 * u64::from(gpu.driver().multiprocessors());
                let blocks = schedule.grid(rows, variant, resident).unwrap();
                assert_eq!(u64::from(got.blocks), blocks, "{}", what());
                assert_eq!(got.threads, schedule.threads(variant), "{}", what());
                assert_eq!((got.stream, got.dependent, got.device), (V::raw(&stream), 0, 0), "{}", what());
            }
        }
    }
    assert!(launches > 3000, "{launches}");
    let known = ["align1/i32", "align1/i64", "align1/i64/shape1", "align16/i32", "align16/i32/shape1", "align16/i64"];
    // A third shape is for the most rows, of some routers on some GPUs.
    assert!(variants.iter().filter(|v| !v.ends_with("shape2")).eq(known), "{variants:?}");
}

/// The plans that engines launch most do not go the thorough way.
pub fn the_usual_launch_is_quick<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    for name in ["a_remap_static", "b_append_shared", "c_pack", "d_head_gate", "e_post_chain", "deepseek-v3-post"] {
        assert!(format!("{:?}", on_gpu(&example(name), &gpu)).contains("quick: true"), "{name}");
    }
    // A guarded copy may have nothing to do, which the quick way does not know of.
    assert!(format!("{:?}", on_gpu(&example("d_copy_back"), &gpu)).contains("quick: false"));
    drop(driver);
}

/// What is wrong is refused before the driver is called.
pub fn refusals_call_nothing<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let stream = V::stream(&gpu);
    let plan = on_gpu(&example("e_post_chain"), &gpu);
    let program = plan.plan().program();
    let good = tensors(program, &[33], Manner::USUAL);
    let launch = |tensors: &[Tensor], on: Device, launch: Launch<'_, V>| {
        let calls = driver.count("calls");
        let result = plan.launch(launch, &args(tensors, Manner::USUAL, on));
        (result, driver.count("calls") - calls)
    };
    let refused = |change: &dyn Fn(&mut Vec<Tensor>), code: Code| {
        let mut tensors = good.clone();
        change(&mut tensors);
        let (result, calls) = launch(&tensors, gpu.device(), V::on(&stream));
        assert_eq!((result.unwrap_err().code, calls), (code, 0));
    };
    assert_eq!(launch(&good, gpu.device(), V::on(&stream)), (Ok(()), 1));
    let out = good.iter().position(|t| t.writable).unwrap();
    let rows = good.iter().position(|t| t.shape.len() == 2 && !t.writable).unwrap();
    refused(&|t| t[rows].address += 1, Code::Misaligned);
    refused(&|t| t[rows].bytes -= 1, Code::BufferTooSmall);
    refused(&|t| t[rows].shape[0] -= 1, Code::SymbolConflict);
    refused(&|t| t[rows].shape[1] += 1, Code::ArgumentExtent);
    refused(&|t| t[rows].strides[1] = 2, Code::BadStride);
    refused(&|t| t[rows].dtype = routefuse_ir::DType::U64, Code::ArgumentDType);
    refused(&|t| t[rows].name.push('x'), Code::ExtraArgument);
    refused(&|t| t[rows].name = t[out].name.clone(), Code::ExtraArgument);
    refused(&|t| drop(t.pop()), Code::MissingArgument);
    refused(&|t| t[out].address = t[rows].address, Code::PartialOverlap);
    refused(&|t| t[out + 1].address = t[out].address, Code::PartialOverlap);
    let code = |(result, calls): (Result<(), Diagnostic>, u64)| (result.map_err(|e| e.code), calls);
    assert_eq!(code(launch(&good, Device::Host, V::on(&stream))), (Err(Code::WrongDevice), 0));
    assert_eq!(code(launch(&good, V::number(1), V::on(&stream))), (Err(Code::WrongDevice), 0));
    let other = V::open(1);
    let foreign = V::stream(&other);
    assert_eq!(code(launch(&good, gpu.device(), V::on(&foreign))), (Err(Code::WrongDevice), 0));
}

pub fn nothing_is_launched_for_no_rows<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let stream = V::stream(&gpu);
    for name in ["a_remap_static", "e_post_chain", "deepseek-v3-post", "d_copy_back"] {
        let plan = on_gpu(&example(name), &gpu);
        let tensors = tensors(plan.plan().program(), &[0], Manner::USUAL);
        let calls = driver.count("calls");
        plan.launch(V::on(&stream), &args(&tensors, Manner::USUAL, gpu.device())).unwrap();
        assert_eq!(driver.count("calls"), calls, "{name}");
    }
}

/// Up to as many blocks as there are multiprocessors, of which the stand-in has 4.
pub fn small_launches_may_be_dependents<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let stream = V::stream(&gpu);
    let plan = on_gpu(&example("e_post_chain"), &gpu);
    let blocks = |rows: u64, dependent: bool| {
        let tensors = tensors(plan.plan().program(), &[rows], Manner::USUAL);
        let args = args(&tensors, Manner::USUAL, gpu.device());
        plan.launch(V::on(&stream).dependent(dependent), &args).unwrap();
        let launch = driver.launch(driver.launched() - 1);
        (launch.blocks, launch.dependent)
    };
    let yes = u32::from(V::DEPENDENT);
    assert_eq!((blocks(1, true), blocks(1, false)), ((1, yes), (1, 0)));
    let last = (1..).take_while(|rows| blocks(*rows, true).0 <= 4).last().unwrap();
    assert_eq!((blocks(last, true), blocks(last + 1, true)), ((4, yes), (5, 0)));
}

/// What is in front of a plan's second kernel is its first one, which lets it go; what is in front of the first, nobody knows. A flat
/// first one of more blocks than there are multiprocessors, of which the stand-in has 4, would have the second's blocks crowd; one of a
/// row schedule lets it go when that is quicker.
pub fn kernels_behind_the_first_are_dependents<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let stream = V::stream(&gpu);
    let plan = |table: &str| {
        let source = format!(
            "route 1
graph @g {{
  dim T
  input %x : f32[T, 4]
  input %i : i32[T]
  %table = {table}
  %others = gather %table, %i, %i {{out_of_range = clamp}}
  output others = %others
}}
"
        );
        on_gpu(&text::parse_verified(&source).unwrap(), &gpu)
    };
    let (flat, of_rows) = (plan("exp %x"), plan("reduce_sum %x {axis = 1}"));
    let dependents_of = |plan: &GpuPlan<V>, rows: u64, dependent: bool| {
        let tensors = tensors(plan.plan().program(), &[rows], Manner::USUAL);
        let launch = with_workspace(plan, &stream, &[rows]).dependent(dependent);
        plan.launch(launch, &args(&tensors, Manner::USUAL, gpu.device())).unwrap();
        [2, 1].map(|back| driver.launch(driver.launched() - back)).map(|of| (of.blocks, of.dependent))
    };
    let dependents = |rows, dependent| dependents_of(&flat, rows, dependent);
    let yes = u32::from(V::DEPENDENT);
    assert_eq!(dependents(3, false), [(1, 0), (1, yes)]);
    assert_eq!(dependents(3, true), [(1, yes), (1, yes)]);
    let [(first, _), (second, is_dependent)] = dependents(1200, false);
    assert!(first > 4 && (second <= 4 || !V::DEPENDENT), "{first} and {second} blocks");
    assert_eq!(is_dependent, 0);
    assert_eq!(dependents(1200, true)[1], (second, yes));
    let [(first, _), behind] = dependents_of(&of_rows, 1200, false);
    assert!(first > 4, "{first} blocks");
    assert_eq!(behind, (second, yes));
}

/// A thread without a context gets the plan's, and the launch is tried again; another failure is an error with the call, the
/// code and the kernel.
pub fn what_the_driver_refuses<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let stream = V::stream(&gpu);
    let plan = on_gpu(&example("e_post_chain"), &gpu);
    let tensors = tensors(plan.plan().program(), &[5], Manner::USUAL);
    std::thread::scope(|scope| {
        let launch = || {
            let launched = driver.launched();
            plan.launch(V::on(&stream), &args(&tensors, Manner::USUAL, gpu.device())).unwrap();
            assert_eq!(driver.launched(), launched + 1);
        };
        scope.spawn(launch).join().unwrap();
    });
    driver.set("launch_fails", 1);
    let e = plan.launch(V::on(&stream), &args(&tensors, Manner::USUAL, gpu.device())).unwrap_err();
    let text = e.to_string();
    assert_eq!(e.code, Code::DriverFailed);
    for part in [V::LAUNCH, V::INVALID_VALUE, "`post_chain` align16/i32"] {
        assert!(text.contains(part), "{text}");
    }
    if V::LAUNCH == "cuLaunchKernelEx" {
        // What a driver says instead.
        let said = text.replace("said by the stand-in", "invalid argument");
        assert_eq!(said, Page::of(Code::DriverFailed).message);
    }
}

/// One plan on two GPUs, threads and streams on each; every launch is where its plan is.
pub fn two_gpus<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let g = example("e_post_chain");
    let shared = plan::<V>(&g, &Default::default(), &Default::default());
    let gpus = [0, 1].map(|n| V::open(n));
    let plans = gpus.each_ref().map(|gpu| {
        let plan = GpuPlan::new(shared.clone(), gpu).unwrap();
        plan.prepare().unwrap();
        plan
    });
    let launched = driver.launched();
    std::thread::scope(|scope| {
        for (gpu, plan) in gpus.iter().zip(&plans).chain(gpus.iter().zip(&plans)) {
            scope.spawn(move || {
                let stream = V::stream(gpu);
                for rows in 1..=16 {
                    let tensors = tensors(plan.plan().program(), &[rows], Manner::USUAL);
                    plan.launch(V::on(&stream), &args(&tensors, Manner::USUAL, gpu.device())).unwrap();
                }
            });
        }
    });
    assert_eq!(driver.launched() - launched, 64);
    let on = |device| (launched..launched + 64).filter(|n| driver.launch(*n).device == device).count();
    assert_eq!((on(0), on(1)), (32, 32));
}

/// A driver knows whose its own memory is, and nothing of the host's.
pub fn drivers_know_whose_memory_it_is<V: Vendor>() {
    let driver = StandIn::<V>::new();
    for n in [0, 1] {
        let nothing = V::open(n).driver().nothing();
        assert_eq!(V::whose(nothing), None, "freed with its GPU");
        let gpu = V::open(n);
        let nothing = gpu.driver().nothing();
        assert_eq!(V::whose(nothing), Some(Whose::Device(V::number(n))));
        assert_eq!(V::whose(nothing + 63), Some(Whose::Device(V::number(n))));
        // Moved to and fro, or the host's and mapped.
        for shared in [1, 2] {
            driver.set("shared", shared);
            assert_eq!(V::whose(nothing), Some(Whose::Shared));
        }
        driver.set("shared", 0);
    }
    let on_the_host = 5u64;
    assert_eq!(V::whose((&raw const on_the_host).addr() as u64), None);
}
