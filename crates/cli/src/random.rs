//! Inputs from a seed: half of them ordinary, half of them hostile.

use routefuse::{DType, Graph, Tensor, Verified};

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, seedable, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

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

    /// A tensor of this dtype and shape.
    pub fn tensor(&mut self, dtype: DType, shape: &[u64]) -> Tensor {
        let n = shape.iter().product::<u64>();
        Tensor::from_bits(dtype, shape, (0..n).map(|_| self.element(dtype)).collect::<Vec<_>>())
    }
}

/// Every input of a graph, with `extents[i]` for its i-th symbol.
pub fn inputs(graph: &Verified<Graph>, extents: &[u64], seed: u64) -> Vec<Tensor> {
    (0..graph.inputs.len())
        .map(|i| {
            let ty = graph.input_type(i);
            let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(extents)).collect();
            // A stream of its own for each input: giving one of them does not change the others.
            Random(seed ^ (i as u64 + 1).wrapping_mul(0xd1b5_4a32_d192_ed03)).tensor(ty.dtype, &shape)
        })
        .collect()
}
