//! Options that cannot be right, alone or beside each other: refused with the reason, and what would be right.

use super::align;
use super::option_table::is_set;
use super::options::{Eplb, ModelOptions, NanLogits, Output, Owned, Part, ScaleWhen, SharedForm};
use super::preset::{Preset, Renorm};
use super::sizes::{Sizes, appends_shared, carries_scale};
use crate::chains::{AlignEngine, Padding};
use routefuse_ir::op::{Candidates, GroupFill};
use routefuse_ir::{Code, DType, Diagnostic, Diagnostics};

/// The first cause that was found: what follows from it is not said.
struct Found<'a> {
    preset: &'a Preset,
    first: Option<Diagnostic>,
}

impl Found<'_> {
    fn when(&mut self, wrong: bool, code: Code, message: impl Into<String>, help: impl Into<String>) {
        if wrong && self.first.is_none() {
            let message = format!("`{}`: {}", self.preset.name, message.into());
            self.first = Some(Diagnostic::new(code, message).help(help));
        }
    }

    /// A value that cannot be right.
    fn value(&mut self, wrong: bool, message: impl Into<String>, help: impl Into<String>) {
        self.when(wrong, Code::BadOptionValue, message, help);
    }

    /// Options that cannot be right beside each other.
    fn conflict(&mut self, wrong: bool, message: impl Into<String>, help: impl Into<String>) {
        self.when(wrong, Code::OptionConflict, message, help);
    }
}

impl Preset {
    /// What is wrong with these options for this model: all those that it has not, or else the first cause.
    pub fn check(&self, options: &ModelOptions) -> Diagnostics {
        let lacked: Diagnostics = self.lacked(options).into_iter().collect();
        if !lacked.is_empty() {
            return lacked;
        }
        let mut found = Found { preset: self, first: None };
        let alone = ModelOptions { part: Part::HeadGate, ..ModelOptions::default() };
        let head_gate = options.part == Part::HeadGate;
        found.conflict(
            head_gate && alone != *options,
            "`part=head_gate` takes no other option",
            "leave out the others",
        );
        if !head_gate {
            let sizes = Sizes::of(self, options);
            extents(&mut found, &sizes, options);
            numbers(&mut found, &sizes, options);
            together(&mut found, self, &sizes, options);
            without_effect(&mut found, self, &sizes, options);
            ranks(&mut found, &sizes, options);
            dtypes(&mut found, &sizes, options);
            laid_out(&mut found, &sizes, options);
        }
        found.first.into_iter().collect()
    }
}

/// More than any model has, and little enough for every sum of them.
const MOST: u64 = 1 << 24;

fn extents(found: &mut Found<'_>, sizes: &Sizes, o: &ModelOptions) {
    let named = [
        ("experts", sizes.experts, 1),
        ("zero_experts", o.zero_experts.unwrap_or(1), 1),
        ("k", sizes.top_k, 1),
        ("shared_experts", sizes.shared, 0),
        ("physical", sizes.physical, 1),
        ("groups", sizes.groups.map_or(1, |g| g.count), 1),
        ("keep", sizes.groups.map_or(1, |g| g.keep), 1),
        ("replicas", o.replicas, 1),
        ("vocabulary", o.vocabulary.unwrap_or(1), 1),
    ];
    for (name, n, least) in named {
        // An expert slot has an expert of its own.
        let most = if name == "k" { sizes.logits.min(MOST) } else { MOST };
        let code = if name == "k" && n > most { Code::CountOutOfRange } else { Code::BadOptionValue };
        let what = if name == "k" { format!("`k` = {n} expert slots") } else { format!("`{name}` is {n}") };
        let of = if name == "k" { " of the columns" } else { "" };
        found.when(!(least..=most).contains(&n), code, what, format!("it takes {least} to {most}{of}"));
    }
}

/// Numbers that are no factor, no divisor and no share.
fn numbers(found: &mut Found<'_>, sizes: &Sizes, o: &ModelOptions) {
    let factor = |x: f32| x > 0.0 && (1.0 / x).is_finite();
    let scale = sizes.scale;
    found.value(!factor(scale), format!("`scale={scale}` is no routed scaling factor"), "it is above 0");
    let shared = o.shared_weight.unwrap_or(1.0);
    found.value(
        shared <= 0.0,
        format!("`shared_weight={shared}` leaves nothing of the shared experts"),
        "it is above 0; without shared experts it is `shared=none`",
    );
    if let Some(Renorm::PlusEpsilon(e) | Renorm::Clamp(e)) = o.renorm {
        found.value(
            e <= 0.0,
            format!("an epsilon of {e} guards no division"),
            "it is above 0; without one take `renorm=sum`",
        );
    }
    let sum = o.top_p.unwrap_or(1.0);
    found.value(
        !(sum > 0.0 && sum <= 1.0),
        format!("scores do not sum to `top_p={sum}`"),
        "it is above 0 and at most 1",
    );
}

