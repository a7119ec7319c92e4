//! Rotary position embedding, and the Hadamard transform that some indexers put behind it.

use super::ChainResult;
use routefuse_ir::{DType, Dim, GraphBuilder, Literal, NodeId};

/// Which elements of a head are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// i and i + rotary_dim/2.
    Neox,
    /// 2i and 2i + 1.
    Interleaved,
}

/// Rotary position embedding with a cache by position (N3): of the first `rotary_dim` elements of every head, pairs (a, b)
/// become `(a × cos − b × sin, b × cos + a × sin)`, each product rounded by itself; the rest is unchanged. Optionally then
/// the Hadamard transform of the head, `Σ_i x_i × (−1)^popcount(i & j) × d^-½`, summed by the canonical tree.
///
/// Inputs `x [T, heads, d]`, `positions [T]`, `cos_sin f32[positions, rotary_dim]` (the cosines of a row before its sines).
/// A position out of range reads zeros. Output `rotated`, as x.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Heads.
    pub heads: u64,
    /// The head dim d.
    pub head_dim: u64,
    /// Rotated elements of a head; even, at most d.
    pub rotary_dim: u64,
    /// Rows of the cache.
    pub positions: u64,
    /// Which elements are pairs.
    pub pairing: Pairing,
    /// The dtype of x.
    pub dtype: DType,
    /// The dtype of the positions: i32 or i64.
    pub position_dtype: DType,
    /// The Hadamard transform follows; d is then a power of two.
    pub hadamard: bool,
}

impl Default for Rope {
    fn default() -> Rope {
        Rope {
            heads: 4,
            head_dim: 128,
            rotary_dim: 64,
            positions: 4096,
            pairing: Pairing::Neox,
            dtype: DType::Bf16,
            position_dtype: DType::I32,
            hadamard: false,
        }
    }
}

impl Rope {
    /// The graph.
    ///
    /// # Errors
    /// An odd `rotary_dim`, one larger than the head, dtypes that do not fit.
    pub fn graph(&self) -> ChainResult {
        let mut b = GraphBuilder::new(match (self.pairing, self.hadamard) {
            (Pairing::Neox, false) => "rope_neox",
            (Pairing::Interleaved, false) => "rope_interleaved",
            (Pairing::Neox, true) => "rope_neox_hadamard",
            (Pairing::Interleaved, true) => "rope_interleaved_hadamard",
        });
        let t: Dim = b.symbol("T").into();
        let (heads, half): (Dim, u64) = (self.heads.into(), self.rotary_dim / 2);
        let given = b.input("x", self.dtype, [t, heads, self.head_dim.into()]);
        let positions = b.input("positions", self.position_dtype, [t]);
        let cache = b.input("cos_sin", DType::F32, [self.positions.into(), self.rotary_dim.into()]);
        let x = b.cast(given, DType::F32);
        let rotary = b.slice(x, 0, self.rotary_dim);
        let position = b.reshape(positions, [t, 1.into()]);
        let position = b.broadcast(position, [t, half.into()]);
        let column = b.iota(self.position_dtype, [t, half.into()], 1);
        let second = b.int(self.position_dtype, i128::from(half));
        let sin_column = b.add(column, second);
        let pairs = [t, heads, half.into()];
        let mut of_heads = |column: NodeId| {
            let row = b.gather(cache, &[position, column]);
            let row = b.reshape(row, [t, 1.into(), half.into()]);
            b.broadcast(row, pairs)
        };
        let (cos, sin) = (of_heads(column), of_heads(sin_column));
        let (first, second) = match self.pairing {
            Pairing::Neox => (b.slice(rotary, 0, half), b.slice(rotary, half, self.rotary_dim)),
            Pairing::Interleaved => {
                let two = b.reshape(rotary, [t, heads, half.into(), 2.into()]);
                let (first, second) = (b.slice(two, 0, 1), b.slice(two, 1, 2));
                (b.reshape(first, pairs), b.reshape(second, pairs))
            }
        };
        let (ac, bs) = (b.mul(first, cos), b.mul(second, sin));
        let (bc, as_) = (b.mul(second, cos), b.mul(first, sin));
        let (first, second) = (b.sub(ac, bs), b.add(bc, as_));
        let rotated = match self.pairing {
            Pairing::Neox => b.concat(&[first, second]),
            Pairing::Interleaved => {
                let column = [t, heads, half.into(), 1.into()];
                let (first, second) = (b.reshape(first, column), b.reshape(second, column));
                let two = b.concat(&[first, second]);
                b.reshape(two, [t, heads, self.rotary_dim.into()])
            }
        };
        let mut out = if self.rotary_dim < self.head_dim {
            let rest = b.slice(x, self.rotary_dim, self.head_dim);
            b.concat(&[rotated, rest])
        } else {
            rotated
        };
        if self.hadamard {
            out = self.transform(&mut b, t, out);
        }
        let out = b.cast(out, self.dtype);
        b.output("rotated", out);
        b.finish()
    }

    /// By butterflies: a stage adds and subtracts what lies `d/2`, `d/4`, …, 1 apart, as the canonical tree does.
    fn transform(&self, b: &mut GraphBuilder, t: Dim, x: NodeId) -> NodeId {
        let mut x = x;
        let mut apart = self.head_dim / 2;
        while apart > 0 {
            // Reported as a wrong shape where the head dim is no power of two.
            x = b.reshape(x, [t, (self.heads * self.head_dim / (2 * apart)).into(), (2 * apart).into()]);
            let (low, high) = (b.slice(x, 0, apart), b.slice(x, apart, 2 * apart));
            let (sum, difference) = (b.add(low, high), b.sub(low, high));
            x = b.concat(&[sum, difference]);
            apart /= 2;
        }
        let x = b.reshape(x, [t, self.heads.into(), self.head_dim.into()]);
        // Computed in f64 and rounded once.
        let norm = b.constant(Literal::f32((self.head_dim as f64).powf(-0.5) as f32));
        b.mul(x, norm)
    }
}
