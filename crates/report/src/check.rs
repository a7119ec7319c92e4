//! Host code beside the interpreter, on the inputs of one launch.

use crate::model::{Check, CheckedOutput, Dim, Document};
use routefuse::diag::visible;
use routefuse::engine::Cancel;
use routefuse::exec::{Device, Executor};
use routefuse::ir::interp;
use routefuse::{Engine, Error, Graph, Options, Target, Tensor, Verified};

/// Rows and columns of each output that are shown.
const ROWS: usize = 4;
const COLUMNS: usize = 64;

impl Document {
    /// Adds what the host's code gives for these inputs beside what the interpreter gives: every bit is compared, and the first
    /// rows are shown. `given` are extents that no input says, and `described` says where the inputs came from.
    ///
    /// # Errors
    /// Those of [`Engine::compile`] for the host and of a launch there; inputs that do not fit (`RF0601` to `RF0614`); `RF0816` if it was
    /// cancelled.
    pub fn add_check(
        &mut self,
        engine: &Engine,
        graph: &Verified<Graph>,
        inputs: &[Tensor],
        given: &[(&str, u64)],
        described: &str,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let extents = interp::extents(graph, inputs, given)?;
        interp::check_size(graph, &extents)?;
        let plan = engine.compile(graph, &Target::host(), &Options::default())?;
        let ours = Executor::on(Device::Host)?.run(plan, inputs, given)?;
        let reference = interp::run_until(graph, inputs, given, cancel)?;
        let dims = graph.symbols.iter().zip(&extents);
        let pairs = ours.outputs.iter().zip(&reference.outputs).enumerate();
        let output = |(i, ((name, ours), reference)): (usize, (&(String, Tensor), &Tensor))| {
            let differing = (0..reference.len()).filter(|at| ours.bits(*at) != reference.bits(*at)).count();
            CheckedOutput {
                name: visible(name).into_owned(),
                r#type: visible(&graph.output_type(i).text(&graph.symbols)).into_owned(),
                compared: reference.len() as u64,
                differing: differing as u64,
                ours: first_rows(ours),
                reference: first_rows(reference),
            }
        };
        self.numbers.check = Some(Check {
            dims: dims.map(|(name, at)| Dim { name: visible(name).into_owned(), at: *at }).collect(),
            rows: extents.first().copied().unwrap_or(1),
            inputs: described.to_owned(),
            outputs: pairs.map(output).collect(),
        });
        Ok(())
    }
}

/// The first rows of a tensor, of each the first columns.
fn first_rows(tensor: &Tensor) -> Vec<Vec<String>> {
    let columns = tensor.shape().iter().skip(1).product::<u64>().max(1) as usize;
    let rows = (tensor.len() / columns).min(ROWS);
    let row = |r: usize| (0..columns.min(COLUMNS)).map(|c| tensor.get(r * columns + c).to_string()).collect();
    (0..rows).map(row).collect()
}
