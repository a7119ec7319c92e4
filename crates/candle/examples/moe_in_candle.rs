//! One MoE block of DeepSeek-V3's kind on a real routing trace: its router by candle's own ops and by routefuse, compared and timed.
//!
//! ```text
//! cargo run --release --example moe_in_candle                                   # on the CPU
//! cargo run --release --example moe_in_candle --features cuda -- --cuda         # on an NVIDIA GPU
//! cargo run --release --example moe_in_candle -- --write-bundle sm_90 FILE      # for a build without the compiler:
//! cargo run --release --example moe_in_candle --no-default-features --features cuda -- --cuda --bundle FILE
//! ```
//!
//! Candle's own ops are what an engine in candle runs for such a router: some thirty launches. What has one exact answer (the remap
//! of ids) has to agree bit for bit. Scores do not: candle's sigmoid takes the exponential of the machine's library, and
//! routefuse's is defined to the bit. So ids may differ where two experts are nearly tied; each such row is looked at, and has to be one.

use candle_core::{D, DType, Device, Result, Tensor, bail};
use candle_nn::ops::{sigmoid, silu};
use routefuse_candle::routefuse::Engine;
use routefuse_candle::routefuse::cache::Trust;
use routefuse_candle::{Router, Routers};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// DeepSeek-V3's numbers.
const EXPERTS: usize = 256;
const GROUPS: usize = 8;
const KEPT_GROUPS: usize = 4;
const TOP_K: usize = 8;
const FACTOR: f64 = 2.5;
/// Of the block's experts: small, so that the block is about its routing.
const HIDDEN: usize = 32;
/// Scores that are nearer than this are taken for a tie: a few roundings of a number near 1.
const NEAR: f32 = 4. * f32::EPSILON;

/// What is asked for on the command line.
struct Asked {
    cuda: bool,
    tokens: Option<usize>,
    trace: PathBuf,
    bundle: Option<PathBuf>,
    write: Option<(String, PathBuf)>,
}

const USAGE: &str =
    "moe_in_candle [--cuda] [--tokens N] [--trace FILE.safetensors] [--bundle FILE | --write-bundle TARGET FILE]";

fn asked() -> Result<Asked> {
    let trace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/data/router_trace.safetensors").into();
    let mut asked = Asked { cuda: false, tokens: None, trace, bundle: None, write: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut next = || words.next().ok_or_else(|| candle_core::Error::Msg(format!("`{word}` wants more; {USAGE}")));
        match word.as_str() {
            "--cuda" => asked.cuda = true,
            "--tokens" => asked.tokens = Some(next()?.parse().map_err(candle_core::Error::wrap)?),
            "--trace" => asked.trace = next()?.into(),
            "--bundle" => asked.bundle = Some(next()?.into()),
            "--write-bundle" => asked.write = Some((next()?, next()?.into())),
            _ => bail!("`{word}` is no argument; {USAGE}"),
        }
    }
    Ok(asked)
}

fn main() -> Result<()> {
    let asked = asked()?;
    if let Some((target, path)) = &asked.write {
        return write_bundle(target, path);
    }
    let device = if asked.cuda { Device::new_cuda(0)? } else { Device::Cpu };
    let routers = Routers::new(engine(&asked)?, &device)?;
    let (router, remap) = graphs(&routers, asked.bundle.is_some())?;
    println!("on {:?}, target {}", device.location(), routers.target_of_device()?.name());

    for layer in [0, 1] {
        let layer = Layer::of_trace(&asked, layer, &device)?;
        layer.compare(&router, &remap)?;
    }
    let layer = Layer::of_trace(&asked, 0, &device)?;
    println!("\n{:>7} {:>14} {:>14} {:>8}", "tokens", "candle, µs", "routefuse, µs", "ratio");
    for tokens in [1, 16, 128, 1024, 2048] {
        if tokens > layer.logits.dim(0)? {
            break;
        }
        let logits = layer.logits.narrow(0, 0, tokens)?;
        let own = time(&device, || own_router(&logits, &layer.bias).map(drop))?;
        let fused = time(&device, || router.forward(&[&logits, &layer.bias]).map(drop))?;
        let us = |d: Duration| d.as_secs_f64() * 1e6;
        println!("{tokens:>7} {:>14.2} {:>14.2} {:>8.1}", us(own), us(fused), us(own) / us(fused));
    }
    let logits = layer.logits.narrow(0, 0, 1)?;
    let (ids, weights) = own_router(&logits, &layer.bias)?;
    let call = issue(&device, || router.forward(&[&logits, &layer.bias]).map(drop))?;
    let into = issue(&device, || router.forward_into(&[&logits, &layer.bias], &[&ids, &weights]))?;
    println!(
        "\none call for one token takes the host {:.0} ns, and {:.0} ns into tensors that there are",
        ns(call),
        ns(into)
    );
    Ok(())
}

