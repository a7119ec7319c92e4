//! Records of tunings: kept, found, signed and refused as kernels are, and a kernel is what it was without one.

use crate::fake::{Fake, VARIANT, disk, get, has, key, options, put};
use crate::trouble::Warnings;
use routefuse_ir::diag::{Code, Diagnostic};
use routefuse_ir::kernel::schedule::tuning::{Trial, Tuning};
use routefuse_runtime::{
    Bundle, BundleWriter, Compiler, Content, DiskCache, Entry, KernelCache, KeyText, Origin, SigningKey, Trust,
    TrustedBundle,
};
use std::fs;
use std::path::Path;

/// The record's key of kernel n.
fn record(n: i32) -> KeyText {
    KeyText::of_tuning(&crate::fake::kernel(n), &Fake::default())
}

fn tuning(ns: u64) -> Tuning {
    let shape = "lanes=8 threads=128 sorted".parse().unwrap();
    let trials = vec![Trial { shape, ns: vec![ns] }];
    Tuning { card: "A card".to_owned(), driver: "CUDA 13.0".to_owned(), shapes: vec![shape], rows: vec![1], trials }
}

fn any(_: &Tuning) -> Result<(), Diagnostic> {
    Ok(())
}

/// The warnings of this work.
fn warned(work: impl FnOnce()) -> usize {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), work);
    warnings.said().len()
}

/// The times of the record of kernel n, as a new process finds it.
fn found(disk: DiskCache, n: i32) -> Option<u64> {
    KernelCache::on_disk(disk).tuning(&record(n), any).map(|t| t.trials[0].ns[0])
}

fn elsewhere(n: i32, ns: u64, by: Option<&SigningKey>) -> Entry {
    let entry = Entry::decode(&Entry::encode_tuning(&record(n), &tuning(ns))).unwrap();
    by.map_or(entry.clone(), |by| Entry::decode(&entry.to_signed_bytes(by).unwrap()).unwrap())
}

#[test]
fn what_is_kept_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let cache = KernelCache::on_disk(disk(dir.path()));
    assert_eq!((cache.tuning(&record(1), any), cache.tunings_changed()), (None, 0));
    let kept = cache.keep_tuning(&record(1), tuning(7));
    assert!(kept.on_disk && !kept.remote);
    assert_eq!(cache.tuning(&record(1), any).as_deref(), Some(&tuning(7)), "in spite of what was known");
    assert_eq!(cache.tunings_changed(), 1);
    assert_eq!((found(disk(dir.path()), 1), found(disk(dir.path()), 2)), (Some(7), None), "another process");
    // A later one takes its place, for others from their start on.
    let other = KernelCache::on_disk(disk(dir.path()));
    assert_eq!(other.tuning(&record(1), any).as_deref(), Some(&tuning(7)));
    cache.keep_tuning(&record(1), tuning(8));
    assert_eq!(other.tuning(&record(1), any).as_deref(), Some(&tuning(7)), "one answer as long as a process runs");
    other.clear();
    assert_eq!(other.tuning(&record(1), any).as_deref(), Some(&tuning(8)));
    // It is an entry among the others, and says what it is.
    put(cache.disk().unwrap(), 1);
    let disk = disk(dir.path());
    assert_eq!(disk.list().unwrap().len(), 2);
    let entries = disk.tunings().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].key, entries[0].origin, entries[0].tuning()),
        (record(1).key(), Origin::Here, Some(&tuning(8)))
    );
    assert!(entries[0].artifact().is_none() && has(&disk, 1));
    assert_eq!(disk.clear().unwrap(), 2);
    assert_eq!(found(disk, 1), None);
}

/// The key of a record is that of no variant, and follows everything that the kernel's own follow.
#[test]
fn keys_of_records() {
    let text = record(1).text().to_owned();
    assert!(text.contains("\ntuning\nschedule flat") && text.contains("\ncompiler fake 1\ntarget sm_90 "), "{text}");
    assert_ne!(record(1).key(), record(2).key());
    assert_ne!(record(1).key(), key(1).key());
}

