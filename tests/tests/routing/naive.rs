//! Routing as its formulas say, by sorting, in f64: slow, plain, and with no code of routefuse's.
//!
//! f32 scores differ from f64 ones by some ulp, so two keys nearer than that may change places. A row in which any choice is
//! so near is *close*: what is chosen must then still be best within that distance. In all others the ids must be equal.

use routefuse_tests::routers::{Score, Weight};

/// Groups: how many, how many are kept, and whether the sum of the two best counts, or the best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grouped {
    pub groups: usize,
    pub keep: usize,
    pub two_best: bool,
}

/// A router.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Router {
    pub k: usize,
    pub score: Score,
    pub groups: Option<Grouped>,
    pub weight: Weight,
    /// What is added to Σw before it divides the weights, if anything divides them.
    pub renorm: Option<f64>,
    /// Where the sum is not above 0, 1 divides them.
    pub guarded: bool,
    pub scale: f64,
    /// Logits are capped first, as 30 × tanh(x / 30).
    pub capped: bool,
}

/// A row's inputs.
pub struct Row<'a> {
    pub logits: &'a [f64],
    pub bias: Option<&'a [f64]>,
    pub sinks: &'a [f64],
    pub global_scale: f64,
    pub per_expert_scale: Option<&'a [f64]>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The very ids of the sorted keys.
    Equal,
    /// Keys nearer than f32 tells apart; the ids are good ones.
    Close,
}

/// f32 scores are within this of f64 ones.
const NEAR: f64 = 1e-6;

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= NEAR * a.abs().max(b.abs()) + 1e-40
}

/// Numbers from the largest, then NaN; ties from the left.
fn ranked(keys: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| match (keys[a].is_nan(), keys[b].is_nan()) {
        (false, false) => keys[b].partial_cmp(&keys[a]).expect("numbers").then(a.cmp(&b)),
        (x, y) => x.cmp(&y).then(a.cmp(&b)),
    });
    order
}

/// Two keys that differ, by less than f32 is sure to tell.
fn unsure(a: f64, b: f64) -> bool {
    a != b && a.is_finite() && b.is_finite() && near(a, b)
}

