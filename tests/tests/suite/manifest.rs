//! The manifest of every example and preset, read as somebody would who has nothing else: what its formulas give is what a launch
//! does. That the code then computes the right bits is tested where the manifest is launched from: in the program's tests.

use routefuse::inspect::TargetFiles;
use routefuse::ir::{Artifact, CodeFormat, Program, TargetKind, Variant};
use routefuse::{Engine, Options, Target};
use routefuse_ir::program::Buffer;
use routefuse_tests::corpus::{cases, examples, models};
use routefuse_tests::limits::with_limits;
use serde_json::Value;

const TARGETS: [&str; 4] = ["host", "sm_90", "gfx942", "gfx1100"];
const ROWS: [u64; 11] = [0, 1, 2, 31, 32, 33, 513, 2048, 2049, 65_536, 1 << 29];
/// Of no device in particular.
const MULTIPROCESSORS: u64 = 132;
const RESIDENT: u64 = 7 * MULTIPROCESSORS;

/// As `docs/reference/abi.md` says it.
fn value(formula: &Value, extent: &dyn Fn(&str) -> u64) -> u64 {
    if let Some(n) = formula.as_u64() {
        return n;
    }
    let (key, of) = formula.as_object().unwrap().iter().next().unwrap();
    let part = |n: usize| value(&of[n], extent);
    match key.as_str() {
        "extent" => extent(of.as_str().unwrap()),
        "device" if of == "multiprocessors" => MULTIPROCESSORS,
        "device" if of == "resident_blocks" => RESIDENT,
        "add" => part(0) + part(1),
        "mul" => part(0) * part(1),
        "ceil_div" => part(0).div_ceil(part(1)),
        "min" => part(0).min(part(1)),
        other => panic!("{other} is no formula"),
    }
}

/// Code is not compiled for this: nothing of it but its size is in a manifest.
fn artifact(kernel: &routefuse::ir::Scheduled, variant: Variant) -> Artifact {
    Artifact {
        target: kernel.target,
        variant,
        schedule: kernel.schedule.clone(),
        slots: vec![],
        entry: "routefuse_kernel".to_owned(),
        format: CodeFormat::Ptx,
        code: vec![0; 3],
    }
}

#[test]
fn what_manifests_say_is_what_launches_do() {
    let engine = Engine::builder().build().expect("an engine");
    let (mut grids, mut spaces) = (0, 0);
    // Few rows have a kernel that does the work of two, and of one of them some have a kernel without rows.
    let taken = ["bins_behind_a_router", "bins_counts_behind_a_router", "bins_counts_of_the_second_dim"];
    let taken = cases().into_iter().filter(|case| taken.contains(&&*case.name));
    for case in examples().into_iter().chain(models()).chain(taken) {
        // Unfused, there are buffers between kernels.
        let unfused = [("sm_90", Options::default().fuse(false))];
        for (target, options) in TARGETS.iter().map(|t| (*t, Options::default())).chain(unfused) {
            let target = Target::named(target).expect("a known target");
            let stages = engine.stages(&case.graph(), &target, &options).expect("it lowers");
            let artifacts: Vec<Artifact> =
                stages.kernels.iter().flat_map(|k| k.variants().iter().map(|v| artifact(k, *v))).collect();
            let files = artifacts.iter().enumerate().map(|(n, a)| (format!("{n}"), a)).collect();
            let text = engine.manifest(&[TargetFiles { stages: &stages, files }]).expect("a manifest");
            let manifest: Value = serde_json::from_str(&text).expect("JSON");
            let what = format!("{} for {target}", case.name);
            let plan = engine.compile(&case.graph(), &target, &options).expect("a plan");
            for rows in with_limits(&stages.program, &ROWS) {
                let extents: Vec<u64> = (0..stages.program.symbols.len() as u64).map(|n| rows + n).collect();
                let (a, b) = compare(&manifest, &stages.program, plan.kernels(), &extents, &what);
                grids += a;
                spaces += b;
                let bytes = &manifest["targets"][0]["workspace"]["bytes"];
                let symbol = |name: &str| extents[stages.program.symbols.iter().position(|s| s == name).unwrap()];
                assert_eq!(value(bytes, &symbol), plan.workspace_size(&extents).expect("a size"), "{what}");
            }
        }
    }
    assert!(grids > 5_000 && spaces > 1_000, "{grids} grids, {spaces} buffers");
}

