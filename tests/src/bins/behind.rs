//! Random routers with something behind them that crosses rows: few rows of these are one block.

use routefuse_generate::Choices;
use routefuse_ir::{Graph, Verified, text};
use std::fmt::Write as _;

/// A router that chooses ids, and some of what engines make of them.
pub struct Behind {
    /// The graph, of dims `T`, `C` and `J`.
    pub graph: Verified<Graph>,
    /// Items of a row.
    pub items: u64,
}

impl Behind {
    /// The one of a seed. Ids are those that are chosen, or remapped to bins and to none, some of them twice.
    ///
    /// # Panics
    /// If it makes no right graph, which is a defect.
    pub fn of_seed(seed: u64) -> Behind {
        let mut c = Choices::seeded(seed);
        let experts = c.of(&[8u64, 40, 64, 128, 256]);
        let k = c.of(&[1u64, 2, 4, 6, 8]);
        let scores = c.of(&["softmax", "sigmoid"]);
        let dtype = c.of(&["f32", "bf16"]);
        let remapped = c.one_in(2);
        let (bins, align, step) = (c.of(&[experts, experts / 2 + 1]), c.of(&[1, 4, 7, 16]), c.of(&[1, 4, 16]));
        let mut g = format!(
            "route 1\ngraph @behind_{seed} {{\n  dim T\n  dim C\n  dim J\n  input %logits : {dtype}[T, {experts}]\n"
        );
        let mut line = |text: String| {
            let _ = writeln!(g, "  {text}");
        };
        if remapped {
            line(format!("input %map : i32[{experts}]"));
        }
        line("%wide = cast %logits {dtype = f32}".to_owned());
        line(format!("%scores = {scores} %wide"));
        line(format!("%chosen = topk %scores {{k = {k}}}"));
        line("%weights = gather_row %scores, %chosen".to_owned());
        line(match remapped {
            true => "%ids = gather %map, %chosen {out_of_range = pass}".to_owned(),
            false => "%ids = add %chosen, 0".to_owned(),
        });
        line(format!("%counts = bin_count %ids {{bins = {bins}}}"));
        line(format!("%starts = bin_starts %counts {{align = {align}}}"));
        line("%none = const {dtype = i32, value = -1}".to_owned());
        line("%zero = const {dtype = f32, value = 0}".to_owned());
        let all = [
            "sorted = bin_scatter %ids, %ids, %starts, %none {shape = [C]}".to_owned(),
            "sorted_weights = bin_scatter %weights, %ids, %starts, %zero {shape = [C]}".to_owned(),
            format!("expert = bin_of %starts {{step = {step}, shape = [J]}}"),
            format!("rank = bin_rank %ids {{bins = {bins}}}"),
            "halves = add %weights, %weights".to_owned(),
        ];
        let mut outputs = vec![];
        for (n, value) in all.iter().enumerate() {
            // The first one always: else there may be nothing that crosses rows.
            if n == 0 || c.one_in(2) {
                line(format!("%{value}"));
                outputs.push(value.split(' ').next().unwrap_or_default().to_owned());
            }
        }
        for value in ["ids", "weights", "counts", "starts"] {
            if c.one_in(2) {
                outputs.push(value.to_owned());
            }
        }
        // Dims that arguments have.
        if !outputs.iter().any(|o| o == "expert") {
            line(format!("%{}", all[2]));
            outputs.push("expert".to_owned());
        }
        outputs.iter().for_each(|name| line(format!("output {name}_out = %{name}")));
        g.push_str("}\n");
        let graph = text::parse_verified(&g).unwrap_or_else(|e| panic!("{e}\n{g}"));
        Behind { graph, items: k }
    }

    /// The extents of so many rows: places for all items, or not.
    pub fn extents(&self, rows: u64, c: &mut Choices) -> Vec<u64> {
        let of = |name: &String, c: &mut Choices| match name.as_str() {
            "T" => rows,
            "C" => c.of(&[1, rows * self.items + 40, 300]),
            _ => c.of(&[1, 9, 70]),
        };
        self.graph.symbols.iter().map(|name| of(name, c)).collect()
    }
}
