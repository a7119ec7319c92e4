//! One MoE block of DeepSeek-V3's kind on a real routing trace: its router by burn's own ops and by routefuse, compared and timed.
//!
//! ```text
//! cargo run --release -p routefuse-burn --example moe_in_burn [TOKENS]
//! ```
//!
//! What has one exact answer (the remap of ids) has to agree bit for bit. Scores do not: burn's sigmoid takes the exponential of the
//! machine's library, and routefuse's is defined to the bit. So ids may differ where two experts are nearly tied; each such row is
//! looked at, and has to be one.

use burn_tensor::activation::{sigmoid, silu};
use burn_tensor::{Device, Distribution, Int, IntDType, Tensor};
use routefuse_burn::routefuse::models::{self, ModelOptions};
use routefuse_burn::routefuse::text;
use routefuse_burn::{Argument, Router, tensor};
use safetensors::SafeTensors;
use std::time::{Duration, Instant};

/// DeepSeek-V3's numbers.
const EXPERTS: usize = 256;
const GROUPS: usize = 8;
const KEPT_GROUPS: usize = 4;
const TOP_K: usize = 8;
const FACTOR: f32 = 2.5;
/// Of the block's experts: small, so that the block is about its routing.
const HIDDEN: usize = 32;
/// Scores that are nearer than this are taken for a tie: a few roundings of a number near 1.
const NEAR: f32 = 4. * f32::EPSILON;

type Failure = Box<dyn std::error::Error>;
type Routed = (Tensor<2, Int>, Tensor<2>);

fn main() -> Result<(), Failure> {
    let tokens = std::env::args().nth(1).map(|n| n.parse::<usize>()).transpose()?;
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/router_trace.safetensors"))?;
    let trace = SafeTensors::deserialize(&file)?;
    let (preset, mut options) = (models::named("deepseek-v3")?, ModelOptions::default());
    preset.set(&mut options, "logits", "f32")?;
    let router = Router::new(preset.graph(&options)?)?;
    let remap = Router::new(text::parse_verified(include_str!("../../../examples/a_remap_static.route"))?)?;
    let layers = [0, 1].map(|layer| Layer::of_trace(&trace, layer, tokens));
    for layer in &layers {
        let layer = layer.as_ref().map_err(ToString::to_string)?;
        layer.compare(&router, &remap)?;
    }
    let layer = layers[0].as_ref().map_err(ToString::to_string)?;
    println!("\n{:>7} {:>14} {:>14} {:>8}", "tokens", "burn, µs", "routefuse, µs", "ratio");
    for tokens in [1, 16, 128, 1024, 2048] {
        if tokens > layer.logits.dims()[0] {
            break;
        }
        let logits = layer.logits.clone().slice([0..tokens, 0..EXPERTS]);
        let own = time(|| {
            drop(own_router(logits.clone(), layer.bias.clone()));
            Ok(())
        })?;
        let fused = time(|| layer.route(&router, logits.clone()).map(drop))?;
        let us = |d: Duration| d.as_secs_f64() * 1e6;
        println!("{tokens:>7} {:>14.2} {:>14.2} {:>8.1}", us(own), us(fused), us(own) / us(fused));
    }
    Ok(())
}

/// What the block of one layer is given.
struct Layer {
    name: String,
    /// `[T, 256]`
    logits: Tensor<2>,
    /// `[256]`
    bias: Tensor<1>,
    /// `[T, HIDDEN]`, drawn.
    x: Tensor<2>,
    /// `[256, HIDDEN, HIDDEN]` each, drawn: up and down.
    experts: [Tensor<3>; 2],
}

