//! What a tuning answers, as JSON.

use super::{KernelTuning, TuneReport};
use routefuse_ir::kernel::schedule::RowShape;
use serde_json::{Value, json};

impl TuneReport {
    /// The JSON object that `routefuse tune --json` prints. Times are in microseconds of one launch.
    pub fn json(&self) -> String {
        let TuneReport { graph, dim, device, card, driver, target, kernels, tuned } = self;
        let tuned = tuned.iter().map(KernelTuning::json).collect::<Vec<_>>();
        let report = json!({
            "graph": graph, "device": device.to_string(), "card": card, "driver": driver, "target": target.name(), "dim": dim,
            "kernels": kernels, "tuned": tuned,
        });
        format!("{report:#}")
    }
}

impl KernelTuning {
    fn json(&self) -> Value {
        let us = |ns: u64| ns as f64 / 1e3;
        let shapes = |list: &[RowShape]| -> Vec<Value> {
            list.iter().map(|s| json!({ "most_rows": s.most_rows, "shape": s.to_string() })).collect()
        };
        let tuning = &self.tuning;
        let trials = tuning.trials.iter().map(|t| {
            let us: Vec<f64> = t.ns.iter().map(|ns| us(*ns)).collect();
            json!({ "shape": t.shape.to_string(), "us": us })
        });
        let results = tuning.rows.iter().zip(self.before_and_after()).map(
            |(rows, (before, after))| json!({ "extent": rows, "built_in_us": us(before), "chosen_us": us(after) }),
        );
        json!({
            "kernel": self.kernel, "key": self.key.key().to_string(), "built_in": shapes(&self.built_in),
            "chosen": shapes(&tuning.shapes), "is_built_in": self.is_built_in(), "results": results.collect::<Vec<_>>(),
            "trials": trials.collect::<Vec<_>>(), "file": self.file,
            "remote": self.kept.as_ref().is_some_and(|kept| kept.remote),
        })
    }
}
