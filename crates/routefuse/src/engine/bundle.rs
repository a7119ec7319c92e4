//! Kernels that were compiled elsewhere: an engine of a bundle, plans by name, and bundles of an engine.

use super::fingerprint::Fingerprint;
use super::{Compiler, Engine, EngineBuilder};
use crate::error::Error;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Diagnostic, Verified};
use routefuse_runtime::{BundledGraph, Malformed, Plan, Trust, TrustedBundle, processor_lacks};
use std::path::Path;
use std::sync::Arc;

/// In the place of a compiler: it has the name of the one that made the bundle, so that keys are the same, and makes nothing.
pub(super) struct Bundled {
    bundle: TrustedBundle,
}

impl Bundled {
    pub(super) fn of(bundle: &TrustedBundle) -> Arc<dyn Compiler> {
        Arc::new(Bundled { bundle: bundle.clone() })
    }
}

// SAFETY: it gives no code.
unsafe impl Compiler for Bundled {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        let (name, target) = (&kernel.kernel.name, kernel.target);
        let lacking = self.bundle.lacking();
        if target == Target::host() && !lacking.is_empty() {
            let message = format!("kernel `{name}` cannot be loaded: this processor lacks {}", lacking.join(", "));
            let help = format!(
                "the bundle's code for `host` is for {}; build it on such a machine as this, or for a target such as {} as well",
                self.host_cpu(),
                of_this_processor().join(", ")
            );
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

/// An engine of a bundle's file alone.
///
/// # Errors
/// `RF0701` if the file cannot be read, `RF0811` if it cannot be used, `RF0814` if it is not from one of those.
pub(super) fn builder(path: &Path, trust: &Trust) -> Result<EngineBuilder, Error> {
    let bundle = TrustedBundle::read(path, trust)?;
    Ok(Engine::builder().bundled(&bundle).bundle(bundle))
}

/// `RF0814` for a bundle.
#[cfg(feature = "signatures")]
pub(super) fn untrusted(why: &routefuse_runtime::Untrusted) -> Diagnostic {
    Diagnostic::new(Code::Untrusted, format!("the bundle cannot be used: {why}"))
        .help("sign it with `routefuse bundle build --sign`, or trust its signer's public key")
}

/// The named hosts whose code this processor runs.
fn of_this_processor() -> Vec<&'static str> {
    let all = Target::all().filter(|t| t.is_named_host() && processor_lacks(*t).is_empty());
    all.map(Target::name).collect()
}

/// See [`Engine::plan_for`].
pub(super) fn plan(engine: &Engine, name: &str, target: Target) -> Result<Arc<Plan>, Error> {
    let of_name = || graphs_of(engine).filter(|(_, g)| g.name == name);
    if target != Target::host() || of_name().any(|(bundle, graph)| runs_as(bundle, graph) == Some(target)) {
        return exact_plan(engine, name, target);
    }
    match of_name().find_map(|(bundle, graph)| runs_as(bundle, graph)) {
        Some(named) => exact_plan(engine, name, named),
        // Of code for `host`, whoever prepares the plan is told what lacks, or has a compiler.
        None if of_name().any(|(_, graph)| graph.is_for(target)) => exact_plan(engine, name, target),
        None => match of_name().find_map(|(_, graph)| runs_elsewhere(graph)) {
            Some(problem) => Err(problem.into()),
            None => exact_plan(engine, name, target),
        },
    }
}

/// The graphs of an engine's bundles, each with its bundle.
fn graphs_of(engine: &Engine) -> impl Iterator<Item = (&TrustedBundle, &BundledGraph)> {
    engine.kernels.bundles().iter().flat_map(|b| b.graphs().iter().map(move |g| (b, g)))
}

/// The named hosts that a graph is compiled for.
fn named_hosts(graph: &BundledGraph) -> impl Iterator<Item = Target> {
    Target::all().filter(|t| t.is_named_host() && graph.is_for(*t))
}

/// The target of a bundle's graph that serves this host best: `host` if that is a processor such as this one, else of the named
/// ones that this processor runs the last in the table. `None` if none of them runs here.
fn runs_as(bundle: &TrustedBundle, graph: &BundledGraph) -> Option<Target> {
    let host = Target::host();
    match graph.is_for(host) && bundle.lacking().is_empty() {
        true => Some(host),
        false => named_hosts(graph).filter(|t| processor_lacks(*t).is_empty()).last(),
    }
}

/// `RF0803` for a graph with code for named hosts, none of which this processor runs. `None` if it has no such code.
fn runs_elsewhere(graph: &BundledGraph) -> Option<Diagnostic> {
    let lacks = |target: Target| format!("for `{target}` this processor lacks {}", processor_lacks(target).join(", "));
    let hosts: Vec<String> = named_hosts(graph).map(lacks).collect();
    let message = format!("no host code of the bundle's graph `{}` runs here: {}", graph.name, hosts.join("; "));
    let help = format!("build the bundle for {} as well", of_this_processor().join(" or "));
    (!hosts.is_empty()).then(|| Diagnostic::new(Code::HostUnsupported, message).help(help))
}

/// See [`Engine::bundled_plan`].
pub(super) fn exact_plan(engine: &Engine, name: &str, target: Target) -> Result<Arc<Plan>, Error> {
    let graphs = || engine.kernels.bundles().iter().flat_map(|b| b.graphs());
    if let Some(graph) = graphs().find(|g| g.name == name && g.is_for(target)) {
        return plan_of(engine, graph, target);
    }
    let known: Vec<&str> = graphs().filter(|g| g.is_for(target)).map(|g| g.name.as_str()).collect();
    let (message, help) = match graphs().find(|g| g.name == name) {
        Some(other) => (
            format!("the graph `{name}` of the bundle is not compiled for `{target}`"),
            format!("it is compiled for {}", other.targets.join(", ")),
        ),
        None if engine.kernels.bundles().is_empty() => (
            format!("there is no plan called `{name}`: the engine has no bundle"),
            "make the engine by `Engine::from_bundle`, or give it bundles by `EngineBuilder::bundle`".to_owned(),
        ),
        None => (
            format!("the bundle has no graph called `{name}`"),
            match known.as_slice() {
                [] => format!("it has none for `{target}`"),
                known => format!("for `{target}` it has {}", known.join(", ")),
            },
        ),
    };
    Err(Diagnostic::new(Code::NotInBundle, message).help(help).into())
}

/// See [`Engine::bundled_plans`].
pub(super) fn plans(engine: &Engine, target: Target) -> Result<Vec<(String, Arc<Plan>)>, Error> {
    let graphs = graphs_of(engine).filter_map(|(bundle, graph)| {
        let best = if target == Target::host() { runs_as(bundle, graph) } else { None };
        best.or(graph.is_for(target).then_some(target)).map(|target| (graph, target))
    });
    graphs.map(|(g, target)| Ok((g.name.clone(), plan_of(engine, g, target)?))).collect()
}

fn plan_of(engine: &Engine, graph: &BundledGraph, target: Target) -> Result<Arc<Plan>, Error> {
    let form = graph.plan_form(target).unwrap_or_default();
    engine.plan_of(Fingerprint::of_form(form, target), || {
        let (program, schedules) = graph.plan(target).map_err(|e| unknown_form(&graph.name, &e))?;
        let (compiler, cache) = (Arc::clone(engine.compiler()?), Arc::clone(&engine.kernels));
        Ok(Plan::new(program, schedules, target, compiler, cache)?)
    })
}

fn unknown_form(name: &str, why: &Malformed) -> Diagnostic {
    Diagnostic::new(Code::BadBundle, format!("the plan of the bundle's graph `{name}` cannot be used: {why}"))
        .help("it was built by another version; build it anew with `routefuse bundle build`")
}

#[cfg(feature = "graphs")]
pub(super) use make::make;

#[cfg(feature = "graphs")]
mod make {
    use super::{Code, Diagnostic, Engine, Error, Target};
    use rayon::ThreadPool;
    use routefuse_ir::{Graph, Verified, text};
    use routefuse_passes::pipeline::Options;
    use routefuse_runtime::{BundleWriter, KeyText, Progress};

