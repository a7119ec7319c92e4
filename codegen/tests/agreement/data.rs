//! A kernel with data: buffers as a launch sees them, and what the interpreter makes of them.

use routefuse_generate::data::{Mood, element};
use routefuse_generate::{Choices, kernel};
use routefuse_ir::graph::Layout;
use routefuse_ir::interp;
use routefuse_ir::kernel::abi::Slot;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::kernel::{Kernel, Role};
use routefuse_ir::{DType, Tensor, Verified};

/// A kernel, its schedules, and the numbers of rows to try.
pub struct Case {
    pub kernel: Verified<Kernel>,
    pub host_schedule: Schedule,
    pub gpu_schedule: Schedule,
    pub rows: Vec<u64>,
    pub seed: u64,
}

/// A buffer: elements with gaps between them.
#[derive(Clone)]
pub struct Buffer {
    pub bytes: Vec<u8>,
    pub strides: Vec<u64>,
    shape: Vec<u64>,
    dtype: DType,
}

/// What no kernel may touch: gaps, and outputs before they are written.
pub const POISON: u8 = 0xa5;

impl Buffer {
    fn new(dtype: DType, shape: &[u64], layout: Layout, choices: &mut Choices) -> Buffer {
        let mut strides = vec![1u64; shape.len()];
        for d in (0..shape.len().saturating_sub(1)).rev() {
            strides[d] = strides[d + 1] * shape[d + 1];
        }
        match layout {
            Layout::Contiguous => {}
            Layout::Rows => {
                if let Some(first) = strides.first_mut() {
                    *first += choices.range(0..4) * 16;
                }
            }
            Layout::Strided => {
                // Any order of dims would do; gaps everywhere are enough.
                let mut stride = choices.range(1..3);
                for d in (0..shape.len()).rev() {
                    strides[d] = stride;
                    stride = stride * shape[d].max(1) + choices.range(0..3);
                }
            }
        }
        let last: u64 = shape.iter().zip(&strides).map(|(n, s)| n.saturating_sub(1) * s).sum();
        let bytes = vec![POISON; ((last + 1) * dtype.size()) as usize];
        Buffer { bytes, strides, shape: shape.to_vec(), dtype }
    }

    fn positions(&self) -> Vec<usize> {
        let count: u64 = self.shape.iter().product();
        (0..count)
            .map(|i| {
                let mut rest = i;
                let mut at = 0;
                for (n, stride) in self.shape.iter().zip(&self.strides).rev() {
                    at += rest % n * stride;
                    rest /= n;
                }
                at as usize
            })
            .collect()
    }

    fn fill(&mut self, tensor: &Tensor) {
        let size = self.dtype.size() as usize;
        for (i, at) in self.positions().into_iter().enumerate() {
            self.bytes[at * size..(at + 1) * size].copy_from_slice(&tensor.bytes()[i * size..(i + 1) * size]);
        }
    }
}

/// A launch: one buffer a parameter.
pub struct Run {
    pub rows: u64,
    pub buffers: Vec<Buffer>,
    pub extents: Vec<u64>,
    /// Of each parameter the one whose memory it has: itself, or the input that it lies in.
    pub memory: Vec<usize>,
    inputs: Vec<Tensor>,
}

impl Case {
    /// A random kernel without row values.
    pub fn random(seed: u64) -> Case {
        Case::of(kernel::generate(&mut Choices::seeded(seed), &kernel::Profile::FLAT), seed)
    }

    /// A random kernel with row values.
    pub fn random_rows(seed: u64) -> Case {
        let mut choices = Choices::seeded(seed);
        let profile = kernel::Profile::any_rows(&mut choices);
        Case::of(kernel::generate(&mut choices, &profile), seed)
    }

    fn of(generated: kernel::Generated, seed: u64) -> Case {
        let kernel::Generated { kernel, host: host_schedule, gpu: gpu_schedule } = generated;
        Case { kernel, host_schedule, gpu_schedule, rows: vec![0, 1, 2, 5, 33], seed }
    }

    /// Fresh data for this many rows.
    pub fn bind(&self, rows: u64) -> Run {
        let choices = &mut Choices::seeded(self.seed ^ rows);
        // The first symbol is the rows; others are extents of tables.
        let extents: Vec<u64> =
            (0..self.kernel.symbols.len()).map(|i| if i == 0 { rows } else { choices.range(0..6) }).collect();
        let (mut buffers, mut inputs): (Vec<Buffer>, Vec<Tensor>) = (vec![], vec![]);
        let memory: Vec<usize> =
            self.kernel.params.iter().enumerate().map(|(i, p)| p.aliases.map_or(i, |a| a.0 as usize)).collect();
        for (i, p) in self.kernel.params.iter().enumerate() {
            if memory[i] != i {
                buffers.push(buffers[memory[i]].clone());
                continue;
            }
            let shape: Vec<u64> = p.ty.shape.iter().map(|d| d.resolve(&extents)).collect();
            let mut buffer = Buffer::new(p.ty.dtype, &shape, p.layout, choices);
            match p.role {
                Role::Input => {
                    let count: u64 = shape.iter().product();
                    let mood = Mood::of_rows(choices);
                    let elements = (0..count).map(|_| element(p.ty.dtype, mood, choices));
                    let tensor = Tensor::from_bits(p.ty.dtype, &shape, elements);
                    buffer.fill(&tensor);
                    inputs.push(tensor);
                }
                Role::Output => {}
                Role::ErrorWord => buffer.bytes.fill(0),
            }
            buffers.push(buffer);
        }
        Run { rows, buffers, extents, memory, inputs }
    }
}

impl Run {
    /// The 8-byte arguments, given each buffer's address.
    pub fn slots(&self, slots: &[Slot], address: impl Fn(usize) -> u64) -> Vec<u64> {
        let slot = |s: &Slot| match s {
            Slot::Pointer(p) => address(self.memory[p.0 as usize]),
            Slot::Stride(p, d) => self.buffers[p.0 as usize].strides[*d as usize],
            Slot::Extent(s) => self.extents[s.0 as usize],
        };
        slots.iter().map(slot).collect()
    }

    /// The buffers after the launch against the interpreter's outputs, gaps included.
    pub fn compare(&self, case: &Case, after: &[Vec<u8>]) -> Result<(), String> {
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        let outcome = interp::kernel::run(&case.kernel, &self.extents, &inputs).map_err(|e| format!("{e:?}"))?;
        let mut outputs = outcome.outputs.iter();
        for (i, p) in case.kernel.params.iter().enumerate() {
            let mut want = self.buffers[i].clone();
            match p.role {
                // What the output that lies here becomes is looked at there.
                Role::Input if self.memory.iter().enumerate().any(|(j, m)| *m == i && j != i) => continue,
                Role::Input => {}
                Role::Output => want.fill(outputs.next().expect("an output each")),
                Role::ErrorWord => want.bytes[0] = u8::from(outcome.trapped),
            }
            let after = &after[self.memory[i]];
            if want.bytes != *after {
                let size = p.ty.dtype.size() as usize;
                let at = (0..want.bytes.len() / size)
                    .find(|e| want.bytes[e * size..(e + 1) * size] != after[e * size..(e + 1) * size]);
                let at = at.unwrap_or(0);
                return Err(format!(
                    "p{i}: element {at} in memory is {:02x?}, not {:02x?} (strides {:?})",
                    &after[at * size..(at + 1) * size],
                    &want.bytes[at * size..(at + 1) * size],
                    want.strides
                ));
            }
        }
        Ok(())
    }
}
