//! Memory between pages that may not be touched: one byte read or written outside is the end of the process.

use routefuse_ir::{DType, Tensor};
use std::ptr::NonNull;

const PAGE: usize = 4096;

/// Which end of the tensor lies at a page that may not be touched; the other is less than a page and a line from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The first byte is the first of a page.
    Start,
    /// The last byte is the last of a page.
    End,
}

/// A tensor's memory, row-major without gaps.
pub struct Pages {
    mapping: NonNull<u8>,
    length: usize,
    offset: usize,
    bytes: usize,
    /// The element type.
    pub dtype: DType,
    /// In elements.
    pub shape: Vec<u64>,
    /// In elements.
    pub strides: Vec<i64>,
}

impl Pages {
    /// The tensor's elements, between two pages without access.
    ///
    /// # Panics
    /// If the system gives no memory.
    pub fn new(tensor: &Tensor, edge: Edge) -> Pages {
        let bytes = tensor.bytes().len();
        let inner = bytes.div_ceil(PAGE).max(1) * PAGE;
        let length = inner + 2 * PAGE;
        // SAFETY: a new private mapping, of no file, at an address of the system's choice.
        let mapping = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert!(mapping != libc::MAP_FAILED, "no {length} bytes of memory");
        let mapping = NonNull::new(mapping.cast::<u8>()).expect("a mapping is not at 0");
        for guard in [0, length - PAGE] {
            // SAFETY: a whole page of the mapping that nobody points to yet.
            let done = unsafe { libc::mprotect(mapping.as_ptr().add(guard).cast(), PAGE, libc::PROT_NONE) };
            assert_eq!(done, 0, "a page cannot be protected");
        }
        let offset = if edge == Edge::Start { PAGE } else { length - PAGE - bytes };
        let mut strides = vec![1; tensor.shape().len()];
        for d in (1..strides.len()).rev() {
            strides[d - 1] = strides[d] * tensor.shape()[d] as i64;
        }
        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
        let mut pages = Pages { mapping, length, offset, bytes, dtype, shape, strides };
        pages.bytes_mut().copy_from_slice(tensor.bytes());
        pages
    }

    /// The elements.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: readable and initialised (mappings are zeroed), between the guard pages, and ours until dropped.
        unsafe { std::slice::from_raw_parts(self.mapping.as_ptr().add(self.offset), self.bytes) }
    }

    /// As [`Pages::bytes`], to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `bytes`, and borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.mapping.as_ptr().add(self.offset), self.bytes) }
    }

    /// The elements as a tensor.
    pub fn tensor(&self) -> Tensor {
        let size = self.dtype.size() as usize;
        let bits = self.bytes().chunks_exact(size).map(|element| {
            let mut word = [0; 8];
            word[..size].copy_from_slice(element);
            u64::from_le_bytes(word)
        });
        Tensor::from_bits(self.dtype, &self.shape, bits.collect::<Vec<_>>())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, once; slices of it borrow `self`.
        unsafe { libc::munmap(self.mapping.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_lie_at_the_edge() {
        let tensor = Tensor::from_bits(DType::I32, &[3, 5], 0..15);
        for (edge, at) in [(Edge::Start, 0), (Edge::End, PAGE - 60)] {
            let pages = Pages::new(&tensor, edge);
            assert_eq!(pages.bytes().as_ptr() as usize % PAGE, at);
            assert_eq!(pages.tensor(), tensor);
            assert_eq!(pages.strides, [5, 1]);
        }
    }
}
