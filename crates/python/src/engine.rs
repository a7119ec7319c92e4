//! Engines: what compiles graphs, and where compiled kernels are kept.

#[cfg(feature = "compiler")]
use crate::device::device;
use crate::failure::raised;
#[cfg(feature = "compiler")]
use crate::failure::{refused, wrong};
#[cfg(feature = "compiler")]
use crate::graph::Graph;
#[cfg(feature = "compiler")]
use crate::kernel::Kernel;
use crate::kernel::Place;
#[cfg(feature = "compiler")]
use crate::progress::Teller;
use crate::trust;
use ::routefuse::cache::{Counters, DiskCache, DiskOptions};
#[cfg(feature = "compiler")]
use ::routefuse::diag::Code;
use ::routefuse::diag::Diagnostic;
use ::routefuse::exec::{Device, Gpus};
use ::routefuse::{Plan, Target};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::Arc;

/// An engine with the GPUs that its kernels run on, which kernels keep.
pub struct Shared {
    pub engine: ::routefuse::Engine,
    gpus: Gpus,
}

impl Shared {
    pub fn new(engine: ::routefuse::Engine) -> Arc<Shared> {
        Arc::new(Shared { engine, gpus: Gpus::default() })
    }

    /// The target of a device.
    pub fn target(&self, device: Device) -> Result<Target, Diagnostic> {
        self.gpus.target(device)
    }

    /// A plan on its device, prepared.
    pub fn place(&self, plan: &Arc<Plan>, device: Device) -> Result<Place, Diagnostic> {
        crate::device::place(&self.gpus, Arc::clone(plan), device)
    }

    /// A bundle of graphs, written to a file whole or not at all.
    #[cfg(feature = "compiler")]
    pub fn write_bundle(
        &self,
        py: Python<'_>,
        graphs: &[(String, ::routefuse::Verified<::routefuse::Graph>)],
        targets: &[String],
        fuse: bool,
        path: &std::path::Path,
        sign: Option<&std::path::Path>,
    ) -> PyResult<()> {
        let parsed = targets.iter().map(|t| Target::named(t));
        let targets = parsed.collect::<Result<Vec<Target>, Diagnostic>>().map_err(|e| raised(py, e))?;
        let key = sign.map(|file| trust::signing_key(py, file)).transpose()?;
        let options = ::routefuse::Options::default().fuse(fuse);
        let bundle = py.detach(|| self.engine.bundle(graphs, &targets, &options, None, &|_| ()));
        let bundle = bundle.map_err(|e| raised(py, e))?;
        let bytes = key.map_or_else(|| bundle.finish(), |key| bundle.finish_signed(&key));
        ::routefuse::cache::Bundle::write(path, &bytes).map_err(|trouble| {
            let message = format!("{} cannot be written: {trouble}", path.display());
            wrong(py, Code::CannotWrite, message, "name a file in a folder that can be written")
        })
    }
}

