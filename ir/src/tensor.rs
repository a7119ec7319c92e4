//! Dense tensors in host memory: what the interpreter reads and writes.

use crate::dtype::DType;
use crate::literal::Literal;

/// A contiguous row-major tensor; little-endian bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<u64>,
    data: Vec<u8>,
}

impl Tensor {
    /// Zeros.
    pub fn zeros(dtype: DType, shape: &[u64]) -> Tensor {
        let n: u64 = shape.iter().product();
        Tensor { dtype, shape: shape.to_vec(), data: vec![0; (n * dtype.size()) as usize] }
    }

    /// From bytes in row-major order; `None` if their number is not that of the shape, or a `bool` is neither 0 nor 1.
    pub fn from_bytes(dtype: DType, shape: &[u64], data: Vec<u8>) -> Option<Tensor> {
        let n = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d))?;
        let valid = n == data.len() as u64 && (dtype != DType::Bool || data.iter().all(|&b| b < 2));
        valid.then(|| Tensor { dtype, shape: shape.to_vec(), data })
    }

    /// From the low bits of one `u64` an element.
    ///
    /// # Panics
    /// If the number of elements is not that of the shape.
    pub fn from_bits(dtype: DType, shape: &[u64], bits: impl IntoIterator<Item = u64>) -> Tensor {
        let size = dtype.size() as usize;
        let mut t = Tensor::zeros(dtype, shape);
        let mut n = 0;
        for b in bits {
            t.data[n * size..(n + 1) * size].copy_from_slice(&b.to_le_bytes()[..size]);
            n += 1;
        }
        assert_eq!(n, t.len(), "{n} elements do not fill {shape:?}");
        t
    }

    /// An `i32` tensor. Panics as [`Tensor::from_bits`].
    pub fn from_i32(shape: &[u64], values: &[i32]) -> Tensor {
        Tensor::from_bits(DType::I32, shape, values.iter().map(|&v| u64::from(v as u32)))
    }

    /// An `f32` tensor. Panics as [`Tensor::from_bits`].
    pub fn from_f32(shape: &[u64], values: &[f32]) -> Tensor {
        Tensor::from_bits(DType::F32, shape, values.iter().map(|&v| u64::from(v.to_bits())))
    }

    /// A rank-0 tensor.
    pub fn scalar(value: Literal) -> Tensor {
        Tensor::from_bits(value.dtype(), &[], [value.bits()])
    }

    /// The dtype.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The shape, in elements.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size() as usize
    }

    /// No elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The bytes, row-major, little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The bits of element `i` in row-major order, zero-extended.
    pub fn bits(&self, i: usize) -> u64 {
        let size = self.dtype.size() as usize;
        let mut b = [0; 8];
        b[..size].copy_from_slice(&self.data[i * size..(i + 1) * size]);
        u64::from_le_bytes(b)
    }

    /// Element `i` in row-major order.
    pub fn get(&self, i: usize) -> Literal {
        Literal::from_bits(self.dtype, self.bits(i))
    }

    /// Sets element `i` in row-major order to the low bits.
    pub fn set_bits(&mut self, i: usize, bits: u64) {
        let size = self.dtype.size() as usize;
        self.data[i * size..(i + 1) * size].copy_from_slice(&bits.to_le_bytes()[..size]);
    }

    /// The same elements under another shape of the same size; `None` if the sizes differ.
    pub fn reshaped(mut self, shape: &[u64]) -> Option<Tensor> {
        (shape.iter().product::<u64>() == self.len() as u64).then(|| {
            self.shape = shape.to_vec();
            self
        })
    }
}
