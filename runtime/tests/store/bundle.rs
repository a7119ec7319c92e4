//! Bundles, sealing, and many plans at once.

use crate::fake::{Fake, VARIANT, code, disk, get, kernel, key, put};
use crate::fixture::{CCompiler, increment_program, plan_for, remap_program, two_outputs_program};
use routefuse_ir::target::Target;
use routefuse_ir::{Alias, Code};
use routefuse_runtime::{
    Bundle, BundleWriter, Compiler, KernelCache, KeyText, Malformed, Plan, Trouble, Trust, TrustedBundle,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

fn bundle_of(kernels: &[i32]) -> Vec<u8> {
    let mut writer = BundleWriter::new("fake 1", "none");
    writer.graph("layer", "route 1\n", &["sm_90", "host"], true);
    for &n in kernels {
        assert!(writer.kernel(&key(n), &Fake::default().compile(&kernel(n), VARIANT).unwrap()));
    }
    assert_eq!(writer.len(), kernels.len());
    writer.finish()
}

#[test]
fn what_is_bundled_is_found() {
    let bytes = bundle_of(&[3, 1, 2]);
    assert_eq!(bytes, bundle_of(&[1, 2, 3]), "the same of the same, in whatever order");
    let bundle = Bundle::decode(bytes.clone()).unwrap();
    assert_eq!(
        (bundle.compiler(), bundle.processor(), bundle.len(), bundle.size()),
        ("fake 1", "none", 3, bytes.len())
    );
    assert_eq!((bundle.graphs()[0].name.as_str(), bundle.graphs()[0].targets.len()), ("layer", 2));
    assert!(bundle.graphs()[0].fused && bundle.graphs()[0].text == "route 1\n");
    for n in 1..4 {
        assert_eq!(bundle.find(&key(n)).unwrap().code, code(&kernel(n)));
    }
    assert!(bundle.find(&key(4)).is_none() && bundle.entry(key(4).key()).is_none());
    assert!(bundle.entries().all(|(key, entry)| entry.unwrap().key == key));
}

/// The bundle comes before the disk, and the disk before the compiler.
#[test]
fn tiers() {
    let dir = tempfile::tempdir().unwrap();
    put(&disk(dir.path()), 2);
    let bundle = TrustedBundle::new(Bundle::decode(bundle_of(&[1])).unwrap(), &Trust::anyone()).unwrap();
    let cache = KernelCache::on_disk(disk(dir.path())).with_bundles(vec![bundle]);
    let compiler = Fake::default();
    (1..4).for_each(|n| get(&cache, &compiler, n));
    assert_eq!(cache.counters().compiles, 1);
    let counters = cache.disk().unwrap().counters();
    assert_eq!((counters.hits, counters.misses), (1, 1), "the disk was not asked for what is in the bundle");
}

#[test]
fn no_changed_bit_or_cut_goes_unseen() {
    let bytes = bundle_of(&[1, 2]);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(Bundle::decode(changed).is_err(), "byte {at}");
        assert!(Bundle::decode(bytes[..at].to_vec()).is_err(), "cut at {at}");
    }
    let unknown = Bundle::decode(b"RFKERNEL".to_vec()).unwrap_err();
    assert_eq!(unknown, Malformed::Magic { expected: "bundle" });
    let mut newer = bytes;
    newer[8] = 9;
    assert_eq!(Bundle::decode(newer).unwrap_err(), Malformed::Version { found: 9, known: 3 });
}

/// Writers of one name do not mix what they write, and whoever reads meanwhile has one of theirs.
#[test]
fn a_file_is_whole_whoever_writes_it_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.rfb");
    let bundles = [bundle_of(&[1]), bundle_of(&[1, 2, 3])];
    Bundle::write(&path, &bundles[0]).unwrap();
    std::thread::scope(|scope| {
        for bytes in &bundles {
            scope.spawn(|| (0..50).for_each(|_| Bundle::write(&path, bytes).unwrap()));
        }
        for _ in 0..50 {
            assert!([1, 3].contains(&Bundle::read(&path).unwrap().len()));
        }
    });
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    for nowhere in [dir.path().join("none/model.rfb"), "/".into(), dir.path().to_owned()] {
        assert!(matches!(Bundle::write(&nowhere, &bundles[0]), Err(Trouble::Io { .. })), "{}", nowhere.display());
    }
}

#[test]
fn a_file_that_others_may_write_is_no_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.rfb");
    assert!(matches!(Bundle::read(&path), Err(Trouble::Io { .. })));
    fs::write(&path, bundle_of(&[1])).unwrap();
    assert_eq!(Bundle::read(&path).unwrap().len(), 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(Bundle::read(&path), Err(Trouble::WorldWritable { .. })));
}

