//! Every preset's ids and weights in the interpreter, against the naive router.

use crate::naive::{Grouped, Router, Row, Verdict, same_weight};
use routefuse_ir::{Graph, Literal, Tensor, Verified, interp};
use routefuse_tests::corpus::model;
use routefuse_tests::logits::{Kind, router_inputs};
use routefuse_tests::routers::{Score, Weight};

const SIGMOID: Router = Router {
    k: 8,
    score: Score::Sigmoid,
    groups: None,
    weight: Weight::Score,
    renorm: Some(1e-20),
    guarded: false,
    scale: 1.0,
    capped: false,
};
const SOFTMAX: Router = Router { score: Score::Softmax, renorm: Some(0.0), ..SIGMOID };
const TOP: Router = Router { score: Score::Logit, weight: Weight::SoftmaxOfChosen, renorm: None, ..SIGMOID };

fn groups(groups: usize, keep: usize, two_best: bool) -> Option<Grouped> {
    Some(Grouped { groups, keep, two_best })
}

/// The formulas of R1 to R10, written down once more.
fn routers() -> Vec<(&'static str, Router)> {
    vec![
        ("deepseek-v3", Router { groups: groups(8, 4, true), scale: 2.5, ..SIGMOID }),
        ("deepseek-v2", Router { k: 6, groups: groups(8, 3, false), renorm: None, scale: 16.0, ..SOFTMAX }),
        ("deepseek-v4", Router { k: 6, score: Score::SqrtSoftplus, scale: 1.5, ..SIGMOID }),
        ("kimi-k2", Router { scale: 2.827, ..SIGMOID }),
        ("glm-4.5", Router { scale: 2.5, ..SIGMOID }),
        ("glm-5", Router { scale: 2.5, ..SIGMOID }),
        ("minimax-m2.5", Router { renorm: Some(0.0), guarded: true, ..SIGMOID }),
        ("nemotron-3-super", Router { k: 22, scale: 5.0, ..SIGMOID }),
        ("qwen3-moe", SOFTMAX),
        ("qwen3.5-397b", Router { k: 10, ..SOFTMAX }),
        ("mixtral", Router { k: 2, ..SOFTMAX }),
        ("llama-4", Router { k: 1, weight: Weight::SigmoidOfChosen, ..TOP }),
        ("gpt-oss", Router { k: 4, ..TOP }),
        ("gemma-4", TOP),
        ("grok-1", Router { k: 2, renorm: None, capped: true, ..SOFTMAX }),
        ("phi-3.5-moe", Router { k: 2, weight: Weight::SparseMixer, ..TOP }),
        ("ernie-4.5", Router { k: 6, ..SOFTMAX }),
        ("sinks", Router { weight: Weight::Sinks, renorm: None, scale: 2.5, ..SIGMOID }),
    ]
}

/// What a run of many rows came to.
#[derive(Debug, Default)]
struct Counts {
    equal: u64,
    close: u64,
    /// Rows whose weights f64 cannot tell.
    no_weights: u64,
}

fn values(t: &Tensor) -> Vec<f64> {
    (0..t.len()).map(|i| Literal::from_bits(t.dtype(), t.bits(i)).as_f64().expect("a float")).collect()
}

fn ids(t: &Tensor) -> Vec<i64> {
    (0..t.len()).map(|i| i64::from(t.bits(i) as u32 as i32)).collect()
}

/// The tensors of a launch by name.
struct Launch {
    inputs: Vec<(String, Vec<f64>)>,
    ids: Vec<i64>,
    weights: Vec<f64>,
}

impl Launch {
    fn new(g: &Verified<Graph>, rows: u64, inputs: &[Tensor]) -> Launch {
        let given: Vec<(&str, u64)> = g.symbols.iter().map(|s| (s.as_str(), rows)).collect();
        let outcome = interp::run(g, inputs, &given).unwrap_or_else(|e| panic!("{}: {e}", g.name));
        let output = |name: &str| {
            let at = g.outputs.iter().position(|o| o.name == name).unwrap_or_else(|| panic!("no output {name}"));
            &outcome.outputs[at]
        };
        let floats = g.inputs.iter().zip(inputs).filter(|(_, t)| t.dtype().is_float());
        Launch {
            inputs: floats.map(|(i, t)| (i.name.clone(), values(t))).collect(),
            ids: ids(output("ids_out")),
            weights: values(output("weights_out")),
        }
    }

    fn input(&self, name: &str) -> Option<&[f64]> {
        self.inputs.iter().find(|i| i.0 == name).map(|i| i.1.as_slice())
    }

    fn row(&self, row: usize, columns: usize) -> Row<'_> {
        let logits = self.input("logits").expect("every router has logits");
        Row {
            logits: &logits[row * columns..(row + 1) * columns],
            bias: self.input("bias"),
            sinks: self.input("sink_logits").unwrap_or(&[]),
            global_scale: self.input("global_scale").map_or(1.0, |s| s[0]),
            per_expert_scale: self.input("per_expert_scale"),
        }
    }
}

