//! Every stage of a graph's way to machine code, as text.

use crate::engine::{Engine, schedules};
use crate::error::Error;
use crate::listing;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::Target;
use routefuse_ir::{Graph, Verified, text};
use routefuse_passes::pipeline::{Options, compile_graph};
use std::time::{Duration, Instant};

/// What a graph becomes before any machine code: all texts end in a newline.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stages {
    /// The graph in canonical layout.
    pub graph: String,
    /// After canonicalisation.
    pub canonical: String,
    /// The program: ports, workspace, kernels.
    pub fused: String,
    /// Each kernel with its schedule, in the order in which they run. The schedules are not verified, so that a kernel that a
    /// target has no room for can be seen.
    pub kernels: Vec<Scheduled>,
    /// Time of canonicalisation, fusion and scheduling together.
    pub time: Duration,
}

impl Stages {
    /// A kernel with its schedule and variants as text.
    pub fn kernel_text(kernel: &Scheduled) -> String {
        let variants: Vec<String> = kernel.variants().iter().map(Variant::to_string).collect();
        let Scheduled { kernel, schedule, target } = kernel;
        format!("{}schedule {target}: {schedule}\nvariants {}\n", **kernel, variants.join(" "))
    }

    /// Every kernel as [`Stages::kernel_text`].
    pub fn kernel(&self) -> String {
        self.kernels.iter().map(Stages::kernel_text).collect::<Vec<_>>().join("\n")
    }
}

impl Engine {
    /// The stages before machine code, as text; no compiler is needed. The texts are the same in every run.
    ///
    /// # Errors
    /// Those of [`Engine::compile`].
    pub fn stages(&self, graph: &Verified<Graph>, target: &Target, options: &Options) -> Result<Stages, Error> {
        let start = Instant::now();
        let lowered = compile_graph(graph.clone(), options)?;
        let schedules = schedules(&lowered.program, *target);
        let time = start.elapsed();
        let kernels = lowered.program.steps.iter().zip(schedules);
        let kernels =
            kernels.map(|(step, schedule)| Scheduled { kernel: step.kernel.clone(), schedule, target: *target });
        Ok(Stages {
            graph: text::print(graph),
            canonical: text::print(&lowered.canonical),
            fused: listing::program(&lowered.program),
            kernels: kernels.collect(),
            time,
        })
    }
}

#[cfg(feature = "compiler")]
mod code {
    use super::{Error, Scheduled, Stages, Variant};
    use routefuse_codegen::Dump;
    use routefuse_ir::artifact::Artifact;
    use std::time::Duration;

    /// The later stages of one variant of a kernel.
    #[derive(Clone, Debug)]
    #[non_exhaustive]
    pub struct CodeStages {
        /// MLIR as built, before its passes.
        pub mlir: String,
        /// LLVM IR after optimisation.
        pub llvm: String,
        /// PTX, AMDGPU or host assembly.
        pub asm: String,
        /// The code itself.
        pub artifact: Artifact,
        /// Time of each phase; writing the texts is in none.
        pub timings: Vec<(&'static str, Duration)>,
    }

    impl Stages {
        /// Compiles one variant of one of [`Stages::kernels`], keeping every text. Nothing is cached.
        ///
        /// # Errors
        /// A schedule that does not fit ([`Scheduled::verify`]); the compiler's (`RF0802` to `RF0804`).
        pub fn code(kernel: &Scheduled, variant: Variant) -> Result<CodeStages, Error> {
            let kernel = kernel.clone().verify()?;
            let c = routefuse_codegen::compile(&kernel, variant, Dump::ALL).map_err(|e| crate::llvm::diagnostic(&e))?;
            Ok(CodeStages {
                mlir: c.mlir.unwrap_or_default(),
                llvm: c.llvm.unwrap_or_default(),
                asm: c.assembly.unwrap_or_default(),
                artifact: c.artifact,
                timings: c.timings.phases().to_vec(),
            })
        }
    }
}

#[cfg(feature = "compiler")]
pub use code::CodeStages;
