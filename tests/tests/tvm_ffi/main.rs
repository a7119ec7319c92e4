//! Modules for TVM-FFI with kernels for NVIDIA's GPUs, called where the driver is its stand-in: every launch is the one that a plan
//! of the same graph makes with the same arguments, and what does not fit is refused.

mod driver;
mod module;

use driver::Notes;
use module::{Module, Tensor, extents, tensors};
use routefuse::cuda::{CudaPlan, Gpu, Launch};
use routefuse::exec::Device;
use routefuse::{
    Args, DType, Engine, Graph, Options, Target, TensorMut, TensorRef, Verified, chains, inspect, models, text,
};
use routefuse_tests::limits::with_limits;

/// One engine, whose plans and exports are of the same lowering.
fn engine() -> Engine {
    Engine::builder().build().unwrap()
}

fn args(tensors: &[Tensor]) -> Args<'_> {
    let mut args = Args::new();
    for t in tensors {
        let at = t.address as usize;
        // SAFETY: nothing touches the memory, which is nobody's.
        unsafe {
            if t.written {
                let at = std::ptr::with_exposed_provenance_mut(at);
                args.output(TensorMut::from_raw(at, t.bytes, t.dtype, &t.shape, &t.strides).on(Device::Cuda(0)));
            } else {
                let at = std::ptr::with_exposed_provenance(at);
                args.input(TensorRef::from_raw(at, t.bytes, t.dtype, &t.shape, &t.strides).on(Device::Cuda(0)));
            }
        }
    }
    args
}

/// A plan and a module of a graph.
struct Both {
    name: String,
    plan: CudaPlan,
    module: Module,
}

fn both(engine: &Engine, gpu: &Gpu, graph: &Verified<Graph>, options: &Options) -> Both {
    let target = Target::named("sm_90").unwrap();
    let stages = engine.stages(graph, &target, options).unwrap();
    let exported = inspect::export_tvm_ffi(&stages, Some("f"), &Default::default()).unwrap();
    let plan = CudaPlan::new(engine.compile(graph, &target, options).unwrap(), gpu).unwrap();
    plan.prepare().unwrap();
    Both { name: graph.name.clone(), plan, module: Module::load(&exported.bytes) }
}

/// Few rows and many.
const ROWS: [u64; 10] = [0, 1, 2, 16, 17, 31, 2048, 2049, 70_000, 30_000_000];

