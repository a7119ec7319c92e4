//! The inputs of a launch: hostile rows, tables with garbage, tokens out of range; as plain numbers, and as tensors.

use super::choice::Choice;
use rand::Rng;
use rand::rngs::SmallRng;
use routefuse_ir::{DType, Graph, Tensor};
use std::collections::BTreeMap;

/// The inputs of one launch by name, as the numbers that the tensors hold.
#[derive(Debug, Default)]
pub struct Inputs {
    floats: BTreeMap<String, Vec<f64>>,
    integers: BTreeMap<String, Vec<i128>>,
}

impl Inputs {
    pub fn floats(&self, name: &str) -> &[f64] {
        self.floats.get(name).unwrap_or_else(|| panic!("no floats {name}"))
    }

    pub fn integers(&self, name: &str) -> &[i128] {
        self.integers.get(name).unwrap_or_else(|| panic!("no integers {name}"))
    }

    /// Philox4x32-10 (Salmon et al., SC 2011) of the launch's seed and offset: the first word.
    pub fn philox(&self, position: u64) -> u32 {
        let (seed, offset) = (self.integers("seed")[0] as u64, self.integers("offset")[0] as u64);
        let mut key = [seed as u32, (seed >> 32) as u32];
        let mut c = [position as u32, (position >> 32) as u32, offset as u32, (offset >> 32) as u32];
        for _ in 0..10 {
            let (a, b) = (u64::from(c[0]) * 0xD251_1F53, u64::from(c[2]) * 0xCD9E_8D57);
            c = [(b >> 32) as u32 ^ c[1] ^ key[0], b as u32, (a >> 32) as u32 ^ c[3] ^ key[1], a as u32];
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        c[0]
    }
}

/// The number that these bits of a float are.
pub fn float(dtype: DType, bits: u64) -> f64 {
    match dtype {
        DType::F32 => f64::from(f32::from_bits(bits as u32)),
        DType::Bf16 => f64::from(f32::from_bits((bits as u32) << 16)),
        _ => {
            let (sign, exponent, fraction) = (bits >> 15 & 1, bits >> 10 & 0x1f, (bits & 0x3ff) as f64);
            let magnitude = match exponent {
                0 => fraction * f64::powi(2.0, -24),
                0x1f if fraction > 0.0 => f64::NAN,
                0x1f => f64::INFINITY,
                e => (1.0 + fraction / 1024.0) * f64::powi(2.0, e as i32 - 15),
            };
            if sign == 1 { -magnitude } else { magnitude }
        }
    }
}

/// Bits of a float near this number: cut off, for inputs may be any.
fn bits(dtype: DType, x: f64) -> u64 {
    let wide = u64::from((x as f32).to_bits());
    match dtype {
        DType::F32 => wide,
        DType::Bf16 if x.is_nan() => 0x7fc0,
        DType::Bf16 => wide >> 16,
        _ => {
            let sign = wide >> 31 << 15;
            let magnitude = x.abs();
            sign | match () {
                () if x.is_nan() => 0x7e00,
                () if magnitude > 65504.0 => 0x7c00,
                () if magnitude < f64::powi(2.0, -14) => (magnitude * f64::powi(2.0, 24)) as u64,
                () => {
                    let exponent = magnitude.log2().floor();
                    (exponent as u64 + 15) << 10 | ((magnitude / exponent.exp2() - 1.0) * 1024.0) as u64
                }
            }
        }
    }
}

fn normal(rng: &mut SmallRng) -> f64 {
    (0..6).map(|_| rng.random::<f64>()).sum::<f64>() * 1.4 - 4.2
}

/// A row of logits: of one of the kinds in which routers differ.
fn logits(rng: &mut SmallRng, columns: usize) -> Vec<f64> {
    let kind = rng.random_range(0..11);
    let same = normal(rng);
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e30, -1e30, 1e-40];
    let element = |rng: &mut SmallRng| match kind {
        0 => same,
        1 => f64::NEG_INFINITY,
        2 => f64::NAN,
        // Fewer candidates than most rows have slots.
        3 => {
            if rng.random_range(0..columns) < 2 {
                normal(rng)
            } else {
                f64::NEG_INFINITY
            }
        }
        4 => {
            if rng.random_range(0..12) == 0 {
                special[rng.random_range(0..special.len())]
            } else {
                normal(rng)
            }
        }
        5 => {
            if rng.random_range(0..8) == 0 {
                f64::NAN
            } else {
                normal(rng)
            }
        }
        // Many ties, and both zeros.
        6 => [-1.0, -0.0, 0.0, 0.5][rng.random_range(0..4)],
        7 => -120.0 + normal(rng) * 8.0,
        _ => 2.0 * normal(rng),
    };
    (0..columns).map(|_| element(rng)).collect()
}

