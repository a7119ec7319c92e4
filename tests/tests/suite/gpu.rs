//! The GPU's suite with the built-in compiler, where there is a GPU; and the packs that take it to machines without one.

use crate::amd::{NO_EMULATOR, REQUIRED};
use routefuse::chains::{Align as Layout, AlignEngine, Duplicates, LocalExperts};
use routefuse::cuda::{Cuda, CudaPlan};
use routefuse::diag::Diagnostic;
use routefuse::engine::Compiler;
use routefuse::hip::Hip;
use routefuse::inspect;
use routefuse::ir::{Artifact, RowShape, Scheduled, Variant};
use routefuse::models::{self, ModelOptions};
use routefuse::{Graph, Target, Verified, text};
use routefuse_ir::kernel::schedule::LaunchKind;
use routefuse_tests::bins::{Align, Behind};
use routefuse_tests::corpus::{Test, cases, root};
use routefuse_tests::differential::shard;
use routefuse_tests::gpu::pack::{Pack, Recorder};
use routefuse_tests::gpu::{Code, Drawn, Random, Scope, Vendor, run, seen};
use routefuse_tests::hip_stand_in;
use routefuse_tests::skips::skip;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The built-in compiler, by the facade.
struct BuiltIn;

// SAFETY: the facade's own compiler.
unsafe impl Compiler for BuiltIn {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        match inspect::compile(kernel, variant) {
            Ok(compilation) => Ok(compilation.artifact),
            Err(e) => Err(e.diagnostics()[0].clone()),
        }
    }

    fn version(&self) -> &str {
        "built in"
    }

    fn host_cpu(&self) -> &str {
        "none: GPUs only"
    }
}

/// Random graphs of a whole suite in which nothing crosses columns, unless `ROUTEFUSE_GRAPHS` says otherwise.
const GRAPHS: u64 = 1000;

/// Random graphs of rows for each of them.
const OF_ROWS: u64 = 2;

/// Random graphs of bins for as many as this of them.
const FOR_ONE_OF_BINS: u64 = 2;

/// Random routers with something behind them that crosses rows.
const RANDOM_BEHIND: u64 = 20;

/// Every example, every model's file, and every graph of the corpus that runs.
fn graphs() -> Vec<(String, Verified<Graph>)> {
    let mut graphs = Vec::new();
    let mut add = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|e| e.path());
        let mut paths: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "route")).collect();
        paths.sort();
        for path in paths {
            let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            graphs.push((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), graph));
        }
    };
    add(&root().join("examples"));
    add(&root().join("examples/models"));
    assert!(graphs.len() > 20, "only {} examples", graphs.len());
    for case in cases().into_iter().filter(|c| c.tests.contains(&Test::Run)) {
        if graphs.iter().all(|(name, _)| *name != case.name) {
            graphs.push((case.name.clone(), case.graph()));
        }
    }
    graphs.extend(behind());
    graphs.extend(AlignEngine::ALL.map(once));
    graphs
}

/// Presets with what engines launch behind them, and random routers with something of the kind.
fn behind() -> impl Iterator<Item = (String, Verified<Graph>)> {
    let presets = [
        ("deepseek-v3", "vllm", true),
        ("qwen3-moe", "sglang", false),
        ("gpt-oss", "aiter", true),
        ("mixtral", "trtllm", false),
        ("llama-4", "deepgemm_masked", false),
        ("kimi-k2", "vllm_permute", true),
        // On a GPU these counts are phases of their own, behind the router or beside it.
        ("deepseek-v3", "deepep", false),
        ("qwen3-moe", "deepep", false),
    ];
    let presets = presets.into_iter().map(|(name, align, post)| {
        let preset = models::named(name).expect("a preset");
        let mut options = ModelOptions::default();
        for (option, value) in [("post", "true"), ("align", align)].into_iter().skip(usize::from(!post)) {
            preset.set(&mut options, option, value).expect("an option of the preset");
        }
        (format!("{name}-{align}"), preset.graph(&options).expect("a graph"))
    });
    presets.chain((0..RANDOM_BEHIND).map(|seed| {
        let Behind { graph, .. } = Behind::of_seed(seed);
        (graph.name.clone(), graph)
    }))
}

/// An engine's layout of ids of which one that is twice in a row is one item; aiter's of the experts of a mask.
fn once(engine: AlignEngine) -> (String, Verified<Graph>) {
    let layout = Layout {
        engine,
        local: if engine == AlignEngine::Aiter { LocalExperts::Map } else { LocalExperts::All },
        capacity: (engine == AlignEngine::Gshard).then_some(64),
        duplicates: Duplicates::Once,
        ..Layout::default()
    };
    let graph = layout.graph().unwrap_or_else(|e| panic!("{engine:?}: {e}"));
    (format!("{}_once", graph.name), graph)
}