/// No bit of a record can be changed unseen, and one that is spoilt is put aside.
#[test]
fn spoilt_records_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = Entry::encode_tuning(&record(1), &tuning(7));
    assert_eq!(Entry::decode(&bytes).unwrap().to_bytes(), Some(bytes.clone()));
    for at in 0..bytes.len() {
        assert!(Entry::decode(&bytes[..at]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(Entry::decode(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
    let warnings = warned(|| {
        let disk = || disk(dir.path());
        disk().publish_tuning(&record(1), &tuning(7));
        let path = disk().path(record(1).key());
        let mut spoilt = fs::read(&path).unwrap();
        *spoilt.last_mut().unwrap() ^= 1;
        fs::write(&path, spoilt).unwrap();
        assert_eq!(found(disk(), 1), None);
        assert_eq!((path.exists(), disk().quarantined().len()), (false, 1));
        // Another kernel's record, and a kernel, under the record's name.
        for other in [Entry::encode_tuning(&record(2), &tuning(7)), Entry::encode(&key(1), &artifact(1)).unwrap()] {
            fs::write(&path, other).unwrap();
            assert_eq!((found(disk(), 1), path.exists()), (None, false));
        }
        // Code under the very key text of a record; a record under that of a kernel.
        fs::write(&path, Entry::encode(&record(1), &artifact(1)).unwrap()).unwrap();
        assert_eq!((found(disk(), 1), path.exists()), (None, false));
        let path = disk().path(key(1).key());
        fs::write(&path, Entry::encode_tuning(&key(1), &tuning(7))).unwrap();
        assert!(!has(&disk(), 1) && !path.exists());
        get(&KernelCache::on_disk(disk()), &Fake::default(), 1);
    });
    assert_eq!(warnings, 5, "one for each cache that was opened and met it");
}

fn artifact(n: i32) -> routefuse_ir::artifact::Artifact {
    Fake::default().compile(&crate::fake::kernel(n), VARIANT).unwrap()
}

/// One that names shapes which the kernel cannot have stays where it is, and is not followed.
#[test]
fn what_does_not_fit_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    disk(dir.path()).publish_tuning(&record(1), &tuning(7));
    let refuse = |_: &Tuning| Err(Diagnostic::new(Code::CountOutOfRange, "the shape is none that it may have"));
    let warnings = warned(|| {
        let cache = KernelCache::on_disk(disk(dir.path()));
        assert_eq!(cache.tuning(&record(1), refuse), None);
        let why = cache.disk().unwrap().last_trouble().unwrap();
        assert!(why.contains("the shape is none that it may have") && why.contains(".rfk cannot be used"), "{why}");
    });
    assert_eq!((warnings, found(disk(dir.path()), 1)), (1, Some(7)));
}

#[test]
fn records_from_elsewhere_are_signed_where_it_is_required() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let open = || disk(dir.path());
    let strict = || open().require_signed(vec![ours.public()]);
    assert!(open().publish_entry(&elsewhere(1, 1, None)));
    assert!(open().publish_entry(&elsewhere(2, 2, Some(&other))));
    assert!(open().publish_entry(&elsewhere(3, 3, Some(&ours))));
    open().publish_tuning(&record(4), &tuning(4));
    let mut times = [None; 4];
    let warnings = warned(|| times = [1, 2, 3, 4].map(|n| found(strict(), n)));
    assert_eq!((times, warnings), ([None, None, Some(3), Some(4)], 2));
    assert_eq!([1, 2, 3, 4].map(|n| found(open(), n)), [1, 2, 3, 4].map(Some), "and nothing was taken away");
    // What was measured here stays, whoever brings another.
    assert!(open().publish_entry(&elsewhere(4, 9, Some(&ours))));
    assert_eq!(found(open(), 4), Some(4));
    // A signature of a record is none of a kernel.
    let bytes = elsewhere(3, 3, Some(&ours)).to_bytes().unwrap();
    let mut moved = Entry::encode(&key(3), &artifact(3)).unwrap();
    moved.extend_from_slice(&bytes[bytes.len() - 112..]);
    assert!(Entry::decode(&moved).is_err());
}

#[test]
fn a_directory_that_is_only_read() {
    let dir = tempfile::tempdir().unwrap();
    disk(dir.path()).publish_tuning(&record(1), &tuning(7));
    let read_only = || DiskCache::open(dir.path().join("cache"), options(dir.path()).with(|o| o.read_only = true));
    assert_eq!(found(read_only(), 1), Some(7));
    let cache = KernelCache::on_disk(read_only());
    assert!(!cache.keep_tuning(&record(2), tuning(8)).on_disk);
    assert_eq!(cache.tuning(&record(2), any).as_deref(), Some(&tuning(8)), "this process knows it all the same");
    assert_eq!(found(read_only(), 2), None);
}

/// A sealed cache looks nowhere: what would be found now has no code that is loaded.
#[test]
fn sealed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = KernelCache::on_disk(disk(dir.path()));
    disk(dir.path()).publish_tuning(&record(1), &tuning(7));
    disk(dir.path()).publish_tuning(&record(2), &tuning(7));
    assert!(cache.tuning(&record(1), any).is_some());
    cache.seal();
    assert!(cache.tuning(&record(1), any).is_some() && cache.tuning(&record(2), any).is_none());
}

fn bundle(by: &SigningKey) -> TrustedBundle {
    let mut writer = BundleWriter::new("fake 1", "none");
    assert!(writer.kernel(&key(1), &artifact(1)));
    writer.tuning(&record(1), &tuning(7));
    assert_eq!((writer.len(), writer.tunings()), (2, 1));
    let bundle = Bundle::decode(writer.finish_signed(by)).unwrap();
    TrustedBundle::new(bundle, &Trust::signed_by([by.public()])).unwrap()
}

#[test]
fn bundles_carry_records() {
    let (dir, key_of) = (tempfile::tempdir().unwrap(), SigningKey::generate().unwrap());
    let bundle = bundle(&key_of);
    assert_eq!((bundle.len(), bundle.tunings()), (2, 1));
    assert_eq!(bundle.find_tuning(&record(1)), Some(tuning(7)));
    assert!(bundle.find_tuning(&key(1)).is_none() && bundle.find(&record(1)).is_none(), "one is not the other");
    let kinds =
        bundle.entries().map(|(_, e)| e.unwrap()).map(|e| (e.signer(), matches!(e.content, Content::Tuning(_))));
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_by_key(|(_, is_tuning)| *is_tuning);
    assert_eq!(kinds, [(Some(key_of.public()), false), (Some(key_of.public()), true)]);
    // Before the disk, and what does not fit is passed over.
    disk(dir.path()).publish_tuning(&record(1), &tuning(8));
    let cache = |dir: &Path| KernelCache::on_disk(disk(dir)).with_bundles(vec![bundle.clone()]);
    assert_eq!(cache(dir.path()).tuning(&record(1), any).as_deref(), Some(&tuning(7)));
    let not_seven = |t: &Tuning| if *t == tuning(7) { Err(Diagnostic::new(Code::Internal, "no")) } else { Ok(()) };
    assert_eq!(cache(dir.path()).tuning(&record(1), not_seven).as_deref(), Some(&tuning(8)));
    assert_eq!(cache(dir.path()).bundled_tuning(&record(1), not_seven), None);
    // A cache into which it is brought keeps record and signature.
    let other = tempfile::tempdir().unwrap();
    for (_, entry) in bundle.entries() {
        assert!(disk(other.path()).publish_entry(&entry.unwrap()));
    }
    assert_eq!(found(disk(other.path()).require_signed(vec![key_of.public()]), 1), Some(7));
    assert!(has(&disk(other.path()), 1));
}

/// The bounds count records, and one that is used stays longest.
#[test]
fn records_stay_within_the_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk(dir.path());
    disk.publish_tuning(&record(1), &tuning(7));
    (0..7).for_each(|n| put(&disk, n));
    assert_eq!(found(crate::fake::disk(dir.path()), 1), Some(7));
    let left = disk.collect_to(2, u64::MAX).unwrap().unwrap();
    assert_eq!((left.entries, disk.tunings().unwrap().len()), (2, 1));
}