/// Compiles graphs, and finds again what it has compiled.
///
/// `cache` is a directory where compiled kernels are kept for the next process: a path, True for the user's own
/// ($ROUTEFUSE_CACHE_DIR, or else one in the user's cache directory), or None. `cache_bytes` limits it, 1 GiB if not given.
/// `bundles` are pairs of a bundle's path and whose code may be run: see `routefuse.load`. With `require_signed`, one or more
/// files of public keys, nothing is run but what was compiled here or is signed with one of them.
///
/// Equal graphs are compiled once. An engine may be used by any number of threads.
#[pyclass(frozen, module = "routefuse")]
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    #[cfg(feature = "compiler")]
    fn kernel(&self, py: Python<'_>, graph: &Graph, on: Device, fuse: bool) -> PyResult<Kernel> {
        let options = ::routefuse::Options::default().fuse(fuse);
        let (plan, place) = py
            .detach(|| -> Result<_, ::routefuse::Error> {
                let target = self.shared.target(on)?;
                let plan = self.shared.engine.compile(graph.verified(), &target, &options)?;
                let place = self.shared.place(&plan, on)?;
                Ok((plan, place))
            })
            .map_err(|e| raised(py, e))?;
        Ok(Kernel::new(py, &self.shared, plan, place, fuse)?.with_graph(graph.verified()))
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, cache = None, cache_bytes = None, bundles = vec![], require_signed = None))]
    fn new(
        py: Python<'_>,
        cache: Option<&Bound<'_, PyAny>>,
        cache_bytes: Option<u64>,
        bundles: Vec<(PathBuf, Bound<'_, PyAny>)>,
        require_signed: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Engine> {
        let mut builder = ::routefuse::Engine::builder();
        let directory = match cache {
            None => None,
            Some(flag) if flag.is_instance_of::<pyo3::types::PyBool>() => {
                if flag.is_truthy()? {
                    DiskCache::default_dir()
                } else {
                    None
                }
            }
            Some(path) => Some(path.extract::<PathBuf>()?),
        };
        if let Some(directory) = directory {
            let options = DiskOptions::default().with(|o| o.max_bytes = cache_bytes.unwrap_or(o.max_bytes));
            builder = builder.disk_cache(DiskCache::open(directory, options));
        }
        for (path, whose) in bundles {
            let trust = trust::trust(py, Some(&whose))?;
            builder = builder.bundle(crate::bundle::read(py, &path, &trust)?);
        }
        if let Some(files) = require_signed.filter(|f| !f.is_none()) {
            builder = builder.require_signed(trust::keys(py, files)?);
        }
        Ok(Engine { shared: Shared::new(builder.build().map_err(|e| raised(py, e))?) })
    }

    /// The kernel of a graph (a Graph, or its text), compiled and ready on `device`: "cpu", or as "cuda:0" or "hip:0". With `fuse=False`
    /// each operation is a kernel.
    ///
    /// Raises Error: what is wrong with the text; RF0809 without such a device; RF0810 if the engine is sealed and the kernel is
    /// not there; RF0815 for an operation that is too large.
    #[cfg(feature = "compiler")]
    #[pyo3(signature = (graph, *, device = None, fuse = true))]
    fn compile(
        &self,
        py: Python<'_>,
        graph: &Bound<'_, PyAny>,
        device: Option<&Bound<'_, PyAny>>,
        fuse: bool,
    ) -> PyResult<Kernel> {
        let on = self::device(py, device)?;
        let graph = graph_of(py, graph)?;
        self.kernel(py, graph.get(), on, fuse)
    }

    /// The kernels of many graphs, such as a model's layers; equal ones are compiled once. `threads` share the work.
    /// `progress(done, total, kernel)` is called for each variant of a kernel that became ready; what it raises ends the call.
    #[cfg(feature = "compiler")]
    #[pyo3(signature = (graphs, *, device = None, fuse = true, threads = None, progress = None))]
    fn compile_all(
        &self,
        py: Python<'_>,
        graphs: Vec<Bound<'_, PyAny>>,
        device: Option<&Bound<'_, PyAny>>,
        fuse: bool,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Vec<Kernel>> {
        let on = self::device(py, device)?;
        let graphs = graphs.iter().map(|g| graph_of(py, g)).collect::<PyResult<Vec<_>>>()?;
        let verified: Vec<_> = graphs.iter().map(|g| &**g.get().verified()).collect();
        let pool = threads.filter(|n| *n > 1).map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build());
        let pool = pool.transpose().map_err(|e| refused(py, format!("no threads: {e}")))?;
        let teller = Teller::new(progress);
        let options = ::routefuse::Options::default().fuse(fuse);
        let placed = py.detach(|| -> Result<Vec<_>, ::routefuse::Error> {
            let target = self.shared.target(on)?;
            let tell = |p: ::routefuse::engine::Progress<'_>| teller.tell(&p);
            let plans = self.shared.engine.compile_all(&verified, &target, &options, pool.as_ref(), &tell)?;
            plans.into_iter().map(|plan| Ok((self.shared.place(&plan, on)?, plan))).collect()
        });
        teller.finish()?;
        let placed = placed.map_err(|e| raised(py, e))?;
        let kernel = |(graph, (place, plan)): (&Bound<'_, Graph>, (Place, Arc<Plan>))| {
            Ok(Kernel::new(py, &self.shared, plan, place, fuse)?.with_graph(graph.get().verified()))
        };
        graphs.iter().zip(placed).map(kernel).collect()
    }

    /// Measures on a GPU the shapes that the schedules of a graph's kernels may have there, and keeps the best ones as a record:
    /// in this engine and in its cache on disk. What is compiled from then on follows it; kernels that are there stay as they
    /// are. Every shape gives the same bits. Nothing else should use the GPU meanwhile.
    ///
    /// `rows` are the numbers of rows to measure, ascending. Times that differ by a share of less than `margin` are equal, and
    /// then the built-in choice stands. `samples` replays count by their median; after `limit` seconds no further shapes of a
    /// kernel are tried. With `keep=False` the answer is only given. `threads` compile candidates, as many as there are
    /// processors if None. `progress` is called as by `compile_all`.
    ///
    /// Gives a dict as `routefuse tune --json` prints one, in microseconds: `tuned` has a dict for each kernel with a choice,
    /// with `built_in` and `chosen` shapes, `results` by rows, and all `trials`.
    ///
    /// Raises Error: RF0809 for the host, or if there is no such GPU; RF0810 if the engine is sealed; RF0312 for rows, samples or a
    /// margin that cannot be measured.
    #[cfg(feature = "compiler")]
    #[allow(clippy::too_many_arguments)] // keywords of one call
    #[pyo3(signature = (graph, *, device, rows = None, margin = 0.03, samples = 15, limit = 60.0, seed = 0, keep = true, fuse = true, threads = None, progress = None))]
    fn tune<'py>(
        &self,
        py: Python<'py>,
        graph: &Bound<'py, PyAny>,
        device: &Bound<'py, PyAny>,
        rows: Option<Vec<u64>>,
        margin: f64,
        samples: u32,
        limit: f64,
        seed: u64,
        keep: bool,
        fuse: bool,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let on = self::device(py, Some(device))?;
        let limit = std::time::Duration::try_from_secs_f64(limit);
        let limit = limit.map_err(|e| refused(py, format!("`limit` is no number of seconds: {e}")))?;
        let options = ::routefuse::engine::TuneOptions::default().with(|o| {
            o.rows = rows.unwrap_or_else(|| std::mem::take(&mut o.rows));
            (o.margin, o.samples, o.limit, o.seed, o.keep) = (margin, samples, limit, seed, keep);
            o.graph = ::routefuse::Options::default().fuse(fuse);
        });
        let graph = graph_of(py, graph)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
        let pool = pool.map_err(|e| refused(py, format!("no threads: {e}")))?;
        let teller = Teller::new(progress);
        let engine = &self.shared.engine;
        let verified = graph.get().verified();
        let report = py.detach(|| engine.tune(verified, on, &options, Some(&pool), &|p| teller.tell(&p)));
        teller.finish()?;
        let report = report.map_err(|e| raised(py, e))?;
        py.import("json")?.call_method1("loads", (report.json(),))
    }

    /// Writes a bundle of graphs, a dict by name, each compiled for all of `targets` ("host", "sm_90", "gfx942", …), signed with
    /// the key in the file `sign`.
    #[cfg(feature = "compiler")]
    #[pyo3(signature = (path, graphs, *, targets = vec!["host".to_owned()], fuse = true, sign = None))]
    fn bundle(
        &self,
        py: Python<'_>,
        path: PathBuf,
        graphs: &Bound<'_, PyDict>,
        targets: Vec<String>,
        fuse: bool,
        sign: Option<PathBuf>,
    ) -> PyResult<()> {
        let mut named = Vec::new();
        for (name, graph) in graphs.iter() {
            let graph = graph_of(py, &graph)?;
            named.push((name.extract::<String>()?, ::routefuse::Verified::clone(graph.get().verified())));
        }
        self.shared.write_bundle(py, &named, &targets, fuse, &path, sign.as_deref())
    }

    /// Writes a graph for another system, as one file for this host with all of its kernels in it, and gives the name of the function
    /// in it: `name`, or the graph's. The only `form` is "tvm-ffi", a shared object for `tvm_ffi.load_module`, whose function takes the
    /// inputs and then the outputs, on the CPU for `target` "host", on a GPU for "sm_90" and the like. Raises Error (RF0817) for what
    /// the form has no words for.
    #[cfg(feature = "compiler")]
    #[allow(clippy::too_many_arguments)] // keywords of one call
    #[pyo3(signature = (path, graph, *, form = "tvm-ffi", target = "host", name = None, fuse = true))]
    fn export(
        &self,
        py: Python<'_>,
        path: PathBuf,
        graph: &Bound<'_, PyAny>,
        form: &str,
        target: &str,
        name: Option<&str>,
        fuse: bool,
    ) -> PyResult<String> {
        if form != "tvm-ffi" {
            let message = format!("there is no form `{form}` to export");
            return Err(raised(py, Diagnostic::new(Code::CannotExport, message).help("it is \"tvm-ffi\"")));
        }
        let target = Target::named(target).map_err(|e| raised(py, e))?;
        let graph = ::routefuse::Verified::clone(graph_of(py, graph)?.get().verified());
        let options = ::routefuse::Options::default().fuse(fuse);
        let engine = &self.shared.engine;
        let exported = py.detach(|| {
            let stages = engine.stages(&graph, &target, &options)?;
            ::routefuse::inspect::export_tvm_ffi(&stages, name, &::routefuse::engine::Cancel::default())
        });
        let module = exported.map_err(|e| raised(py, e))?;
        std::fs::write(&path, &module.bytes).map_err(|e| {
            let message = format!("cannot write {}: {e}", path.display());
            raised(py, Diagnostic::new(Code::CannotWrite, message))
        })?;
        Ok(module.function)
    }

    /// What becomes of a graph and why, in words, without compiling it.
    #[cfg(feature = "compiler")]
    #[pyo3(signature = (graph, *, fuse = true))]
    fn explain(&self, py: Python<'_>, graph: &Bound<'_, PyAny>, fuse: bool) -> PyResult<String> {
        let graph = graph_of(py, graph)?;
        let options = ::routefuse::Options::default().fuse(fuse);
        let report = self.shared.engine.explain(graph.get().verified(), &options).map_err(|e| raised(py, e))?;
        Ok(report.to_string())
    }

    /// Ends compiling and loading, for good: from now on what would compile or load raises Error (RF0810). Kernels that are there
    /// go on as before.
    fn seal(&self) -> Sealed {
        Sealed { sealed: self.shared.engine.sealed() }
    }

    /// What the engine did so far: a dict of counts, as `compiles` and `loads`.
    #[getter]
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        let Counters { compiles, loads, hits, refused, .. } = self.shared.engine.counters();
        for (name, count) in [("compiles", compiles), ("loads", loads), ("hits", hits), ("refused", refused)] {
            dict.set_item(name, count)?;
        }
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("<routefuse.{:?}>", self.shared.engine)
    }
}