impl Layer {
    fn of_trace(trace: &SafeTensors<'_>, layer: usize, tokens: Option<usize>) -> Result<Layer, Failure> {
        let device = Device::flex();
        let logits = trace.tensor(&format!("layer{layer}.logits"))?;
        let tokens = tokens.unwrap_or(usize::MAX).min(logits.shape()[0]);
        // The upper halves of floats.
        let wide = |b: &[u8]| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16);
        let elements: Vec<f32> = logits.data().chunks_exact(2).take(tokens * EXPERTS).map(wide).collect();
        let bias = trace.tensor(&format!("layer{layer}.bias"))?;
        let bias: Vec<f32> =
            bias.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let drawn = || Tensor::random([EXPERTS, HIDDEN, HIDDEN], Distribution::Normal(0., 0.2), &device);
        Ok(Layer {
            name: format!("layer {layer}"),
            logits: Tensor::<1>::from_floats(elements.as_slice(), &device).reshape([tokens, EXPERTS]),
            bias: Tensor::from_floats(bias.as_slice(), &device),
            x: Tensor::random([tokens, HIDDEN], Distribution::Normal(0., 1.), &device),
            experts: [drawn(), drawn()],
        })
    }

    fn route(&self, router: &Router, logits: Tensor<2>) -> Result<Routed, Failure> {
        let results = router.forward([Argument::of(logits)?, Argument::of(self.bias.clone())?])?;
        let [ids, weights] = results.try_into().map_err(|_| "a router gives two")?;
        Ok((tensor(ids)?, tensor(weights)?))
    }

    /// The block behind its router: each token's experts, weighted and added up.
    fn block(&self, (ids, weights): &Routed) -> Tensor<2> {
        let [tokens, k] = ids.dims();
        let mut y = self.x.zeros_like();
        for slot in 0..k {
            let expert: Tensor<1, Int> = ids.clone().slice([0..tokens, slot..slot + 1]).reshape([tokens]);
            let [up, down] = [0, 1].map(|i| self.experts[i].clone().select(0, expert.clone()));
            let h = silu(self.x.clone().reshape([tokens, 1, HIDDEN]).matmul(up)).matmul(down);
            y = y + h.reshape([tokens, HIDDEN]) * weights.clone().slice([0..tokens, slot..slot + 1]);
        }
        y
    }

    /// The block by both routers: what must be equal is, what differs is a tie.
    fn compare(&self, router: &Router, remap: &Router) -> Result<(), Failure> {
        let own = own_router(self.logits.clone(), self.bias.clone());
        let ours = self.route(router, self.logits.clone())?;
        let [tokens, _] = ours.0.dims();

        // Integers: one answer.
        let map: Vec<i32> = (0..EXPERTS as i32).map(|e| e * 167 % EXPERTS as i32).collect();
        let map = Tensor::<1, Int>::from_ints(map.as_slice(), &Device::flex()).cast(IntDType::I32);
        let valid = Tensor::<1, Int>::from_ints([tokens as i32], &Device::flex()).cast(IntDType::I32);
        let physical =
            remap.forward([Argument::of(ours.0.clone())?, Argument::of(map.clone())?, Argument::of(valid)?])?;
        let physical: Tensor<2, Int> = tensor(physical.into_iter().next().ok_or("a remap gives one")?)?;
        let own_physical = map.select(0, ours.0.clone().reshape([tokens * TOP_K])).reshape([tokens, TOP_K]);
        if integers(physical) != integers(own_physical) {
            return Err(format!("{}: remapped ids differ from burn's", self.name).into());
        }

        let biased = floats(sigmoid(self.logits.clone()) + self.bias.clone().unsqueeze());
        let (ids, weights) = (integers(ours.0.clone()), floats(ours.1.clone()));
        let (own_ids, own_weights) = (integers(own.0.clone()), floats(own.1.clone()));
        let (mut equal, mut tied, mut ulp) = (0, 0, 0);
        for row in 0..tokens {
            let slots = row * TOP_K..(row + 1) * TOP_K;
            let (a, b) = (&ids[slots.clone()], &own_ids[slots.clone()]);
            if a == b {
                equal += 1;
                let apart = slots.map(|i| weights[i].to_bits().abs_diff(own_weights[i].to_bits()));
                ulp = apart.fold(ulp, u32::max);
                continue;
            }
            if !is_tie(&biased[row * EXPERTS..][..EXPERTS], a, b) {
                return Err(
                    format!("{}, row {row}: {a:?} and burn's {b:?} differ, and no scores are near", self.name).into()
                );
            }
            tied += 1;
        }
        let (y, own_y) = (floats(self.block(&ours)), floats(self.block(&own)));
        let most = |y: &mut dyn Iterator<Item = f32>| y.fold(0f32, |most, v| most.max(v.abs()));
        let apart = most(&mut y.iter().zip(&own_y).map(|(a, b)| a - b)) / most(&mut own_y.iter().copied());
        println!(
            "{}: {tokens} tokens; remapped ids equal; {equal} rows of ids equal, {tied} tied; weights of equal rows within {ulp} ulp; the block's results within {apart:.1e}",
            self.name
        );
        if ulp > 16 || (tied == 0 && apart > 1e-5) {
            return Err(format!("{}: weights are further apart than roundings", self.name).into());
        }
        Ok(())
    }
}

