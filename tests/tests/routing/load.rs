//! What counts over all rows and is used by each: the waterfill's histogram, and statistics of the load.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use routefuse::chains::{Histogram, LoadStatistics, Waterfill};
use routefuse::{DType, Graph, Tensor, Verified};
use routefuse_ir::interp;

fn run(g: &Verified<Graph>, inputs: &[Tensor]) -> Vec<Tensor> {
    interp::run(g, inputs, &[]).unwrap_or_else(|e| panic!("{}: {e}", g.name)).outputs
}

/// The same choices as from a histogram that is counted in plain loops; −1 and what is of no rank count nowhere.
#[test]
fn a_waterfill_counts_what_it_would_be_given() {
    let chain = |histogram| Waterfill { ranks: 4, experts_per_rank: 8, top_k: 3, scale: 2.5, histogram };
    let counted = chain(Histogram::Counted).graph().expect("a graph");
    let given = chain(Histogram::Given).graph().expect("a graph");
    let mut rng = SmallRng::seed_from_u64(11);
    for rows in [0u64, 1, 5, 33, 200] {
        let ids: Vec<i32> = (0..rows * 3)
            .map(|_| {
                if rng.random_range(0..6) == 0 {
                    [-1, -9, 32, i32::MAX][rng.random_range(0..4)]
                } else {
                    rng.random_range(0..32)
                }
            })
            .collect();
        let mut load = [0u64; 4];
        ids.iter().filter(|id| (0..32).contains(*id)).for_each(|id| load[*id as usize / 8] += 1);
        let weights: Vec<u64> = (0..rows * 3).map(|i| u64::from((i as f32).to_bits())).collect();
        let (ids, weights) = (Tensor::from_i32(&[rows, 3], &ids), Tensor::from_bits(DType::F32, &[rows, 3], weights));
        let load = Tensor::from_bits(DType::U32, &[4], load);
        let want = run(&given, &[ids.clone(), weights.clone(), load]);
        assert_eq!(run(&counted, &[ids, weights]), want, "{rows} rows");
    }
}

/// Sums are those of the rows that count, in whatever order, and go on from what was there.
#[test]
fn statistics_are_sums_that_no_order_changes() {
    let (experts, k) = (6usize, 2usize);
    let chain = |counted_rows| LoadStatistics { experts: 6, top_k: 2, logits: DType::F32, counted_rows };
    let (masked, whole) = (chain(true).graph().expect("a graph"), chain(false).graph().expect("a graph"));
    let mut rng = SmallRng::seed_from_u64(12);
    let (rows, n) = (40usize, 29usize);
    let logits: Vec<f32> = (0..rows * experts).map(|_| rng.random_range(-64..64) as f32 / 8.0).collect();
    let ids: Vec<i32> = (0..rows * k).map(|_| rng.random_range(-1..7)).collect();
    let inputs = |order: &[usize], n: Option<i32>, before: i64| {
        let t = order.len() as u64;
        let of_rows =
            order.iter().flat_map(|r| logits[r * experts..(r + 1) * experts].iter().map(|x| u64::from(x.to_bits())));
        let ids: Vec<i32> = order.iter().flat_map(|r| ids[r * k..(r + 1) * k].iter().copied()).collect();
        let mut all = vec![Tensor::from_bits(DType::F32, &[t, 6], of_rows), Tensor::from_i32(&[t, 2], &ids)];
        all.extend(n.map(|n| Tensor::from_i32(&[], &[n])));
        all.extend([6, 6, 1].map(|len| Tensor::from_bits(DType::I64, &[len], (0..len).map(|_| before as u64))));
        all
    };
    let forward: Vec<usize> = (0..rows).collect();
    let first: Vec<usize> = (0..n).collect();
    let backward: Vec<usize> = (0..n).rev().collect();
    let got = run(&masked, &inputs(&forward, Some(n as i32), 0));
    assert_eq!(got, run(&whole, &inputs(&first, None, 0)), "padding adds nothing");
    assert_eq!(got, run(&whole, &inputs(&backward, None, 0)), "no order changes a bit");
    let number = |t: &Tensor, i: usize| t.bits(i) as i64;
    let later = run(&masked, &inputs(&forward, Some(n as i32), 1000));
    for (got, later) in got.iter().zip(&later) {
        assert!((0..got.len()).all(|i| number(later, i) == number(got, i) + 1000));
    }
    // By f64, which is as good as exact here.
    let (mut counts, mut sums, mut z) = ([0i64; 6], [0f64; 6], 0f64);
    for row in 0..n {
        ids[row * k..(row + 1) * k].iter().filter(|id| (0..6).contains(*id)).for_each(|id| counts[*id as usize] += 1);
        let powers: Vec<f64> = logits[row * experts..(row + 1) * experts].iter().map(|x| f64::from(*x).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.iter().zip(&mut sums).for_each(|(p, s)| *s += p / sum);
        z += sum.ln().powi(2);
    }
    for expert in 0..experts {
        assert_eq!(number(&got[0], expert), counts[expert]);
        let p = number(&got[1], expert) as f64 / 4_294_967_296.0;
        assert!((p - sums[expert]).abs() < 1e-5, "{p} is not {}", sums[expert]);
    }
    let got_z = number(&got[2], 0) as f64 / 65_536.0;
    assert!((got_z - z).abs() < 1e-2, "{got_z} is not {z}");
}
