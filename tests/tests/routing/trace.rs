//! The real routing trace: what the interpreter chooses is what the trace's own program chose.

use routefuse_ir::{Tensor, interp};
use routefuse_tests::corpus::model;
use routefuse_tests::logits::trace;

/// A float's place among all floats.
fn steps(t: &Tensor, i: usize) -> i64 {
    let bits = t.bits(i);
    let magnitude = (bits & 0x7fff_ffff) as i64;
    if bits >> 31 == 1 { -magnitude } else { magnitude }
}

#[test]
fn deepseek_v3_routes_the_trace() {
    let g = model("deepseek-v3");
    for layer in [0, 1] {
        let trace = trace(layer);
        let inputs: Vec<Tensor> = vec![trace.logits.clone(), trace.bias.clone()];
        let outcome = interp::run(&g, &inputs, &[("T", 2048)]).expect("the trace fits");
        let (ids, weights) = (&outcome.outputs[0], &outcome.outputs[1]);
        assert_eq!((ids.shape(), trace.ids.shape()), (&[2048, 8][..], &[2048, 8][..]));
        let (mut sets, mut orders, mut most) = (0, 0, 0);
        for row in 0..2048 {
            let slots = row * 8..row * 8 + 8;
            let mut ours: Vec<(u64, i64)> = slots.clone().map(|i| (ids.bits(i), steps(weights, i))).collect();
            let mut theirs: Vec<(u64, i64)> = slots.map(|i| (trace.ids.bits(i), steps(&trace.weights, i))).collect();
            orders += usize::from(ours.iter().map(|p| p.0).eq(theirs.iter().map(|p| p.0)));
            ours.sort_unstable();
            theirs.sort_unstable();
            if ours.iter().map(|p| p.0).eq(theirs.iter().map(|p| p.0)) {
                sets += 1;
                most = ours.iter().zip(&theirs).map(|(a, b)| a.1.abs_diff(b.1)).fold(most, u64::max);
            }
        }
        println!("layer {layer}: {sets} of 2048 rows equal as sets, {orders} in order, weights within {most} ulp");
        assert_eq!(sets, 2048, "layer {layer}");
        assert!(most <= 8, "layer {layer}: weights differ by {most} ulp");
    }
}