fn together(found: &mut Found<'_>, p: &Preset, sizes: &Sizes, o: &ModelOptions) {
    let simulated = o.simulation.is_some();
    let in_gate = o.shared == SharedForm::InGate;
    found.conflict(simulated && in_gate, "`simulate` leaves no gate for `shared=in_gate`", "take `shared=constant`");
    found.conflict(
        simulated && o.adaptive_k,
        "`simulate` and `adaptive_k` exclude each other",
        "leave out one of them",
    );
    found.conflict(
        simulated && o.top_p.is_some(),
        "`simulate` and `top_p` exclude each other",
        "leave out one of them",
    );
    found.conflict(
        o.adaptive_k && o.top_p.is_some(),
        "`adaptive_k` and `top_p` both say how many slots a row has",
        "leave out one of them",
    );
    for (name, set) in [("adaptive_k", o.adaptive_k), ("top_p", o.top_p.is_some())] {
        found.conflict(
            set && sizes.top_k == 1,
            format!("`{name}` needs two expert slots at least"),
            "take `k=2` or more",
        );
    }
    found.conflict(
        o.nan == NanLogits::Never && o.candidates == Candidates::All,
        "with `candidates=all` a NaN logit can be chosen, whatever `nan` says",
        "leave out one of them",
    );
    let no_shared = sizes.shared == 0;
    found.conflict(
        no_shared && appends_shared(o),
        "there are no shared experts to append",
        "take `shared=none` or `shared_experts=1` or more",
    );
    found.conflict(
        no_shared && o.expert_parallel.is_some(),
        "without shared experts every rank's ids are the physical ones, and `expert_parallel` moves none",
        "leave it out, or take `shared_experts=1` or more",
    );
    found.conflict(
        o.balance_shared && o.expert_parallel.is_some(),
        "shared experts that go through the load balancer have no place of their own on a rank",
        "leave out `balance_shared` or `expert_parallel`",
    );
    if let Some(groups) = sizes.groups.filter(|g| g.count > 0 && !simulated && p.route.groups.is_some()) {
        let candidates = (sizes.logits / groups.count).saturating_mul(groups.keep);
        let even = sizes.logits.is_multiple_of(groups.count) && groups.keep <= groups.count;
        let (keep, k) = (groups.keep, sizes.top_k);
        found.conflict(
            even && o.group_fill == GroupFill::NegInf && candidates < k,
            format!("the groups that are kept ({keep}) have {candidates} experts for {k} expert slots"),
            format!("take `k={candidates}` or less, or a larger `keep`"),
        );
    }
}

/// Options that nothing reads.
fn without_effect(found: &mut Found<'_>, p: &Preset, sizes: &Sizes, o: &ModelOptions) {
    let balanced = o.eplb != Eplb::None;
    let table = balanced && o.eplb != Eplb::Static;
    let appended = appends_shared(o);
    let placed = o.expert_parallel.is_some() || o.owned.is_some();
    let packed = o.output != Output::IdsAndWeights;
    let stored = o.output != Output::Packed;
    let constant = o.shared == SharedForm::Constant && o.shared_weight.is_none();
    let some_masked = sizes.groups.is_none_or(|g| g.keep != g.count);
    let read = [
        ("replicas", table, "there is no table of replicas", "take `eplb=dynamic`"),
        ("map", balanced, "nothing is mapped", "take `eplb=static`"),
        (
            "physical",
            balanced || appended || placed || o.record.is_some(),
            "nothing is mapped to physical experts, follows them or counts them",
            "take `eplb=static`",
        ),
        ("balance_shared", balanced && appended, "no shared expert meets a load balancer", "take `eplb` and `shared`"),
        (
            "padded_rows",
            o.padding != Padding::Keep || o.eplb == Eplb::HashedWithLoad,
            "no row is masked",
            "take `padding=minus_one`",
        ),
        ("shared_experts", appended || placed, "no shared expert is appended or placed", "take `shared=constant`"),
        (
            "shared_weight",
            matches!(o.shared, SharedForm::Constant | SharedForm::Gate),
            "the shared experts' weights are no constant and no gate times one",
            "take `shared=constant` or `shared=gate`",
        ),
        (
            "shared_dtype",
            matches!(o.shared, SharedForm::PerToken | SharedForm::Gate),
            "no weight or gate of shared experts is an input",
            "take `shared=per_token` or `shared=gate`",
        ),
        ("pack", packed, "nothing is packed", "take `output=packed`"),
        ("ids", stored, "packed words have ids of 16 bits", "take `output=all`"),
        ("weights", stored, "packed words have weights of bf16", "take `output=all`"),
        (
            "scale",
            carries_scale(p, o) || o.shared == SharedForm::InGate || constant,
            "no weight is multiplied or divided by it",
            "take `scale_when=always`, or leave it to who multiplies later",
        ),
        ("group_mask", some_masked, "no group is masked", "take a smaller `keep`"),
        ("order", sizes.top_k > 1, "one expert slot has one order", "take `k=2` or more"),
    ];
    for (name, used, reason, right) in read {
        let help = format!("leave it out, or {right}");
        found.conflict(is_set(name, o) && !used, format!("`{name}` has no effect: {reason}"), help);
    }
    if o.simulation.is_none() {
        return;
    }
    // Whether weights are renormalised may say whether they are scaled.
    let renorm = if o.scale_when == ScaleWhen::Renormalising { None } else { Some("renorm") };
    let of_logits = [
        "groups",
        "keep",
        "bias",
        "group_mask",
        "vocabulary",
        "token_ids",
        "table",
        "nan",
        "candidates",
        "order",
        "identity_id",
    ];
    for name in of_logits.into_iter().chain(renorm) {
        found.conflict(
            is_set(name, o),
            format!("`{name}` has no effect: with `simulate` no expert is chosen by the logits"),
            "leave out one of them",
        );
    }
}

