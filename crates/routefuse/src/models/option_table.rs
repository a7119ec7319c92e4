//! The table of options: names, values, which model has them.

use super::align_options::ALIGN_OPTIONS;
use super::option_info::{OptionInfo, any, choice, dtype, float, number, option, store};
use super::options::{
    Eplb, ExpertParallelism, ModelOptions, NanLogits, Output, Owned, PaddedRows, Part, ScaleWhen, SharedForm,
    Simulation,
};
use super::preset::{Pick, Preset, Renorm, Scoring, Weighting};
use crate::chains::Padding;
use routefuse_ir::op::{Candidates, GroupFill, PackForm, TopKOrder};
use routefuse_ir::text::did_you_mean;
use routefuse_ir::{Code, DType, Diagnostic};

fn groups(p: &Preset) -> Option<&'static str> {
    p.route.groups.is_none().then_some("it has no groups")
}

fn scale(p: &Preset) -> Option<&'static str> {
    p.scale.is_none().then_some("it has no routed scaling factor")
}

fn bias(p: &Preset) -> Option<&'static str> {
    (!p.route.bias).then_some("it has no bias")
}

fn shared(p: &Preset) -> Option<&'static str> {
    (p.shared == 0).then_some("it has no shared experts")
}

fn in_scores(p: &Preset) -> Option<&'static str> {
    (p.route.weighting != Weighting::Score).then_some("its weights are a function of the chosen logits already")
}

fn chosen_by_logits(p: &Preset) -> Option<&'static str> {
    (p.route.pick != Pick::TopK).then_some("its experts are chosen by a table")
}

fn any_k(p: &Preset) -> Option<&'static str> {
    matches!(p.route.weighting, Weighting::SparseMixer { .. }).then_some("its experts are two, each chosen by itself")
}

fn several_slots(p: &Preset) -> Option<&'static str> {
    (p.top_k < 2).then_some("it has one expert slot only")
}

fn chosen_by_table(p: &Preset) -> Option<&'static str> {
    (p.route.pick == Pick::TopK).then_some("its experts are chosen by their scores")
}

fn distribution(p: &Preset) -> Option<&'static str> {
    let sums_to_one = p.route.scoring == Scoring::Softmax || p.route.weighting == Weighting::SoftmaxOfChosen;
    several_slots(p).or((!sums_to_one).then_some("its scores are no distribution"))
}

fn shared_through_balancer(p: &Preset) -> Option<&'static str> {
    shared(p).or((p.identity > 0).then_some("it has zero experts, which the load balancer does not see"))
}

fn identity(p: &Preset) -> Option<&'static str> {
    (p.identity == 0).then_some("it has no zero experts")
}

fn indexer(p: &Preset) -> Option<&'static str> {
    p.indexer.is_none().then_some("it has no attention indexer")
}

const FLOATS: [DType; 3] = [DType::F32, DType::Bf16, DType::F16];
const INDICES: [DType; 2] = [DType::I32, DType::I64];

