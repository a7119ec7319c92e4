//! What is compiled once is found again.

use crate::fake::{Fake, disk, get, has, kernel, key, options, put};
use crate::fixture::{CCompiler, E, K, ids, plan_for, remap_program, remapped, squares};
use routefuse_ir::target::Target;
use routefuse_runtime::{
    Args, Compiler, Content, DiskCache, Entry, HostPlan, KernelCache, Origin, TensorMut, TensorRef,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[test]
fn another_process_finds_it() {
    let dir = tempfile::tempdir().unwrap();
    let compiler = Fake::default();
    let first = KernelCache::on_disk(disk(dir.path()));
    get(&first, &compiler, 1);
    get(&first, &compiler, 1);
    assert_eq!((first.counters().compiles, first.counters().hits), (1, 1));
    let second = KernelCache::on_disk(disk(dir.path()));
    get(&second, &compiler, 1);
    get(&second, &compiler, 2);
    assert_eq!(compiler.calls.load(Ordering::SeqCst), 2);
    assert_eq!(second.counters().compiles, 1);
    let counters = second.disk().unwrap().counters();
    assert_eq!((counters.hits, counters.misses, counters.published, counters.troubles), (1, 1, 1, 0));
}

/// Host code from a file runs, and is what was compiled.
#[test]
fn host_code_from_disk_runs() {
    let dir = tempfile::tempdir().unwrap();
    let compiler = CCompiler::new();
    for turn in 0..2 {
        let cache = Arc::new(KernelCache::on_disk(disk(dir.path())));
        let plan = plan_for(remap_program(), Target::host(), Arc::clone(&compiler), Arc::clone(&cache));
        let plan = HostPlan::new(plan).unwrap();
        let (ids, map) = (ids(9), squares());
        let mut out = vec![0; ids.len()];
        let mut args = Args::new();
        args.input(TensorRef::new(&ids, &[9, K])).input(TensorRef::new(&map, &[E]));
        args.output(TensorMut::new(&mut out, &[9, K]));
        plan.launch(&args).unwrap();
        assert_eq!(out, remapped(&ids));
        assert_eq!((cache.counters().compiles, cache.counters().loads), (1 - turn, 1));
    }
    assert_eq!(compiler.calls.load(Ordering::SeqCst), 1);
}

/// Sound bytes that the loader does not take (a system that forbids it, say) are compiled anew, and stay for others.
#[test]
fn what_does_not_load_is_compiled() {
    let dir = tempfile::tempdir().unwrap();
    let compiler = CCompiler::new();
    let cache = Arc::new(KernelCache::on_disk(disk(dir.path())));
    let plan = plan_for(remap_program(), Target::host(), Arc::clone(&compiler), Arc::clone(&cache));
    plan.prepare().unwrap();
    let listed = cache.disk().unwrap().list().unwrap();
    let mut entry = cache.disk().unwrap().read(listed[0].key).unwrap().unwrap();
    let Content::Kernel(artifact) = &mut entry.content else { panic!("a kernel") };
    artifact.code = b"no machine code".to_vec();
    std::fs::write(cache.disk().unwrap().path(entry.key), entry.to_bytes().unwrap()).unwrap();
    let cache = Arc::new(KernelCache::on_disk(disk(dir.path())));
    let plan = plan_for(remap_program(), Target::host(), Arc::clone(&compiler), Arc::clone(&cache));
    plan.prepare().unwrap();
    assert_eq!(cache.counters().compiles, 1);
    let trouble = cache.disk().unwrap().last_trouble().unwrap();
    assert!(
        trouble.ends_with("cannot be used: RF0805: the compiled code cannot be loaded: it is no ELF file"),
        "{trouble}"
    );
}

/// The directory can be moved and copied; nothing in it says where it was.
#[test]
fn it_is_relocatable() {
    let dir = tempfile::tempdir().unwrap();
    put(&disk(dir.path()), 1);
    let name = dir.path().file_name().unwrap().as_encoded_bytes().to_vec();
    let bytes = std::fs::read(disk(dir.path()).path(key(1).key())).unwrap();
    assert!(!bytes.windows(name.len()).any(|w| w == name));
    let other = tempfile::tempdir().unwrap();
    std::fs::rename(dir.path().join("cache"), other.path().join("cache")).unwrap();
    assert!(has(&disk(other.path()), 1));
}

#[test]
fn entries_say_in_clear_what_they_are() {
    let bytes = Entry::encode(&key(1), &Fake::default().compile(&kernel(1), crate::fake::VARIANT).unwrap()).unwrap();
    let entry = Entry::decode(&bytes).unwrap();
    assert_eq!((entry.key, entry.text.as_str()), (key(1).key(), key(1).text()));
    assert_eq!(entry.ingredient("compiler"), "fake 1");
    assert_eq!(entry.ingredient("target"), "sm_90 nvptx64-nvidia-cuda +ptx80");
    assert_eq!(entry.ingredient("nothing"), "");
    assert_eq!((entry.origin, entry.to_bytes().unwrap()), (Origin::Elsewhere, bytes.clone()));
    let clear = key(1).text().as_bytes().to_vec();
    assert!(bytes.windows(clear.len()).any(|w| w == clear));
    assert_eq!(
        key(1).text().lines().take(8).collect::<Vec<_>>(),
        [
            "routefuse key 3",
            "abi 1",
            "compiler fake 1",
            "target sm_90 nvptx64-nvidia-cuda +ptx80",
            "processor",
            "variant align16/i32",
            "schedule flat threads=1 [cols=4 in_row=4 stores=0]",
            "slots p0 p1 s0",
        ]
    );
}

#[test]
fn a_read_only_cache_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let read_only = || DiskCache::open(dir.path().join("cache"), options(dir.path()).with(|o| o.read_only = true));
    let cache = KernelCache::on_disk(read_only());
    get(&cache, &Fake::default(), 1);
    assert!(!dir.path().join("cache").exists());
    put(&disk(dir.path()), 1);
    let before = std::fs::read(dir.path().join("cache/v3/uses")).unwrap();
    let cache = KernelCache::on_disk(read_only());
    get(&cache, &Fake::default(), 1);
    get(&cache, &Fake::default(), 2);
    assert_eq!(cache.counters().compiles, 1);
    assert_eq!(cache.disk().unwrap().list().unwrap().len(), 1);
    assert_eq!(std::fs::read(dir.path().join("cache/v3/uses")).unwrap(), before);
    assert!(!dir.path().join("locks").exists() || std::fs::read_dir(dir.path().join("locks")).unwrap().count() == 0);
}

#[test]
fn clearing() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk(dir.path());
    (0..3).for_each(|n| put(&disk, n));
    assert_eq!(disk.clear().unwrap(), 3);
    assert!(disk.list().unwrap().is_empty() && !has(&disk, 0));
    put(&disk, 0);
    assert!(has(&disk, 0));
}