fn ranks(found: &mut Found<'_>, sizes: &Sizes, o: &ModelOptions) {
    let (physical, logical) = (sizes.physical, sizes.logical(o));
    found.value(
        physical < logical,
        format!("`physical={physical}` leaves some of the {logical} experts without a copy"),
        format!("it is {logical} or more"),
    );
    let share = |found: &mut Found<'_>, name: &str, of_rank: u64| {
        found.value(of_rank == 0, format!("`{name}` gives a rank no expert"), "a rank has 1 at least");
        let of_rank = of_rank.max(1);
        let padded = physical.div_ceil(of_rank).saturating_mul(of_rank);
        found.value(
            !physical.is_multiple_of(of_rank),
            format!("`{name}`: ranks of {of_rank} do not divide the {physical} physical experts"),
            format!("a map places the experts on whole ranks: take `eplb=static` and `physical={padded}`"),
        );
        physical / of_rank
    };
    let mut ranks = u64::MAX;
    if let Some(ep) = o.expert_parallel {
        ranks = ranks.min(share(found, "expert_parallel", ep.experts_per_rank));
    }
    match o.owned {
        Some(Owned::OfRank(n)) => ranks = ranks.min(share(found, "owned", n)),
        Some(Owned::Range(first, end)) => found.value(
            first >= end || end > physical,
            format!("`owned={first}:{end}` is no part of the {physical} physical experts"),
            format!("write FIRST:END with FIRST below END and END at most {physical}"),
        ),
        None => {}
    }
    if let Some(rank) = o.expert_parallel.and_then(|ep| ep.rank) {
        found.value(
            rank >= ranks,
            format!("rank {rank} of {ranks}: there is no such rank"),
            format!("ranks are 0 to {}", ranks.saturating_sub(1)),
        );
    }
}

/// The layout of all rows' items.
fn laid_out(found: &mut Found<'_>, sizes: &Sizes, o: &ModelOptions) {
    let Some(chain) = align::chain(sizes, o) else {
        let names = ["block", "experts", "duplicates", "ranks", "capacity", "tail", "optional"];
        for name in names.map(|name| format!("align_{name}")) {
            let message = format!("`{name}` has no effect: no items are laid out");
            found.conflict(is_set(&name, o), message, "leave it out, or take `align=vllm`");
        }
        return;
    };
    found.conflict(
        o.align_ranks != ModelOptions::default().align_ranks && chain.engine != AlignEngine::Deepep,
        "`align_ranks` has no effect: only DeepEP's layout is of ranks",
        "leave it out, or take `align=deepep`",
    );
    // An id of 0 is that of an expert, and would be laid out.
    let zeros = [("padding=zero", o.padding == Padding::ZeroWithWeights), ("identity_id=0", o.identity_id == 0)];
    for (option, is_zero) in zeros {
        let message = format!("with `{option}`, slots without an expert would be laid out as those of expert 0");
        found.conflict(is_zero, message, "leave it out: such a slot is -1 then, and in no block");
    }
    if let Some(wrong) = chain.wrong() {
        found.when(true, wrong.code, format!("`align`: {}", wrong.message), wrong.help.unwrap_or_default());
    }
}

/// Ids and weights fit where they are stored.
fn dtypes(found: &mut Found<'_>, sizes: &Sizes, o: &ModelOptions) {
    let packed = o.output != Output::IdsAndWeights;
    found.conflict(
        packed && o.weights == DType::F16,
        "packed words have no f16 weights",
        "take `weights=f32` or `weights=bf16`",
    );
    let largest = match o.owned {
        Some(_) => sizes.ids_end(o),
        None if appends_shared(o) || o.expert_parallel.is_some() => sizes.ids_end(o).saturating_sub(1),
        None => sizes.physical.saturating_sub(1),
    };
    // All ones of an unsigned dtype stand for −1.
    let (name, most): (String, u64) = match o.ids {
        DType::I16 => ("ids=i16".to_owned(), 0x7fff),
        DType::U16 => ("ids=u16".to_owned(), 0xfffe),
        other => (format!("ids={}", other.name()), 0x7fff_ffff),
    };
    found.conflict(
        largest > most,
        format!("`{name}` holds no id {largest}, the largest there is"),
        "take `ids=i32` and fewer experts than 2147483648",
    );
    found.conflict(
        packed && largest > 0x7fff,
        format!("packed words hold no id {largest}, the largest there is"),
        "take `output=ids_weights`",
    );
}
