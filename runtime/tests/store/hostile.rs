//! What somebody else has put where this process looks: kernels from elsewhere, links, pipes, files that others may write.

use crate::fake::{Fake, VARIANT, disk, get, has, kernel, key, options, put};
use crate::trouble::{Warnings, skip};
use routefuse_ir::artifact::Artifact;
use routefuse_runtime::{Bundle, BundleWriter, Compiler, DiskCache, Entry, KernelCache, Malformed, Origin, Trouble};
use routefuse_runtime::{SigningKey, Trust, TrustedBundle, Untrusted};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn artifact(n: i32) -> Artifact {
    Fake::default().compile(&kernel(n), VARIANT).unwrap()
}

/// The same directory, by a process that wants what came from elsewhere to be signed.
fn requiring(dir: &Path, key: &SigningKey) -> DiskCache {
    DiskCache::open(dir.join("cache"), options(dir)).require_signed(vec![key.public()])
}

/// What came without a signature, from a bundle or a remote cache, is not used by a later process that requires one. It is
/// compiled, and what is compiled here needs no signature.
#[test]
fn r2_what_came_unsigned_is_compiled_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let lenient = disk(dir.path());
    // As `cache import` and as a remote cache's finds do: 0 without a signature, 1 with another's, 2 with ours.
    assert!(lenient.publish_entry(&Entry::decode(&Entry::encode(&key(0), &artifact(0)).unwrap()).unwrap()));
    for (n, by) in [(1, &other), (2, &ours)] {
        let bytes = Entry::encode_signed(&key(n), &artifact(n), by).unwrap();
        assert!(lenient.publish_entry(&Entry::decode(&bytes).unwrap()));
        assert_eq!(fs::read(lenient.path(key(n).key())).unwrap(), bytes, "it keeps its signature");
    }
    put(&lenient, 3);
    // What was compiled here is not replaced, nor what is signed by what is not.
    for n in [2, 3] {
        assert!(lenient.publish_entry(&Entry::decode(&Entry::encode(&key(n), &artifact(n)).unwrap()).unwrap()));
    }
    let origin = |n: i32| lenient.read(key(n).key()).unwrap().unwrap().origin;
    assert_eq!([0, 1, 2, 3].map(origin), [Origin::Elsewhere, Origin::Elsewhere, Origin::Elsewhere, Origin::Here]);
    assert!((0..4).all(|n| has(&lenient, n)), "who requires nothing uses all of them");

    let strict = requiring(dir.path(), &ours);
    assert_eq!([0, 1, 2, 3].map(|n| has(&strict, n)), [false, false, true, true]);
    let said = strict.last_trouble().unwrap();
    assert!(said.contains("whose signature is not one of those that are required"), "{said}");
    assert!(lenient.path(key(0).key()).exists(), "others may use it");
    let cache = KernelCache::on_disk(requiring(dir.path(), &ours));
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || (0..4).for_each(|n| get(&cache, &Fake::default(), n)));
    assert_eq!(cache.counters().compiles, 2);
    assert!(warnings.said()[0].ends_with("cannot be used: it is not signed, and a signature is required"));
    assert_eq!([0, 1, 2, 3].map(origin), [Origin::Here, Origin::Here, Origin::Elsewhere, Origin::Here]);
    assert!((0..4).all(|n| has(&requiring(dir.path(), &ours), n)));
}

/// Nothing from elsewhere can say of itself that it was compiled here.
#[test]
fn r2_nothing_from_elsewhere_passes_for_our_own() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, ours) = (disk(dir.path()), SigningKey::generate().unwrap());
    put(&disk, 1);
    let here = fs::read(disk.path(key(1).key())).unwrap();
    assert_eq!(here[12], 1);
    // In a bundle, with every hash right.
    let mut bundle = BundleWriter::new("fake 1", "none");
    bundle.kernel(&key(1), &artifact(1));
    let mut bytes = bundle.finish();
    let at = bytes.windows(8).position(|w| w == b"RFKERNEL").unwrap();
    bytes.splice(at.., here.iter().copied());
    let hash = *blake3::hash(&bytes[48..]).as_bytes();
    bytes[16..48].copy_from_slice(&hash);
    let bundle = Bundle::decode(bytes).unwrap();
    let unknown = Malformed::Unknown { what: "header", value: 1 };
    assert_eq!(bundle.entry(key(1).key()), Some(Err(unknown)));
    // Written again for elsewhere, it does not say it; and what says it has no signature.
    let entry = Entry::decode(&here).unwrap();
    assert_eq!(entry.to_bytes().unwrap()[12], 0);
    let signed = entry.to_signed_bytes(&ours).unwrap();
    let both = [&here[..], &signed[here.len()..]].concat();
    assert_eq!(Entry::decode(&both), Err(Malformed::TooLong { bytes: 112 }));
}