/// What a pack holds.
struct Packed<'a> {
    graphs: &'a [(String, Verified<Graph>)],
    random: Vec<Random>,
    aligns: Vec<Align>,
}

/// Writes a pack for `target`, with what of it the compiler takes; gives the names of the others.
fn pack(folder: &Path, target: &str, packed: &Packed<'_>) -> Vec<String> {
    let recorder = Arc::new(Recorder::new(Arc::new(BuiltIn)));
    let target = Target::named(target).expect("a known target");
    let compiler = Arc::clone(&recorder) as Arc<dyn Compiler>;
    let code = Code { graphs: vec![], random: vec![], aligns: vec![], compiler, target };
    let prepared = |g: &Verified<Graph>, shapes: &[Option<RowShape>]| {
        shapes.iter().try_for_each(|shape| code.plan_in(g, *shape)?.prepare().map_err(|e| e.to_string()))
    };
    std::fs::create_dir_all(folder.join("graphs")).expect("a folder");
    let (mut names, mut refused, mut drawn) = (vec![], vec![], vec![]);
    for (name, g) in packed.graphs {
        let shapes = code.shapes(g).map(|shapes| shapes.into_iter().map(Some).chain([None]).collect::<Vec<_>>());
        match shapes.and_then(|shapes| prepared(g, &shapes)) {
            Ok(()) => {
                std::fs::write(folder.join(format!("graphs/{name}.route")), text::print(g)).expect("written");
                names.push(name.clone());
            }
            Err(e) => {
                println!("{name}: {e}");
                refused.push(name.clone());
            }
        }
    }
    for one in &packed.random {
        let Some(g) = one.graph() else { continue };
        let done = code.shapes(&g).and_then(|shapes| prepared(&g, &[one.shape(&shapes)]));
        match done {
            Ok(()) => drawn.push(*one),
            Err(e) => {
                println!("{one}: {e}");
                refused.push(one.to_string());
            }
        }
    }
    let mut aligns = vec![];
    for align in &packed.aligns {
        match prepared(&align.graph(), &[None]) {
            Ok(()) => aligns.push(align.name()),
            Err(e) => {
                println!("{}: {e}", align.name());
                refused.push(align.name());
            }
        }
    }
    let kernels = recorder.write(folder).expect("written");
    let mut index = json!({ "target": target.name(), "graphs": names, "aligns": aligns, "refused": refused });
    for (of, list) in Drawn::ALL {
        let seeds: Vec<u64> = drawn.iter().filter(|r| r.drawn == of).map(|r| r.seed).collect();
        index[list] = json!(seeds);
    }
    std::fs::write(folder.join("index.json"), format!("{index:#}\n")).expect("written");
    println!("{}: {} graphs, {} random graphs, {kernels} kernels", folder.display(), names.len(), drawn.len());
    refused
}

/// A pack gives back what was compiled, and says what it does not have. With `ROUTEFUSE_GPU_PACK=FOLDER` it is the whole
/// suite's, for `ROUTEFUSE_GPU_TARGET` (sm_90), and stays there.
#[test]
fn packs() {
    let (all, few) = (graphs(), 3);
    if let Some(folder) = std::env::var_os("ROUTEFUSE_GPU_PACK") {
        let target = std::env::var("ROUTEFUSE_GPU_TARGET").unwrap_or_else(|_| "sm_90".to_owned());
        let seeds = shard(GRAPHS, 0, 1);
        let count = seeds.end - seeds.start;
        let drawn = |drawn, count| (seeds.start..seeds.start + count).map(move |seed| Random { drawn, seed });
        let on_rows = drawn(Drawn::OnRows, OF_ROWS * count);
        let on_bins = drawn(Drawn::OnBins, count / FOR_ONE_OF_BINS);
        let random = drawn(Drawn::WithinColumns, count).chain(on_rows).chain(on_bins).collect();
        let packed = Packed { graphs: &all, random, aligns: Align::of_a_suite() };
        let refused = pack(Path::new(&folder), &target, &packed);
        println!("{} refused", refused.len());
        return;
    }
    for target in ["sm_90", "gfx942"] {
        gives_back(target, &all[..few], &all[few].1);
    }
}

