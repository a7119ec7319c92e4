//! Entries that are not what was written.

use crate::fake::{Fake, code, disk, get, has, kernel, key, put};
use routefuse_ir::artifact::Artifact;
use routefuse_runtime::{Compiler, Entry, KernelCache, Malformed, Trouble};
use std::fs;

fn artifact(n: i32) -> Artifact {
    Fake::default().compile(&kernel(n), crate::fake::VARIANT).unwrap()
}

/// Every bit of an entry, changed, and every cut: it is never taken for an entry, whatever the bit.
#[test]
fn no_changed_bit_or_cut_goes_unseen() {
    let bytes = Entry::encode(&key(1), &artifact(1)).unwrap();
    for at in 0..bytes.len() {
        assert!(Entry::decode(&bytes[..at]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(Entry::decode(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
}

/// Through the directory: a changed or a cut file is a miss, the kernel is compiled, and the next process finds it again.
#[test]
fn every_offset_spoilt_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let path = disk(dir.path()).path(key(1).key());
    let good = Entry::encode(&key(1), &artifact(1)).unwrap();
    for at in 0..good.len() {
        for cut in [false, true] {
            let mut bytes = good.clone();
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << (at % 8);
            }
            let _ = disk(dir.path());
            fs::write(&path, &bytes).unwrap();
            let disk = disk(dir.path());
            assert!(!has(&disk, 1), "byte {at}, cut: {cut}");
            // Of the version's four bytes: another version's entry is no trouble.
            let version = (8..12).contains(&at) && !cut;
            assert_eq!(disk.counters().troubles, u64::from(!version), "byte {at}, cut: {cut}");
            assert_eq!(path.exists(), version, "a spoilt entry is put aside");
        }
    }
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    let compiler = Fake::default();
    let cache = KernelCache::on_disk(disk(dir.path()));
    get(&cache, &compiler, 1);
    let again = KernelCache::on_disk(disk(dir.path()));
    get(&again, &compiler, 1);
    assert_eq!((cache.counters().compiles, again.counters().compiles), (1, 0));
    let aside = fs::read_dir(dir.path().join("cache/v3/quarantine")).unwrap().count();
    assert!((1..=32).contains(&aside), "{aside} files kept");
}

#[test]
fn longer_files_and_other_files() {
    let good = Entry::encode(&key(1), &artifact(1)).unwrap();
    assert_eq!(Entry::decode(&[&good[..], b"x"].concat()), Err(Malformed::TooLong { bytes: 1 }));
    assert_eq!(Entry::decode(b""), Err(Malformed::CutShort { what: "header" }));
    assert_eq!(Entry::decode(b"#!/bin/sh\n"), Err(Malformed::Magic { expected: "compiled kernel" }));
    let mut huge = good.clone();
    huge[48..56].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(Entry::decode(&huge), Err(Malformed::CutShort { what: "key text" }));
    let mut newer = good;
    newer[8] = 1;
    assert_eq!(Entry::decode(&newer), Err(Malformed::Version { found: 1, known: 3 }));
}

/// A sound entry under another kernel's name is not that kernel.
#[test]
fn an_entry_under_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let first = disk(dir.path());
    put(&first, 1);
    fs::rename(first.path(key(1).key()), first.path(key(2).key())).unwrap();
    assert!(!has(&first, 2));
    assert!(first.last_trouble().unwrap().ends_with("is the code of another kernel than its name says"));
    let compiler = Fake::default();
    get(&KernelCache::on_disk(disk(dir.path())), &compiler, 2);
    assert!(has(&disk(dir.path()), 2));
    assert!(matches!(first.read(key(1).key()), Ok(None)));
    fs::copy(first.path(key(2).key()), first.path(key(1).key())).unwrap();
    assert!(matches!(first.read(key(1).key()), Err(Trouble::OtherKernel { .. })));
}

/// A newer build keeps its entries in a directory of its own version; and were one here, it would be left alone.
#[test]
fn two_versions_of_the_format_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let ours = disk(dir.path());
    put(&ours, 1);
    let theirs = dir.path().join("cache/v4");
    fs::create_dir(&theirs).unwrap();
    let mut bytes = fs::read(ours.path(key(1).key())).unwrap();
    bytes[8] = 4;
    fs::write(theirs.join(format!("{}.rfk", key(2).key())), &bytes).unwrap();
    fs::write(ours.path(key(2).key()), &bytes).unwrap();
    assert!(has(&ours, 1) && !has(&ours, 2));
    assert_eq!(ours.counters().troubles, 0);
    assert_eq!(fs::read(ours.path(key(2).key())).unwrap(), bytes);
    assert_eq!(ours.clear().unwrap(), 2);
    assert_eq!(fs::read_dir(theirs).unwrap().count(), 1);
    assert!(!code(&kernel(1)).is_empty());
}