/// How many grids and how many buffers were compared.
fn compare(
    manifest: &Value,
    program: &Program,
    kernels: &[routefuse::Verified<routefuse::ir::Scheduled>],
    extents: &[u64],
    what: &str,
) -> (usize, usize) {
    let symbol = |name: &str| extents[program.symbols.iter().position(|s| s == name).unwrap()];
    let bounds = manifest["bounds"].as_array().unwrap();
    assert_eq!(bounds.len(), program.bounds.len(), "{what}");
    for (said, bound) in bounds.iter().zip(&program.bounds) {
        let number = |value: &Value| i128::from(value.as_i64().unwrap());
        let of = i128::from(said["of"].as_str().map_or(0, symbol));
        let term = |t: &Value| (number(&t["times"]) * of + number(&t["plus"])).div_euclid(number(&t["over"]));
        let least = said["terms"].as_array().unwrap().iter().map(term).min().unwrap().max(0) * number(&said["times"]);
        assert_eq!(least, i128::from(bound.least_at(extents)), "{what}");
    }
    let target = &manifest["targets"][0];
    let mut compared = 0;
    let of_manifest = target["kernels"].as_array().unwrap();
    // A kernel that runs on either side of some extents is told for each of them.
    let steps = kernels.iter().zip(&program.steps);
    let steps: Vec<_> = steps.flat_map(|(k, step)| step.of_ranges().into_iter().map(move |step| (k, step))).collect();
    assert_eq!(of_manifest.len(), steps.len(), "{what}");
    for (kernel, (scheduled, step)) in of_manifest.iter().zip(&steps) {
        let rows = kernel["rows"].as_str().map_or(1, symbol);
        assert_eq!(rows, step.kernel.rows.map_or(1, |s| extents[step.symbols[s.0 as usize].0 as usize]), "{what}");
        assert_eq!(kernel["slot_bytes"], 8 * kernel["slots"].as_array().unwrap().len(), "{what}");
        // The variants of these rows, in order: those of the shape that a launch takes.
        let holds = |variant: &&Value| {
            let requires = &variant["requires"];
            requires["least_rows"].as_u64().unwrap() <= rows && requires["most_rows"].as_u64().is_none_or(|m| rows <= m)
        };
        let shapes = scheduled.schedule.shapes_for(rows);
        let said = &kernel["taken"];
        let extent = said["by"].as_str().map_or(0, symbol);
        let taken = said.is_null()
            || said["least"].as_u64().unwrap() <= extent && said["most"].as_u64().is_none_or(|most| extent <= most);
        assert_eq!(taken, step.is_taken(extents), "{what}, {rows} rows");
        let variants = kernel["variants"].as_array().unwrap().iter();
        let found: Vec<&Value> = variants.filter(|v| taken && holds(v)).collect();
        let runs = taken && (rows > 0 || kernel["runs_without_rows"] == true);
        let is_one = |v: &Variant| shapes.contains(&v.shape) && runs;
        let wanted: Vec<Variant> = scheduled.variants().iter().copied().filter(is_one).collect();
        let names = |list: &[Variant]| list.iter().map(Variant::to_string).collect::<Vec<_>>();
        let found_names: Vec<&str> = found.iter().map(|v| v["name"].as_str().unwrap()).collect();
        assert_eq!(found_names, names(&wanted), "{what}, {rows} rows");
        for (of_manifest, variant) in found.iter().zip(wanted) {
            let (requires, launch) = (&of_manifest["requires"], &of_manifest["launch"]);
            assert_eq!(of_manifest["part"], variant.shape - shapes.start(), "{what}");
            assert_eq!(requires["align"], if variant.aligned { 16 } else { 1 }, "{what}");
            assert_eq!(requires["most_elements"].as_u64(), variant.narrow.then_some((1 << 31) - (1 << 20)), "{what}");
            if scheduled.target.kind() == TargetKind::Host {
                assert_eq!(launch["scratch_bytes"].as_u64(), Some(scheduled.scratch_bytes()), "{what}");
                continue;
            }
            let resident = scheduled.schedule.shape(variant).is_some_and(|s| s.persistent).then_some(RESIDENT);
            let blocks = scheduled.schedule.blocks(rows, variant).map(|b| resident.map_or(b, |r| b.min(r)));
            let said = value(&launch["blocks"], &symbol).max(launch["least_blocks"].as_u64().unwrap());
            assert_eq!(blocks.unwrap_or(said), said, "{what}, {rows} rows");
            let threads = scheduled.schedule.threads(variant);
            assert_eq!(launch["threads"], threads, "{what}");
            let shared = scheduled.schedule.dynamic_shared_bytes(variant);
            assert_eq!(launch["dynamic_shared_bytes"], shared, "{what}");
            let most = launch["most_blocks"].as_u64().unwrap();
            assert!(most * u64::from(threads) < 1 << 42 && most < 1 << 31, "{what}");
            let dependent = scheduled.target.abilities().dependent_launch;
            assert_eq!(launch["most_dependent_blocks"].is_null(), !dependent, "{what}");
            compared += 1;
        }
    }
    let buffers = target["workspace"]["buffers"].as_array().unwrap();
    assert_eq!(buffers.len(), program.intermediates.len(), "{what}");
    // One after the other, at multiples of 64, each with room for its elements.
    let mut end = 0;
    for (n, buffer) in buffers.iter().enumerate() {
        let ty = program.buffer_type(Buffer::Intermediate(n));
        let elements: u64 = ty.shape.iter().map(|d| d.resolve(extents)).product();
        let [offset, bytes] = ["offset", "bytes"].map(|field| value(&buffer[field], &symbol));
        assert_eq!((offset % 64, bytes), (0, elements * ty.dtype.size()), "{what}");
        assert!(offset >= end && offset - end < 64, "{what}");
        end = offset + bytes;
    }
    (compared, buffers.len())
}
