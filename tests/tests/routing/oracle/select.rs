//! From a row's logits to the ids and weights of its expert slots, by sorting, in f64.
//!
//! f32 scores differ from f64 ones by some ulp. A row in which a choice depends on such a difference is set apart.

use super::choice::Choice;
use super::inputs::Inputs;
use routefuse_tests::routers::{Divisor, Score, Weight};

/// What a row routes to.
#[derive(Clone, Debug)]
pub struct Row {
    /// −1 where there is no expert.
    pub ids: Vec<i64>,
    pub weights: Vec<f64>,
    /// The weight of a shared expert inside the gate.
    pub in_gate: f64,
}

/// How far f32 is from f64, as a part of the number.
const NEAR: f64 = 1e-6;
/// f32 has no accuracy below; the root of a softplus none of what was below it before.
fn tiny(c: &Choice) -> f64 {
    if c.model.score == Score::SqrtSoftplus { 1e-18 } else { 1e-36 }
}

/// The logit, the bias, and whether a mask has put another value in their place.
type Source = (f64, f64, bool);

/// A column as a top-k sees it.
#[derive(Clone, Copy, Debug)]
struct Key {
    column: usize,
    value: f64,
    /// How far the f32 value may be from it.
    off: f64,
    /// What it was computed from: equal sources are equal in f32 too.
    source: Source,
}

impl Key {
    /// Whether f32 may see these two the other way round.
    fn unsure(&self, other: &Key) -> bool {
        let (a, b) = (self.value, other.value);
        let same = self.source == other.source || a == b && a.is_infinite();
        !same && a.is_finite() && b.is_finite() && (a - b).abs() <= self.off + other.off + 1e-40
    }
}

