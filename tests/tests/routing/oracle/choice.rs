//! What a combination of options means, read from their text.

use routefuse_tests::routers::{Divisor, Model, Options};

/// The options of one combination with the model's own sizes where none is given.
#[derive(Clone, Debug)]
pub struct Choice {
    pub model: Model,
    options: Options,
    pub experts: usize,
    /// Columns of the logits.
    pub columns: usize,
    pub zero_experts: usize,
    pub k: usize,
    pub shared: usize,
    pub scale: f32,
    pub divisor: Divisor,
    /// Physical experts.
    pub physical: usize,
}

impl Choice {
    pub fn new(model: Model, options: Options) -> Choice {
        let number = |name: &str| options.iter().find(|o| o.0 == name).map(|o| o.1.parse::<usize>().expect("a number"));
        let word = |name: &str| options.iter().find(|o| o.0 == name).map(|o| o.1.as_str());
        let experts = number("experts").unwrap_or(model.experts);
        let shared = number("shared_experts").unwrap_or(model.shared);
        let zero_experts = number("zero_experts").unwrap_or(model.zero_experts);
        let balanced = if word("balance_shared") == Some("true") { shared } else { 0 };
        let epsilon = |text: &str| text.split_once(':').map_or(1e-20, |e| e.1.parse().expect("a number"));
        let divisor = match word("renorm") {
            None => model.divisor,
            Some("none") => Divisor::One,
            Some("sum") => Divisor::Sum,
            Some("positive") => Divisor::Positive,
            Some(text) if text.starts_with("clamp") => Divisor::Clamp(epsilon(text)),
            Some(text) => Divisor::PlusEpsilon(epsilon(text)),
        };
        Choice {
            experts,
            columns: experts + model.constants + zero_experts + model.discards,
            zero_experts,
            k: number("k").unwrap_or(model.k),
            shared,
            scale: word("scale").map_or(model.scale.unwrap_or(1.0), |s| s.parse().expect("a number")),
            divisor,
            physical: number("physical").unwrap_or(experts + balanced),
            model,
            options,
        }
    }

    /// The text of an option, or what it is when nothing is said.
    pub fn word<'a>(&'a self, name: &str, plain: &'a str) -> &'a str {
        self.options.iter().find(|o| o.0 == name).map_or(plain, |o| o.1.as_str())
    }

    pub fn is(&self, name: &str, value: &str) -> bool {
        self.options.iter().any(|o| o.0 == name && o.1 == value)
    }

    /// Whether the option says anything.
    pub fn given(&self, name: &str) -> bool {
        self.options.iter().any(|o| o.0 == name)
    }

    /// The first id of the experts that give nothing.
    pub fn first_discard(&self) -> i64 {
        (self.experts + self.model.constants + self.zero_experts) as i64
    }

    pub fn groups(&self) -> Option<(usize, usize)> {
        let (count, keep) = self.model.groups?;
        let number = |name: &str, plain: usize| self.word(name, "").parse().unwrap_or(plain);
        Some((number("groups", count), number("keep", keep)))
    }

    /// Whether routed weights are multiplied by rsf.
    pub fn scaled(&self) -> bool {
        match self.word("scale_when", "always") {
            "always" => true,
            "never" => false,
            _ => self.divisor != Divisor::One,
        }
    }

    /// Shared slots behind the routed ones.
    pub fn appended(&self) -> usize {
        if self.word("shared", "none") == "none" { 0 } else { self.shared }
    }

    /// `L:RANK`, or `L` alone.
    pub fn expert_parallel(&self) -> Option<(usize, Option<i64>)> {
        self.given("expert_parallel").then(|| {
            let text = self.word("expert_parallel", "");
            let (l, rank) = text.split_once(':').map_or((text, None), |(l, r)| (l, Some(r)));
            (l.parse().expect("L"), rank.map(|r| r.parse().expect("a rank")))
        })
    }

    /// One past the ids of all experts.
    pub fn ids_end(&self) -> i64 {
        let (p, s) = (self.physical as i64, self.shared as i64);
        match self.expert_parallel() {
            Some((l, _)) => p + p / l as i64 * s,
            None if self.is("balance_shared", "true") => p,
            None => p + s,
        }
    }
}