/// Values of an input of floats.
fn floats(rng: &mut SmallRng, c: &Choice, name: &str, count: usize, rows: usize) -> Vec<f64> {
    match name {
        "logits" => (0..rows).flat_map(|_| logits(rng, c.columns)).collect(),
        "bias" => {
            let kind = rng.random_range(0..6);
            let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e30];
            (0..count)
                .map(|_| match kind {
                    0 => 0.0,
                    1 if rng.random_range(0..8) == 0 => special[rng.random_range(0..special.len())],
                    _ => 0.25 * normal(rng),
                })
                .collect()
        }
        "entropy_thresholds" => (0..count).map(|_| rng.random::<f64>() * 4.0 - 0.5).collect(),
        "probabilities" => (0..count)
            .map(|_| f64::from(rng.random_range(0..9_u8)) / 8.0)
            .map(|p| if p > 0.6 { 0.0 } else { p })
            .collect(),
        "uniform" => {
            let odd = [f64::NAN, -0.5, 1.0, 7.25];
            (0..count)
                .map(|_| {
                    if rng.random_range(0..16) == 0 {
                        odd[rng.random_range(0..4)]
                    } else {
                        f64::from(rng.random_range(0..64_u8)) / 64.0
                    }
                })
                .collect()
        }
        _ => (0..count).map(|_| 0.5 * normal(rng)).collect(),
    }
}

/// Values of an input of integers.
fn integers(rng: &mut SmallRng, c: &Choice, name: &str, dtype: DType, count: usize, rows: usize) -> Vec<i128> {
    let garbage = |rng: &mut SmallRng| {
        let odd = [-1, -5, i128::from(i32::MAX), i128::from(i32::MIN), c.physical as i128, c.experts as i128, 999_999];
        let wide = [1 << 40, -(1 << 33), (1 << 32) + 1];
        if dtype == DType::I64 && rng.random_range(0..3) == 0 {
            wide[rng.random_range(0..3)]
        } else {
            odd[rng.random_range(0..7)]
        }
    };
    let below = |rng: &mut SmallRng, most: usize, odd: u32| {
        if rng.random_range(0..odd) == 0 { garbage(rng) } else { rng.random_range(0..most) as i128 }
    };
    let ranks = c.expert_parallel().map_or(4, |(l, _)| c.physical / l);
    (0..count)
        .map(|_| match name {
            "n" => rng.random_range(-1..=rows as i128 + 1),
            "padding_mask" => rng.random_range(0..2),
            "record_load" => rng.random_range(0..3) - 1,
            "rank" => {
                if rng.random_range(0..6) == 0 {
                    garbage(rng)
                } else {
                    rng.random_range(0..ranks) as i128
                }
            }
            "valid_replicas" => rng.random_range(-2..9),
            "map" | "replicas" => below(rng, c.physical, 12),
            "tid2eid" => below(rng, c.experts, 8),
            "input_ids" => below(rng, c.word("vocabulary", "129280").parse().expect("V"), 8),
            "random" => i128::from(rng.random::<i32>()),
            "seed" | "offset" => i128::from(rng.random::<u64>()),
            _ => rng.random_range(0..100),
        })
        .collect()
}

/// Inputs of the graph for so many rows.
pub fn draw(rng: &mut SmallRng, c: &Choice, g: &Graph, rows: usize) -> (Inputs, Vec<Tensor>) {
    let mut inputs = Inputs::default();
    let mut tensors = vec![];
    for (i, input) in g.inputs.iter().enumerate() {
        let ty = g.input_type(i);
        let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(&[rows as u64])).collect();
        let count = shape.iter().product::<u64>() as usize;
        let name = input.name.as_str();
        let words: Vec<u64> = if ty.dtype.is_float() {
            let words: Vec<u64> = floats(rng, c, name, count, rows).into_iter().map(|x| bits(ty.dtype, x)).collect();
            inputs.floats.insert(name.to_owned(), words.iter().map(|w| float(ty.dtype, *w)).collect());
            words
        } else {
            let numbers = integers(rng, c, name, ty.dtype, count, rows);
            let mask = if ty.dtype.size() == 8 { u64::MAX } else { (1 << (8 * ty.dtype.size())) - 1 };
            let words = numbers.iter().map(|n| *n as u64 & mask).collect();
            inputs.integers.insert(name.to_owned(), numbers);
            words
        };
        tensors.push(Tensor::from_bits(ty.dtype, &shape, words));
    }
    (inputs, tensors)
}