#[cfg(feature = "remote")]
#[test]
fn r2_a_remote_find_keeps_its_origin() {
    use routefuse_runtime::{RemoteCache, RemoteOptions};
    let (dir, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let address = format!("file://{}", shared.path().display());
    let object = shared.path().join(RemoteCache::object(key(1).key()));
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    let cache =
        || KernelCache::on_disk(disk(dir.path())).with_remote(RemoteCache::open(&address, RemoteOptions::default()));
    // One that says it was compiled here is not taken at all.
    put(&disk(dir.path()), 1);
    fs::rename(disk(dir.path()).path(key(1).key()), &object).unwrap();
    let first = cache();
    get(&first, &Fake::default(), 1);
    assert_eq!(first.counters().compiles, 1);
    assert!(
        first.remote().unwrap().last_trouble().unwrap().contains("its header is 1, which the format does not have")
    );
    disk(dir.path()).clear().unwrap();
    fs::write(&object, Entry::encode(&key(1), &artifact(1)).unwrap()).unwrap();
    let second = cache();
    get(&second, &Fake::default(), 1);
    assert_eq!(second.counters().compiles, 0);
    assert_eq!(disk(dir.path()).read(key(1).key()).unwrap().unwrap().origin, Origin::Elsewhere);
    let strict = KernelCache::on_disk(requiring(dir.path(), &SigningKey::generate().unwrap()));
    get(&strict, &Fake::default(), 1);
    assert_eq!(strict.counters().compiles, 1);
}

/// Hashes say that no bit was changed. Whose code a bundle is, its loader has to say.
#[test]
fn r3_a_bundle_is_loaded_by_a_choice_of_trust() {
    let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let mut writer = BundleWriter::new("fake 1", "none");
    writer.kernel(&key(1), &artifact(1));
    let bundle = |bytes: Vec<u8>| Bundle::decode(bytes).unwrap();
    let trust = Trust::signed_by([ours.public()]);
    assert!(TrustedBundle::new(bundle(writer.finish_signed(&ours)), &trust).is_ok());
    let foreign = TrustedBundle::new(bundle(writer.finish_signed(&other)), &trust).unwrap_err();
    assert_eq!(foreign, Untrusted::OtherKey { key: other.public() });
    assert_eq!(TrustedBundle::new(bundle(writer.finish()), &trust).unwrap_err(), Untrusted::Unsigned);
    let anyones = TrustedBundle::new(bundle(writer.finish()), &Trust::anyone()).unwrap();
    let cache = KernelCache::new().with_bundles(vec![anyones]);
    get(&cache, &Fake::default(), 1);
    assert_eq!(cache.counters().compiles, 0);
}

#[cfg(feature = "remote")]
#[test]
fn r4_plain_http_needs_an_opt_in() {
    use routefuse_runtime::{RemoteCache, RemoteOptions};
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || {
        let remote = RemoteCache::open("http://me:s3cr3t@127.0.0.1:9/kernels", RemoteOptions::default());
        let cache = KernelCache::new().with_remote(remote);
        get(&cache, &Fake::default(), 1);
        assert_eq!((cache.counters().compiles, cache.remote().unwrap().address()), (1, ""));
    });
    let said = warnings.said();
    assert!(said.len() == 1 && said[0].contains("neither encrypted nor authenticated"), "{said:?}");
    assert!(said[0].contains("--allow-http") && !said[0].contains("s3cr3t"), "{said:?}");
    let allowed =
        RemoteCache::open("http://127.0.0.1:9/kernels", RemoteOptions::default().with(|o| o.allow_http = true));
    assert_eq!(allowed.address(), "http://127.0.0.1:9/kernels");
}

/// A group in which others are; root may give files to any.
const OTHERS: u32 = 60_001;