    /// See [`Engine::bundle`].
    pub(in crate::engine) fn make(
        engine: &Engine,
        graphs: &[(String, Verified<Graph>)],
        targets: &[Target],
        options: &Options,
        pool: Option<&ThreadPool>,
        progress: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<BundleWriter, Error> {
        let compiler = engine.compiler()?;
        let mut bundle = BundleWriter::new(compiler.version(), compiler.host_cpu());
        let names: Vec<&str> = targets.iter().map(|t| t.name()).collect();
        for (name, graph) in graphs {
            bundle.graph(name, &text::print(graph), &names, options.fuse);
        }
        let verified: Vec<&Verified<Graph>> = graphs.iter().map(|g| &g.1).collect();
        for target in targets {
            let plans = engine.compile_all(&verified, target, options, pool, progress)?;
            for (at, plan) in plans.iter().enumerate() {
                let unstorable = |name: &str| {
                    Diagnostic::new(Code::Internal, format!("the schedule of kernel `{name}` cannot be stored"))
                };
                if !bundle.plan(at, *target, plan.program(), plan.kernels().iter().map(|k| &k.schedule)) {
                    return Err(unstorable(&plan.program().name).into());
                }
                let jobs = plan.kernels().iter().flat_map(|k| k.variants().iter().map(move |v| (k, *v)));
                for ((kernel, variant), artifact) in jobs.zip(plan.artifacts()?) {
                    if !bundle.kernel(&KeyText::of(kernel, variant, &**compiler), artifact) {
                        return Err(unstorable(&kernel.kernel.name).into());
                    }
                }
            }
            for (_, graph) in graphs {
                for kernel in engine.tuned_kernels(graph, target, options)? {
                    if let Some(tuning) = &kernel.tuning {
                        bundle.tuning(&kernel.key, tuning);
                    }
                }
            }
        }
        Ok(bundle)
    }
}
