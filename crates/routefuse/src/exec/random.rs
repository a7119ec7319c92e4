//! Inputs from a seed: hostile in part, for what is compared; ordinary, for what is timed.

use super::ids::{Ids, spread_ids};
use super::splitmix::Random;
use routefuse_ir::{Code, DType, Diagnostic, Graph, Literal, Tensor, Verified};

impl Random {
    fn element(&mut self, dtype: DType) -> u64 {
        let r = self.bits();
        match dtype {
            DType::Bool => r & 1,
            // Small integers, as ids are, but for one in sixteen, which is anything.
            d if d.is_int() && r & 15 != 0 => (r >> 8) % 64,
            // Floats in [-2, 2), but for one in sixteen.
            DType::F32 if r & 15 != 0 => u64::from((((r >> 40) as f32) / (1 << 22) as f32 - 2.0).to_bits()),
            DType::Bf16 if r & 15 != 0 => 0x3f00 | (r >> 8 & 0x80ff),
            DType::F16 if r & 15 != 0 => 0x3800 | (r >> 8 & 0x87ff),
            _ => self.bits(),
        }
    }

    /// As an element of real launches: a float of about normal distribution, a small integer.
    fn ordinary(&mut self, dtype: DType) -> u64 {
        let r = self.bits();
        match dtype {
            DType::Bool => r & 1,
            d if d.is_int() => r % 64,
            d => {
                // The sum of four numbers between −1/2 and 1/2 has a variance of 1/3.
                let sum: f64 = (0..4).map(|i| f64::from((r >> (16 * i)) as u16) / 65_536.0 - 0.5).sum();
                Literal::from_f64(d, sum * f64::sqrt(3.0)).map_or(0, Literal::bits)
            }
        }
    }

    /// A tensor of this dtype and shape.
    fn tensor(&mut self, dtype: DType, shape: &[u64], element: fn(&mut Random, DType) -> u64) -> Tensor {
        let n = shape.iter().product::<u64>();
        Tensor::from_bits(dtype, shape, (0..n).map(|_| element(self, dtype)).collect::<Vec<_>>())
    }
}

/// Every input of a graph from a seed, with `extents[i]` for its i-th symbol: small integers, floats between −2 and 2, and one
/// element in sixteen that is any bits at all. For what is compared.
pub fn random_inputs(graph: &Verified<Graph>, extents: &[u64], seed: u64) -> Vec<Tensor> {
    made(graph, extents, seed, Random::element)
}

/// As [`random_inputs`], for so many rows of every symbol and of elements as real launches have them: floats of about normal
/// distribution, ids of any bin that the graph counts them in, other integers small, and for an integer scalar, which is a number of
/// rows, all of them but an eighth. For what is timed: code may depend on whether a row has a NaN.
pub fn ordinary_inputs(graph: &Verified<Graph>, rows: u64, seed: u64) -> Vec<Tensor> {
    let mut inputs = made(graph, &graph.extents_of_rows(rows), seed, Random::ordinary);
    for input in inputs.iter_mut().filter(|t| t.shape().is_empty() && t.dtype().is_int() && t.dtype().size() >= 4) {
        input.set_bits(0, rows - rows / 8);
    }
    spread_ids(graph, &mut inputs, Ids::Even, seed);
    inputs
}

/// The most bytes of inputs and outputs that are made from a seed: a slip of the finger shall not take the machine's memory.
const MOST: u64 = 1 << 32;

/// Refuses extents with which the inputs that are made from a seed, and the outputs, would have more than 4 GiB.
///
/// # Errors
/// `RF0614`.
pub fn check_size(graph: &Verified<Graph>, extents: &[u64]) -> Result<(), Diagnostic> {
    let inputs = (0..graph.inputs.len()).map(|i| (&graph.inputs[i].name, graph.input_type(i)));
    let outputs = (0..graph.outputs.len()).map(|o| (&graph.outputs[o].name, graph.output_type(o)));
    let mut total = 0u64;
    for (name, ty) in inputs.chain(outputs) {
        let bytes = ty.shape.iter().try_fold(ty.dtype.size(), |n, d| n.checked_mul(d.resolve(extents)));
        total = bytes.map_or(u64::MAX, |b| total.saturating_add(b));
        if total > MOST {
            let message = format!("with `{name}`, the tensors made for this run are larger than {} GiB", MOST >> 30);
            return Err(Diagnostic::new(Code::ExtentTooLarge, message).help("give a smaller `--dim`, or files"));
        }
    }
    Ok(())
}

fn made(graph: &Verified<Graph>, extents: &[u64], seed: u64, element: fn(&mut Random, DType) -> u64) -> Vec<Tensor> {
    (0..graph.inputs.len())
        .map(|i| {
            let ty = graph.input_type(i);
            let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(extents)).collect();
            Random::of_input(seed, i).tensor(ty.dtype, &shape, element)
        })
        .collect()
}
