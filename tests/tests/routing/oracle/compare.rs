//! What left a graph, against what should have.

use super::after::{Leaves, after};
use super::choice::Choice;
use super::inputs::{Inputs, float};
use super::select::route;
use routefuse_ir::{DType, Graph, Tensor};

/// What became of rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub equal: u64,
    /// Rows in which f64 cannot tell what f32 chooses.
    pub near_ties: u64,
}

/// Compares every output of a launch.
///
/// # Errors
/// What differs.
pub fn compare(
    c: &Choice,
    g: &Graph,
    inputs: &Inputs,
    outputs: &[Tensor],
    rows: usize,
    counts: &mut Counts,
) -> Result<(), String> {
    let output = |name: &str| g.outputs.iter().position(|o| o.name == name).map(|at| &outputs[at]);
    let mut all = vec![];
    for t in 0..rows {
        let Some(row) = route(c, inputs, t) else {
            counts.near_ties += 1;
            continue;
        };
        counts.equal += 1;
        let leaves = after(c, inputs, t, &row);
        check_row(&output, t, rows, c, &leaves).map_err(|e| format!("row {t}: {e}\n  selected {row:?}"))?;
        all.push(leaves);
    }
    if all.len() < rows {
        return Ok(());
    }
    let recorded = all.iter().flat_map(|l| l.recorded.iter().copied());
    check_counts("record", inputs, output("record_out"), recorded)?;
    let loaded = all.iter().flat_map(|l| l.loaded.iter().copied());
    check_counts("load", inputs, output("load_out"), loaded)
}

fn check_counts(
    name: &str,
    inputs: &Inputs,
    got: Option<&Tensor>,
    ids: impl Iterator<Item = i64>,
) -> Result<(), String> {
    let Some(got) = got else { return Ok(()) };
    let mut want = inputs.integers(name).to_vec();
    ids.for_each(|id| {
        if let Some(count) = usize::try_from(id).ok().and_then(|i| want.get_mut(i)) {
            *count += 1;
        }
    });
    let got: Vec<i128> = (0..got.len()).map(|i| i128::from(got.bits(i))).collect();
    if got == want { Ok(()) } else { Err(format!("{name}: {got:?}, not {want:?}")) }
}

fn check_row<'a>(
    output: &impl Fn(&str) -> Option<&'a Tensor>,
    t: usize,
    rows: usize,
    c: &Choice,
    want: &Leaves,
) -> Result<(), String> {
    let row = |tensor: &Tensor| -> Vec<u64> {
        let columns = tensor.len() / rows;
        (t * columns..(t + 1) * columns).map(|i| tensor.bits(i)).collect()
    };
    let near = near_of(c);
    let kept: Vec<u64> = output("ids_out").map(row).unwrap_or_default();
    if let Some(ids) = output("ids_out") {
        let mask = if ids.dtype().size() == 8 { u64::MAX } else { (1 << (8 * ids.dtype().size())) - 1 };
        let wanted: Vec<u64> = want.ids.iter().map(|id| *id as u64 & mask).collect();
        if kept != wanted {
            return Err(format!("ids {kept:?}, not {:?}", want.ids));
        }
    }
    if let Some(weights) = output("weights_out") {
        let got = row(weights);
        if got.len() != want.weights.len() {
            return Err(format!("{} weights, not {}", got.len(), want.weights.len()));
        }
        for (bits, wanted) in got.iter().zip(&want.weights) {
            if !same(weights.dtype(), *bits, *wanted, near) {
                let got: Vec<f64> = got.iter().map(|b| float(weights.dtype(), *b)).collect();
                return Err(format!("weights {got:?}, not {:?}", want.weights));
            }
        }
    }
    if let Some(constants) = output("constants") {
        let got = row(constants);
        let right = got.iter().zip(&want.constants).all(|(got, want)| same(DType::F32, *got, *want, near));
        if got.len() != want.constants.len() || !right {
            let got: Vec<f64> = got.iter().map(|b| float(DType::F32, *b)).collect();
            return Err(format!("constants {got:?}, not {:?}", want.constants));
        }
    }
    if let Some(identity) = output("identity") {
        let got = row(identity)[0];
        if !same(DType::F32, got, want.identity, near) {
            return Err(format!("identity {}, not {}", float(DType::F32, got), want.identity));
        }
    }
    if let Some(packed) = output("packed") {
        let stored = output("weights_out").map(|w| (w.dtype(), row(w)));
        for (i, word) in row(packed).into_iter().enumerate() {
            check_word(c, word, want.ids[i], want.weights[i])?;
            // The bits themselves, where the weight is stored beside them.
            let nearest = match &stored {
                Some((DType::Bf16, bits)) => bits[i],
                Some((DType::F32, bits)) => nearest_bf16(bits[i] as u32),
                _ => word & 0xffff,
            };
            if word & 0xffff != nearest {
                return Err(format!("packed {word:#010x}, whose weight is {nearest:#06x}"));
            }
        }
    }
    Ok(())
}

/// To nearest, to even.
fn nearest_bf16(bits: u32) -> u64 {
    if f32::from_bits(bits).is_nan() {
        return 0x7fc0;
    }
    u64::from((bits + 0x7fff + (bits >> 16 & 1)) >> 16)
}

fn check_word(c: &Choice, word: u64, id: i64, weight: f64) -> Result<(), String> {
    let low = word & 0xffff;
    if !same(DType::Bf16, low, weight, near_of(c)) {
        return Err(format!("packed {word:#010x}, not the weight {weight}"));
    }
    let overwritten = c.is("pack", "sign_extended") && low & 0x8000 != 0;
    let high = if overwritten { 0xffff } else { id as u64 & 0xffff };
    if word >> 16 == high { Ok(()) } else { Err(format!("packed {word:#010x}, not the id {id}")) }
}

/// How far f32 may be from f64, as a part of the number: a logit that is capped is off by more, and so is its exponential.
fn near_of(c: &Choice) -> f64 {
    if c.model.capped { 1e-4 } else { 2e-5 }
}

/// Whether these bits are the number, as near as f32 computes it and this dtype holds it.
fn same(dtype: DType, bits: u64, want: f64, near: f64) -> bool {
    let got = float(dtype, bits);
    // Half a unit of the last place, and the least that there is.
    let (half, least, most) = match dtype {
        DType::Bf16 => (f64::powi(2.0, -8), 1e-36, 3.39e38),
        DType::F16 => (f64::powi(2.0, -11), f64::powi(2.0, -25), 65520.0),
        _ => (0.0, 1e-36, 3.4e38),
    };
    let far = want.abs() > most * 0.9999;
    match () {
        () if want.is_nan() || got.is_nan() => want.is_nan() && got.is_nan(),
        () if far => got == want || got.is_infinite() && got.signum() == want.signum() || got.abs() > most * 0.99,
        () if want == 0.0 => got == 0.0,
        () => (got - want).abs() <= (half + near) * want.abs() + least,
    }
}
