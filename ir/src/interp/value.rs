//! Values between operations.

#[cfg(feature = "graphs")]
use crate::dtype::DType;
use crate::tensor::Tensor;

/// A tensor with the bits of each element, zero-extended, in row-major order.
#[cfg(feature = "graphs")]
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) dtype: DType,
    pub(super) shape: Vec<u64>,
    pub(super) bits: Vec<u64>,
}

#[cfg(feature = "graphs")]
impl Value {
    pub(super) fn from_tensor(tensor: &Tensor) -> Value {
        let bytes = Elements::of(tensor);
        let bits = (0..tensor.len()).map(|i| bytes.get(i)).collect();
        Value { dtype: tensor.dtype(), shape: tensor.shape().to_vec(), bits }
    }

    pub(super) fn to_tensor(&self) -> Tensor {
        let mut tensor = Tensor::zeros(self.dtype, &self.shape);
        let size = self.dtype.size() as usize;
        for (to, from) in tensor.bytes_mut().chunks_exact_mut(size).zip(&self.bits) {
            to.copy_from_slice(&from.to_le_bytes()[..size]);
        }
        tensor
    }

    /// The extent of the inner dim; a scalar has one column.
    pub(super) fn inner(&self) -> usize {
        self.shape.last().map_or(1, |&n| n as usize)
    }

    /// How far element i + 1 is from element i, where a scalar serves every element.
    pub(super) fn step(&self) -> usize {
        usize::from(!self.shape.is_empty())
    }
}

/// The elements of a tensor, read without a division or a copy of variable length.
#[derive(Clone, Copy)]
pub(super) enum Elements<'a> {
    One(&'a [[u8; 1]]),
    Two(&'a [[u8; 2]]),
    Four(&'a [[u8; 4]]),
    Eight(&'a [[u8; 8]]),
}

impl<'a> Elements<'a> {
    pub(super) fn of(tensor: &'a Tensor) -> Elements<'a> {
        let bytes = tensor.bytes();
        match tensor.dtype().size() {
            1 => Elements::One(bytes.as_chunks().0),
            2 => Elements::Two(bytes.as_chunks().0),
            4 => Elements::Four(bytes.as_chunks().0),
            _ => Elements::Eight(bytes.as_chunks().0),
        }
    }

    /// The bits of element `i`, zero-extended.
    pub(super) fn get(self, i: usize) -> u64 {
        match self {
            Elements::One(e) => u64::from(e[i][0]),
            Elements::Two(e) => u64::from(u16::from_le_bytes(e[i])),
            Elements::Four(e) => u64::from(u32::from_le_bytes(e[i])),
            Elements::Eight(e) => u64::from_le_bytes(e[i]),
        }
    }
}