fn check(name: &str, router: &Router, g: &Verified<Graph>, kind: Kind, rows: u64, counts: &mut Counts) {
    let inputs = router_inputs(g, rows, kind, rows ^ 0x5eed);
    let launch = Launch::new(g, rows, &inputs);
    let k = router.k;
    for row in 0..rows as usize {
        let at = |what: String| panic!("{name}, {kind:?}, row {row}: {what}");
        let columns = launch.input("logits").expect("logits").len() / rows as usize;
        let given = launch.row(row, columns);
        let (ids, weights) = (&launch.ids[row * k..(row + 1) * k], &launch.weights[row * k..(row + 1) * k]);
        match router.check_ids(&given, ids) {
            Ok(Verdict::Equal) => counts.equal += 1,
            Ok(Verdict::Close) => counts.close += 1,
            Err(e) => at(e),
        }
        match router.weights(&given, ids) {
            None => counts.no_weights += 1,
            Some(expected) => {
                for (got, want) in weights.iter().zip(&expected) {
                    if !same_weight(*got, *want) {
                        at(format!("weights {weights:?}, not {expected:?}"));
                    }
                }
            }
        }
    }
}

#[test]
fn every_router_is_its_formula() {
    for (name, router) in routers() {
        let g = model(name);
        let mut counts = Counts::default();
        for kind in Kind::ALL {
            check(name, &router, &g, kind, 96, &mut counts);
        }
        println!("{name}: {counts:?}");
        assert_eq!(counts.equal + counts.close, 5 * 96);
        assert!(counts.close < 48, "{name}: {counts:?}: so many close rows test little");
        assert!(counts.no_weights < 96, "{name}: {counts:?}");
    }
}

/// R8: the table says which experts; the weights are theirs.
#[test]
fn hash_routing_is_its_formula() {
    let g = model("deepseek-v4-hash");
    let router = Router { k: 6, score: Score::SqrtSoftplus, scale: 1.5, ..SIGMOID };
    let rows = 64;
    let mut inputs = router_inputs(&g, rows, Kind::Normal, 3);
    let position = |name: &str| g.inputs.iter().position(|i| i.name == name).expect("an input");
    let (table, tokens) = (position("tid2eid"), position("input_ids"));
    // Tokens of all kinds: in the vocabulary, −1 and past its end.
    let token = |t: u64| match t % 8 {
        6 => 0xffff_ffff,
        7 => 129_280,
        _ => t * 1_999 % 129_280,
    };
    inputs[tokens] = Tensor::from_bits(inputs[tokens].dtype(), &[rows], (0..rows).map(token));
    let eid = |i: u64| i * 2_654_435_769 % 1_000_003 % 256;
    inputs[table] = Tensor::from_bits(inputs[table].dtype(), &[129_280, 6], (0..129_280 * 6).map(eid));
    let launch = Launch::new(&g, rows, &inputs);
    for row in 0..rows as usize {
        let token = token(row as u64);
        let expected: Vec<i64> = (0..6).map(|k| if token < 129_280 { eid(token * 6 + k) as i64 } else { -1 }).collect();
        let ids = &launch.ids[row * 6..(row + 1) * 6];
        assert_eq!(ids, expected, "row {row}");
        let weights = router.weights(&launch.row(row, 256), ids).expect("scores are not small");
        for (got, want) in launch.weights[row * 6..(row + 1) * 6].iter().zip(&weights) {
            assert!(same_weight(*got, *want), "row {row}: {got}, not {want}");
        }
    }
}

/// R11 and P15: what is left of the special routes.
#[test]
fn simulated_and_adaptive_routes() {
    let g = model("mixtral-round-robin");
    let launch = Launch::new(&g, 9, &router_inputs(&g, 9, Kind::Normal, 1));
    assert_eq!(launch.ids, (0..18).map(|i| i % 8).collect::<Vec<i64>>());
    assert!(launch.weights.iter().all(|w| *w == 0.5));

    // The entropy of equal logits is log E, above every threshold; of one logit far above the rest, 0.
    let g = model("qwen3-moe-adaptive");
    let mut inputs = router_inputs(&g, 2, Kind::Ties, 1);
    for (tensor, input) in inputs.iter_mut().zip(&g.inputs) {
        if input.name == "entropy_thresholds" {
            let thresholds = (0..7).map(|i| Literal::f32(0.5 + i as f32 * 0.5).bits());
            *tensor = Tensor::from_bits(tensor.dtype(), &[7], thresholds);
        }
        if input.name == "logits" {
            let far = |i: u64| if i == 130 { 100.0 } else { 0.0 };
            let bits = (0..256).map(|i| Literal::from_f64(tensor.dtype(), far(i)).expect("fits").bits());
            *tensor = Tensor::from_bits(tensor.dtype(), &[2, 128], bits);
        }
    }
    let launch = Launch::new(&g, 2, &inputs);
    assert!(launch.weights[..8].iter().all(|w| (w - 0.125).abs() < 1e-6), "{:?}", launch.weights);
    assert_eq!(launch.weights[8], 1.0);
    assert!(launch.weights[9..].iter().all(|w| *w == 0.0), "{:?}", launch.weights);
}