/// Code for the host is found where it runs, and only there.
#[test]
fn host_code_of_another_processor() {
    let compiler = CCompiler::new();
    let program = remap_program();
    let plan = plan_for(program, Target::host(), Arc::clone(&compiler), Arc::default());
    let key = KeyText::of(&plan.kernels()[0], plan.kernels()[0].variants()[0], &*compiler);
    let artifact = plan.artifacts().unwrap()[0].clone();
    let arch = std::env::consts::ARCH;
    for (features, runs) in [("", true), ("+warp-drive", false)] {
        let mut writer = BundleWriter::new("cc", &format!("{arch}-linux-gnu cpu {features}"));
        writer.kernel(&key, &artifact);
        let bundle = Bundle::decode(writer.finish()).unwrap();
        assert_eq!(bundle.find(&key).is_some(), runs);
        assert_eq!(bundle.lacking().is_empty(), runs);
        assert!(bundle.entry(key.key()).unwrap().is_ok(), "it can be looked at all the same");
    }
}

/// After sealing nothing is compiled or loaded, at whatever place: that is an error and is counted.
#[test]
fn a_sealed_cache() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Arc::new(KernelCache::on_disk(disk(dir.path())));
    let compiler = CCompiler::new();
    let make = |p| plan_for(p, Target::host(), Arc::clone(&compiler), Arc::clone(&cache));
    let ready = make(remap_program());
    ready.prepare().unwrap();
    let late = make(increment_program(Alias::None));
    assert!(!cache.is_sealed());
    cache.seal();
    let before = cache.counters();
    ready.prepare().unwrap();
    make(two_outputs_program()).prepare().unwrap();
    let error = late.prepare().unwrap_err();
    assert_eq!(error.code, Code::Sealed);
    let text = error.to_string();
    assert!(text.starts_with("RF0810: the engine is sealed, and kernel "), "{text}");
    assert!(text.ends_with(" is not loaded\n  help: prepare every plan before the engine is sealed"), "{text}");
    let after = cache.counters();
    assert_eq!((after.compiles, after.loads), (before.compiles, before.loads));
    assert_eq!((before.refused, after.refused), (0, 1));
    assert_eq!(compiler.calls.load(Ordering::SeqCst), 1);
}

/// Layers that are equal, and layers that share kernels: each kernel is compiled once, and told of once.
#[test]
fn many_plans_compile_each_kernel_once() {
    for threads in [0, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (compiler, cache) = (CCompiler::new(), Arc::new(KernelCache::new()));
        let make = |p| Arc::new(plan_for(p, Target::host(), Arc::clone(&compiler), Arc::clone(&cache)));
        let mut plans: Vec<Arc<Plan>> = (0..58).map(|_| make(remap_program())).collect();
        plans.extend([make(two_outputs_program()), make(increment_program(Alias::None))]);
        plans.push(Arc::clone(&plans[0]));
        let (calls, seen) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let progress = |p: routefuse_runtime::Progress<'_>| {
            calls.fetch_add(1, Ordering::SeqCst);
            assert!(p.total == 2 && (1..=2).contains(&p.done));
            seen.lock().unwrap().push(p.kernel.to_owned());
        };
        Plan::prepare_all(&plans, (threads > 0).then_some(&pool), &progress).unwrap();
        assert_eq!((cache.counters().compiles, cache.counters().loads, calls.into_inner()), (2, 2, 2));
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        assert_eq!(seen, ["increment", "remap"]);
        Plan::prepare_all(&plans, None, &|_| panic!("there is nothing left to do")).unwrap();
    }
    let (compiler, cache) = (CCompiler::new(), Arc::new(KernelCache::new()));
    compiler.failures.store(1, Ordering::SeqCst);
    let plan = Arc::new(plan_for(remap_program(), Target::host(), compiler, cache));
    assert_eq!(Plan::prepare_all(&[plan], None, &|_| ()).unwrap_err().code, Code::CompileFailed);
}

#[test]
fn a_graph_has_one_plan_for_each_target() {
    let mut writer = BundleWriter::new("a compiler", "a processor");
    writer.graph("g", "route 1", &[], true);
    let mut bytes = writer.finish();
    // Its end is the number of the graph's plans and the number of kernels, both 0. One plan of no bytes is put in.
    bytes.truncate(bytes.len() - 8);
    bytes.extend_from_slice(&1u32.to_le_bytes());
    bytes.extend_from_slice(&0u64.to_le_bytes());
    bytes.extend_from_slice(&0u32.to_le_bytes());
    let hash = *blake3::hash(&bytes[48..]).as_bytes();
    bytes[16..48].copy_from_slice(&hash);
    let why = Bundle::decode(bytes).unwrap_err();
    assert_eq!(why.to_string(), "the plans of one of its graphs are 1, and its targets 0");
}
