//! Inputs of the chains from a real routing trace.
//!
//! The trace has, for one MoE layer, the ids, weights, router logits and shared-gate logits of some thousand tokens. What a
//! chain needs beside them (an expert map, replicas, random numbers) is derived from the trace, the same every time.

use crate::tensor_file;
use crate::tensor_place::Place;
use routefuse::diag::{Code, Diagnostic};
use routefuse::{DType, Graph, Tensor, Verified};
use std::path::{Path, PathBuf};

/// The trace that the program carries, so that it shows what it does wherever it is installed.
const INCLUDED: &[u8] = include_bytes!("../data/router_trace.safetensors");

/// What a trace is.
const FORMS: &str = "a trace is a .safetensors file with the ids, weights and logits of each layer, as in `layer0.ids`";

/// One layer of a trace.
pub struct Trace {
    /// The file; without one, [`INCLUDED`].
    path: Option<PathBuf>,
    layer: usize,
    /// Tokens in the trace.
    pub tokens: u64,
}

/// Spreads experts over the derived map.
const MULTIPLIER: u64 = 167;

impl Trace {
    /// Opens a layer of a trace: of this file, or of the one that the program carries.
    ///
    /// # Errors
    /// `RF0701` to `RF0705`.
    pub fn open(path: Option<&Path>, layer: usize) -> Result<Trace, Diagnostic> {
        let mut trace = Trace { path: path.map(Path::to_owned), layer, tokens: 0 };
        trace.tokens = trace.tensor("ids", DType::I32)?.shape().first().copied().unwrap_or(0);
        Ok(trace)
    }

    /// A tensor of the layer.
    ///
    /// # Errors
    /// `RF0701` to `RF0705`.
    pub fn tensor(&self, name: &str, dtype: DType) -> Result<Tensor, Diagnostic> {
        let key = format!("layer{}.{name}", self.layer);
        match &self.path {
            Some(path) => Ok(tensor_file::read(name, &Place::named(path, &key), dtype, None, FORMS)?.0),
            None => tensor_file::read_included(name, INCLUDED, &key, dtype),
        }
    }

    /// The inputs of a chain at the first `rows` tokens (repeated from the start if there are not so many).
    ///
    /// # Errors
    /// An input that the trace has nothing for, by name; and those of reading it.
    pub fn inputs(&self, graph: &Verified<Graph>, rows: u64) -> Result<Vec<Tensor>, Diagnostic> {
        (0..graph.inputs.len())
            .map(|i| {
                let ty = graph.input_type(i);
                let extents = graph.extents_of_rows(rows);
                let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(&extents)).collect();
                let elements = shape.iter().product::<u64>();
                let source = self.elements(&graph.inputs[i].name, ty.dtype, &shape, rows)?;
                let bits = (0..elements).map(|e| source[(e % source.len() as u64) as usize]);
                Ok(Tensor::from_bits(ty.dtype, &shape, bits))
            })
            .collect()
    }

    /// The bits of an input's elements, to be repeated; at least one.
    fn elements(&self, name: &str, dtype: DType, shape: &[u64], rows: u64) -> Result<Vec<u64>, Diagnostic> {
        let all = |t: Tensor| (0..t.len()).map(|i| t.bits(i)).collect::<Vec<u64>>();
        let first = shape.first().copied().unwrap_or(1);
        let columns = shape.iter().skip(1).product::<u64>().max(1);
        Ok(match name {
            "ids" => all(self.tensor("ids", DType::I32)?),
            "weights" => all(self.tensor("weights", DType::F32)?),
            // The shared expert's gate logits; as weights they are as good as any bf16 data.
            "shared_gate" | "shared_weights" => all(self.tensor("shared_gate", DType::Bf16)?),
            // A permutation: an odd factor and a power of two have no common divisor.
            "map" => (0..first).map(|e| e * MULTIPLIER % first).collect(),
            // Expert e has e % X + 1 replicas, at e·X, e·X + 1, …; the rest of its row is −1.
            "replicas" => (0..first)
                .flat_map(|e| (0..columns).map(move |x| (e, x)))
                .map(|(e, x)| if x <= e % columns { e * columns + x } else { mask(dtype) })
                .collect(),
            "valid_replicas" => (0..first).map(|e| e % 4 + 1).collect(),
            "random" => all(self.tensor("ids", DType::I32)?).iter().map(|id| id * 2_654_435_769 % 65_536).collect(),
            // One row in eight is padding.
            "n" => vec![rows - rows / 8],
            "gate" if dtype == DType::Bf16 => self.logits(columns)?,
            "gate" => self.logits(columns)?.iter().map(|b| b << 16).collect(),
            "logits" if dtype == DType::Bf16 => self.logits(columns)?,
            "bias" => all(self.tensor("bias", DType::F32)?),
            "q_scale" => all(self.tensor("weights", DType::F32)?),
            "source" => self.logits(columns)?,
            "packed" => {
                let (ids, weights) = (self.tensor("ids", DType::I32)?, self.tensor("weights", DType::F32)?);
                (0..ids.len()).map(|i| (ids.bits(i) << 16 | weights.bits(i) >> 16) & 0xffff_ffff).collect()
            }
            other => {
                let message = format!("the trace has nothing for an input `{other}`");
                return Err(Diagnostic::new(Code::NoSuchTensor, message)
                    .help("only the inputs of the chains and of DeepSeek-V3 are known"));
            }
        })
    }

    /// The first `columns` router logits of each token, as bf16 bits.
    fn logits(&self, columns: u64) -> Result<Vec<u64>, Diagnostic> {
        let logits = self.tensor("logits", DType::Bf16)?;
        let width = logits.shape().get(1).copied().unwrap_or(1);
        let rows = logits.len() as u64 / width.max(1);
        let at = |t: u64, c: u64| logits.bits((t * width + c % width) as usize);
        Ok((0..rows).flat_map(|t| (0..columns).map(move |c| (t, c))).map(|(t, c)| at(t, c)).collect())
    }
}

/// −1 in a dtype's width.
fn mask(dtype: DType) -> u64 {
    if dtype.bits() == 64 { u64::MAX } else { (1 << dtype.bits()) - 1 }
}