#[test]
fn a_call_launches_what_a_plan_launches() {
    let notes = Notes::load();
    let gpu = Gpu::open(0).unwrap();
    let engine = engine();
    let own = Options::default();
    let model = |name| models::named(name).unwrap().graph(&models::ModelOptions::default()).unwrap();
    let apart = text::parse_verified(
        "route 1\ngraph @apart {\n dim T\n input %x : f32[T, 3] rows\n input %table : i32[4]\n %y = mul %x, 2.0\n \
         output y = %y\n output table_out = %table : i32[4]\n}",
    );
    let mut graphs: Vec<(Verified<Graph>, Options)> =
        chains::examples().into_iter().map(|(_, g)| (g.unwrap(), own.clone())).collect();
    graphs.push((chains::examples().pop().unwrap().1.unwrap(), own.clone().fuse(false)));
    graphs.push((apart.unwrap(), own.clone()));
    graphs.extend(["deepseek-v3", "mixtral"].map(|name| (model(name), own.clone())));
    // Across rows: phases of one launch, or of two where rows are many, and of one without any rows.
    graphs.push((chains::Align::default().graph().unwrap(), own.clone()));
    // And behind a router, where few rows are one launch of both, and some have kernels of which one has no rows.
    let mixtral = models::named("mixtral").unwrap();
    for align in ["vllm", "deepep"] {
        let mut aligned = models::ModelOptions::default();
        mixtral.set(&mut aligned, "align", align).unwrap();
        graphs.push((mixtral.graph(&aligned).unwrap(), own.clone()));
    }
    let second = routefuse_tests::corpus::root().join("tests/corpus/bins_counts_of_the_second_dim.route");
    let second = text::parse_verified(&std::fs::read_to_string(second).expect("the file"));
    graphs.push((second.unwrap(), own.clone()));
    let mut compared = 0;
    for (graph, options) in &graphs {
        let both = both(&engine, &gpu, graph, options);
        let program = both.plan.plan().program();
        for rows in with_limits(program, &ROWS) {
            for (misaligned, gap) in [(None, 0), (Some(0), 0), (Some(1), 0), (None, 1), (None, 4)] {
                let tensors = tensors(program, rows, misaligned, gap);
                let bytes = both.plan.plan().workspace_size(&extents(program, rows)).unwrap();
                notes.forget();
                // SAFETY: nothing touches the memory; the stand-in takes any stream.
                let launch = unsafe { Launch::on_raw(module::stream(0).cast()).workspace(1 << 30, bytes) };
                both.plan.launch(launch, &args(&tensors)).unwrap();
                let expected = notes.all();
                notes.forget();
                both.module.call("f", &tensors, 0).unwrap();
                let launches = notes.all();
                assert_eq!(launches.len(), expected.len(), "{} of {rows} rows", both.name);
                for (ours, plans) in launches.iter().zip(&expected) {
                    assert_eq!(ours.shape(), plans.shape(), "{} of {rows} rows", both.name);
                    // What has no elements is anywhere.
                    if rows > 0 {
                        assert_eq!(ours.values(), plans.values(), "{} of {rows} rows", both.name);
                    }
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 300, "{compared} launches were compared");
}

#[test]
fn code_is_loaded_once_a_gpu_and_before_a_call_by_prepare() {
    let notes = Notes::load();
    let graph = chains::examples().pop().unwrap().1.unwrap();
    let gpu = Gpu::open(0).unwrap();
    let Both { plan, module, .. } = both(&engine(), &gpu, &graph, &Options::default());
    let tensors = tensors(plan.plan().program(), 5, None, 0);
    let loads = notes.count("loads");
    module.prepare("f_prepare", Some(1)).unwrap();
    let variants = plan.plan().kernels()[0].variants().len() as u64;
    assert_eq!(notes.count("loads"), loads + variants);
    module.call("f", &tensors, 1).unwrap();
    module.call("f", &tensors, 1).unwrap();
    assert_eq!(notes.count("loads"), loads + variants, "a call loads nothing more");
    assert_eq!(
        notes.all().last().unwrap().shape().3,
        (1, module::stream(1).addr()),
        "on the GPU of the tensors, and the caller's stream there"
    );
    module.call("f", &tensors, 0).unwrap();
    assert_eq!(notes.count("loads"), loads + 2 * variants);
    module.prepare("f_prepare", None).unwrap();
    assert_eq!(notes.count("loads"), loads + 2 * variants, "GPU 0 has it");
    let e = module.prepare("f_prepare", Some(-1)).unwrap_err();
    assert!(e.contains("ValueError") && e.contains("no device -1"), "{e}");
    let e = module.prepare("f_prepare", Some(7)).unwrap_err();
    assert!(e.contains("RuntimeError: f: cuDeviceGet: "), "{e}");
}

#[test]
fn what_does_not_fit_launches_nothing() {
    let notes = Notes::load();
    let graph = chains::examples().pop().unwrap().1.unwrap();
    let gpu = Gpu::open(0).unwrap();
    let Both { plan, module, .. } = both(&engine(), &gpu, &graph, &Options::default());
    let good = tensors(plan.plan().program(), 5, None, 0);
    notes.forget();
    let refused = |change: &dyn Fn(&mut Vec<Tensor>), texts: &[&str]| {
        let mut tensors = good.clone();
        change(&mut tensors);
        let e = module.call("f", &tensors, 0).unwrap_err();
        assert!(texts.iter().all(|t| e.contains(t)), "{e}");
        assert!(notes.all().is_empty());
    };
    refused(&|t| t[0].dtype = DType::I64, &["TypeError", "argument 0", "64 bits"]);
    refused(&|t| t[1].shape[0] = 4, &["ValueError", "has 4 where `T` is 5"]);
    refused(&|t| t[0].device_type = 1, &["ValueError", "on a CUDA GPU, and is on a device of type 1"]);
    refused(
        &|t| t[1].device_id = Some(1),
        &["ValueError", "argument 1", "on device 0 as those before it, and is on device 1"],
    );
    refused(&|t| t.truncate(3), &["TypeError", "tensors, inputs and then outputs, not 3"]);
    let last = good.len() - 1;
    refused(&|t| t[last].address = t[last - 1].address, &["ValueError", "is written, and overlaps"]);
    refused(&|t| t[0].address = 0, &["ValueError", "has no memory"]);
    // What the driver says, with its words; nothing is kept of what failed to load.
    notes.set("link_fails", 218);
    refused(
        &|t| t.iter_mut().for_each(|t| t.device_id = Some(1)),
        &["RuntimeError", "CUDA_ERROR_INVALID_PTX (218): ptxas fatal: nonsense"],
    );
    notes.set("link_fails", 0);
    module.call("f", &good, 1).unwrap();
    notes.forget();
    notes.set("launch_fails", 1);
    refused(&|_| (), &["RuntimeError", "cuLaunchKernelEx", "CUDA_ERROR_INVALID_VALUE (1)"]);
    notes.set("launch_fails", 0);
    module.call("f", &good, 0).unwrap();
}

/// Dims of capacity: a module refuses what a plan refuses, with the same numbers.
#[test]
fn fewer_places_than_a_bound_says_are_refused() {
    let notes = Notes::load();
    let path = routefuse_tests::corpus::root().join("tests/corpus/bins_bounded.route");
    let graph = routefuse::text::parse_verified(&std::fs::read_to_string(path).unwrap()).unwrap();
    let gpu = Gpu::open(0).unwrap();
    let Both { plan, module, .. } = both(&engine(), &gpu, &graph, &Options::default());
    let refused = |places: u64, blocks: u64, text: &str| {
        // The ids, the places, the blocks.
        let mut tensors = tensors(plan.plan().program(), 5, None, 0);
        (tensors[1].shape[0], tensors[2].shape[0]) = (places, blocks);
        let e = module.call("f", &tensors, 0).unwrap_err();
        assert!(e.contains("ValueError") && e.contains(text), "{e}");
        assert!(notes.all().is_empty());
    };
    notes.forget();
    refused(67, 17, "`C` is 67, and must be at least 68: C >= min(4 * T + 48, 16 * T)");
    refused(68, 5, "`J` is 5, and must be at least 17: J >= min(T + 12, 4 * T)");
}

#[test]
fn a_gpu_that_is_older_than_the_code_is_refused() {
    let notes = Notes::load();
    let graph = chains::examples().pop().unwrap().1.unwrap();
    let gpu = Gpu::open(0).unwrap();
    let Both { plan, module, .. } = both(&engine(), &gpu, &graph, &Options::default());
    let tensors = tensors(plan.plan().program(), 5, None, 0);
    notes.set_processor(1, 80);
    let e = module.call("f", &tensors, 1).unwrap_err();
    assert!(e.contains("f is for sm_90 and later, and device 1 is sm_80"), "{e}");
    notes.set_processor(1, 90);
    module.call("f", &tensors, 1).unwrap();
}

#[test]
fn indices_that_trap_are_refused_on_a_gpu() {
    let graph = text::parse_verified(
        "route 1\ngraph @g {\n dim T\n input %ids : i32[T]\n input %map : i32[4]\n %y = gather %map, %ids {out_of_range = trap}\n \
         output y = %y\n}",
    );
    let stages = engine().stages(&graph.unwrap(), &Target::named("sm_90").unwrap(), &Options::default()).unwrap();
    let e = inspect::export_tvm_ffi(&stages, None, &Default::default()).unwrap_err().to_string();
    assert!(e.contains("out_of_range = trap"), "{e}");
}
