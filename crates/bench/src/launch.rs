//! A launch with memory of its own.

use routefuse::{
    Args, DType, Engine, Error, Graph, HostPlan, Options, Target, TensorMut, TensorRef, Verified, Workspace,
};

/// A host plan, prepared, with arguments for one number of rows. All tensors lie in one allocation, as in the arena of an
/// engine, each at a multiple of 64 bytes, and all of it has been written to.
pub struct Launch {
    /// The plan.
    pub plan: HostPlan,
    arena: Workspace,
    inputs: Vec<Place>,
    outputs: Vec<Place>,
    workspace: Workspace,
}

/// A tensor in the arena.
struct Place {
    dtype: DType,
    shape: Vec<u64>,
    strides: Vec<i64>,
    offset: usize,
    bytes: usize,
}

impl Place {
    /// Behind what is there; `end` moves on.
    fn new(dtype: DType, shape: Vec<u64>, end: &mut usize) -> Place {
        let mut strides = vec![1i64; shape.len()];
        for d in (1..shape.len()).rev() {
            strides[d - 1] = strides[d] * shape[d] as i64;
        }
        let (offset, bytes) = (*end, (shape.iter().product::<u64>() * dtype.size()) as usize);
        *end += bytes.next_multiple_of(64);
        Place { dtype, shape, strides, offset, bytes }
    }
}

impl Launch {
    /// Ids are below 256, weights in [0, 1), and one row in eight is padding.
    ///
    /// # Errors
    /// Those of compiling, and of extents that do not fit.
    pub fn new(engine: &Engine, graph: &Verified<Graph>, fuse: bool, rows: u64) -> Result<Launch, Error> {
        let plan = HostPlan::new(engine.compile(graph, &Target::host(), &Options { fuse })?)?;
        plan.prepare()?;
        let extents = vec![rows; graph.symbols.len()];
        let shape = |dims: &[routefuse::Dim]| dims.iter().map(|d| d.resolve(&extents)).collect::<Vec<u64>>();
        let mut end = 0;
        let inputs = (0..graph.inputs.len()).map(|i| graph.input_type(i));
        let inputs: Vec<Place> = inputs.map(|ty| Place::new(ty.dtype, shape(&ty.shape), &mut end)).collect();
        let outputs = (0..graph.outputs.len()).map(|o| graph.output_type(o));
        let outputs: Vec<Place> = outputs.map(|ty| Place::new(ty.dtype, shape(&ty.shape), &mut end)).collect();
        let mut arena = Workspace::new(end);
        arena.fill(1);
        let mut state = 0;
        for place in &inputs {
            fill(&mut arena[place.offset..place.offset + place.bytes], place, rows, &mut state);
        }
        let workspace = Workspace::new(plan.plan().workspace_size(&extents)? as usize);
        Ok(Launch { plan, arena, inputs, outputs, workspace })
    }

    /// The arguments, by position, and the workspace.
    pub fn args(&mut self) -> (Args<'_>, &mut Workspace) {
        let base = self.arena.as_mut_ptr();
        let mut args = Args::new();
        for p in &self.inputs {
            let ptr = base.wrapping_add(p.offset);
            // SAFETY: the place is in the arena, which is borrowed as long as the arguments live; no place meets another, and
            // bools are 0 or 1.
            args.input(unsafe { TensorRef::from_raw(ptr, p.bytes as u64, p.dtype, &p.shape, &p.strides) });
        }
        for p in &self.outputs {
            let ptr = base.wrapping_add(p.offset);
            // SAFETY: as above.
            args.output(unsafe { TensorMut::from_raw(ptr, p.bytes as u64, p.dtype, &p.shape, &p.strides) });
        }
        (args, &mut self.workspace)
    }

    /// The bytes of all inputs, and of all outputs: what one launch has to read and to write.
    pub fn bytes(&self) -> (usize, usize) {
        let sum = |places: &[Place]| places.iter().map(|p| p.bytes).sum();
        (sum(&self.inputs), sum(&self.outputs))
    }
}

fn fill(bytes: &mut [u8], place: &Place, rows: u64, state: &mut u64) {
    let mut next = || {
        // Knuth's MMIX generator; the high bits are the good ones.
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 40
    };
    let weight = |r: u64| (r as f32 / (1 << 24) as f32).to_bits();
    for element in bytes.chunks_exact_mut(place.dtype.size() as usize) {
        let r = next();
        let bits = match place.dtype {
            DType::F32 => u64::from(weight(r)),
            DType::Bf16 => u64::from(weight(r) >> 16),
            DType::Bool => r & 1,
            _ if place.shape.is_empty() => rows - rows / 8,
            _ => r % 256,
        };
        element.copy_from_slice(&bits.to_le_bytes()[..element.len()]);
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