fn ns(d: Duration) -> f64 {
    d.as_secs_f64() * 1e9
}

fn engine(asked: &Asked) -> Result<Engine> {
    let wrapped = candle_core::Error::wrap;
    match &asked.bundle {
        Some(path) => Engine::from_bundle(path, &Trust::anyone()).map_err(wrapped),
        None => Engine::builder().build().map_err(wrapped),
    }
}

#[cfg(feature = "compiler")]
mod compiled {
    use super::*;
    use routefuse_candle::routefuse::models::{self, ModelOptions};
    use routefuse_candle::routefuse::{Graph, Options, Target, Verified, text};

    /// The router with logits as candle's gate gives them, and the remap of logical ids to physical ones.
    fn sources() -> std::result::Result<[Verified<Graph>; 2], routefuse_candle::routefuse::Error> {
        let (preset, mut options) = (models::named("deepseek-v3")?, ModelOptions::default());
        preset.set(&mut options, "logits", "f32")?;
        let remap = text::parse_verified(include_str!("../../../examples/a_remap_static.route"))?;
        Ok([preset.graph(&options)?, remap])
    }

    pub fn graphs(routers: &Routers) -> Result<(Router, Router)> {
        let [router, remap] = sources().map_err(candle_core::Error::wrap)?;
        Ok((routers.router(router)?, routers.router(remap)?))
    }

    pub fn write_bundle(target: &str, path: &std::path::Path) -> Result<()> {
        let made = || {
            let [router, remap] = sources()?;
            let graphs = [("router".to_owned(), router), ("remap".to_owned(), remap)];
            let targets = [Target::host(), Target::named(target)?];
            Engine::builder().build()?.bundle(&graphs, &targets, &Options::default(), None, &|_| ())
        };
        std::fs::write(path, made().map_err(candle_core::Error::wrap)?.finish())?;
        Ok(())
    }
}

fn graphs(routers: &Routers, bundled: bool) -> Result<(Router, Router)> {
    #[cfg(feature = "compiler")]
    if !bundled {
        return compiled::graphs(routers);
    }
    let _ = bundled;
    Ok((routers.bundled("router")?, routers.bundled("remap")?))
}

fn write_bundle(target: &str, path: &std::path::Path) -> Result<()> {
    #[cfg(feature = "compiler")]
    return compiled::write_bundle(target, path);
    #[cfg(not(feature = "compiler"))]
    bail!("this build has no compiler to make {} for {target} with", path.display())
}

/// What the block of one layer is given.
struct Layer {
    name: String,
    /// `f32[T, 256]`
    logits: Tensor,
    /// `f32[256]`
    bias: Tensor,
    /// `f32[T, HIDDEN]`, drawn.
    x: Tensor,
    /// `f32[256, HIDDEN, HIDDEN]` each, drawn: up and down.
    experts: [Tensor; 2],
}

