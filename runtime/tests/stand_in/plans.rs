//! Plans whose code is a note of what it is, and the memory of their launches.

use crate::vendor::Vendor;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::abi::{self, Slot};
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::program::{Buffer, Program};
use routefuse_ir::target::Target;
use routefuse_ir::{Alias, DType, Diagnostic, Graph, Layout, TensorType, Verified, text};
use routefuse_passes::join::join;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule_step;
use routefuse_runtime::gpu::{Gpu, GpuPlan, Launch};
use routefuse_runtime::{Args, Compiler, Device, KernelCache, Plan, TensorMut, TensorRef};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes code that the vendor's stand-in understands.
pub struct Notes<V> {
    pub calls: AtomicU64,
    vendor: PhantomData<fn() -> V>,
}

impl<V> Default for Notes<V> {
    fn default() -> Notes<V> {
        Notes { calls: AtomicU64::new(0), vendor: PhantomData }
    }
}

// SAFETY: the stand-in runs nothing of it.
unsafe impl<V: Vendor> Compiler for Notes<V> {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let slots = abi::slots(&kernel.kernel, kernel.target);
        let name = &kernel.kernel.name;
        let code = V::code(name, variant, slots.len());
        Ok(Artifact {
            target: kernel.target,
            variant,
            schedule: kernel.schedule.clone(),
            slots,
            entry: abi::ENTRY.to_owned(),
            format: V::COMPILED,
            code,
        })
    }

    fn version(&self) -> &str {
        "notes"
    }

    fn host_cpu(&self) -> &str {
        ""
    }
}

/// The examples and models, by name.
pub fn examples() -> Vec<(String, Verified<Graph>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let routes = |folder: PathBuf| {
        let files = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
        files.filter(|p| p.extension().is_some_and(|e| e == "route")).collect::<Vec<_>>()
    };
    let mut files = routes(folder.clone());
    files.extend(routes(folder.join("models")));
    files.sort();
    assert!(files.len() > 40);
    let name = |p: &Path| p.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|p| (name(p), text::parse_verified(&std::fs::read_to_string(p).unwrap()).unwrap())).collect()
}

pub fn example(name: &str) -> Verified<Graph> {
    examples().into_iter().find(|(n, _)| n == name).unwrap().1
}

/// A graph of the tests' corpus.
pub fn of_corpus(name: &str) -> Verified<Graph> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/corpus/{name}.route"));
    text::parse_verified(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn plan<V: Vendor>(g: &Verified<Graph>, compiler: &Arc<Notes<V>>, cache: &Arc<KernelCache>) -> Arc<Plan> {
    let program = join(&compile_graph(g.clone(), &Options::default()).unwrap().program).unwrap().program;
    let target = Target::named(V::TARGET).unwrap();
    let schedules = program.steps.iter().map(|s| schedule_step(s, target).unwrap().schedule.clone()).collect();
    Arc::new(Plan::new(program, schedules, target, compiler.clone(), cache.clone()).unwrap())
}

/// Prepared.
pub fn on_gpu<V: Vendor>(g: &Verified<Graph>, gpu: &Gpu<V>) -> GpuPlan<V> {
    let plan = GpuPlan::new(plan::<V>(g, &Arc::default(), &Arc::default()), gpu).unwrap();
    plan.prepare().unwrap();
    plan
}

/// How arguments lie in memory, and how they are given.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Bytes past a multiple of 256, in elements of the tensor.
    pub off: u64,
    /// Elements between rows, where the layout allows it.
    pub gap: u64,
    pub named: bool,
    /// Inputs in whose memory an output lies are given too.
    pub shared: bool,
}

impl Manner {
    pub const USUAL: Manner = Manner { off: 0, gap: 0, named: true, shared: false };
}

/// A tensor of a launch.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    pub address: u64,
    pub bytes: u64,
    pub dtype: DType,
    pub shape: Vec<u64>,
    pub strides: Vec<i64>,
    pub writable: bool,
    /// The input lies in an output's memory.
    pub shared: bool,
}

/// Tensors for every port of the program, at addresses that nothing is at: inputs, outputs, the error word.
pub fn tensors(program: &Program, extents: &[u64], manner: Manner) -> Vec<Tensor> {
    let word = TensorType::scalar(DType::U32);
    let inputs = program.inputs.iter().map(|p| (p.name.as_str(), &p.ty, p.layout, p.alias, false));
    let outputs = program.outputs.iter().map(|p| (p.name.as_str(), &p.ty, p.layout, p.alias, true));
    let word = program.has_trap.then_some(("error_word", &word, Layout::Contiguous, Alias::None, true));
    let mut next = 1u64 << 32;
    let mut tensors: Vec<Tensor> = Vec::new();
    for (name, ty, layout, _, writable) in inputs.chain(outputs).chain(word) {
        let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(extents)).collect();
        let mut strides = vec![0i64; shape.len()];
        let mut stride = 1;
        for d in (0..shape.len()).rev() {
            strides[d] = stride + if d == 0 && layout != Layout::Contiguous { manner.gap as i64 } else { 0 };
            stride = strides[d] * shape[d] as i64;
        }
        let address = next + manner.off * ty.dtype.size();
        let bytes = stride.max(1) as u64 * ty.dtype.size();
        next = (address + bytes).next_multiple_of(256) + 256;
        let (name, dtype) = (name.to_owned(), ty.dtype);
        tensors.push(Tensor { name, address, bytes, dtype, shape, strides, writable, shared: false });
    }
    for (o, output) in program.outputs.iter().enumerate() {
        if let Alias::InPlace(i) | Alias::Donates(i) = output.alias {
            let Tensor { address, bytes, strides, .. } = tensors[program.inputs.len() + o].clone();
            tensors[i] = Tensor { address, bytes, strides, shared: true, ..tensors[i].clone() };
        }
    }
    tensors
}

