//! Launches of a graph at one number of rows, and plain moves to compare them with.

use routefuse::exec::{HostExecution, Workspace};
use routefuse::{DType, Engine, Error, Graph, HostPlan, Options, Target, Tensor, Verified};

/// A host plan of a graph, prepared, with arguments for one number of rows. Ids are below 256, weights in [0, 1), and one row
/// in eight is padding.
///
/// # Errors
/// Those of compiling, and of extents that do not fit.
pub fn launch(engine: &Engine, graph: &Verified<Graph>, fuse: bool, rows: u64) -> Result<HostExecution, Error> {
    let plan = HostPlan::new(engine.compile(graph, &Target::host(), &Options::default().fuse(fuse))?)?;
    plan.prepare()?;
    let extents = graph.extents_of_rows(rows);
    let mut state = 0;
    let inputs: Vec<Tensor> = (0..graph.inputs.len())
        .map(|i| {
            let ty = graph.input_type(i);
            let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(&extents)).collect();
            let elements = shape.iter().product::<u64>();
            let bits: Vec<u64> = (0..elements).map(|_| element(ty.dtype, shape.is_empty(), rows, &mut state)).collect();
            Tensor::from_bits(ty.dtype, &shape, bits)
        })
        .collect();
    let given = graph.dims_of_rows(rows);
    HostExecution::new(plan, &inputs, &given)
}

/// The bits of the next element.
fn element(dtype: DType, scalar: bool, rows: u64, state: &mut u64) -> u64 {
    // Knuth's MMIX generator; the high bits are the good ones.
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let r = *state >> 40;
    let weight = (r as f32 / (1 << 24) as f32).to_bits();
    match dtype {
        DType::F32 => u64::from(weight),
        DType::Bf16 => u64::from(weight >> 16),
        DType::Bool => r & 1,
        _ if scalar => rows - rows / 8,
        _ => r % 256,
    }
}

/// Memory that is moved, and nothing computed.
pub struct Move {
    arena: Workspace,
    read: usize,
}

impl Move {
    /// Reads and writes so many bytes.
    pub fn new(read: usize, written: usize) -> Move {
        let read = read.next_multiple_of(64);
        let mut arena = Workspace::new(read + written);
        arena.fill(1);
        Move { arena, read }
    }

    /// Copies what is read, and fills what is written beyond that.
    pub fn run(&mut self) {
        let (from, to) = self.arena.split_at_mut(self.read);
        let copied = from.len().min(to.len());
        let from = std::hint::black_box(from);
        to[..copied].copy_from_slice(&from[..copied]);
        to[copied..].fill(from[0]);
        std::hint::black_box(to);
    }
}