impl Layer {
    fn of_trace(asked: &Asked, layer: usize, device: &Device) -> Result<Layer> {
        let trace = candle_core::safetensors::load(&asked.trace, &Device::Cpu)?;
        let get = |name: &str| match trace.get(&format!("layer{layer}.{name}")) {
            Some(t) => t.to_dtype(DType::F32)?.to_device(device),
            None => bail!("{} has no layer{layer}.{name}", asked.trace.display()),
        };
        let logits = get("logits")?;
        let tokens = asked.tokens.unwrap_or(usize::MAX).min(logits.dim(0)?);
        let drawn = |shape: (usize, usize, usize)| Tensor::randn(0f32, 1. / (HIDDEN as f32).sqrt(), shape, device);
        let experts = [drawn((EXPERTS, HIDDEN, HIDDEN))?, drawn((EXPERTS, HIDDEN, HIDDEN))?];
        Ok(Layer {
            name: format!("layer {layer}"),
            logits: logits.narrow(0, 0, tokens)?.contiguous()?,
            bias: get("bias")?,
            x: Tensor::randn(0f32, 1., (tokens, HIDDEN), device)?,
            experts,
        })
    }

    /// The block behind its router: each token's experts, weighted and added up.
    fn block(&self, ids: &Tensor, weights: &Tensor) -> Result<Tensor> {
        let (tokens, k) = ids.dims2()?;
        let mut y = self.x.zeros_like()?;
        for slot in 0..k {
            let expert = ids.narrow(1, slot, 1)?.flatten_all()?.contiguous()?;
            let [up, down] = [0, 1].map(|i| self.experts[i].index_select(&expert, 0));
            let h = silu(&self.x.reshape((tokens, 1, HIDDEN))?.matmul(&up?)?)?;
            let h = h.matmul(&down?)?.reshape((tokens, HIDDEN))?;
            y = (y + h.broadcast_mul(&weights.narrow(1, slot, 1)?)?)?;
        }
        Ok(y)
    }

    /// The block by both routers: what must be equal is, what differs is a tie.
    fn compare(&self, router: &Router, remap: &Router) -> Result<()> {
        let (own_ids, own_weights) = own_router(&self.logits, &self.bias)?;
        let [ids, weights] = &router.forward(&[&self.logits, &self.bias])?[..] else { bail!("a router gives two") };

        // Integers: one answer.
        let map = Tensor::arange(0u32, EXPERTS as u32, &Device::Cpu)?.to_vec1::<u32>()?;
        let map: Vec<u32> = map.iter().map(|e| e * 167 % EXPERTS as u32).collect();
        let map = Tensor::new(map, self.logits.device())?;
        let tokens = ids.dim(0)?;
        let valid = Tensor::new(tokens as u32, self.logits.device())?;
        let physical = &remap.forward(&[ids, &map, &valid])?[0];
        let own_physical = map.index_select(&ids.flatten_all()?, 0)?.reshape(ids.shape())?;
        if physical.to_vec2::<u32>()? != own_physical.to_vec2::<u32>()? {
            bail!("{}: remapped ids differ from candle's", self.name);
        }

        let biased = sigmoid(&self.logits)?.broadcast_add(&self.bias)?.to_vec2::<f32>()?;
        let rows = |ids: &Tensor, weights: &Tensor| -> Result<Vec<(Vec<u32>, Vec<f32>)>> {
            Ok(ids.to_vec2::<u32>()?.into_iter().zip(weights.to_vec2::<f32>()?).collect())
        };
        let (mut equal, mut tied, mut ulp) = (0, 0, 0);
        for (row, (ours, own)) in rows(ids, weights)?.into_iter().zip(rows(&own_ids, &own_weights)?).enumerate() {
            if ours.0 == own.0 {
                equal += 1;
                let apart = ours.1.iter().zip(&own.1).map(|(a, b)| a.to_bits().abs_diff(b.to_bits()));
                ulp = apart.fold(ulp, u32::max);
                continue;
            }
            if !is_tie(&biased[row], &ours.0, &own.0) {
                bail!("{}, row {row}: {:?} and candle's {:?} differ, and no scores are near", self.name, ours.0, own.0);
            }
            tied += 1;
        }
        let (y, own_y) = (self.block(ids, weights)?, self.block(&own_ids, &own_weights)?);
        let most = |t: &Tensor| t.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
        let apart = most(&(&y - &own_y)?)? / most(&own_y)?;
        println!(
            "{}: {tokens} tokens; remapped ids equal; {equal} rows of ids equal, {tied} tied; weights of equal rows within {ulp} ulp; the block's results within {apart:.1e}",
            self.name
        );
        if ulp > 16 || (tied == 0 && apart > 1e-5) {
            bail!("{}: weights are further apart than roundings", self.name);
        }
        Ok(())
    }
}