/// Every option but those of the layout of all rows' items.
const OPTIONS: &[OptionInfo] = &[
    option!("experts", "E", "routed experts", any, experts, |o, v| number(&mut o.experts, v)),
    option!("k", "K", "routed expert slots", any_k, top_k, |o, v| number(&mut o.top_k, v)),
    option!("groups", "G", "groups of neighbouring experts", groups, groups, |o, v| number(&mut o.groups, v)),
    option!("keep", "N", "groups that are chosen from", groups, keep, |o, v| number(&mut o.keep, v)),
    option!("shared_experts", "S", "shared experts", shared, shared_experts, |o, v| number(&mut o.shared_experts, v)),
    option!(
        "zero_experts",
        "Z",
        "zero experts, whose logits follow the routed ones'",
        identity,
        zero_experts,
        |o, v| number(&mut o.zero_experts, v)
    ),
    option!("scale", "RSF", "the routed scaling factor", scale, scale, |o, v| store(&mut o.scale, float(v).map(Some))),
    option!(
        "scale_when",
        "always|renormalising|never",
        "when weights are multiplied by it",
        scale,
        scale_when,
        |o, v| store(
            &mut o.scale_when,
            choice(
                v,
                &[
                    ("always", ScaleWhen::Always),
                    ("renormalising", ScaleWhen::Renormalising),
                    ("never", ScaleWhen::Never)
                ]
            )
        )
    ),
    option!("logits", "bf16|f16|f32", "dtype of the logits", any, logits, |o, v| store(
        &mut o.logits,
        dtype(v, &FLOATS)
    )),
    option!("bias", "f32|bf16|f16", "dtype of the bias", bias, bias, |o, v| store(&mut o.bias, dtype(v, &FLOATS))),
    option!(
        "renorm",
        "none|sum|plus_epsilon[:E]|clamp[:E]|positive",
        "what weights are divided by (epsilon 1e-20)",
        in_scores,
        renorm,
        |o, v| store(&mut o.renorm, renorm(v).map(Some))
    ),
    option!("group_mask", "neg_inf|zero|multiply", "what masked groups become", groups, group_fill, |o, v| store(
        &mut o.group_fill,
        GroupFill::ALL.iter().find(|f| f.1 == v).map(|f| f.0)
    )),
    option!("vocabulary", "V", "rows of the table of experts", chosen_by_table, vocabulary, |o, v| number(
        &mut o.vocabulary,
        v
    )),
    option!("token_ids", "i32|i64", "dtype of the tokens' ids", chosen_by_table, token_ids, |o, v| store(
        &mut o.token_ids,
        dtype(v, &INDICES)
    )),
    option!("table", "i32|i64", "dtype of the table of experts", chosen_by_table, table, |o, v| store(
        &mut o.table,
        dtype(v, &INDICES)
    )),
    option!(
        "nan",
        "keep|never",
        "whether a NaN logit does what the formula says, or is no candidate, and no weight is a NaN",
        any,
        nan,
        |o, v| store(&mut o.nan, choice(v, &[("keep", NanLogits::Keep), ("never", NanLogits::Never)]))
    ),
    option!(
        "candidates",
        "above_neg_inf|all",
        "whether a key of -inf can be chosen, or leaves id -1, weight 0",
        chosen_by_logits,
        candidates,
        |o, v| store(&mut o.candidates, Candidates::ALL.iter().find(|c| c.1 == v).map(|c| c.0))
    ),
    option!("order", "value|column", "the order of the expert slots", chosen_by_logits, order, |o, v| store(
        &mut o.order,
        TopKOrder::ALL.iter().find(|c| c.1 == v).map(|c| c.0)
    )),
    option!(
        "simulate",
        "none|round_robin|random",
        "ids that do not come from the logits (R11)",
        any,
        simulation,
        |o, v| {
            store(
                &mut o.simulation,
                choice(
                    v,
                    &[
                        ("none", None),
                        ("round_robin", Some(Simulation::RoundRobin)),
                        ("random", Some(Simulation::Random)),
                    ],
                ),
            )
        }
    ),
    option!(
        "adaptive_k",
        "false|true",
        "weights past a row's own k, by the entropy of softmax(x), become 0 (R11)",
        several_slots,
        adaptive_k,
        |o, v| store(&mut o.adaptive_k, v.parse().ok())
    ),
    option!(
        "top_p",
        "SUM",
        "weights past a row's own k, the fewest scores that reach the sum, become 0 (R11)",
        distribution,
        top_p,
        |o, v| store(&mut o.top_p, float(v).map(Some))
    ),
    option!(
        "eplb",
        "none|static|dynamic|philox|proportional|proportional_philox|hashed|hashed_load",
        "logical to physical ids (P1 to P4)",
        any,
        eplb,
        |o, v| store(
            &mut o.eplb,
            choice(
                v,
                &[
                    ("none", Eplb::None),
                    ("static", Eplb::Static),
                    ("dynamic", Eplb::Dynamic),
                    ("philox", Eplb::Philox),
                    ("proportional", Eplb::Proportional),
                    ("proportional_philox", Eplb::ProportionalPhilox),
                    ("hashed", Eplb::Hashed),
                    ("hashed_load", Eplb::HashedWithLoad)
                ]
            )
        )
    ),
    option!("replicas", "X", "columns of the table of replicas (4)", any, replicas, |o, v| store(
        &mut o.replicas,
        v.parse().ok()
    )),
    option!("physical", "P", "physical experts, if not E", any, physical, |o, v| number(&mut o.physical, v)),
    option!("map", "i32|i64", "dtype of the map or the table of replicas", any, map, |o, v| store(
        &mut o.map,
        dtype(v, &INDICES)
    )),
    option!(
        "balance_shared",
        "false|true",
        "shared experts go through the load balancer, as E + s",
        shared_through_balancer,
        balance_shared,
        |o, v| store(&mut o.balance_shared, v.parse().ok())
    ),
    option!(
        "padding",
        "keep|minus_one|minus_one_zeroed|zero",
        "expert slots of padding: id -1; id -1, weight 0; id 0, weight 0 (P5)",
        any,
        padding,
        |o, v| store(
            &mut o.padding,
            choice(
                v,
                &[
                    ("keep", Padding::Keep),
                    ("minus_one", Padding::MinusOne),
                    ("minus_one_zeroed", Padding::MinusOneWithWeights),
                    ("zero", Padding::ZeroWithWeights)
                ]
            )
        )
    ),
    option!(
        "padded_rows",
        "count|mask",
        "which rows are padding: from the scalar n on, or where padding_mask holds",
        any,
        padded_rows,
        |o, v| store(&mut o.padded_rows, choice(v, &[("count", PaddedRows::Count), ("mask", PaddedRows::Mask)]))
    ),
    option!(
        "record",
        "none|i32|u32|i64|u64",
        "count every id that is routed: no padding, no zero and no shared expert (P6)",
        any,
        record,
        |o, v| {
            let counts = dtype(v, &[DType::I32, DType::U32, DType::I64, DType::U64]);
            store(&mut o.record, if v == "none" { Some(None) } else { counts.map(Some) })
        }
    ),
    option!(
        "shared",
        "none|constant|per_token|gate|in_gate",
        "weights of the shared experts behind the routed expert slots (P7, P8, P12)",
        shared,
        shared,
        |o, v| store(
            &mut o.shared,
            choice(
                v,
                &[
                    ("none", SharedForm::None),
                    ("constant", SharedForm::Constant),
                    ("per_token", SharedForm::PerToken),
                    ("gate", SharedForm::Gate),
                    ("in_gate", SharedForm::InGate)
                ]
            )
        )
    ),
    option!("shared_weight", "W", "the constant, or the factor of the gate", shared, shared_weight, |o, v| store(
        &mut o.shared_weight,
        float(v).map(Some)
    )),
    option!("shared_dtype", "bf16|f32|f16", "dtype of the shared weights or gate", shared, shared_dtype, |o, v| store(
        &mut o.shared_dtype,
        dtype(v, &FLOATS)
    )),
    option!(
        "expert_parallel",
        "L:RANK|L",
        "every rank has L routed experts and then the shared ones (P9); without RANK it is an input",
        shared,
        expert_parallel,
        |o, v| {
            let of = |(experts_per_rank, rank)| ExpertParallelism { experts_per_rank, rank };
            store(&mut o.expert_parallel, one_or_pair(v).map(of).map(Some))
        }
    ),
    option!(
        "owned",
        "FIRST:END|N",
        "other ids become the sentinel, one past all (P13); N experts for each rank, in order",
        any,
        owned,
        |o, v| {
            let of =
                |(first, end): (u64, Option<u64>)| end.map_or(Owned::OfRank(first), |end| Owned::Range(first, end));
            store(&mut o.owned, one_or_pair(v).map(of).map(Some))
        }
    ),
    option!(
        "identity_id",
        "-1|0",
        "the id of an expert slot with a zero expert (P15)",
        identity,
        identity_id,
        |o, v| store(&mut o.identity_id, choice(v, &[("-1", -1), ("0", 0)]))
    ),
    option!("output", "ids_weights|packed|all", "what is stored (P14)", any, output, |o, v| store(
        &mut o.output,
        choice(v, &[("ids_weights", Output::IdsAndWeights), ("packed", Output::Packed), ("all", Output::All)])
    )),
    option!("pack", "masked|sign_extended", "the form of packed words", any, pack, |o, v| store(
        &mut o.pack,
        choice(v, &[("masked", PackForm::Masked), ("sign_extended", PackForm::SignExtended)])
    )),
    option!("ids", "i32|i64|u32|i16|u16", "dtype of the ids (P16)", any, ids, |o, v| store(
        &mut o.ids,
        dtype(v, &[DType::I32, DType::I64, DType::U32, DType::I16, DType::U16])
    )),
    option!("weights", "f32|bf16|f16", "dtype of the weights (P16)", any, weights, |o, v| store(
        &mut o.weights,
        dtype(v, &FLOATS)
    )),
    option!("strided", "false|true", "outputs with a free row stride (P13)", any, strided, |o, v| store(
        &mut o.strided,
        v.parse().ok()
    )),
    option!(
        "strided_inputs",
        "false|true",
        "inputs with a row for each token have a free row stride",
        any,
        strided_inputs,
        |o, v| store(&mut o.strided_inputs, v.parse().ok())
    ),
    option!("part", "router|head_gate", "which of the model's graphs (N1)", indexer, part, |o, v| store(
        &mut o.part,
        choice(v, &[("router", Part::Router), ("head_gate", Part::HeadGate)])
    )),
];

