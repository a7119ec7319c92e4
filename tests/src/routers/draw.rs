//! Random combinations of options: whatever fits together. What is drawn here must be taken.

use super::model::{Model, Score, Weight};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// A combination of options, by name and text.
pub type Options = Vec<(&'static str, String)>;

struct Draw<'a> {
    rng: &'a mut SmallRng,
    /// The options that the model has, by its own account.
    has: &'a [&'static str],
    options: Options,
}

impl Draw<'_> {
    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_range(0..n) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        *list.choose(self.rng).expect("not empty")
    }

    fn set(&mut self, name: &'static str, value: impl ToString) {
        if self.has.contains(&name) {
            self.options.push((name, value.to_string()));
        }
    }

    /// Sets one of the values, one time in `n`.
    fn maybe(&mut self, n: u32, name: &'static str, values: &[&str]) {
        if self.one_in(n) {
            let value = self.of(values);
            self.set(name, value);
        }
    }

    fn has(&self, name: &str) -> bool {
        self.has.contains(&name)
    }

    fn word(&self, name: &str) -> &str {
        self.options.iter().find(|o| o.0 == name).map_or("", |o| o.1.as_str())
    }

    fn given(&self, name: &str) -> bool {
        !self.word(name).is_empty()
    }
}

/// Options of one combination, of those that the model has; mostly with one of these numbers of experts, multiples of 8.
pub fn options(rng: &mut SmallRng, m: &Model, has: &[&'static str], experts: &[usize]) -> Options {
    let mut d = Draw { rng, has, options: vec![] };
    let simulated = d.one_in(10);
    let (experts, k) = sizes(&mut d, m, experts, simulated);
    if simulated {
        let kind = d.of(&["round_robin", "random"]);
        d.set("simulate", kind);
        d.maybe(3, "scale_when", &["never", "always"]);
    } else {
        selection(&mut d, m, k);
    }
    let shared = shared(&mut d, m);
    placing(&mut d, m, experts, shared);
    storing(&mut d);
    d.options
}

fn sizes(d: &mut Draw<'_>, m: &Model, numbers: &[usize], simulated: bool) -> (usize, usize) {
    let small = !d.one_in(12);
    let experts = if small { d.of(numbers) } else { m.experts };
    if experts != m.experts {
        d.set("experts", experts);
    }
    let mut columns = experts;
    if m.zero_experts > 0 {
        let zero = if small { d.of(&[1, 4, 16]) } else { m.zero_experts };
        if zero != m.zero_experts {
            d.set("zero_experts", zero);
        }
        columns += zero;
    }
    columns += m.constants + m.discards;
    let mut candidates = columns;
    if let Some((groups, keep)) = m.groups.filter(|_| !simulated) {
        let count = if d.one_in(2) { d.of(&[1, 2, 4, 8]) } else { groups };
        let keep = if count == groups && d.one_in(2) { keep } else { d.rng.random_range(1..=count) };
        d.options.extend([("groups", count.to_string()), ("keep", keep.to_string())]);
        let fill = d.of(&["neg_inf", "zero", "multiply"]);
        if fill != "neg_inf" && keep < count {
            d.set("group_mask", fill);
        } else {
            candidates = columns / count * keep;
        }
    }
    let most = candidates.min(if d.one_in(8) { 24 } else { 8 });
    let k = if !d.has("k") || m.k <= most && d.one_in(2) { m.k } else { d.rng.random_range(1..=most) };
    if k != m.k {
        d.set("k", k);
    }
    (experts, k)
}

fn selection(d: &mut Draw<'_>, m: &Model, k: usize) {
    d.maybe(2, "bias", &["f32", "bf16", "f16"]);
    d.maybe(2, "renorm", &["none", "sum", "plus_epsilon", "plus_epsilon:1e-6", "clamp", "clamp:0.25", "positive"]);
    d.maybe(3, "scale_when", &["always", "renormalising", "never"]);
    if m.hash {
        let small = !d.one_in(100);
        if small {
            let rows = d.of(&["1", "64"]);
            d.set("vocabulary", rows);
        }
        d.maybe(2, "token_ids", &["i32", "i64"]);
        d.maybe(2, "table", &["i32", "i64"]);
    }
    d.maybe(3, "nan", &["keep", "never"]);
    if d.word("nan") != "never" {
        d.maybe(4, "candidates", &["above_neg_inf", "all"]);
    }
    if k > 1 {
        d.maybe(3, "order", &["value", "column"]);
        if d.has("top_p") && d.one_in(4) {
            d.maybe(1, "top_p", &["0.3", "0.75", "1"]);
        } else {
            d.maybe(4, "adaptive_k", &["true", "false"]);
        }
    }
    debug_assert!(m.score == Score::Softmax || m.weight == Weight::SoftmaxOfChosen || !d.given("top_p"));
}

fn shared(d: &mut Draw<'_>, m: &Model) -> usize {
    if m.shared == 0 {
        return 0;
    }
    d.maybe(2, "shared", &["constant", "per_token", "gate", "in_gate"]);
    if d.word("shared") == "in_gate" && d.given("simulate") {
        d.options.retain(|o| o.0 != "shared");
    }
    let form = d.word("shared").to_owned();
    let appended = !form.is_empty();
    if appended && d.one_in(2) {
        d.maybe(1, "shared_experts", &["1", "2", "3"]);
    }
    if form == "constant" || form == "gate" {
        d.maybe(4, "shared_weight", &["0.5", "1.5"]);
    }
    if form == "gate" || form == "per_token" {
        d.maybe(2, "shared_dtype", &["bf16", "f32", "f16"]);
    }
    let scaled = d.word("scale_when") != "never" && d.word("renorm") != "none" || d.word("scale_when") == "always";
    let divided = form == "in_gate" || form == "constant" && !d.given("shared_weight");
    let always = !d.given("scale_when");
    if always || scaled && d.word("scale_when") != "renormalising" || divided {
        d.maybe(4, "scale", &["1.5", "0.25"]);
    }
    d.word("shared_experts").parse().unwrap_or(m.shared)
}

fn placing(d: &mut Draw<'_>, m: &Model, experts: usize, shared: usize) {
    let kinds = ["static", "dynamic", "philox", "proportional", "proportional_philox", "hashed", "hashed_load"];
    d.maybe(2, "eplb", &kinds);
    let balanced = d.given("eplb");
    let appended = d.given("shared");
    if balanced {
        d.maybe(2, "map", &["i32", "i64"]);
        if d.word("eplb") != "static" {
            d.maybe(2, "replicas", &["1", "3", "6"]);
        }
        if appended && d.one_in(4) {
            d.set("balance_shared", "true");
        }
    }
    d.maybe(2, "padding", &["minus_one", "minus_one_zeroed", "zero"]);
    if d.given("padding") || d.word("eplb") == "hashed_load" {
        d.maybe(2, "padded_rows", &["count", "mask"]);
    }
    d.maybe(2, "record", &["i32", "u32", "i64", "u64"]);
    let logical = experts + if d.given("balance_shared") { shared } else { 0 };
    let mut physical = logical;
    if (balanced || appended || d.given("record")) && d.one_in(2) {
        physical = logical.next_multiple_of(8) + 8;
        d.set("physical", physical);
    }
    let share = if physical.is_multiple_of(8) { [physical / 4, physical / 8] } else { [physical, physical] };
    if shared > 0 && !d.given("balance_shared") && d.one_in(3) {
        let l = d.of(&share);
        let rank = d.rng.random_range(0..physical / l);
        let text = if d.one_in(2) { format!("{l}:{rank}") } else { l.to_string() };
        d.set("expert_parallel", text);
    }
    if d.one_in(4) {
        let n = d.of(&share);
        let text = if d.one_in(2) { format!("{}:{}", physical / 3, physical / 2) } else { n.to_string() };
        // A rank that the other option names must be one of these too.
        let named = d.word("expert_parallel").contains(':') && !text.contains(':');
        if !named {
            d.set("owned", text);
        }
    }
    if m.zero_experts > 0 && !d.given("simulate") {
        d.maybe(2, "identity_id", &["-1", "0"]);
    }
}

fn storing(d: &mut Draw<'_>) {
    d.maybe(2, "output", &["ids_weights", "packed", "all"]);
    let output = d.word("output").to_owned();
    if output == "packed" || output == "all" {
        d.maybe(2, "pack", &["masked", "sign_extended"]);
    }
    if output != "packed" {
        d.maybe(2, "ids", &["i32", "i64", "u32", "i16", "u16"]);
        let weights: &[&str] = if output == "all" { &["f32", "bf16"] } else { &["f32", "bf16", "f16"] };
        d.maybe(2, "weights", weights);
    }
    d.maybe(2, "logits", &["bf16", "f16", "f32"]);
    d.maybe(4, "strided", &["true", "false"]);
    d.maybe(4, "strided_inputs", &["true", "false"]);
}
