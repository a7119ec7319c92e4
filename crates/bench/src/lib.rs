//! What the benchmarks share: the chains, and launches with memory of their own.
//!
//! `cargo bench -p routefuse-bench` runs all of them, `-- NAME` some; `docs/performance.md` says what they measure.

use routefuse::{
    Args, DType, Engine, Error, Graph, Options, Plan, Target, Tensor, TensorMut, TensorRef, Verified, Workspace, chains,
};
use std::sync::Arc;

/// The five chains in their forms, by the names of their files under `examples/`.
///
/// # Panics
/// If one of them does not verify, which the facade's tests exclude.
pub fn five_chains() -> Vec<(&'static str, Verified<Graph>)> {
    let lettered = chains::examples().into_iter().filter(|(name, _)| name.as_bytes().get(1) == Some(&b'_'));
    lettered.map(|(name, graph)| (name, graph.unwrap_or_else(|e| panic!("{name}: {e}")))).collect()
}

/// The long chain: remap, mask, scale, append, pack.
///
/// # Panics
/// As [`five_chains`].
pub fn long_chain() -> Verified<Graph> {
    chains::PostChain::default().graph().unwrap_or_else(|e| panic!("{e}"))
}

/// A host plan, prepared, with arguments for one number of rows.
pub struct Launch {
    /// The plan.
    pub plan: Arc<Plan>,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    workspace: Workspace,
}

impl Launch {
    /// Ids are below 256, weights in [0, 1), and one row in eight is padding.
    ///
    /// # Errors
    /// Those of compiling, and of extents that do not fit.
    pub fn new(engine: &Engine, graph: &Verified<Graph>, fuse: bool, rows: u64) -> Result<Launch, Error> {
        let plan = engine.compile(graph, &Target::host(), &Options { fuse })?;
        plan.prepare()?;
        let extents = vec![rows; graph.symbols.len()];
        let shape = |dims: &[routefuse::Dim]| dims.iter().map(|d| d.resolve(&extents)).collect::<Vec<u64>>();
        let mut state = 0;
        let inputs = (0..graph.inputs.len()).map(|i| {
            let ty = graph.input_type(i);
            tensor(ty.dtype, &shape(&ty.shape), rows, &mut state)
        });
        let outputs = (0..graph.outputs.len()).map(|o| {
            let ty = graph.output_type(o);
            Tensor::zeros(ty.dtype, &shape(&ty.shape))
        });
        let workspace = Workspace::new(plan.workspace_size(&extents)? as usize);
        Ok(Launch { inputs: inputs.collect(), outputs: outputs.collect(), workspace, plan })
    }

    /// The arguments, by position, and the workspace.
    pub fn args(&mut self) -> (Args<'_>, &mut Workspace) {
        let mut args = Args::new();
        for input in &self.inputs {
            args.input(TensorRef::from(input));
        }
        for output in &mut self.outputs {
            args.output(TensorMut::from(output));
        }
        (args, &mut self.workspace)
    }

    /// The bytes of all inputs and outputs: what one launch has to move.
    pub fn bytes(&self) -> u64 {
        self.inputs.iter().chain(&self.outputs).map(|t| t.bytes().len() as u64).sum()
    }
}

fn tensor(dtype: DType, shape: &[u64], rows: u64, state: &mut u64) -> Tensor {
    let mut next = || {
        // Knuth's MMIX generator; the high bits are the good ones.
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 40
    };
    let weight = |r: u64| f64::from(r as u32) / f64::from(1 << 24);
    let element = |r: u64| match dtype {
        DType::F32 => u64::from((weight(r) as f32).to_bits()),
        DType::Bf16 => u64::from((weight(r) as f32).to_bits() >> 16),
        DType::Bool => r & 1,
        _ if shape.is_empty() => rows - rows / 8,
        _ => r % 256,
    };
    let elements = shape.iter().product::<u64>();
    Tensor::from_bits(dtype, shape, (0..elements).map(|_| element(next())).collect::<Vec<_>>())
}

/// Two buffers, to be copied from the one to the other: as many bytes read and written in all as asked for.
pub struct Copy {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Copy {
    /// Half of the bytes is read, half is written.
    pub fn new(bytes: u64) -> Copy {
        let half = (bytes / 2) as usize;
        Copy { from: vec![1; half], to: vec![0; half] }
    }

    /// Copies.
    pub fn run(&mut self) {
        self.to.copy_from_slice(std::hint::black_box(&self.from));
        std::hint::black_box(&mut self.to);
    }
}