/// Whether two choices differ only where scores, or those of groups, are nearly equal.
fn is_tie(scores: &[f32], ours: &[u32], own: &[u32]) -> bool {
    let near = |a: f32, b: f32| (a - b).abs() <= NEAR * a.abs().max(b.abs()).max(1.);
    let slots = ours.iter().zip(own).filter(|(a, b)| a != b);
    let by_score = |a: &u32, b: &u32| near(scores[*a as usize], scores[*b as usize]);
    if slots.clone().all(|(a, b)| by_score(a, b)) {
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

/// The k largest of each row: their indices, the largest first.
fn top(scores: &Tensor, k: usize) -> Result<Tensor> {
    scores.arg_sort_last_dim(false)?.narrow(D::Minus1, 0, k)?.contiguous()
}

/// DeepSeek-V3's router by candle's own ops: ids `u32[T, 8]`, weights `f32[T, 8]`.
fn own_router(logits: &Tensor, bias: &Tensor) -> Result<(Tensor, Tensor)> {
    let tokens = logits.dim(0)?;
    let scores = sigmoid(logits)?;
    let biased = scores.broadcast_add(bias)?;
    let grouped = biased.reshape((tokens, GROUPS, EXPERTS / GROUPS))?;
    let group_scores = grouped.gather(&top(&grouped, 2)?, D::Minus1)?.sum(D::Minus1)?;
    let kept = top(&group_scores, KEPT_GROUPS)?;
    let mask = group_scores.zeros_like()?.scatter_add(&kept, &kept.ones_like()?.to_dtype(DType::F32)?, 1)?;
    let mask = mask.unsqueeze(2)?.broadcast_as(grouped.shape())?.reshape(biased.shape())?;
    let minus_infinity = Tensor::full(f32::NEG_INFINITY, biased.shape(), biased.device())?;
    let ids = top(&mask.ne(0.)?.where_cond(&biased, &minus_infinity)?, TOP_K)?;
    let chosen = scores.gather(&ids, 1)?;
    let sum = (chosen.sum_keepdim(1)? + 1e-20)?;
    Ok((ids, (chosen.broadcast_div(&sum)? * FACTOR)?))
}

/// The time of one call, with what the device does for it: the median of bursts.
fn time(device: &Device, call: impl Fn() -> Result<()>) -> Result<Duration> {
    bursts(&call, || device.synchronize())
}

/// The time that one call takes the host.
fn issue(device: &Device, call: impl Fn() -> Result<()>) -> Result<Duration> {
    let issued = bursts(&call, || Ok(()))?;
    device.synchronize()?;
    Ok(issued)
}

fn bursts(call: &impl Fn() -> Result<()>, wait: impl Fn() -> Result<()>) -> Result<Duration> {
    let burst = |calls: u32| -> Result<Duration> {
        wait()?;
        let begin = Instant::now();
        (0..calls).try_for_each(|_| call())?;
        wait()?;
        Ok(begin.elapsed())
    };
    burst(3)?;
    let one = burst(3)? / 3;
    let calls = (Duration::from_millis(4).as_nanos() / one.as_nanos().max(1)).clamp(1, 2000) as u32;
    let mut times = (0..11).map(|_| Ok(burst(calls)? / calls)).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
