//! Memory to launch on: strides with gaps, guard bands, and poison wherever no kernel may write.

use rand::Rng;
use rand::seq::SliceRandom;
use routefuse_ir::program::Program;
use routefuse_ir::{Alias, DType, Layout, Tensor};
use routefuse_runtime::Workspace;

/// What every byte is that no input filled.
pub const POISON: u8 = 0xa5;

/// Bytes of guard band on either side.
pub const GUARD: usize = 128;

/// A tensor's memory: elements with gaps between them, between guard bands.
pub struct Buffer {
    memory: Workspace,
    base: usize,
    /// In elements.
    pub strides: Vec<i64>,
    /// The element type.
    pub dtype: DType,
    /// In elements.
    pub shape: Vec<u64>,
}

/// What addresses and strides are multiples of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// Bases and row strides are multiples of 16 bytes.
    Sixteen,
    /// Bases are multiples of the element size and of nothing more.
    Element,
}

impl Buffer {
    /// Poisoned memory for a tensor of this layout.
    pub fn new(dtype: DType, shape: &[u64], layout: Layout, alignment: Alignment, rng: &mut impl Rng) -> Buffer {
        let size = dtype.size();
        let mut strides = vec![1u64; shape.len()];
        for d in (1..shape.len()).rev() {
            strides[d - 1] = strides[d] * shape[d];
        }
        let lines = 16 / size;
        match layout {
            Layout::Contiguous => {}
            Layout::Rows => {
                if let Some(first) = strides.first_mut() {
                    *first += match alignment {
                        Alignment::Sixteen => first.next_multiple_of(lines) - *first + lines * rng.random_range(0..3),
                        Alignment::Element => rng.random_range(0..5),
                    };
                }
            }
            Layout::Strided => {
                let mut order: Vec<usize> = (0..shape.len()).collect();
                if rng.random_range(0..2) == 0 {
                    order.shuffle(rng);
                } else {
                    order.reverse();
                }
                let mut stride = rng.random_range(1..3);
                for d in order {
                    if d == 0 && alignment == Alignment::Sixteen {
                        stride = u64::next_multiple_of(stride, lines);
                    }
                    strides[d] = stride;
                    stride = stride * shape[d].max(1) + rng.random_range(0..3);
                }
            }
        }
        let last: u64 = shape.iter().zip(&strides).map(|(n, s)| n.saturating_sub(1) * s).sum();
        let empty = shape.contains(&0);
        let bytes = if empty { 0 } else { (last + 1) * size };
        let offset = match alignment {
            Alignment::Sixteen => 0,
            Alignment::Element => rng.random_range(0..lines.max(2)) * size,
        };
        let base = GUARD + offset as usize;
        let mut memory = Workspace::new(base + bytes as usize + GUARD);
        memory.fill(POISON);
        let strides = strides.into_iter().map(|s| s as i64).collect();
        Buffer { memory, base, strides, dtype, shape: shape.to_vec() }
    }

    /// The byte at which each run of so many elements begins, in row-major order.
    fn positions(&self, run: u64) -> impl Iterator<Item = usize> {
        let count: u64 = self.shape.iter().product();
        (0..count / run.max(1)).map(move |i| {
            let (mut rest, mut at) = (i * run, 0);
            for (n, stride) in self.shape.iter().zip(&self.strides).rev() {
                at += rest % n * *stride as u64;
                rest /= n;
            }
            self.base + (at * self.dtype.size()) as usize
        })
    }

    /// How many elements lie side by side wherever so many of them begin, in row-major order: all, those of a row, or one.
    fn run(&self) -> u64 {
        let mut run = 1;
        for (n, stride) in self.shape.iter().zip(&self.strides).rev() {
            if *n != 1 && *stride as u64 != run {
                break;
            }
            run *= n;
        }
        run
    }

    /// The elements become the tensor's.
    pub fn fill(&mut self, tensor: &Tensor) {
        // Of hundreds of millions of elements the places take longer than everything else; those of runs do not.
        let run = self.run();
        let bytes = (run * self.dtype.size()) as usize;
        let positions: Vec<usize> = self.positions(run).collect();
        for (elements, at) in tensor.bytes().chunks_exact(bytes.max(1)).zip(positions) {
            self.memory[at..at + bytes].copy_from_slice(elements);
        }
    }

