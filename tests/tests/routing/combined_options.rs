//! Options that engines' users combine: one small input each, with the values that are right.

use routefuse::models::{self, ModelOptions};
use routefuse::{Graph, Verified, text};
use routefuse_ir::{DType, Literal, Tensor, interp};

type Options<'a> = &'a [(&'a str, &'a str)];

fn graph(model: &str, options: Options<'_>) -> Result<Verified<Graph>, String> {
    let preset = models::named(model).map_err(|e| e.to_string())?;
    let mut chosen = ModelOptions::default();
    for (name, value) in options {
        preset.set(&mut chosen, name, value).map_err(|e| e.to_string())?;
    }
    preset.graph(&chosen).map_err(|e| e.to_string())
}

/// Numbers of one input; integers are exact in f64.
type Given<'a> = (&'a str, Vec<f64>);

/// The outputs of one launch.
struct Launch {
    graph: Verified<Graph>,
    outputs: Vec<Tensor>,
}

impl Launch {
    /// Runs the preset for so many rows; inputs that are not given are zeros.
    fn new(model: &str, options: Options<'_>, rows: u64, given: &[Given<'_>]) -> Launch {
        Launch::of(graph(model, options).unwrap_or_else(|e| panic!("{model} {options:?}: {e}")), rows, given)
    }

    fn of(graph: Verified<Graph>, rows: u64, given: &[Given<'_>]) -> Launch {
        let mut inputs = vec![];
        for (i, input) in graph.inputs.iter().enumerate() {
            let ty = graph.input_type(i);
            let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(&[rows])).collect();
            let Some((_, numbers)) = given.iter().find(|g| g.0 == input.name) else {
                inputs.push(Tensor::zeros(ty.dtype, &shape));
                continue;
            };
            assert_eq!(numbers.len() as u64, shape.iter().product::<u64>(), "{}", input.name);
            let bits = numbers.iter().map(|x| {
                if ty.dtype.is_float() {
                    Literal::from_f64(ty.dtype, *x).expect("a float").bits()
                } else {
                    *x as i64 as u64
                }
            });
            let mask = if ty.dtype.size() == 8 { u64::MAX } else { (1 << (8 * ty.dtype.size())) - 1 };
            inputs.push(Tensor::from_bits(ty.dtype, &shape, bits.map(|b| b & mask).collect::<Vec<_>>()));
        }
        for (name, _) in given {
            assert!(graph.inputs.iter().any(|i| i.name == *name), "no input {name} in\n{}", text::print(&graph));
        }
        let outputs = interp::run(&graph, &inputs, &[("T", rows)]).unwrap_or_else(|e| panic!("{e}")).outputs;
        Launch { graph, outputs }
    }

    fn output(&self, name: &str) -> &Tensor {
        let at = self.graph.outputs.iter().position(|o| o.name == name);
        &self.outputs[at.unwrap_or_else(|| panic!("no output {name}"))]
    }

    fn floats(&self, name: &str) -> Vec<f64> {
        let t = self.output(name);
        (0..t.len()).map(|i| Literal::from_bits(t.dtype(), t.bits(i)).as_f64().expect("a float")).collect()
    }

    fn ids(&self) -> Vec<i64> {
        let t = self.output("ids_out");
        (0..t.len()).map(|i| i64::from(t.bits(i) as u32 as i32)).collect()
    }

    fn words(&self, name: &str) -> Vec<u64> {
        let t = self.output(name);
        (0..t.len()).map(|i| t.bits(i)).collect()
    }
}

/// Logits that rise to the right in every row, each row a little more.
fn rising(rows: usize, columns: usize) -> Vec<f64> {
    (0..rows).flat_map(|t| (0..columns).map(move |e| e as f64 / 16.0 + t as f64)).collect()
}

/// Near enough for three decimals.
fn close(got: &[f64], want: &[f64]) {
    let near = got.len() == want.len() && got.iter().zip(want).all(|(a, b)| (a - b).abs() < 6e-4);
    assert!(near, "{got:?}, not {want:?}");
}

