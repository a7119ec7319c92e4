//! A plan with memory: what `run`, `bench` and `demo` launch.

use routefuse::{
    Alias, Args, Diagnostic, Diagnostics, Graph, HostPlan, Plan, Tensor, TensorMut, TensorRef, Verified, Workspace,
    interp,
};
use std::sync::Arc;

/// A plan and the tensors of its launches.
pub struct Execution {
    plan: HostPlan,
    names: Vec<(String, bool)>,
    inputs: Vec<Tensor>,
    outputs: Vec<(String, Tensor)>,
    workspace: Workspace,
    error_word: u32,
    has_trap: bool,
}

impl Execution {
    /// Allocates outputs and workspace. An output in an input's memory starts as that input.
    ///
    /// # Errors
    /// Inputs that do not fit the graph, as the interpreter reports them; `RF0806` for a plan of another target.
    pub fn new(
        graph: &Verified<Graph>,
        plan: Arc<Plan>,
        inputs: Vec<Tensor>,
        given: &[(&str, u64)],
    ) -> Result<Execution, Diagnostics> {
        let extents = interp::extents(graph, &inputs, given)?;
        let plan = HostPlan::new(plan)?;
        let mut names: Vec<(String, bool)> = graph.inputs.iter().map(|i| (i.name.clone(), true)).collect();
        let outputs = (0..graph.outputs.len())
            .map(|o| {
                let ty = graph.output_type(o);
                let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(&extents)).collect();
                let tensor = match graph.outputs[o].alias {
                    Alias::InPlace(i) | Alias::Donates(i) => {
                        // The input is then the output's view and is not bound by itself.
                        names[i].1 = false;
                        inputs[i].clone()
                    }
                    Alias::None | Alias::Guarded(_) => Tensor::zeros(ty.dtype, &shape),
                };
                (graph.outputs[o].name.clone(), tensor)
            })
            .collect();
        let workspace = Workspace::new(plan.plan().workspace_size(&extents)? as usize);
        Ok(Execution { plan, names, inputs, outputs, workspace, error_word: 0, has_trap: graph.has_trap() })
    }

    /// Runs `times` launches with the same arguments.
    ///
    /// # Errors
    /// What the launch checks report.
    pub fn launch(&mut self, times: u64) -> Result<(), Diagnostic> {
        let mut args = Args::new();
        for ((name, bound), tensor) in self.names.iter().zip(&self.inputs) {
            if *bound {
                args.named_input(name, TensorRef::from(tensor));
            }
        }
        for (name, tensor) in &mut self.outputs {
            args.named_output(name, TensorMut::from(tensor));
        }
        if self.has_trap {
            args.named_output("error_word", TensorMut::scalar(&mut self.error_word));
        }
        for _ in 0..times {
            self.plan.launch_with(&args, &mut self.workspace)?;
        }
        Ok(())
    }

    /// The outputs by name.
    pub fn outputs(&self) -> &[(String, Tensor)] {
        &self.outputs
    }

    /// Whether a gather trapped.
    pub fn trapped(&self) -> bool {
        self.error_word != 0
    }

    /// The bytes of all inputs and outputs.
    pub fn bytes(&self) -> u64 {
        let tensors = self.inputs.iter().chain(self.outputs.iter().map(|o| &o.1));
        tensors.map(|t| t.bytes().len() as u64).sum()
    }
}

/// The first element in which outputs differ from the interpreter's, in words; `None` if every bit agrees.
pub fn first_difference(got: &[(String, Tensor)], want: &[Tensor]) -> Option<String> {
    for ((name, got), want) in got.iter().zip(want) {
        if got == want {
            continue;
        }
        for i in 0..want.len() {
            if got.bits(i) != want.bits(i) {
                let digits = want.dtype().size() as usize * 2;
                return Some(format!(
                    "output `{name}` differs at {:?}: {} ({:#0w$x}), the interpreter says {} ({:#0w$x})",
                    index(i as u64, want.shape()),
                    got.get(i),
                    got.bits(i),
                    want.get(i),
                    want.bits(i),
                    w = digits + 2,
                ));
            }
        }
    }
    None
}

fn index(mut flat: u64, shape: &[u64]) -> Vec<u64> {
    let mut at: Vec<u64> = shape
        .iter()
        .rev()
        .map(|&d| {
            let i = flat % d.max(1);
            flat /= d.max(1);
            i
        })
        .collect();
    at.reverse();
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_with_its_bits() {
        let want = [Tensor::from_i32(&[1], &[7]), Tensor::from_f32(&[2, 2], &[1.0, 2.0, 0.0, 4.0])];
        let mut got: Vec<(String, Tensor)> =
            ["a", "b"].iter().zip(&want).map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
        assert_eq!(first_difference(&got, &want), None);
        // -0.0 equals 0.0, and has other bits.
        got[1].1.set_bits(2, 0x8000_0000);
        let text = "output `b` differs at [1, 0]: -0.0 (0x80000000), the interpreter says 0.0 (0x00000000)";
        assert_eq!(first_difference(&got, &want).as_deref(), Some(text));
    }
}