    /// All of it, guard bands and gaps included.
    pub fn bytes(&self) -> &[u8] {
        &self.memory
    }

    /// As [`Buffer::bytes`], to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// Where the first element is in [`Buffer::bytes`].
    pub fn base(&self) -> usize {
        self.base
    }

    /// From 16 bytes' alignment before the first element to the end of the last one: what a kernel may touch at most.
    pub fn span(&self) -> std::ops::Range<usize> {
        GUARD..self.memory.len() - GUARD
    }

    /// [`Buffer::span`] up to a whole word: a load of an aligned word never leaves what a smaller load at its place is allowed.
    pub fn exact(&self) -> std::ops::Range<usize> {
        GUARD..self.span().end.next_multiple_of(4)
    }

    /// Nothing outside the first to the last element was written.
    ///
    /// # Errors
    /// Where something was.
    pub fn check_guards(&self, poison: u8) -> Result<(), String> {
        let exact = self.base..self.memory.len() - GUARD;
        match (0..self.memory.len()).find(|i| !exact.contains(i) && self.memory[*i] != poison) {
            None => Ok(()),
            Some(i) => Err(format!("byte {} from the first element was written", i as i64 - self.base as i64)),
        }
    }

    /// The same memory at another place.
    pub fn copy(&self) -> Buffer {
        let mut memory = Workspace::new(self.memory.len());
        memory.copy_from_slice(&self.memory);
        Buffer { memory, base: self.base, strides: self.strides.clone(), dtype: self.dtype, shape: self.shape.clone() }
    }

    /// What is not as expected, if anything.
    fn difference(&self, expected: &Buffer) -> Option<String> {
        // Whole slices first: that is as quick as memory.
        if self.bytes() == expected.bytes() {
            return None;
        }
        let at = self.bytes().iter().zip(expected.bytes()).position(|(a, b)| a != b)?;
        let size = self.dtype.size() as usize;
        let element = self.positions(1).position(|p| (p..p + size).contains(&at));
        let (from, to) = match element {
            Some(_) => (at - (at - self.base) % size, size),
            None => (at, 1),
        };
        let hex = |bytes: &[u8]| bytes.iter().rev().map(|b| format!("{b:02x}")).collect::<String>();
        let (got, want) = (hex(&self.bytes()[from..from + to]), hex(&expected.bytes()[from..from + to]));
        Some(match element {
            Some(e) => format!("element {e} of {}{:?} is 0x{got}, not 0x{want}", self.dtype, self.shape),
            None => {
                format!("byte {} from the first element, outside the tensor, is 0x{got}", at as i64 - self.base as i64)
            }
        })
    }
}

/// The memory of one launch of a program.
pub struct Arrangement {
    /// All of it; an output in an input's memory has none of its own.
    pub buffers: Vec<Buffer>,
    /// Which buffer is which input's.
    pub inputs: Vec<usize>,
    /// Which buffer is which output's.
    pub outputs: Vec<usize>,
    /// The error word's buffer, if a gather traps.
    pub error_word: Option<usize>,
}

/// True if a view of the layout `from` is one of the layout `to`.
fn fits(from: Layout, to: Layout, rank: usize) -> bool {
    from == to || to == Layout::Strided || (from == Layout::Contiguous && (to == Layout::Rows || rank == 0))
}