fn refused(model: &str, options: Options<'_>, says: &[&str]) {
    let e = graph(model, options).expect_err(model);
    for part in says {
        assert!(e.contains(part), "{model} {options:?}: {e}\nwithout {part}");
    }
    assert_eq!(e.matches("RF").count(), 1, "more than the first cause: {e}");
    assert!(e.contains("help: "), "{e}");
}

#[test]
fn f1_what_stands_for_nothing_is_not_counted() {
    let rows = 9;
    let counted = |model: &str, options: Options<'_>, columns: usize, given: &[Given<'_>]| {
        let mut all = vec![("logits", rising(rows, columns))];
        all.extend_from_slice(given);
        Launch::new(model, options, rows as u64, &all).words("record_out").iter().sum::<u64>()
    };
    let n = ("n", vec![5.0]);
    for padding in ["minus_one", "minus_one_zeroed", "zero"] {
        let options = [("padding", padding), ("record", "i32")];
        assert_eq!(counted("deepseek-v3", &options, 256, std::slice::from_ref(&n)), 5 * 8, "{padding}");
    }
    // Of twelve slots the six best are of zero experts.
    for id in ["-1", "0"] {
        let options = [("identity_id", id), ("record", "i32")];
        let best = |e: usize| if (3..9).contains(&e) || (600..606).contains(&e) { 4.0 } else { 0.0 };
        let logits = (0..rows).flat_map(|_| (0..768).map(best)).collect();
        let launch = Launch::new("longcat-flash", &options, rows as u64, &[("logits", logits)]);
        let counts = launch.words("record_out");
        assert_eq!(counts.iter().sum::<u64>(), 9 * 6, "identity_id={id}");
        assert_eq!(counts[0], 0, "identity_id={id}");
    }
    // The record of load and the shared slots of a balancer neither.
    let options = [
        ("eplb", "hashed_load"),
        ("shared", "constant"),
        ("balance_shared", "true"),
        ("record", "i32"),
        ("replicas", "1"),
    ];
    let table: Vec<f64> = (0..257).map(f64::from).collect();
    let given = [("n", vec![5.0]), ("record_load", vec![1.0]), ("replicas", table), ("logits", rising(rows, 256))];
    let launch = Launch::new("deepseek-v3", &options, rows as u64, &given);
    assert_eq!(launch.words("record_out").iter().sum::<u64>(), 9 * 8);
    assert_eq!(launch.words("load_out").iter().sum::<u64>(), 5 * 8);
}