/// All options, in order.
fn all() -> impl Iterator<Item = &'static OptionInfo> {
    OPTIONS.iter().chain(ALIGN_OPTIONS)
}

/// `plus_epsilon`, or `plus_epsilon:1e-12`.
fn renorm(text: &str) -> Option<Renorm> {
    let (rule, epsilon) = match text.split_once(':') {
        Some((rule, epsilon)) => (rule, Some(float(epsilon)?)),
        None => (text, None),
    };
    let e = epsilon.unwrap_or(1e-20);
    match (rule, epsilon) {
        ("plus_epsilon", _) => Some(Renorm::PlusEpsilon(e)),
        ("clamp", _) => Some(Renorm::Clamp(e)),
        ("none", None) => Some(Renorm::None),
        ("sum", None) => Some(Renorm::Sum),
        ("positive", None) => Some(Renorm::Positive),
        _ => None,
    }
}

/// `32:0`, or `32` alone.
fn one_or_pair(text: &str) -> Option<(u64, Option<u64>)> {
    let Some((first, second)) = text.split_once(':') else { return Some((text.parse().ok()?, None)) };
    Some((first.parse().ok()?, Some(second.parse().ok()?)))
}

/// What was chosen stays.
fn chosen_or<T: PartialEq>(option: &mut T, plain: T, other: T) {
    if *option == plain {
        *option = other;
    }
}

