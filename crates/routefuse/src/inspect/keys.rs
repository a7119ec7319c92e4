//! The keys of a graph's kernels, before anything is compiled.

use crate::engine::{Engine, schedules};
use crate::error::Error;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::Target;
use routefuse_ir::{Graph, Verified};
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_runtime::KeyText;

/// The key of one variant of one kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KernelKey {
    /// The kernel's name, which is not part of the key.
    pub kernel: String,
    /// The variant.
    pub variant: Variant,
    /// The key, and what it is made of.
    pub key: KeyText,
}

impl Engine {
    /// The version of the engine's compiler and the processor that it makes host code for, as keys have them.
    ///
    /// # Errors
    /// `RF0802` in a build without a compiler.
    pub fn compiler_identity(&self) -> Result<(String, String), Error> {
        let compiler = self.compiler()?;
        Ok((compiler.version().to_owned(), compiler.host_cpu().to_owned()))
    }

    /// The keys under which the code of a graph's kernels is kept: for each kernel, one a variant.
    ///
    /// # Errors
    /// Those of [`Engine::compile`].
    pub fn keys(&self, graph: &Verified<Graph>, target: &Target, options: &Options) -> Result<Vec<KernelKey>, Error> {
        let compiler = self.compiler()?;
        let lowered = compile_graph(graph.clone(), options)?;
        let schedules = schedules(&lowered.program, *target);
        let mut keys = Vec::new();
        for (step, schedule) in lowered.program.steps.into_iter().zip(schedules) {
            let scheduled = Scheduled { kernel: step.kernel, schedule, target: *target };
            keys.extend(scheduled.variants().iter().map(|&variant| KernelKey {
                kernel: scheduled.kernel.name.clone(),
                variant,
                key: KeyText::of(&scheduled, variant, &**compiler),
            }));
        }
        Ok(keys)
    }
}
