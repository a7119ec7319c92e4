//! The router on the trace's logits, against the ids and weights that the trace came with.

use crate::difference::ulp;
use crate::failure::Failure;
use crate::trace::Trace;
use routefuse::exec::{Device, Executor};
use routefuse::{DType, Engine, Graph, Options, Target, Tensor, Verified};
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;

/// How many rows of a layer agree.
pub struct RouterCheck {
    rows: usize,
    same_sets: usize,
    same_order: usize,
    /// The largest distance of two weights of one expert, in floats between them.
    max_ulp: u64,
}

impl RouterCheck {
    /// Launches the graph of the router and the long chain on all rows, takes the remap back, and compares.
    ///
    /// # Errors
    /// A trace that cannot be read, and whatever keeps the graph from running.
    pub fn count(
        engine: &Engine,
        path: Option<&Path>,
        layer: usize,
        graph: &Verified<Graph>,
    ) -> Result<RouterCheck, Failure> {
        let trace = Trace::open(path, layer)?;
        let mut inputs = trace.inputs(graph, trace.tokens)?;
        let mut logical = vec![];
        for (tensor, input) in inputs.iter_mut().zip(&graph.inputs) {
            match input.name.as_str() {
                // No row is padding.
                "n" => *tensor = Tensor::from_bits(DType::I32, &[], [trace.tokens]),
                "map" => {
                    logical = vec![0; tensor.len()];
                    for e in 0..tensor.len() {
                        logical[tensor.bits(e) as usize] = e as u64;
                    }
                }
                _ => {}
            }
        }
        let given = graph.dims_of_rows(trace.tokens);
        let plan = engine.compile(graph, &Target::host(), &Options::default())?;
        let outcome = Executor::on(Device::Host)?.run(plan, &inputs, &given)?;
        let (Some(ids), Some(weights)) = (outcome.output("ids_out"), outcome.output("weights_out")) else {
            return Ok(RouterCheck { rows: 0, same_sets: 0, same_order: 0, max_ulp: 0 });
        };
        let (own_ids, own_weights) = (trace.tensor("ids", DType::I32)?, trace.tensor("weights", DType::F32)?);
        let (top_k, columns) = (own_ids.shape()[1] as usize, ids.shape()[1] as usize);
        let mut check = RouterCheck { rows: trace.tokens as usize, same_sets: 0, same_order: 0, max_ulp: 0 };
        for row in 0..check.rows {
            let here = |k: usize| {
                (logical.get(ids.bits(row * columns + k) as usize).copied(), weights.bits(row * columns + k))
            };
            let there = |k: usize| (Some(own_ids.bits(row * top_k + k)), own_weights.bits(row * top_k + k));
            let mut ours: Vec<_> = (0..top_k).map(here).collect();
            let mut theirs: Vec<_> = (0..top_k).map(there).collect();
            let ids = |pairs: &[(Option<u64>, u64)]| pairs.iter().map(|p| p.0).collect::<Vec<_>>();
            check.same_order += usize::from(ids(&ours) == ids(&theirs));
            ours.sort_unstable();
            theirs.sort_unstable();
            if ids(&ours) == ids(&theirs) {
                check.same_sets += 1;
                let apart = ours.iter().zip(&theirs).map(|(a, b)| ulp(DType::F32, a.1, b.1));
                check.max_ulp = check.max_ulp.max(apart.max().unwrap_or(0));
            }
        }
        Ok(check)
    }

    /// As JSON.
    pub fn machine(&self) -> Value {
        json!({
            "rows": self.rows, "same_sets": self.same_sets, "same_order": self.same_order,
            "weights_max_ulp": self.max_ulp,
        })
    }
}

impl fmt::Display for RouterCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RouterCheck { rows, same_sets, same_order, max_ulp } = self;
        writeln!(f, "{same_sets} of {rows} rows chose the same experts, {same_order} in the same order;")?;
        write!(f, "         their weights differ by {max_ulp} ulp at most")
    }
}