fn softmax(x: &[f64]) -> Vec<f64> {
    // A NaN is no maximum, and is the whole row's end.
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = x.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    // log(1 + eˣ) without overflow, and −∞ to 0.
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

impl Router {
    pub fn scores(&self, x: &[f64]) -> Vec<f64> {
        let x = &x.iter().map(|x| if self.capped { 30.0 * (x / 30.0).tanh() } else { *x }).collect::<Vec<_>>();
        match self.score {
            Score::Softmax => softmax(x),
            Score::Sigmoid => x.iter().map(|x| sigmoid(*x)).collect(),
            Score::SqrtSoftplus => x.iter().map(|x| softplus(*x).sqrt()).collect(),
            Score::Logit => x.to_vec(),
        }
    }

    /// The keys of all experts, −∞ in groups that are not kept; and whether the groups were a close choice.
    fn keys(&self, row: &Row<'_>) -> (Vec<f64>, bool) {
        let mut keys = self.scores(row.logits);
        if let Some(bias) = row.bias {
            keys.iter_mut().zip(bias).for_each(|(k, b)| *k += b);
        }
        let Some(Grouped { groups, keep, two_best }) = self.groups else { return (keys, false) };
        let width = keys.len() / groups;
        let score = |g: usize| {
            let of_group = &keys[g * width..(g + 1) * width];
            let best = ranked(of_group);
            if two_best {
                of_group[best[0]] + of_group[best[1]]
            } else {
                of_group.iter().copied().fold(f64::NAN, f64::max)
            }
        };
        let scores: Vec<f64> = (0..groups).map(score).collect();
        let order = ranked(&scores);
        let close = unsure(scores[order[keep - 1]], scores[order[keep]]);
        for g in &order[keep..] {
            keys[g * width..(g + 1) * width].fill(f64::NEG_INFINITY);
        }
        (keys, close)
    }

    /// The ids of a row, −1 where candidates ran out.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check_ids(&self, row: &Row<'_>, ids: &[i64]) -> Result<Verdict, String> {
        let (keys, close_groups) = self.keys(row);
        let order: Vec<usize> = ranked(&keys).into_iter().filter(|i| keys[*i] != f64::NEG_INFINITY).collect();
        let expected: Vec<i64> = (0..self.k).map(|i| order.get(i).map_or(-1, |e| *e as i64)).collect();
        let mut seen = vec![false; keys.len()];
        for id in ids.iter().filter(|id| **id != -1) {
            let slot = usize::try_from(*id).ok().and_then(|i| seen.get_mut(i));
            let slot = slot.ok_or(format!("{id} is no expert: {ids:?}"))?;
            if std::mem::replace(slot, true) {
                return Err(format!("{id} is chosen twice: {ids:?}"));
            }
        }
        if ids == expected {
            return Ok(Verdict::Equal);
        }
        // Only near keys may have changed places: those chosen, and the first that was not.
        let ends = order.iter().take(self.k + 1).map(|e| keys[*e]).collect::<Vec<_>>();
        let close = close_groups || ends.windows(2).any(|pair| unsure(pair[0], pair[1]));
        if !close {
            return Err(format!("ids {ids:?}, not {expected:?}"));
        }
        if close_groups {
            // Another group was as good: its keys are not masked in the router's view.
            return Ok(Verdict::Close);
        }
        for (got, want) in ids.iter().zip(&expected) {
            let (got, want) = (usize::try_from(*got), usize::try_from(*want));
            match (got, want) {
                (Ok(a), Ok(b)) if a == b || near(keys[a], keys[b]) || keys[a].is_nan() && keys[b].is_nan() => {}
                (Err(_), Err(_)) => {}
                _ => return Err(format!("ids {ids:?}, not {expected:?}, which are not as near")),
            }
        }
        Ok(Verdict::Close)
    }

    /// The weights of these ids; none where f64 has no say, because the sum is of numbers that f32 has hardly or not at all.
    pub fn weights(&self, row: &Row<'_>, ids: &[i64]) -> Option<Vec<f64>> {
        let scores = self.scores(row.logits);
        let at = |values: &[f64], none: f64| -> Vec<f64> {
            ids.iter()
                .map(|id| usize::try_from(*id).ok().and_then(|i| values.get(i)).copied().unwrap_or(none))
                .collect()
        };
        let chosen = at(row.logits, f64::NEG_INFINITY);
        let mut w = match self.weight {
            Weight::Score => at(&scores, 0.0),
            Weight::SoftmaxOfChosen => softmax(&chosen),
            Weight::SigmoidOfChosen => chosen.iter().map(|x| sigmoid(*x)).collect(),
            Weight::SparseMixer => (0..ids.len())
                .map(|slot| {
                    let far = |x: f64| (chosen[slot] - x) / x.abs().max(chosen[slot]) > 0.02;
                    let others = (0..row.logits.len()).filter(|i| !ids[..slot].contains(&(*i as i64)));
                    let others = others.map(|i| row.logits[i]).filter(|x| !far(*x));
                    1.0 / others.map(|x| (x - chosen[slot]).exp()).sum::<f64>()
                })
                .collect(),
            Weight::Sinks => {
                let all: Vec<f64> = chosen.iter().chain(row.sinks).map(|z| -softplus(-z)).collect();
                softmax(&all)[..ids.len()].iter().map(|w| w * row.global_scale).collect()
            }
        };
        if let Some(table) = row.per_expert_scale {
            w.iter_mut().zip(at(table, 0.0)).for_each(|(w, s)| *w *= s);
        }
        w.iter_mut().zip(ids).filter(|(_, id)| **id < 0).for_each(|(w, _)| *w = 0.0);
        if let Some(epsilon) = self.renorm {
            let sum: f64 = w.iter().sum();
            if sum.abs() < 1e-12 && sum != 0.0 {
                return None;
            }
            let divisor = if self.guarded && (sum.is_nan() || sum <= 0.0) { 1.0 } else { sum + epsilon };
            w.iter_mut().for_each(|w| *w /= divisor);
        }
        w.iter_mut().for_each(|w| *w *= self.scale);
        w.iter_mut().zip(ids).filter(|(_, id)| **id < 0).for_each(|(w, _)| *w = 0.0);
        Some(w)
    }
}

/// Whether a weight is the one that f64 gives.
pub fn same_weight(got: f64, want: f64) -> bool {
    match (got.is_nan(), want.is_nan()) {
        (true, true) => true,
        (false, false) => got == want || (got - want).abs() <= 2e-5 * want.abs() + 1e-37,
        _ => false,
    }
}