fn integers(t: Tensor<2, Int>) -> Vec<i64> {
    t.into_data().iter::<i64>().collect()
}

fn floats(t: Tensor<2>) -> Vec<f32> {
    t.into_data().iter::<f32>().collect()
}

/// Whether two choices differ only where scores, or those of groups, are nearly equal.
fn is_tie(scores: &[f32], ours: &[i64], own: &[i64]) -> bool {
    let near = |a: f32, b: f32| (a - b).abs() <= NEAR * a.abs().max(b.abs()).max(1.);
    let mut slots = ours.iter().zip(own).filter(|(a, b)| a != b);
    if slots.all(|(a, b)| near(scores[*a as usize], scores[*b as usize])) {
        return true;
    }
    let width = EXPERTS / GROUPS;
    let of_group = |group: usize| {
        let mut best: Vec<f32> = scores[group * width..][..width].to_vec();
        best.sort_by(|a, b| b.total_cmp(a));
        best[0] + best[1]
    };
    let mut groups: Vec<f32> = (0..GROUPS).map(of_group).collect();
    groups.sort_by(|a, b| b.total_cmp(a));
    near(groups[KEPT_GROUPS - 1], groups[KEPT_GROUPS])
}

/// DeepSeek-V3's router by burn's own ops: ids and weights, `[T, 8]` each.
fn own_router(logits: Tensor<2>, bias: Tensor<1>) -> Routed {
    let [tokens, _] = logits.dims();
    let scores = sigmoid(logits);
    let biased = scores.clone() + bias.unsqueeze();
    let grouped: Tensor<3> = biased.clone().reshape([tokens, GROUPS, EXPERTS / GROUPS]);
    let (best, _) = grouped.topk_with_indices(2, 2);
    let group_scores: Tensor<2> = best.sum_dim(2).reshape([tokens, GROUPS]);
    let (_, kept) = group_scores.topk_with_indices(KEPT_GROUPS, 1);
    let groups = Tensor::<1, Int>::arange(0..GROUPS as i64, &Device::flex()).reshape([1, 1, GROUPS]);
    let hits: Tensor<3, Int> = kept
        .reshape([tokens, KEPT_GROUPS, 1])
        .expand([tokens, KEPT_GROUPS, GROUPS])
        .equal(groups.expand([tokens, KEPT_GROUPS, GROUPS]))
        .int();
    let dropped = hits.sum_dim(1).lower_elem(1);
    let dropped =
        dropped.reshape([tokens, GROUPS, 1]).expand([tokens, GROUPS, EXPERTS / GROUPS]).reshape([tokens, EXPERTS]);
    let (_, ids) = biased.mask_fill(dropped, f32::NEG_INFINITY).topk_with_indices(TOP_K, 1);
    let chosen = scores.gather(1, ids.clone());
    let sum = chosen.clone().sum_dim(1) + 1e-20;
    (ids, chosen / sum * FACTOR)
}

/// The time of one call: the median of bursts.
fn time(call: impl Fn() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let burst = |calls: u32| -> Result<Duration, Failure> {
        let begin = Instant::now();
        (0..calls).try_for_each(|_| call())?;
        Ok(begin.elapsed())
    };
    burst(3)?;
    let one = burst(3)? / 3;
    let calls = (Duration::from_millis(4).as_nanos() / one.as_nanos().max(1)).clamp(1, 2000) as u32;
    let mut times = (0..11).map(|_| Ok(burst(calls)? / calls)).collect::<Result<Vec<_>, Failure>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