/// Brought once, kept here; signed by who wrote it.
#[cfg(feature = "remote")]
#[test]
fn machines_share_records() {
    use routefuse_runtime::{RemoteCache, RemoteOptions};
    let (dir, ours) = (tempfile::tempdir().unwrap(), SigningKey::generate().unwrap());
    let address = format!("file://{}", dir.path().display());
    let options = RemoteOptions::default().with(|o| {
        o.write = true;
        o.sign = Some(ours.clone());
    });
    let writer = KernelCache::new().with_remote(RemoteCache::open(&address, options));
    assert!(writer.keep_tuning(&record(1), tuning(7)).remote);
    let nowhere = RemoteOptions::default().with(|o| o.write = true);
    let nowhere = KernelCache::new().with_remote(RemoteCache::open("file:///dev/null/kernels", nowhere));
    assert!(!nowhere.keep_tuning(&record(1), tuning(7)).remote, "what is not written is not kept");
    get(&writer, &Fake::default(), 1);
    assert!(writer.remote().unwrap().flush(std::time::Duration::from_secs(20)));
    assert!(dir.path().join(RemoteCache::object(record(1).key())).exists());

    let machine = tempfile::tempdir().unwrap();
    let strict = || RemoteCache::open(&address, RemoteOptions::default()).require_signed(vec![ours.public()]);
    let cache = KernelCache::on_disk(disk(machine.path())).with_remote(strict());
    let near = KernelCache::new().with_remote(strict());
    assert_eq!(near.tuning_on_machine(&record(1), any), None);
    let asked = near.remote().unwrap().counters();
    assert_eq!((asked.hits, asked.misses), (0, 0), "nothing is asked for");
    assert_eq!(cache.tuning(&record(1), any).as_deref(), Some(&tuning(7)));
    assert_eq!(cache.tuning(&record(2), any), None);
    get(&cache, &Fake::default(), 1);
    assert_eq!(cache.counters().compiles, 0);
    assert_eq!(found(disk(machine.path()).require_signed(vec![ours.public()]), 1), Some(7));
    // Another's, and a kernel in its place.
    let by_another = SigningKey::generate().unwrap();
    let object = dir.path().join(RemoteCache::object(record(1).key()));
    for bytes in
        [elsewhere(1, 9, Some(&by_another)).to_bytes().unwrap(), Entry::encode(&record(1), &artifact(1)).unwrap()]
    {
        fs::write(&object, bytes).unwrap();
        let cache = KernelCache::new().with_remote(strict());
        assert_eq!(cache.tuning(&record(1), any), None);
        assert!(cache.remote().unwrap().last_trouble().is_some());
    }
}