/// Numbers from the largest, then NaN; ties from the left.
fn sort(keys: &mut [Key]) {
    keys.sort_by(|a, b| match (a.value.is_nan(), b.value.is_nan()) {
        (false, false) => b.value.partial_cmp(&a.value).expect("numbers").then(a.column.cmp(&b.column)),
        (x, y) => x.cmp(&y).then(a.column.cmp(&b.column)),
    });
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = x.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

/// Routes row `t`; none if f64 has no say.
pub fn route(c: &Choice, inputs: &Inputs, t: usize) -> Option<Row> {
    match c.word("simulate", "none") {
        "none" => {}
        kind => return Some(simulated(c, inputs, t, kind == "random")),
    }
    let never = c.is("nan", "never");
    let given = &inputs.floats("logits")[t * c.columns..(t + 1) * c.columns];
    let cap = |x: f64| if c.model.capped { 30.0 * (x / 30.0).tanh() } else { x };
    let x: Vec<f64> = given.iter().map(|x| if never && x.is_nan() { f64::NEG_INFINITY } else { cap(*x) }).collect();
    let scores = match c.model.score {
        Score::Softmax => softmax(&x),
        Score::Sigmoid => x.iter().map(|x| sigmoid(*x)).collect(),
        Score::SqrtSoftplus => x.iter().map(|x| softplus(*x).sqrt()).collect(),
        Score::Logit => x.clone(),
    };
    let (ids, masked) = if c.model.hash {
        (of_table(c, inputs, t), None)
    } else {
        let (ids, masked) = chosen(c, inputs, given, &x, &scores)?;
        (ids, Some(masked))
    };
    // Without a bias the values that a top-k returns are the masked ones.
    let unbiased = c.model.groups.is_some() && !c.model.bias;
    let scores = masked.filter(|_| unbiased).unwrap_or(scores);
    let mut ids = ids;
    let w = weights(c, inputs, &x, &scores, &ids)?;
    let own_k = own_k(c, inputs, &x, &w)?;
    let given_nothing = |(w, id): (&f64, &i64)| if *id >= c.first_discard() { 0.0 } else { *w };
    let w: Vec<f64> = w.iter().zip(&ids).map(given_nothing).collect();
    let (mut w, mut in_gate) = divided(c, &w);
    if c.scaled() {
        w.iter_mut().for_each(|w| *w *= f64::from(c.scale));
        in_gate *= f64::from(c.scale);
    }
    if c.word("candidates", "above_neg_inf") != "all" {
        w.iter_mut().zip(&ids).filter(|(_, id)| **id < 0).for_each(|(w, _)| *w = 0.0);
    }
    w.iter_mut().enumerate().filter(|(rank, _)| *rank >= own_k).for_each(|(_, w)| *w = 0.0);
    if never {
        w.iter_mut().chain([&mut in_gate]).filter(|w| w.is_nan()).for_each(|w| *w = 0.0);
    }
    if c.is("order", "column") {
        let mut slots: Vec<(i64, f64)> = ids.iter().copied().zip(w).collect();
        slots.sort_by_key(|s| if s.0 < 0 { i64::MAX } else { s.0 });
        (ids, w) = slots.into_iter().unzip();
    }
    Some(Row { ids, weights: w, in_gate })
}

fn simulated(c: &Choice, inputs: &Inputs, t: usize, random: bool) -> Row {
    let position = |k: usize| (t * c.k + k) as u64;
    let id = |k: usize| {
        let number = if random { u64::from(inputs.philox(position(k))) } else { position(k) };
        (number % c.experts as u64) as i64
    };
    let scale = if c.scaled() { f64::from(c.scale) } else { 1.0 };
    Row { ids: (0..c.k).map(id).collect(), weights: vec![scale / c.k as f64; c.k], in_gate: 0.0 }
}

fn of_table(c: &Choice, inputs: &Inputs, t: usize) -> Vec<i64> {
    let table = inputs.integers("tid2eid");
    let token = inputs.integers("input_ids")[t];
    let rows = (table.len() / c.k) as i128;
    let id = |k: usize| {
        let id = if (0..rows).contains(&token) { table[token as usize * c.k + k] } else { -1 };
        if (0..c.experts as i128).contains(&id) { id as i64 } else { -1 }
    };
    (0..c.k).map(id).collect()
}

/// The ids of the k best, the best first; and all keys after groups were masked.
fn chosen(c: &Choice, inputs: &Inputs, given: &[f64], x: &[f64], scores: &[f64]) -> Option<(Vec<i64>, Vec<f64>)> {
    let never = c.is("nan", "never");
    let bias = c.model.bias.then(|| inputs.floats("bias"));
    let mut keys: Vec<Key> = (0..c.columns)
        .map(|i| {
            let b = bias.map_or(0.0, |b| b[i]);
            let value = scores[i] + b;
            let exact = c.model.score == Score::Logit && !c.model.bias;
            let near = if c.model.capped { 1e-4 } else { NEAR };
            let off = if exact { 0.0 } else { (near * scores[i].abs().max(b.abs()).max(value.abs())).max(tiny(c)) };
            Key { column: i, value, off, source: (x[i], b, false) }
        })
        .collect();
    let clean = |keys: &mut Vec<Key>| {
        for key in keys.iter_mut().filter(|_| never) {
            if given[key.column].is_nan() || key.value.is_nan() {
                key.value = f64::NEG_INFINITY;
            }
        }
    };
    clean(&mut keys);
    if let Some((groups, keep)) = c.groups() {
        mask_groups(c, &mut keys, groups, keep)?;
        clean(&mut keys);
    }
    let masked = keys.iter().map(|k| k.value).collect();
    sort(&mut keys);
    if c.word("candidates", "above_neg_inf") != "all" {
        keys.retain(|k| k.value != f64::NEG_INFINITY);
    }
    // What is chosen, and the first that is not.
    let ends = &keys[..keys.len().min(c.k + 1)];
    if ends.windows(2).any(|pair| pair[0].unsure(&pair[1])) {
        return None;
    }
    Some(((0..c.k).map(|i| keys.get(i).map_or(-1, |k| k.column as i64)).collect(), masked))
}

fn mask_groups(c: &Choice, keys: &mut [Key], groups: usize, keep: usize) -> Option<()> {
    let width = keys.len() / groups;
    let scored: Vec<(Key, Vec<Source>)> = (0..groups)
        .map(|g| {
            let mut of_group = keys[g * width..(g + 1) * width].to_vec();
            sort(&mut of_group);
            let best = &of_group[..if c.model.two_best { width.min(2) } else { 1 }];
            let value = best.iter().map(|k| k.value).sum();
            let off = best.iter().map(|k| k.off).sum::<f64>() + NEAR * f64::abs(value);
            (Key { column: g, value, off, source: (g as f64, 0.0, true) }, best.iter().map(|k| k.source).collect())
        })
        .collect();
    let mut order: Vec<Key> = scored.iter().map(|s| s.0).collect();
    sort(&mut order);
    if keep < groups {
        let (last, first) = (order[keep - 1], order[keep]);
        let same = scored[last.column].1 == scored[first.column].1;
        if !same && last.unsure(&first) {
            return None;
        }
    }
    for g in order[keep..].iter().map(|k| k.column) {
        for key in &mut keys[g * width..(g + 1) * width] {
            (key.value, key.off, key.source) = match c.word("group_mask", "neg_inf") {
                "neg_inf" => (f64::NEG_INFINITY, 0.0, (0.0, 0.0, true)),
                "zero" => (0.0, 0.0, (0.0, 0.0, true)),
                _ => (key.value * 0.0, 0.0, (0.0, 0.0, true)),
            };
        }
    }
    Some(())
}

fn weights(c: &Choice, inputs: &Inputs, x: &[f64], scores: &[f64], ids: &[i64]) -> Option<Vec<f64>> {
    let at = |values: &[f64], none: f64| -> Vec<f64> {
        ids.iter().map(|id| usize::try_from(*id).map_or(none, |i| values[i])).collect()
    };
    let logits = at(x, f64::NEG_INFINITY);
    let mut w = match c.model.weight {
        Weight::Score => at(scores, 0.0),
        Weight::SoftmaxOfChosen => softmax(&logits),
        Weight::SigmoidOfChosen => logits.iter().map(|x| sigmoid(*x)).collect(),
        Weight::SparseMixer => sparse_mixer(x, ids)?,
        Weight::Sinks => {
            let sinks = inputs.floats("sink_logits");
            let all: Vec<f64> = logits.iter().chain(sinks).map(|z| -softplus(-z)).collect();
            softmax(&all)[..c.k].iter().map(|w| w * inputs.floats("global_scale")[0]).collect()
        }
    };
    if c.model.per_expert_scale {
        w.iter_mut().zip(at(inputs.floats("per_expert_scale"), 0.0)).for_each(|(w, s)| *w *= s);
    }
    if c.model.weight != Weight::Score && c.word("candidates", "above_neg_inf") != "all" {
        w.iter_mut().zip(ids).filter(|(_, id)| **id < 0).for_each(|(w, _)| *w = 0.0);
    }
    // f32 may have nothing left of them, and then another sum.
    let tiny = c.model.weight == Weight::Score && w.iter().any(|w| *w != 0.0 && w.abs() < tiny(c));
    (!tiny).then_some(w)
}

/// The weights of the best two, from the best; none where f64 cannot tell what is near.
fn sparse_mixer(x: &[f64], ids: &[i64]) -> Option<Vec<f64>> {
    let mut w = vec![];
    for (rank, id) in ids.iter().enumerate() {
        let most = usize::try_from(*id).map_or(f64::NEG_INFINITY, |i| x[i]);
        let mut sum = 0.0;
        for (_, x) in x.iter().enumerate().filter(|(column, _)| rank == 0 || *column as i64 != ids[0]) {
            let ratio = (most - x) / x.abs().max(most);
            if (ratio - 0.02).abs() < 1e-5 {
                return None;
            }
            sum += if ratio > 0.02 { 0.0 } else { (x - most).exp() };
        }
        w.push(1.0 / sum);
    }
    Some(w)
}

/// The weights over their divisor, and the weight of a shared expert inside the gate.
fn divided(c: &Choice, w: &[f64]) -> (Vec<f64>, f64) {
    let sum: f64 = w.iter().sum();
    let divisor = match c.divisor {
        Divisor::One => 1.0,
        Divisor::Sum => sum,
        Divisor::PlusEpsilon(e) => sum + f64::from(e),
        Divisor::Clamp(e) => sum.max(f64::from(e)),
        Divisor::Positive => {
            if sum > 0.0 {
                sum
            } else {
                1.0
            }
        }
    };
    (w.iter().map(|w| w / divisor).collect(), sum / f64::from(c.scale) / divisor)
}

/// How many slots, from the best, keep their weight.
fn own_k(c: &Choice, inputs: &Inputs, x: &[f64], w: &[f64]) -> Option<usize> {
    if c.given("top_p") {
        let wanted = f64::from(c.word("top_p", "").parse::<f32>().expect("a number"));
        let mut sum = 0.0;
        let mut own = 1;
        for w in &w[..c.k - 1] {
            sum += w;
            if (sum - wanted).abs() < 1e-5 {
                return None;
            }
            own += usize::from(sum < wanted);
        }
        return Some(own);
    }
    if !c.is("adaptive_k", "true") {
        return Some(c.k);
    }
    let entropy: f64 = -softmax(x).iter().map(|p| if *p > 0.0 { p * p.ln() } else { 0.0 }).sum::<f64>();
    let thresholds = inputs.floats("entropy_thresholds");
    if thresholds.iter().any(|h| (h - entropy).abs() < 1e-4) {
        return None;
    }
    Some(1 + thresholds.iter().filter(|h| entropy > **h).count())
}
