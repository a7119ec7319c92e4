//! A cache stays within its bounds.

use crate::fake::{disk, has, key, options, put};
use routefuse_runtime::DiskCache;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn bounded(dir: &Path, max_entries: u64, max_bytes: u64) -> DiskCache {
    DiskCache::open(
        dir.join("cache"),
        options(dir).with(|o| {
            o.max_entries = max_entries;
            o.max_bytes = max_bytes;
        }),
    )
}

fn present(disk: &DiskCache, of: std::ops::Range<i32>) -> Vec<i32> {
    of.filter(|&n| disk.path(key(n).key()).exists()).collect()
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let disk = bounded(dir.path(), 4, u64::MAX);
    (0..4).for_each(|n| put(&disk, n));
    assert!(has(&disk, 0) && has(&disk, 2));
    put(&disk, 4);
    assert_eq!(present(&disk, 0..9), [0, 2, 3, 4]);
    put(&disk, 5);
    assert_eq!(present(&disk, 0..9), [0, 2, 4, 5]);
    assert_eq!(disk.counters().evicted, 2);
    // A hit by another process counts.
    assert!(has(&bounded(dir.path(), 4, u64::MAX), 0));
    put(&disk, 6);
    assert_eq!(present(&disk, 0..9), [0, 4, 5, 6]);
}

#[test]
fn bytes_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let first = disk(dir.path());
    put(&first, 0);
    let one = fs::metadata(first.path(key(0).key())).unwrap().len();
    let small = bounded(dir.path(), u64::MAX, one * 10);
    (1..40).for_each(|n| put(&small, n));
    let listed = small.list().unwrap();
    assert!(listed.iter().map(|l| l.bytes).sum::<u64>() <= one * 10 + 20);
    assert!((7..=10).contains(&listed.len()), "{}", listed.len());
    assert_eq!(listed.last().unwrap().key, key(39).key(), "the last used is listed last");
}

/// Clocks go backwards, on one machine and between machines: what is used last is decided without them.
#[test]
fn a_clock_that_goes_backwards() {
    let dir = tempfile::tempdir().unwrap();
    let disk = bounded(dir.path(), 3, u64::MAX);
    let now = SystemTime::now();
    let set = |path: &Path, at| File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    for n in 0..3 {
        put(&disk, n);
        set(&disk.path(key(n).key()), now - Duration::from_secs(n as u64 * 86_400));
    }
    put(&disk, 3);
    assert_eq!(present(&disk, 0..9), [1, 2, 3]);
    // Abandoned files are told by distance in time, either way; one that is being written stays.
    for (name, at) in [
        (".writing-old", now - Duration::from_secs(7200)),
        (".writing-future", now + Duration::from_secs(7200)),
        (".writing-now", now),
    ] {
        let path = dir.path().join("cache/v3").join(name);
        fs::write(&path, b"half").unwrap();
        set(&path, at);
    }
    assert_eq!(disk.collect().unwrap().unwrap().abandoned, 2);
    assert!(dir.path().join("cache/v3/.writing-now").exists());
}

/// Others read and write while entries go: they find the right kernel or none.
#[test]
fn entries_go_while_others_read() {
    let dir = tempfile::tempdir().unwrap();
    let found = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let disk = bounded(dir.path(), 8, u64::MAX);
            (0..150).for_each(|n| put(&disk, n % 24));
            disk.counters().evicted
        });
        let reader = scope.spawn(|| {
            let disk = bounded(dir.path(), 8, u64::MAX);
            let found = (0..2000).filter(|n| has(&disk, n % 24)).count();
            assert_eq!(disk.counters().troubles, 0, "{:?}", disk.last_trouble());
            found
        });
        assert!(writer.join().unwrap() > 50);
        reader.join().unwrap()
    });
    assert!(found > 0);
    assert!(bounded(dir.path(), 8, u64::MAX).list().unwrap().len() <= 8 + 16);
}

/// The record of uses does not grow for ever, and what others write into it is no matter.
#[test]
fn the_record_of_uses() {
    let dir = tempfile::tempdir().unwrap();
    let disk = bounded(dir.path(), 4, u64::MAX);
    (0..4).for_each(|n| put(&disk, n));
    let uses = dir.path().join("cache/v3/uses");
    let mut bytes = fs::read(&uses).unwrap();
    bytes.extend_from_slice(&vec![b'?'; 1 << 20]);
    fs::write(&uses, &bytes).unwrap();
    assert!(has(&disk, 0));
    disk.collect().unwrap().unwrap();
    assert_eq!(fs::metadata(&uses).unwrap().len(), 4 * 40);
    put(&disk, 4);
    assert_eq!(present(&disk, 0..9), [0, 2, 3, 4]);
}