/// A directory, an entry, a bundle or a file of keys that a group may write to, unless it is the group of this user alone.
#[test]
fn r5_what_a_group_may_write_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    put(&disk(dir.path()), 1);
    let give = |path: &Path, mode: u32, group: Option<u32>| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        group.is_none_or(|g| chown(path, None, Some(g)).is_ok())
    };
    let cache = dir.path().join("cache");
    let entry = disk(dir.path()).path(key(1).key());
    let bundle = dir.path().join("model.rfb");
    fs::write(&bundle, BundleWriter::new("fake 1", "none").finish()).unwrap();
    let keys = dir.path().join("signer.pub");
    fs::write(&keys, SigningKey::generate().unwrap().public().to_pem()).unwrap();
    if !give(&entry, 0o664, Some(OTHERS)) {
        return skip("group-writable files: only root can give files to another group");
    }
    let said = |trouble: Option<String>| {
        let trouble = trouble.unwrap();
        assert!(trouble.contains("may be written by group 60001 (mode 0"), "{trouble}");
        assert!(trouble.ends_with("which is not this user's alone; take that away with chmod g-w"), "{trouble}");
    };
    let reader = disk(dir.path());
    assert!(!has(&reader, 1));
    said(reader.last_trouble());
    give(&entry, 0o644, None);
    assert!(has(&disk(dir.path()), 1), "who may only read it does no harm");
    for path in [&cache, &cache.join("v3")] {
        give(path, 0o775, Some(OTHERS));
        let reader = disk(dir.path());
        assert!(!has(&reader, 1));
        said(reader.last_trouble());
        give(path, 0o755, None);
    }
    give(&bundle, 0o664, Some(OTHERS));
    said(Bundle::read(&bundle).err().map(|t| t.to_string()));
    give(&keys, 0o664, Some(OTHERS));
    said(routefuse_runtime::PublicKey::read(&keys).err().map(|t| t.to_string()));
    // The user's own group, where users have groups of their own.
    let own = fs::metadata("/proc/self").unwrap().gid();
    give(&bundle, 0o664, Some(own));
    match Bundle::read(&bundle) {
        Ok(_) => {}
        Err(Trouble::GroupWritable { group, .. }) => {
            skip(&format!("private groups: group {group} is not this user's alone"))
        }
        Err(other) => panic!("{other}"),
    }
}

/// A file of a hundred gigabytes that takes no room, a device, a pipe: nothing is read of them.
#[test]
fn r10_what_is_no_bundle_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    for (name, length) in [("beyond.rfb", 100 << 30), ("within.rfb", 3 << 30)] {
        let sparse = dir.path().join(name);
        File::create(&sparse).unwrap().set_len(length).unwrap();
        let said = Bundle::read(&sparse).unwrap_err().to_string();
        assert!(said.ends_with("is spoilt: it is no bundle"), "{said}");
    }
    // One with a bundle's first bytes.
    let sparse = dir.path().join("begun.rfb");
    fs::write(&sparse, &BundleWriter::new("fake 1", "none").finish()[..12]).unwrap();
    File::options().write(true).open(&sparse).unwrap().set_len(100 << 30).unwrap();
    let said = Bundle::read(&sparse).unwrap_err().to_string();
    assert!(said.ends_with("it has more than 4294967296 bytes"), "{said}");
    let pipe = dir.path().join("pipe.rfb");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [&pipe, Path::new("/dev/zero")] {
        assert!(matches!(Bundle::read(path), Err(Trouble::Kind { .. })), "{}", path.display());
    }
    // As an entry of a cache.
    let disk = disk(dir.path());
    File::create(disk.path(key(1).key())).unwrap().set_len(100 << 30).unwrap();
    assert!(!has(&disk, 1));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// The record of uses is written to as it is used: a pipe there does not hang, and a link or a second name does not lead elsewhere.
#[test]
fn r11_the_record_of_uses_leads_nowhere() {
    for kind in ["pipe", "read pipe", "link", "second name", "directory"] {
        let dir = tempfile::tempdir().unwrap();
        let reader = disk(dir.path());
        put(&reader, 1);
        let (uses, target) = (dir.path().join("cache/v3/uses"), dir.path().join("precious"));
        fs::write(&target, "as it was").unwrap();
        fs::remove_file(&uses).unwrap();
        let mut held = None;
        match kind {
            "link" => symlink(&target, &uses).unwrap(),
            "second name" => fs::hard_link(&target, &uses).unwrap(),
            "directory" => fs::create_dir(&uses).unwrap(),
            _ => {
                assert!(Command::new("mkfifo").arg(&uses).status().unwrap().success());
                if kind == "read pipe" {
                    held = Some(File::options().read(true).write(true).open(&uses).unwrap());
                }
            }
        }
        assert!(has(&reader, 1), "{kind}");
        put(&reader, 2);
        assert_eq!(fs::read_to_string(&target).unwrap(), "as it was", "{kind}");
        let said = reader.last_trouble().unwrap();
        assert!(said.contains("uses is no file"), "{kind}: {said}");
        drop(held);
        assert_eq!(reader.list().unwrap().len(), 2, "{kind}");
    }
}

/// What stands under the name of an entry and is none is taken away with the rest.
#[test]
fn a_directory_among_the_entries_is_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk(dir.path());
    put(&disk, 1);
    fs::create_dir_all(disk.path(key(2).key()).join("inside")).unwrap();
    assert_eq!(disk.clear().unwrap(), 2);
    assert!(disk.list().unwrap().is_empty());
}