impl Preset {
    /// The options that the model has.
    pub fn options(&self) -> impl Iterator<Item = &'static OptionInfo> {
        all().filter(|o| (o.lacks)(self).is_none())
    }

    /// Sets an option from text, as the program's `--option name=value` does; `post` is a name for those of
    /// [`ModelOptions::post`]: it sets each of them that is still as the router alone has it, and no other.
    ///
    /// # Errors
    /// `RF1002` for an option that the model has not, with those that it has; `RF1003` for a value that is none of the
    /// option's.
    pub fn set(&self, options: &mut ModelOptions, name: &str, value: &str) -> Result<(), Diagnostic> {
        if name == "post" && value == "true" {
            let (plain, post) = (ModelOptions::default(), ModelOptions::post(self.shared > 0));
            let ModelOptions { eplb, padding, shared, output, .. } = options;
            chosen_or(eplb, plain.eplb, post.eplb);
            chosen_or(padding, plain.padding, post.padding);
            chosen_or(shared, plain.shared, post.shared);
            chosen_or(output, plain.output, post.output);
            return Ok(());
        }
        let Some(option) = all().find(|o| o.name == name) else {
            let names = self.options().map(|o| o.name);
            let help = did_you_mean(name, names, || self.known());
            return Err(
                Diagnostic::new(Code::UnknownOption, format!("`{}` has no option `{name}`", self.name)).help(help)
            );
        };
        if let Some(reason) = (option.lacks)(self) {
            return Err(self.lacking(option, reason));
        }
        if (option.set)(options, value) {
            return Ok(());
        }
        let message = format!("the option `{name}` of `{}` cannot be `{value}`", self.name);
        Err(Diagnostic::new(Code::BadOptionValue, message).help(format!("it takes {}", option.values)))
    }

    fn lacking(&self, option: &OptionInfo, reason: &str) -> Diagnostic {
        let message = format!("`{}` has no option `{}`: {reason}", self.name, option.name);
        Diagnostic::new(Code::UnknownOption, message).help(self.known())
    }

    fn known(&self) -> String {
        format!("its options are {}", self.options().map(|o| o.name).collect::<Vec<_>>().join(", "))
    }

    /// The options that are set but that the model has not.
    pub(super) fn lacked(&self, options: &ModelOptions) -> Vec<Diagnostic> {
        let plain = ModelOptions::default();
        let set = all().filter(|o| (o.is_set)(options, &plain));
        set.filter_map(|o| (o.lacks)(self).map(|reason| self.lacking(o, reason))).collect()
    }
}

/// The option is not what the router alone has.
pub(super) fn is_set(name: &str, options: &ModelOptions) -> bool {
    let plain = ModelOptions::default();
    all().any(|o| o.name == name && (o.is_set)(options, &plain))
}