/// A pack of these graphs gives back what was compiled for this target, and not what was not.
fn gives_back(target: &str, graphs: &[(String, Verified<Graph>)], other: &Verified<Graph>) {
    let folder = tempfile::tempdir().expect("a folder");
    let random = Drawn::ALL.map(|(drawn, _)| Random { drawn, seed: 1 }).to_vec();
    pack(folder.path(), target, &Packed { graphs, random, aligns: vec![Align::new(8, 6, 3)] });
    let packed = Arc::new(Pack::read(folder.path()).expect("it was just written"));
    assert!(packed.len() >= 4 * graphs.len(), "{} kernels", packed.len());
    let code = |compiler| Code {
        graphs: vec![],
        random: vec![],
        aligns: vec![],
        compiler,
        target: Target::named(target).expect("known"),
    };
    let (from_pack, fresh) = (code(packed as Arc<dyn Compiler>), code(Arc::new(BuiltIn)));
    for (name, g) in graphs {
        let (a, b) = (from_pack.plan(g).expect("a plan"), fresh.plan(g).expect("a plan"));
        assert_eq!(a.artifacts().expect("packed"), b.artifacts().expect("compiled"), "{name}");
    }
    let other = from_pack.plan(other).expect("a plan").prepare().expect_err("it is not in the pack");
    assert!(other.to_string().contains("the pack has no kernel"), "{other}");
    std::fs::write(folder.path().join("kernels.bin"), b"something else").expect("written");
    assert!(Pack::read(folder.path()).is_err());
}

/// The examples that are no model's.
fn chains() -> Vec<(String, Verified<Graph>)> {
    let mut all = graphs();
    all.retain(|(name, _)| name.as_bytes().get(1) == Some(&b'_'));
    all
}

/// Whether this machine has a GPU of either vendor.
fn one_is_there() -> bool {
    Cuda::open(0).is_ok() || Hip::open(0).is_ok()
}

/// These graphs and a few random ones on this GPU: so many checks at least, and nothing is wrong.
fn checked<D: Vendor>(
    ordinal: u32,
    graphs: Vec<(String, Verified<Graph>)>,
    seeds: std::ops::Range<u64>,
    scope: &Scope,
) -> u64 {
    let gpu = match D::open(ordinal) {
        Ok(gpu) => gpu,
        Err(e) => {
            // A machine has GPUs of one vendor, mostly: that there is none of either is the failure.
            let required = (!one_is_there()).then_some("REQUIRE_GPU");
            skip(&format!("no {} GPU ({e})", D::VENDOR), graphs.len() as u64, required);
            return u64::MAX;
        }
    };
    let target = gpu.target().expect("a target for this GPU");
    let random = Drawn::ALL.into_iter().flat_map(|(drawn, _)| seeds.clone().map(move |seed| Random { drawn, seed }));
    let aligns = match scope.only {
        None => vec![Align::new(8, 6, 3), Align { counted: true, ..Align::new(72, 8, 16) }],
        Some(_) => vec![],
    };
    let code = Code { graphs, random: random.collect(), aligns, compiler: Arc::new(BuiltIn), target };
    let counts = run(&code, &gpu, scope).expect("the suite runs");
    assert_eq!(counts.failures, 0);
    counts.checks
}

/// A few graphs of each kind in this process; `make gpu-test` runs all of them.
#[test]
fn on_this_machines_nvidia_gpu() {
    assert!(checked::<Cuda>(0, chains(), 1..20, &Scope::quick()) > 100);
}

/// As above; `make hip-test` runs all of them.
#[test]
fn on_this_machines_amd_gpu() {
    assert!(checked::<Hip>(0, chains(), 1..20, &Scope::quick()) > 100);
}

/// Devices of the stand-in for AMD's runtime, which executes the machine code: two of a kind, and one of each other family.
const EMULATED: &str = "gfx942:sramecc+:xnack-,gfx942:sramecc+:xnack-,gfx950:sramecc+:xnack+,gfx1100,gfx1200";

/// The suite on the stand-in: what is checked once too, where `graphs` has what that takes.
fn emulated(
    ordinal: u32,
    graphs: Vec<(String, Verified<Graph>)>,
    seeds: std::ops::Range<u64>,
    only: Option<&str>,
    least: u64,
) {
    if !hip_stand_in::load(EMULATED) {
        return skip(NO_EMULATOR, least, REQUIRED);
    }
    let scope = Scope { only: only.map(str::to_owned), ..Scope::emulated() };
    let checks = checked::<Hip>(ordinal, graphs, seeds, &scope);
    assert!(checks >= least, "{checks} checks");
}