/// The arguments of these tensors.
pub fn args<'a>(tensors: &'a [Tensor], manner: Manner, on: Device) -> Args<'a> {
    let mut args = Args::new();
    for t in tensors.iter().filter(|t| manner.shared || !t.shared) {
        let at = t.address as usize;
        if t.writable {
            let at = std::ptr::with_exposed_provenance_mut(at);
            // SAFETY: nothing touches the memory.
            let view = unsafe { TensorMut::from_raw(at, t.bytes, t.dtype, &t.shape, &t.strides) }.on(on);
            if manner.named {
                args.named_output(&t.name, view)
            } else {
                args.output(view)
            };
        } else {
            let at = std::ptr::with_exposed_provenance(at);
            // SAFETY: nothing touches the memory, which is nobody's.
            let view = unsafe { TensorRef::from_raw(at, t.bytes, t.dtype, &t.shape, &t.strides) }.on(on);
            if manner.named {
                args.named_input(&t.name, view)
            } else {
                args.input(view)
            };
        }
    }
    args
}

/// A launch with a workspace that is large enough.
pub fn with_workspace<'l, V: Vendor>(plan: &GpuPlan<V>, stream: &'l V::Own, extents: &[u64]) -> Launch<'l, V> {
    let bytes = plan.plan().workspace_size(extents).unwrap();
    // SAFETY: nothing touches the memory.
    unsafe { V::on(stream).workspace(1 << 30, bytes) }
}

/// What a step's kernel is to be called with: worked out from the calling convention, slot by slot.
pub fn expected<V: Vendor>(plan: &GpuPlan<V>, step: usize, tensors: &[Tensor], extents: &[u64]) -> Vec<u64> {
    let program = plan.plan().program();
    let step = &program.steps[step];
    let tensor = |p: routefuse_ir::kernel::ParamId| match step.buffers[p.0 as usize] {
        Buffer::Input(i) => &tensors[i],
        Buffer::Output(o) => &tensors[program.inputs.len() + o],
        Buffer::ErrorWord => &tensors[tensors.len() - 1],
        Buffer::Intermediate(_) => panic!("only plans of one kernel are worked out here"),
    };
    let value = |slot: Slot| match slot {
        Slot::Pointer(p) => tensor(p).address,
        Slot::Stride(p, d) => tensor(p).strides[d as usize] as u64,
        Slot::Extent(s) => extents[step.symbols[s.0 as usize].0 as usize],
    };
    abi::slots(&step.kernel, plan.plan().target()).into_iter().map(value).collect()
}

/// The variant to be launched, by the rules of the documentation.
pub fn variant<V: Vendor>(plan: &GpuPlan<V>, step: usize, tensors: &[Tensor], rows: u64) -> Variant {
    let kernel = &plan.plan().kernels()[step];
    let buffers = &plan.plan().program().steps[step].buffers;
    let inputs = plan.plan().program().inputs.len();
    let used: Vec<&Tensor> = buffers
        .iter()
        .map(|b| match b {
            Buffer::Input(i) => &tensors[*i],
            Buffer::Output(o) => &tensors[inputs + o],
            Buffer::ErrorWord => &tensors[tensors.len() - 1],
            Buffer::Intermediate(_) => panic!("only plans of one kernel"),
        })
        .collect();
    let row_stride = |t: &Tensor, layout: Layout| {
        if layout == Layout::Contiguous || t.shape.first().is_none_or(|n| *n < 2) {
            return 0;
        }
        t.strides[0] as u64 * t.dtype.size()
    };
    let layouts = kernel.kernel.params.iter().map(|p| p.layout);
    let aligned = used.iter().zip(layouts).all(|(t, l)| (t.address | row_stride(t, l)).is_multiple_of(16));
    let last = |t: &Tensor| t.shape.iter().zip(&t.strides).map(|(n, s)| (n - 1) * *s as u64).sum::<u64>();
    let narrow = used.iter().all(|t| last(t) < (1 << 31) - (1 << 20)) && rows <= (1 << 31) - (1 << 20);
    let shape = kernel.schedule.shape_for(rows);
    let holds = |v: &&Variant| (aligned || !v.aligned) && (narrow || !v.narrow) && v.shape == shape;
    *kernel.variants().iter().find(holds).unwrap()
}