/// A graph, or what its text says.
#[cfg(feature = "compiler")]
fn graph_of<'py>(py: Python<'py>, graph: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Graph>> {
    if let Ok(graph) = graph.cast::<Graph>() {
        return Ok(graph.clone());
    }
    if let Ok(text) = graph.extract::<String>() {
        let parsed = ::routefuse::text::parse_verified(&text).map_err(|e| raised(py, e))?;
        return Bound::new(py, Graph::of(parsed));
    }
    if graph.hasattr("finish")? {
        return Ok(graph.call_method0("finish")?.cast_into::<Graph>()?);
    }
    let kind = crate::failure::kind_of(graph);
    Err(refused(py, format!("a {kind} is no graph: give a Graph, a GraphBuilder, or a graph's text")))
}

/// An engine that compiles and loads nothing any more.
#[pyclass(frozen, module = "routefuse")]
pub struct Sealed {
    sealed: ::routefuse::engine::Sealed,
}

#[pymethods]
impl Sealed {
    /// How many kernels would have had to be compiled or loaded since.
    #[getter]
    fn refused(&self) -> u64 {
        self.sealed.refused()
    }

    /// Raises Error (RF0810) if anything was compiled or loaded since, or would have had to be.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.sealed.check().map_err(|e| raised(py, e))
    }
}