/// Chains with everything that is checked once: threads, captures, refusals, several GPUs.
#[test]
fn on_an_emulated_gfx942() {
    emulated(0, chains(), 1..4, None, 200);
}

#[test]
fn on_an_emulated_gfx1100() {
    emulated(3, chains(), 1..4, None, 200);
}

/// A router in every shape that a kernel may be tried in.
#[test]
fn a_router_on_an_emulated_gfx950() {
    let mut all = graphs();
    all.retain(|(name, _)| name == "gpt-oss");
    emulated(2, all, 0..0, Some("gpt-oss"), 60);
}

/// In so many parts the suite checks what it does as a whole; and what is not begun in time is counted, not passed over.
#[test]
fn parts_are_the_whole() {
    if !hip_stand_in::load(EMULATED) {
        return skip(NO_EMULATOR, 3, REQUIRED);
    }
    let mut graphs = graphs();
    graphs.retain(|(name, _)| ["a_remap_static", "e_post_chain", "d_copy_back"].contains(&name.as_str()));
    let gpu = Hip::open(0).expect("the stand-in");
    let target = gpu.target().expect("a target for it");
    let random = vec![Random { drawn: Drawn::WithinColumns, seed: 1 }];
    let aligns = vec![Align { counted: true, ..Align::new(8, 2, 4) }];
    let code = Code { graphs, random, aligns, compiler: Arc::new(BuiltIn), target };
    let counts = |part, until| {
        let scope = Scope { part, until, extents: vec![3], jobs: Some(2), ..Scope::emulated() };
        run(&code, &gpu, &scope).expect("the suite runs")
    };
    let (whole, first, second) = (counts((0, 1), None), counts((0, 2), None), counts((1, 2), None));
    assert!(whole.graphs == 5 && whole.checks > 50 && whole.failures == 0 && whole.left == 0, "{whole:?}");
    assert_eq!((first.graphs + second.graphs, first.checks + second.checks), (whole.graphs, whole.checks));
    assert!(second.graphs > 0 && second.checks > 0, "{second:?}");
    let late = counts((0, 1), Some(std::time::Instant::now()));
    assert!(late.checks == 0 && late.failures == 0 && late.left > 5, "{late:?}");
}

/// The kinds of launches that no kernel for sm_90 of these graphs has. A kind that it gets is to be taken off.
const NOT_ON_SM_90: [LaunchKind; 0] = [];

/// Launches of graphs under a sanitizer.
const MOST_WATCHED: u64 = 5000;

/// Under a sanitizer each kind of launch is seen once at least: each schedule, each part of phases, and every way to share rows.
#[test]
fn a_sanitizer_sees_every_kind_of_launch() {
    let target = Target::named("sm_90").expect("known");
    let code = Code { graphs: graphs(), random: vec![], aligns: vec![], compiler: Arc::new(BuiltIn), target };
    let seen = seen(&code, &Scope::watched()).expect("plans");
    // What four tools at once get through in some three minutes of 16 processors, beside random graphs and alignments.
    assert!(seen.launches < MOST_WATCHED, "{} launches are watched", seen.launches);
    for kind in LaunchKind::ALL {
        let case = seen.kinds.get(kind).map(String::as_str);
        assert_eq!(case.is_none(), NOT_ON_SM_90.contains(kind), "{kind}: {case:?}");
    }
}

/// A plan for another kind of machine is refused before a GPU is looked at.
#[test]
fn only_for_nvidia() {
    let Ok(gpu) = Cuda::open(0) else {
        return skip("no NVIDIA GPU", 1, (!one_is_there()).then_some("REQUIRE_GPU"));
    };
    let (_, g) = &graphs()[0];
    for target in ["host", "gfx942"] {
        let target = Target::named(target).expect("a known target");
        let code = Code { graphs: vec![], random: vec![], aligns: vec![], compiler: Arc::new(BuiltIn), target };
        let refused = CudaPlan::new(code.plan(g).expect("a plan"), &gpu).expect_err("it is for another machine");
        assert_eq!(refused.code, routefuse::diag::Code::TargetNotHere);
    }
}

/// What the suite expects of refusals is stable: the codes of the runtime's own.
#[test]
fn codes_of_gpus() {
    use routefuse::diag::Code;
    let codes = [(Code::NotPrepared, "RF0807"), (Code::DriverFailed, "RF0808"), (Code::NoDevice, "RF0809")];
    for (code, text) in codes {
        assert_eq!(Code::from_text(text), Some(code));
    }
}