#[test]
fn f2_a_shared_slot_weighs_one_where_routed_weights_carry_the_factor() {
    let cases: [(Options<'_>, f64, f64); 6] = [
        (&[("expert_parallel", "32:0")], 2.5, 1.0),
        (&[("scale_when", "never")], 1.0, 0.4),
        (&[], 2.5, 1.0),
        (&[("scale_when", "never"), ("expert_parallel", "32:0")], 1.0, 0.4),
        (&[("scale_when", "renormalising"), ("renorm", "none"), ("logits", "f32")], f64::NAN, 0.4),
        (&[("simulate", "round_robin")], 2.5, 1.0),
    ];
    for (options, routed, shared) in cases {
        let options: Vec<(&str, &str)> = options.iter().copied().chain([("shared", "constant")]).collect();
        let w = Launch::new("deepseek-v3", &options, 1, &[("logits", rising(1, 256))]).floats("weights_out");
        let sum: f64 = w[..8].iter().sum();
        assert!(routed.is_nan() || (sum - routed).abs() < 1e-5, "{options:?}: {w:?}");
        close(&w[8..], &[shared]);
    }
}

#[test]
fn f3_a_padded_row_has_no_live_slot() {
    let logits = ("logits", rising(6, 256));
    let counted = ("n", vec![4.0]);
    let masked = ("padding_mask", vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    for (rows, by, padded) in [("count", counted, [4, 5]), ("mask", masked, [1, 5])] {
        for (padding, id, word) in [("minus_one", -1, 0xffff), ("minus_one_zeroed", -1, 0xffff), ("zero", 0, 0)] {
            for shared in ["constant", "per_token", "gate", "in_gate"] {
                let options = [("padding", padding), ("padded_rows", rows), ("shared", shared), ("output", "all")];
                let launch = Launch::new("deepseek-v3", &options, 6, &[logits.clone(), by.clone()]);
                let (ids, w, packed) = (launch.ids(), launch.floats("weights_out"), launch.words("packed"));
                for t in 0..6 {
                    let (at, dead) = (t * 9..(t + 1) * 9, padded.contains(&t));
                    let all_dead = ids[at.clone()].iter().all(|i| *i == id);
                    assert_eq!(all_dead, dead, "{options:?}, row {t}: {:?}", &ids[at.clone()]);
                    if dead {
                        assert!(packed[at.clone()].iter().all(|p| p >> 16 == word), "{options:?}, row {t}");
                        let zeros = w[at].iter().all(|w| *w == 0.0);
                        assert!(padding == "minus_one" || zeros, "{options:?}, row {t}: {w:?}");
                    }
                }
            }
        }
    }
    // The chain in README, and ranks: their shared ids too.
    let options = [("padding", "minus_one"), ("shared", "constant"), ("expert_parallel", "32:7")];
    let ids = Launch::new("deepseek-v3", &options, 6, &[logits, ("n", vec![5.0])]).ids();
    assert_eq!(ids[5 * 9..], [-1; 9]);
    assert_eq!(ids[4 * 9 + 8], 7 * 33 + 32);
    let chain = routefuse::chains::PostChain::default().graph().expect("the chain");
    let launch = Launch::of(chain, 2, &[("n", vec![1.0])]);
    assert_eq!(launch.ids(), [[0; 8].as_slice(), &[256], &[-1; 9]].concat());
    assert!(launch.words("packed")[9..].iter().all(|p| p >> 16 == 0xffff));
}

#[test]
fn f4_padding_is_a_mask_and_has_weights() {
    let options =
        [("padding", "minus_one_zeroed"), ("padded_rows", "mask"), ("eplb", "hashed_load"), ("record", "u64")];
    let options: Vec<_> = options.into_iter().chain([("experts", "8"), ("replicas", "1")]).collect();
    let given = [
        ("logits", rising(4, 8)),
        ("padding_mask", vec![1.0, 0.0, 1.0, 0.0]),
        ("replicas", (0..8).map(f64::from).collect()),
        ("record_load", vec![1.0]),
    ];
    let launch = Launch::new("mixtral", &options, 4, &given);
    assert_eq!(launch.ids(), [-1, -1, 7, 6, -1, -1, 7, 6]);
    let w = launch.floats("weights_out");
    assert!(w[..2].iter().chain(&w[4..6]).all(|w| *w == 0.0) && w[2] > w[3] && w[3] > 0.0, "{w:?}");
    assert_eq!(launch.words("record_out"), [0, 0, 0, 0, 0, 0, 2, 2]);
    assert_eq!(launch.words("load_out"), launch.words("record_out"));
}

#[test]
fn f5_hash_routing_takes_wide_ids_and_any_vocabulary() {
    for (tokens, table) in [("i32", "i32"), ("i64", "i64"), ("i64", "i32"), ("i32", "i64")] {
        let options = [
            ("token_ids", tokens),
            ("table", table),
            ("vocabulary", "5"),
            ("experts", "8"),
            ("k", "2"),
            ("logits", "f32"),
        ];
        let rows = [3.0, 1.0, 0.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
        let given = [("logits", rising(3, 8)), ("tid2eid", rows.to_vec()), ("input_ids", vec![2.0, 4.0, 5.0])];
        assert_eq!(Launch::new("deepseek-v4-hash", &options, 3, &given).ids(), [6, 5, 2, 1, -1, -1]);
    }
}

/// What a table or a map has that is no expert.
#[test]
fn f6_ids_that_leave_are_in_range_or_minus_one() {
    let options = [("vocabulary", "1"), ("renorm", "sum")];
    let table = vec![999.0, -5.0, 2147483647.0, 3.0, 3.0, 4.0];
    let given = [("logits", rising(1, 256)), ("tid2eid", table), ("input_ids", vec![0.0])];
    let launch = Launch::new("deepseek-v4-hash", &options, 1, &given);
    assert_eq!(launch.ids(), [-1, -1, -1, 3, 3, 4]);
    assert!(launch.floats("weights_out")[..3].iter().all(|w| *w == 0.0));
    for map in ["i32", "i64"] {
        let options = [("experts", "4"), ("eplb", "static"), ("map", map), ("physical", "6"), ("k", "4")];
        let given = [("logits", vec![4.0, 3.0, 2.0, 1.0]), ("map", vec![5.0, 6.0, -7.0, 2147483647.0])];
        assert_eq!(Launch::new("mixtral", &options, 1, &given).ids(), [5, -1, -1, -1], "{map}");
    }
    // A row of the map that is 2³² beyond an expert is none either.
    let options = [("experts", "2"), ("eplb", "static"), ("map", "i64"), ("k", "2")];
    let given = [("logits", vec![4.0, 3.0]), ("map", vec![4294967296.0, 1.0])];
    assert_eq!(Launch::new("mixtral", &options, 1, &given).ids(), [-1, 1]);
}

#[test]
fn f7_a_nan_logit_is_no_candidate_where_asked() {
    let nan = f64::NAN;
    let logits = vec![nan, 1.0, 2.0, nan, nan, nan, nan, nan, nan, nan, nan, nan, 5.0, f64::NEG_INFINITY, nan, nan];
    let launch = Launch::new("mixtral", &[("nan", "never")], 2, &[("logits", logits.clone())]);
    // A logit of −∞ is a number, whose score is 0.
    assert_eq!(launch.ids(), [2, 1, 4, 5]);
    close(&launch.floats("weights_out"), &[0.731, 0.269, 1.0, 0.0]);
    // Nothing to choose from: no expert, and no NaN.
    for row in [[nan; 8], [f64::NEG_INFINITY; 8]] {
        let launch = Launch::new("mixtral", &[("nan", "never")], 1, &[("logits", row.to_vec())]);
        assert_eq!((launch.ids(), launch.floats("weights_out")), (vec![-1, -1], vec![0.0, 0.0]));
    }
    let kept = Launch::new("mixtral", &[], 2, &[("logits", logits)]);
    assert!(kept.ids()[..2] == [0, 1] && kept.floats("weights_out")[0].is_nan());
}

#[test]
fn f8_fewer_candidates_than_slots_are_refused() {
    let says = ["RF1004", "the groups that are kept (1) have 4 experts for 8 expert slots", "`k=4` or less"];
    refused("deepseek-v3", &[("groups", "64"), ("keep", "1"), ("k", "8")], &says);
    refused("deepseek-v2", &[("keep", "1"), ("k", "21")], &["RF1004", "have 20 experts for 21"]);
    refused("deepseek-v4-hash", &[("experts", "4")], &["RF0312", "`k` = 6"]);
    refused("gpt-oss", &[("k", "0")], &["RF1003", "`k` = 0", "it takes 1 to 128"]);
    // Masked groups of zeros are candidates.
    graph("deepseek-v3", &[("groups", "64"), ("keep", "1"), ("group_mask", "zero")]).expect("zeros can be chosen");
}

#[test]
fn f9_weights_of_nothing_are_zeros() {
    let launch = Launch::new("minimax-m2.5", &[("logits", "f32")], 1, &[("logits", vec![-120.0; 256])]);
    assert_eq!(launch.floats("weights_out"), [0.0; 8]);
    assert_eq!(launch.ids(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn f11_ranks_windows_and_numbers_that_are_none() {
    let v3 = |options: Options<'_>, says: &[&str]| refused("deepseek-v3", options, says);
    v3(&[("expert_parallel", "32:8")], &["RF1003", "rank 8 of 8", "ranks are 0 to 7"]);
    v3(&[("expert_parallel", "32:1000")], &["RF1003", "rank 1000 of 8"]);
    v3(&[("expert_parallel", "33:0")], &["RF1003", "do not divide the 256", "`eplb=static` and `physical=264`"]);
    v3(&[("expert_parallel", "300:0")], &["RF1003", "do not divide the 256", "`physical=300`"]);
    v3(&[("expert_parallel", "0:0")], &["RF1003", "gives a rank no expert"]);
    v3(&[("owned", "40:20")], &["RF1003", "`owned=40:20` is no part of the 256"]);
    v3(&[("owned", "300:400")], &["RF1003", "END at most 256"]);
    v3(&[("owned", "33")], &["RF1003", "do not divide the 256"]);
    let wraps = [("ids", "u16"), ("physical", "70000"), ("owned", "0:10")];
    v3(&wraps, &["RF1004", "`ids=u16` holds no id 70001"]);
    v3(&[("ids", "i16"), ("physical", "32768"), ("eplb", "static"), ("shared", "constant")], &["holds no id 32768"]);
    v3(
        &[("output", "packed"), ("physical", "40000"), ("eplb", "static")],
        &["RF1004", "packed words hold no id 39999"],
    );
    v3(&[("scale", "0"), ("expert_parallel", "32:0"), ("shared", "constant")], &["RF1003", "`scale=0`", "above 0"]);
    v3(&[("scale", "-2")], &["RF1003", "`scale=-2`"]);
    v3(&[("renorm", "clamp:-1")], &["RF1003", "an epsilon of -1 guards no division"]);
    v3(&[("renorm", "plus_epsilon:-1e-9")], &["RF1003", "guards no division"]);
    v3(&[("shared", "constant"), ("shared_experts", "0")], &["RF1004", "there are no shared experts to append"]);
    v3(&[("shared", "constant"), ("shared_weight", "0")], &["RF1003", "leaves nothing of the shared experts"]);
    v3(&[("expert_parallel", "32:0"), ("shared_experts", "0")], &["RF1004", "`expert_parallel` moves none"]);
    v3(&[("eplb", "static"), ("physical", "200")], &["RF1003", "without a copy", "256 or more"]);
    v3(&[("eplb", "dynamic"), ("replicas", "0")], &["RF1003", "`replicas` is 0"]);
    refused("mixtral", &[("top_p", "1.5")], &["RF1003", "at most 1"]);
    refused("mixtral", &[("nan", "never"), ("candidates", "all")], &["RF1004", "whatever `nan` says"]);
    // What can be: the last rank, and a sentinel of 16 bits.
    graph("deepseek-v3", &[("expert_parallel", "32:7")]).expect("the last rank");
    graph("deepseek-v3", &[("ids", "u16"), ("physical", "65000"), ("owned", "0:10")]).expect("it fits");
    // A count of replicas that the table has not: the nearest that it has.
    let options = [("experts", "2"), ("k", "2"), ("eplb", "dynamic"), ("physical", "8"), ("padding", "keep")];
    let given = [
        ("logits", vec![2.0, 1.0]),
        ("replicas", (0..8).map(f64::from).collect()),
        ("valid_replicas", vec![7.0, -3.0]),
        ("random", vec![6.0, 6.0]),
    ];
    assert_eq!(Launch::new("mixtral", &options, 1, &given).ids(), [2, 4]);
}

#[test]
fn f12_inputs_may_be_rows_of_wider_buffers() {
    let options = [("strided_inputs", "true"), ("shared", "per_token"), ("eplb", "dynamic"), ("padding", "minus_one")];
    let g = graph("deepseek-v3", &options).expect("a graph");
    let text = text::print(&g);
    for input in ["%logits : bf16[T, 256] rows", "%shared_weights : bf16[T, 1] rows", "%random : i32[T, 8] rows"] {
        assert!(text.contains(input), "{input} in\n{text}");
    }
    assert!(text.contains("input %bias : f32[256]\n") && text.contains("input %n : i32[]\n"), "{text}");
    let hash = text::print(&graph("deepseek-v4-hash", &[("strided_inputs", "true")]).expect("a graph"));
    assert!(hash.contains("%input_ids : i32[T] rows"), "{hash}");
}

/// One graph for all ranks, which does what each rank's own does.
#[test]
fn f14_the_rank_is_an_input() {
    let logits = ("logits", rising(2, 256));
    let shared = [("shared", "constant"), ("shared_experts", "2")];
    for rank in 0..8 {
        let (text, owned) = (format!("32:{rank}"), format!("{}:{}", rank * 32, rank * 32 + 32));
        let constant = [shared[0], shared[1], ("expert_parallel", &text), ("owned", &owned)];
        let input = [shared[0], shared[1], ("expert_parallel", "32"), ("owned", "32")];
        let given = [logits.clone(), ("rank", vec![f64::from(rank)])];
        let want = Launch::new("deepseek-v3", &constant, 2, &given[..1]).ids();
        assert_eq!(Launch::new("deepseek-v3", &input, 2, &given).ids(), want, "rank {rank}");
        let half = [shared[0], shared[1], ("expert_parallel", &text), ("owned", "32")];
        assert_eq!(Launch::new("deepseek-v3", &half, 2, &given[..1]).ids(), want, "rank {rank}");
    }
    // A rank that there is not owns nothing and has no shared expert.
    for rank in [-1.0, 8.0, 2147483647.0, -2147483648.0] {
        let given = [logits.clone(), ("rank", vec![rank])];
        let ids = Launch::new("deepseek-v3", &[shared[0], ("expert_parallel", "32")], 2, &given).ids();
        assert_eq!((ids[8], ids[17]), (-1, -1), "rank {rank}");
        let all = [shared[0], ("expert_parallel", "32"), ("owned", "32")];
        assert_eq!(Launch::new("deepseek-v3", &all, 2, &given).ids(), [256 + 8; 18], "rank {rank}");
    }
}

#[test]
fn f18_shared_experts_through_the_balancer_and_zero_experts() {
    let options = [("experts", "4"), ("k", "2"), ("groups", "1"), ("keep", "1"), ("eplb", "static"), ("physical", "7")];
    let options: Vec<_> = options.into_iter().chain([("shared", "constant"), ("balance_shared", "true")]).collect();
    let given = [("logits", vec![1.0, 4.0, 2.0, 3.0]), ("map", vec![6.0, 5.0, 4.0, 3.0, 2.0])];
    let launch = Launch::new("deepseek-v3", &options, 1, &given);
    assert_eq!(launch.ids(), [5, 3, 2]);
    assert_eq!(launch.floats("weights_out")[2], 1.0);
    let zero = [("experts", "4"), ("zero_experts", "2"), ("k", "2"), ("logits", "f32")];
    let launch = Launch::new("longcat-flash", &zero, 1, &[("logits", vec![0.0, 1.0, 0.0, 0.0, 0.0, 9.0])]);
    assert_eq!(launch.ids(), [-1, 1]);
    assert!(launch.floats("identity")[0] > 5.9);
}

/// Families by their own names, and what an unknown model is near to.
#[test]
fn f19_families_and_relatives() {
    let sizes: [(&str, u64, u64); 22] = [
        ("olmoe", 64, 8),
        ("jamba", 16, 2),
        ("grok-1", 8, 2),
        ("phi-3.5-moe", 16, 2),
        ("moe-plus-plus", 16, 2),
        ("dbrx", 16, 4),
        ("arctic", 128, 2),
        ("granite-moe", 40, 8),
        ("qwen3-next", 512, 10),
        ("dots1", 128, 6),
        ("afmoe", 128, 8),
        ("step-3.5", 288, 8),
        ("mimo-v2", 256, 8),
        ("lfm2-moe", 32, 4),
        ("ling-2", 256, 8),
        ("hunyuan-a13b", 64, 8),
        ("minimax-m3", 128, 4),
        ("deepseek-v2-lite", 64, 6),
        ("kimi-k3", 896, 16),
        ("ernie-4.5", 64, 6),
        ("glm-4.5-air", 128, 8),
        ("nemotron-3-nano", 128, 6),
    ];
    for (name, experts, k) in sizes {
        let preset = models::named(name).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((preset.experts[0], preset.top_k), (experts, k), "{name}");
        assert!(preset.like.is_none_or(|like| models::named(like).is_ok()), "{name}");
    }
    let help = |name: &str| models::named(name).expect_err(name).to_string();
    let nearest: [(&str, &[&str]); 8] = [
        ("phimoe", &["`phi-3.5-moe`"]),
        ("grok-2", &["`grok-1`"]),
        ("moe++", &["`moe-plus-plus`"]),
        ("Trinity-Large", &["relatives are `afmoe`"]),
        ("ring-flash-3", &["relatives are `ling-2`"]),
        ("qwen2-moe-57b", &["`qwen3-moe`", "`qwen3.5-397b`", "`qwen3-next`"]),
        ("deepseek-r1-zero-preview", &["`deepseek-v3`", "`deepseek-v2`"]),
        ("nothing-like-it", &["the models are deepseek-v3, "]),
    ];
    for (name, says) in nearest {
        for part in says {
            assert!(help(name).contains(part), "{}", help(name));
        }
    }
}

#[test]
fn f21_a_rows_own_k_counts_from_the_best() {
    let mut logits = vec![0.0; 8];
    (logits[5], logits[1]) = (3.0, 1.0);
    let options = [("logits", "f32"), ("adaptive_k", "true"), ("order", "column")];
    let given = [("logits", logits.clone()), ("entropy_thresholds", vec![10.0])];
    let launch = Launch::new("mixtral", &options, 1, &given);
    assert_eq!(launch.ids(), [1, 5]);
    close(&launch.floats("weights_out"), &[0.0, 0.881]);
    // By the sum of scores as well: 0.68 of the first reach one half, and not three quarters.
    for (sum, kept) in [("0.5", [0.0, 0.881]), ("0.75", [0.119, 0.881])] {
        let options = [("logits", "f32"), ("top_p", sum), ("order", "column")];
        let launch = Launch::new("mixtral", &options, 1, &[("logits", logits.clone())]);
        close(&launch.floats("weights_out"), &kept);
    }
}

#[test]
fn f22_an_expert_of_a_masked_group_weighs_its_masked_score() {
    let x = vec![3.0, 2.0, 2.5, 1.0, 0.0, 0.0, 0.0, 0.0];
    for fill in ["zero", "multiply"] {
        let options = [("experts", "8"), ("groups", "4"), ("keep", "1"), ("k", "3"), ("logits", "f32"), ("scale", "1")];
        let options: Vec<_> = options.into_iter().chain([("group_mask", fill)]).collect();
        let launch = Launch::new("deepseek-v2", &options, 1, &[("logits", x.clone())]);
        assert_eq!(launch.ids(), [0, 1, 2]);
        close(&launch.floats("weights_out"), &[0.433, 0.159, 0.0]);
    }
}

#[test]
fn f23_the_sentinel_is_one_past_all_ids() {
    for (shared, sentinel) in [("1", 20), ("3", 28)] {
        let options = [("expert_parallel", "4:0"), ("owned", "0:2"), ("shared_experts", shared)];
        let mut logits = vec![0.0; 32];
        (logits[9], logits[16 + 1]) = (1.0, 1.0);
        assert_eq!(Launch::new("llama-4", &options, 2, &[("logits", logits)]).ids(), [sentinel, 1]);
    }
}

/// The factors that models are published with.
#[test]
fn f24_published_factors() {
    let preset = |name: &str| models::named(name).expect("a preset");
    let numbers = |name: &str| (preset(name).experts[0], preset(name).top_k, preset(name).shared, preset(name).scale);
    assert_eq!(numbers("glm-4.5"), (160, 8, 1, Some(2.5)));
    assert_eq!(numbers("nemotron-3-super"), (512, 22, 1, Some(5.0)));
    for preset in models::PRESETS {
        assert!(preset.source.len() > 12, "{} has a source", preset.name);
    }
}

#[test]
fn f25_garbage_in_a_table_is_not_counted() {
    let options = [("vocabulary", "2"), ("physical", "288"), ("record", "i32"), ("shared", "constant")];
    let table = vec![256.0, 270.0, 3.0, 4.0, 5.0, 6.0, 288.0, -1.0, 257.0, 999.0, -2.0, 2147483647.0];
    let given = [("logits", rising(2, 256)), ("tid2eid", table), ("input_ids", vec![0.0, 1.0])];
    let launch = Launch::new("deepseek-v4-hash", &options, 2, &given);
    let counts = launch.words("record_out");
    assert_eq!((counts[256], counts[270], counts.iter().sum::<u64>()), (0, 0, 4));
    assert_eq!(launch.ids(), [-1, -1, 3, 4, 5, 6, 288, -1, -1, -1, -1, -1, -1, 288]);
    let sum = [("vocabulary", "2"), ("renorm", "sum")];
    assert_eq!(Launch::new("deepseek-v4-hash", &sum, 2, &given).floats("weights_out")[6..], [0.0; 6]);
}

#[test]
fn f26_what_nothing_reads_is_refused() {
    let v3: [(Options<'_>, &str); 21] = [
        (&[("shared", "per_token"), ("shared_weight", "2")], "shared_weight"),
        (&[("shared", "in_gate"), ("shared_weight", "2")], "shared_weight"),
        (&[("map", "i64")], "map"),
        (&[("replicas", "2")], "replicas"),
        (&[("eplb", "static"), ("replicas", "2")], "replicas"),
        (&[("pack", "sign_extended")], "pack"),
        (&[("shared_dtype", "f32")], "shared_dtype"),
        (&[("shared", "constant"), ("shared_dtype", "f32")], "shared_dtype"),
        (&[("physical", "288")], "physical"),
        (&[("shared_experts", "2")], "shared_experts"),
        (&[("padded_rows", "mask")], "padded_rows"),
        (&[("eplb", "static"), ("balance_shared", "true")], "balance_shared"),
        (&[("shared", "constant"), ("balance_shared", "true")], "balance_shared"),
        (&[("output", "packed"), ("ids", "i64")], "ids"),
        (&[("output", "packed"), ("weights", "bf16")], "weights"),
        (&[("scale", "2"), ("scale_when", "never")], "scale"),
        (&[("keep", "8"), ("group_mask", "zero")], "group_mask"),
        (&[("k", "1"), ("order", "column")], "order"),
        (&[("simulate", "random"), ("bias", "bf16")], "bias"),
        (&[("simulate", "random"), ("renorm", "none")], "renorm"),
        (&[("simulate", "random"), ("candidates", "all")], "candidates"),
    ];
    for (options, name) in v3 {
        refused("deepseek-v3", options, &["RF1004", &format!("`{name}` has no effect: ")]);
    }
    for (name, value) in [("order", "column"), ("nan", "never"), ("groups", "4"), ("group_mask", "zero")] {
        refused("deepseek-v3", &[("simulate", "random"), (name, value)], &["RF1004", "has no effect"]);
    }
    refused("longcat-flash", &[("simulate", "random"), ("identity_id", "0")], &["RF1004", "has no effect"]);
    refused("deepseek-v4-hash", &[("simulate", "random"), ("vocabulary", "9")], &["RF1004", "has no effect"]);
}

/// Ids of an unsigned dtype have all ones for −1.
#[test]
fn narrow_ids_keep_what_stands_for_nothing() {
    for (dtype, ones) in [("u16", 0xffff), ("i16", 0xffff), ("u32", 0xffff_ffff), ("i64", u64::MAX)] {
        let options = [("ids", dtype), ("padding", "minus_one"), ("shared", "constant")];
        let launch = Launch::new("deepseek-v3", &options, 1, &[("logits", rising(1, 256))]);
        assert_eq!(launch.output("ids_out").dtype(), DType::from_name(dtype).expect("a dtype"));
        assert_eq!(launch.words("ids_out"), [ones; 9], "{dtype}");
    }
}
