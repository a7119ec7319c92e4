//! Kernels that were compiled elsewhere: an engine of a bundle, and bundles of an engine.

use crate::engine::Engine;
use crate::error::Error;
use rayon::ThreadPool;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic, Graph, Verified, text};
use routefuse_passes::pipeline::Options;
use routefuse_runtime::{Bundle, BundleWriter, BundledGraph, Compiler, KeyText, Plan, Progress, PublicKey, Trouble};
use std::path::Path;
use std::sync::Arc;

/// In the place of a compiler: it has the name of the one that made the bundle, so that keys are the same, and makes nothing.
pub(crate) struct Bundled {
    bundle: Arc<Bundle>,
}

impl Bundled {
    pub(crate) fn of(bundle: &Arc<Bundle>) -> Arc<dyn Compiler> {
        Arc::new(Bundled { bundle: Arc::clone(bundle) })
    }
}

// SAFETY: it gives no code.
unsafe impl Compiler for Bundled {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        let (name, target) = (&kernel.kernel.name, kernel.target);
        let lacking = self.bundle.lacking();
        if target.kind() == TargetKind::Host && !lacking.is_empty() {
            let message = format!("kernel `{name}` cannot be loaded: this processor lacks {}", lacking.join(", "));
            let help = format!("the bundle's host code is for {}; build it on such a machine as this", self.host_cpu());
            return Err(Diagnostic::new(Code::HostUnsupported, message).help(help));
        }
        let message =
            format!("kernel `{name}` {variant} for `{target}` is not in the bundle, and there is no compiler");
        Err(Diagnostic::new(Code::NotInBundle, message)
            .help("add the graph and the target to the bundle, or enable the feature `compiler`"))
    }

    fn version(&self) -> &str {
        self.bundle.compiler()
    }

    fn host_cpu(&self) -> &str {
        self.bundle.processor()
    }
}

/// `RF0701` if the file cannot be read, `RF0811` if it cannot be used.
pub(crate) fn diagnostic(trouble: &Trouble) -> Diagnostic {
    match trouble {
        Trouble::Io { .. } => Diagnostic::new(Code::CannotRead, trouble.to_string()),
        _ => Diagnostic::new(Code::BadBundle, format!("the bundle cannot be used: {trouble}"))
            .help("build it anew with `routefuse bundle build`"),
    }
}

impl Engine {
    /// An engine of a bundle alone: it compiles nothing, and needs no LLVM. [`Engine::bundled_plans`] are the plans of its
    /// graphs; [`Engine::compile`] takes any graph whose kernels are in it.
    ///
    /// # Errors
    /// `RF0701` if the file cannot be read; `RF0811` if it is not a bundle as it was written, or may be written by others.
    pub fn from_bundle(path: impl AsRef<Path>) -> Result<Engine, Error> {
        let bundle = Arc::new(Bundle::read(path.as_ref()).map_err(|t| diagnostic(&t))?);
        Engine::builder().compiler(Bundled::of(&bundle)).bundle(bundle).build()
    }

    /// As [`Engine::from_bundle`], of a bundle that one of these keys has signed.
    ///
    /// # Errors
    /// Those of [`Engine::from_bundle`]; `RF0814` if it is not signed, or by another.
    pub fn from_signed_bundle(path: impl AsRef<Path>, signers: &[PublicKey]) -> Result<Engine, Error> {
        let bundle = Arc::new(Bundle::read(path.as_ref()).map_err(|t| diagnostic(&t))?);
        let builder = Engine::builder().compiler(Bundled::of(&bundle)).bundle(bundle);
        builder.require_signed(signers.iter().copied()).build()
    }

    /// The plans of every graph of the engine's bundles that was compiled for this target, with their names, in order.
    /// None is prepared.
    ///
    /// # Errors
    /// `RF0811` if a graph's text is not one that this build reads; those of [`Engine::compile`].
    pub fn bundled_plans(&self, target: &Target) -> Result<Vec<(String, Arc<Plan>)>, Error> {
        let graphs = self.cache().bundles().iter().flat_map(|b| b.graphs());
        let graphs = graphs.filter(|g| g.targets.iter().any(|t| t == target.name()));
        graphs
            .map(|BundledGraph { name, text, fused, .. }| {
                let graph = text::parse_verified(text).map_err(|e| {
                    let message = format!("the bundle's graph `{name}` is not one that this build reads: {e}");
                    Diagnostic::new(Code::BadBundle, message)
                })?;
                Ok((name.clone(), self.compile(&graph, target, &Options { fuse: *fused })?))
            })
            .collect()
    }

    /// A bundle of these graphs, each with a name, compiled for all of these targets. Equal kernels are in it once. `pool`
    /// and `progress` are as for [`Engine::compile_all`]; each target counts by itself.
    ///
    /// # Errors
    /// Those of [`Engine::compile_all`].
    pub fn bundle(
        &self,
        graphs: &[(String, Verified<Graph>)],
        targets: &[Target],
        options: &Options,
        pool: Option<&ThreadPool>,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<BundleWriter, Error> {
        let compiler = self.compiler()?;
        let mut bundle = BundleWriter::new(compiler.version(), compiler.host_cpu());
        let names: Vec<&str> = targets.iter().map(|t| t.name()).collect();
        for (name, graph) in graphs {
            bundle.graph(name, &text::print(graph), &names, options.fuse);
        }
        let graphs: Vec<&Verified<Graph>> = graphs.iter().map(|g| &g.1).collect();
        for target in targets {
            for plan in self.compile_all(&graphs, target, options, pool, progress)? {
                let jobs = plan.kernels().iter().flat_map(|k| k.variants().iter().map(move |v| (k, *v)));
                for ((kernel, variant), artifact) in jobs.zip(plan.artifacts()?) {
                    if !bundle.kernel(&KeyText::of(kernel, variant, &**compiler), artifact) {
                        let message = format!("the schedule of kernel `{}` cannot be stored", kernel.kernel.name);
                        return Err(Diagnostic::new(Code::Internal, message).into());
                    }
                }
            }
        }
        Ok(bundle)
    }
}
