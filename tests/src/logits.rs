//! Inputs of routers: logits of every kind that matters, and the real routing trace.

use crate::corpus::root;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::{DType, Graph, Literal, Tensor};
use safetensors::SafeTensors;
use std::sync::OnceLock;

/// What the logits of a launch are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The trace's, of layer 0, repeated for more columns and rows.
    Trace,
    /// Of about normal distribution.
    Normal,
    /// One value in all columns of a row.
    Ties,
    /// Ordinary ones, with NaN and ±∞ between.
    Sprinkled,
    /// −∞ everywhere.
    NegInf,
}

impl Kind {
    /// Every one.
    pub const ALL: [Kind; 5] = [Kind::Trace, Kind::Normal, Kind::Ties, Kind::Sprinkled, Kind::NegInf];
}

/// One layer of `examples/data/router_trace.safetensors`.
pub struct Layer {
    /// `bf16[2048, 256]`.
    pub logits: Tensor,
    /// `f32[256]`.
    pub bias: Tensor,
    /// `i32[2048, 8]`, as the trace's own program routed.
    pub ids: Tensor,
    /// `f32[2048, 8]`, from a GPU's own exp.
    pub weights: Tensor,
}

/// A layer of the trace, 0 or 1.
///
/// # Panics
/// If the file is not there.
pub fn trace(layer: usize) -> &'static Layer {
    static LAYERS: OnceLock<Vec<Layer>> = OnceLock::new();
    &LAYERS.get_or_init(|| {
        let path = root().join("examples/data/router_trace.safetensors");
        let data = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&data).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let tensor = |layer: usize, name: &str, dtype: DType| {
            let view = file.tensor(&format!("layer{layer}.{name}")).unwrap_or_else(|e| panic!("{name}: {e}"));
            let shape: Vec<u64> = view.shape().iter().map(|n| *n as u64).collect();
            let size = dtype.size() as usize;
            let bits = view.data().chunks_exact(size).map(|element| {
                let mut word = [0; 8];
                word[..size].copy_from_slice(element);
                u64::from_le_bytes(word)
            });
            Tensor::from_bits(dtype, &shape, bits.collect::<Vec<_>>())
        };
        let layer = |l| Layer {
            logits: tensor(l, "logits", DType::Bf16),
            bias: tensor(l, "bias", DType::F32),
            ids: tensor(l, "ids", DType::I32),
            weights: tensor(l, "weights", DType::F32),
        };
        vec![layer(0), layer(1)]
    })[layer]
}

/// Inputs of a router at `rows` tokens: logits and bias of this kind, everything else ids that are mostly in range, with
/// −1, the extent and garbage between.
pub fn router_inputs(g: &Graph, rows: u64, kind: Kind, seed: u64) -> Vec<Tensor> {
    let extents = g.extents_of_rows(rows);
    let mut all = inputs(g, &extents, Rule::Ids, seed);
    let mut rng = SmallRng::seed_from_u64(seed ^ 0x006c_6f67_6974);
    for (tensor, input) in all.iter_mut().zip(&g.inputs) {
        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
        match input.name.as_str() {
            "logits" => *tensor = logits(dtype, &shape, kind, &mut rng),
            "bias" if kind == Kind::Trace && shape == [256] && dtype == DType::F32 => *tensor = trace(0).bias.clone(),
            "bias" | "global_scale" | "per_expert_scale" | "sink_logits" | "entropy_thresholds" => {
                let n: u64 = shape.iter().product();
                let value = |rng: &mut SmallRng| float(dtype, 0.25 * normal(rng));
                let bits = (0..n).map(|_| value(&mut rng)).collect::<Vec<_>>();
                *tensor = Tensor::from_bits(dtype, &shape, bits);
            }
            _ => {}
        }
    }
    all
}

/// The logits alone: `[rows, columns]`.
pub fn logits(dtype: DType, shape: &[u64], kind: Kind, rng: &mut SmallRng) -> Tensor {
    let (rows, columns) = (shape[0], shape[1]);
    let mut bits = Vec::with_capacity((rows * columns) as usize);
    for row in 0..rows {
        let same = float(dtype, normal(rng));
        for column in 0..columns {
            bits.push(match kind {
                Kind::Trace => {
                    let of_trace = trace(0).logits.bits((row % 2048 * 256 + column % 256) as usize);
                    let value = Literal::from_bits(DType::Bf16, of_trace).as_f64().unwrap_or(0.0);
                    // More columns than the trace has are not the same once more.
                    float(dtype, value + (column / 256) as f64 * 0.125)
                }
                Kind::Normal => float(dtype, 2.0 * normal(rng)),
                Kind::Ties => same,
                Kind::NegInf => float(dtype, f64::NEG_INFINITY),
                Kind::Sprinkled => match rng.random_range(0..24) {
                    0 => float(dtype, f64::NAN),
                    1 => float(dtype, f64::INFINITY),
                    2 => float(dtype, f64::NEG_INFINITY),
                    3 => float(dtype, -0.0),
                    _ => float(dtype, normal(rng)),
                },
            });
        }
    }
    Tensor::from_bits(dtype, shape, bits)
}

fn float(dtype: DType, value: f64) -> u64 {
    Literal::from_f64(dtype, value).map_or(0, Literal::bits)
}

/// Irwin and Hall's sum of twelve uniform numbers: near enough to normal.
fn normal(rng: &mut SmallRng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}
