//! What a launch is given, and what each argument is at first.

use routefuse_ir::program::Program;
use routefuse_ir::{Alias, Code, DType, Diagnostic, Diagnostics, Tensor, interp};
use std::borrow::Cow;

/// The name of the error word's argument.
const ERROR_WORD: &str = "error_word";

/// An input of a launch: a tensor, and how far apart its rows lie.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The elements, in row-major order.
    pub tensor: &'a Tensor,
    /// Elements from one row to the next where it lies in a wider buffer; `None` where row follows row. No less than a row has.
    pub row_stride: Option<u64>,
}

impl<'a> From<&'a Tensor> for Input<'a> {
    fn from(tensor: &'a Tensor) -> Input<'a> {
        Input { tensor, row_stride: None }
    }
}

/// One argument.
pub(super) struct Argument<'a> {
    /// The port's name.
    pub(super) name: &'a str,
    /// What it is before the first launch.
    pub(super) initial: Cow<'a, Tensor>,
    /// As of an [`Input`].
    row_stride: Option<u64>,
}

/// What stands between the rows of a wider buffer: no value of anyone's.
const GAP: u8 = 0xa5;

impl Argument<'_> {
    pub(super) fn rows(&self) -> Rows {
        Rows::of(&self.initial, self.row_stride)
    }
}

/// How a tensor's rows lie in bytes: whole rows of `width`, `stride` apart.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// In elements, by dim.
    pub(super) strides: Vec<i64>,
    width: usize,
    stride: usize,
    /// From the first byte to behind the last.
    pub(super) bytes: usize,
}

impl Rows {
    fn of(tensor: &Tensor, row_stride: Option<u64>) -> Rows {
        let shape = tensor.shape();
        let mut strides = vec![1i64; shape.len()];
        for d in (1..shape.len()).rev() {
            strides[d - 1] = strides[d] * shape[d] as i64;
        }
        let all = tensor.bytes().len();
        let rows = shape.first().map_or(1, |n| *n as usize);
        let width = all.checked_div(rows).unwrap_or(0);
        let mut stride = width;
        if let (Some(wide), Some(first)) = (row_stride, strides.first_mut()) {
            (*first, stride) = (wide as i64, (wide * tensor.dtype().size()) as usize);
        }
        let bytes = if all == 0 { 0 } else { (rows - 1) * stride + width };
        Rows { strides, width, stride, bytes }
    }

    /// The tensor's bytes as they lie, with gaps.
    pub(super) fn spread(&self, tensor: &Tensor) -> Vec<u8> {
        if self.bytes == tensor.bytes().len() {
            return tensor.bytes().to_vec();
        }
        let mut spread = vec![GAP; self.bytes];
        for (row, bytes) in tensor.bytes().chunks_exact(self.width).enumerate() {
            spread[row * self.stride..][..self.width].copy_from_slice(bytes);
        }
        spread
    }

    /// Takes the rows out of what [`Rows::spread`] made.
    pub(super) fn gather(&self, spread: &[u8], tensor: &mut Tensor) {
        if self.bytes == tensor.bytes().len() {
            return tensor.bytes_mut().copy_from_slice(&spread[..self.bytes]);
        }
        for (row, bytes) in tensor.bytes_mut().chunks_exact_mut(self.width).enumerate() {
            bytes.copy_from_slice(&spread[row * self.stride..][..self.width]);
        }
    }
}

/// The arguments of a launch, in the order in which a launch takes them by position.
pub(super) struct Arguments<'a> {
    /// One a symbol of the program.
    pub(super) extents: Vec<u64>,
    /// The inputs that are bound by themselves: all but those in whose memory an output lies.
    pub(super) inputs: Vec<Argument<'a>>,
    /// The outputs. One in an input's memory begins as that input, any other one as zeros.
    pub(super) outputs: Vec<Argument<'a>>,
    /// The error word, if a gather can trap: 0.
    pub(super) error_word: Option<Argument<'a>>,
    /// The bytes of all inputs, and of all outputs: an output in an input's memory counts in both.
    pub(super) bytes: (u64, u64),
}