impl Arrangement {
    /// Inputs filled, everything else poisoned. Whether donated and guarded outputs share their input's memory is chance.
    pub fn new(
        program: &Program,
        extents: &[u64],
        inputs: &[Tensor],
        alignment: Alignment,
        rng: &mut impl Rng,
    ) -> Arrangement {
        let mut buffers = vec![];
        for (port, tensor) in program.inputs.iter().zip(inputs) {
            let mut buffer = Buffer::new(port.ty.dtype, tensor.shape(), port.layout, alignment, rng);
            buffer.fill(tensor);
            buffers.push(buffer);
        }
        let mut outputs = vec![];
        for port in &program.outputs {
            let shared = port.alias.input().filter(|i| {
                let possible = fits(program.inputs[*i].layout, port.layout, port.ty.shape.len());
                matches!(port.alias, Alias::InPlace(_)) || (possible && rng.random_range(0..2) == 0)
            });
            outputs.push(shared.unwrap_or_else(|| {
                let shape: Vec<u64> = port.ty.shape.iter().map(|d| d.resolve(extents)).collect();
                buffers.push(Buffer::new(port.ty.dtype, &shape, port.layout, alignment, rng));
                buffers.len() - 1
            }));
        }
        let error_word = program.has_trap.then(|| {
            let mut word = Buffer::new(DType::U32, &[], Layout::Contiguous, alignment, rng);
            word.fill(&Tensor::zeros(DType::U32, &[]));
            buffers.push(word);
            buffers.len() - 1
        });
        Arrangement { buffers, inputs: (0..inputs.len()).collect(), outputs, error_word }
    }

    /// The memory as it must be after the launch.
    pub fn expected(&self, outputs: &[Tensor], trapped: bool) -> Vec<Buffer> {
        let mut after: Vec<Buffer> = self.buffers.iter().map(Buffer::copy).collect();
        for (buffer, tensor) in self.outputs.iter().zip(outputs) {
            after[*buffer].fill(tensor);
        }
        if let Some(word) = self.error_word {
            after[word].fill(&Tensor::from_bits(DType::U32, &[], [u64::from(trapped)]));
        }
        after
    }

    /// What is not as expected: a wrong element, one that was not written, or a byte that no kernel may write.
    ///
    /// # Errors
    /// The first difference, with the buffer's name.
    pub fn check(&self, program: &Program, expected: &[Buffer]) -> Result<(), String> {
        for (i, (got, want)) in self.buffers.iter().zip(expected).enumerate() {
            if let Some(difference) = got.difference(want) {
                let output = self.outputs.iter().position(|o| *o == i).map(|o| &program.outputs[o].name);
                let input = self.inputs.iter().position(|o| *o == i).map(|o| &program.inputs[o].name);
                let name = match (output, input) {
                    (Some(name), _) => format!("output `{name}`"),
                    (None, Some(name)) => format!("input `{name}`"),
                    (None, None) => "the error word".to_owned(),
                };
                return Err(format!("{name}: {difference} (strides {:?})", got.strides));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    /// Elements of any layout are where their strides say, however many of them are copied at a time.
    #[test]
    fn every_element_is_in_its_place() {
        let mut rng = SmallRng::seed_from_u64(1);
        for shape in [&[][..], &[0, 3], &[7], &[5, 1], &[1, 6], &[4, 3], &[3, 1, 5], &[2, 3, 4]] {
            for layout in [Layout::Contiguous, Layout::Rows, Layout::Strided] {
                for alignment in [Alignment::Sixteen, Alignment::Element] {
                    let count = shape.iter().product::<u64>();
                    let tensor = Tensor::from_bits(DType::I16, shape, (0..count).map(|i| i * 257 + 1));
                    let mut buffer = Buffer::new(DType::I16, shape, layout, alignment, &mut rng);
                    buffer.fill(&tensor);
                    let places: Vec<usize> = buffer.positions(1).collect();
                    assert_eq!(places.len() as u64, count);
                    for (element, at) in tensor.bytes().chunks_exact(2).zip(&places) {
                        assert_eq!(&buffer.bytes()[*at..at + 2], element, "{shape:?}, {layout:?}, {alignment:?}");
                    }
                    let written = buffer.bytes().iter().filter(|b| **b != POISON).count() as u64;
                    assert!(written <= 2 * count, "{shape:?}, {layout:?}: {written} bytes are written");
                    let mut other = buffer.copy();
                    assert_eq!(buffer.difference(&other), None);
                    if let Some(last) = places.last() {
                        other.bytes_mut()[*last] ^= 1;
                        let said = buffer.difference(&other).unwrap_or_default();
                        assert!(said.starts_with(&format!("element {}", count - 1)), "{said}");
                    }
                }
            }
        }
    }
}