impl<'a> Arguments<'a> {
    /// Of a program, from its inputs in their order. `given` names extents of dims that no input has.
    ///
    /// # Errors
    /// Inputs that do not fit, as the interpreter reports them.
    pub(super) fn of(
        program: &'a Program,
        inputs: &[Input<'a>],
        given: &[(&str, u64)],
    ) -> Result<Arguments<'a>, Diagnostics> {
        let tensors: Vec<&Tensor> = inputs.iter().map(|i| i.tensor).collect();
        let extents = interp::program_extents(program, &tensors, given)?;
        for (port, input) in program.inputs.iter().zip(inputs) {
            check_row_stride(&port.name, input)?;
        }
        let mut replaced = vec![false; inputs.len()];
        let outputs = program.outputs.iter().map(|port| {
            let (initial, row_stride) = match port.alias {
                Alias::InPlace(i) | Alias::Donates(i) => {
                    replaced[i] = true;
                    (Cow::Borrowed(inputs[i].tensor), inputs[i].row_stride)
                }
                Alias::None | Alias::Guarded(_) => {
                    let shape: Vec<u64> = port.ty.shape.iter().map(|d| d.resolve(&extents)).collect();
                    (Cow::Owned(Tensor::zeros(port.ty.dtype, &shape)), None)
                }
            };
            Argument { name: &port.name, initial, row_stride }
        });
        let outputs: Vec<Argument<'a>> = outputs.collect();
        let read = tensors.iter().map(|t| t.bytes().len() as u64).sum();
        let written = outputs.iter().map(|a| a.initial.bytes().len() as u64).sum();
        let bound = program.inputs.iter().zip(inputs).zip(replaced).filter(|(_, replaced)| !replaced);
        let inputs = bound.map(|((port, input), _)| {
            let Input { tensor, row_stride } = *input;
            Argument { name: &port.name, initial: Cow::Borrowed(tensor), row_stride }
        });
        let inputs = inputs.collect();
        let error_word = || {
            let initial = Cow::Owned(Tensor::zeros(DType::U32, &[]));
            Argument { name: ERROR_WORD, initial, row_stride: None }
        };
        let error_word = program.has_trap.then(error_word);
        Ok(Arguments { inputs, outputs, error_word, extents, bytes: (read, written) })
    }
}

/// The most bytes of a wider buffer that is made for an input: what a file of one may have.
const MOST_SPREAD: u64 = 4 << 30;

/// # Errors
/// `RF0610` for rows that would overlap or lie too far apart, and for a tensor that has no rows.
fn check_row_stride(name: &str, input: &Input<'_>) -> Result<(), Diagnostic> {
    let Some(stride) = input.row_stride else { return Ok(()) };
    let shape = input.tensor.shape();
    let width = shape.iter().skip(1).product::<u64>();
    let size = input.tensor.dtype().size();
    let spread = shape.first().and_then(|rows| rows.max(&1).checked_mul(stride)?.checked_mul(size));
    let is_apart = shape.len() >= 2 && stride >= width;
    if is_apart && spread.is_some_and(|bytes| bytes <= MOST_SPREAD) {
        return Ok(());
    }
    if is_apart {
        let message =
            format!("rows of `{name}`, of shape {shape:?}, {stride} elements apart are a buffer of more than 4 GiB");
        return Err(
            Diagnostic::new(Code::BadStride, message).help("let them lie nearer to each other, or take fewer rows")
        );
    }
    let message = format!("rows of `{name}`, of shape {shape:?}, cannot lie {stride} elements apart");
    Err(Diagnostic::new(Code::BadStride, message)
        .help("a tensor of rank 2 or more has rows, which are at least as far apart as they are long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that lie apart are spread and gathered; what no buffer could hold is refused before it is made.
    #[test]
    fn rows_lie_as_far_apart_as_a_buffer_allows() {
        let tensor = Tensor::from_bits(DType::I16, &[3, 2], 1..7);
        let rows = Rows::of(&tensor, Some(5));
        assert_eq!((&rows.strides[..], rows.bytes), (&[5, 1][..], 24));
        let spread = rows.spread(&tensor);
        assert_eq!((&spread[..4], spread[4], &spread[10..14]), (&[1, 0, 2, 0][..], GAP, &[3, 0, 4, 0][..]));
        let mut back = Tensor::zeros(DType::I16, &[3, 2]);
        rows.gather(&spread, &mut back);
        assert_eq!(back, tensor);
        let refused = |stride| {
            let input = Input { tensor: &tensor, row_stride: Some(stride) };
            check_row_stride("x", &input).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert_eq!(refused(5), "");
        assert!(refused(1).contains("rows of `x`, of shape [3, 2], cannot lie 1 elements apart"), "{}", refused(1));
        for far in [1 << 30, 1 << 40, u64::MAX / 2, u64::MAX] {
            assert!(refused(far).contains(" elements apart are a buffer of more than 4 GiB"), "{}", refused(far));
        }
    }
}
