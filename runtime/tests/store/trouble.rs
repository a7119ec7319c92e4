//! Directories that cannot be used. A kernel is compiled all the same, and there is one warning.

use crate::fake::{Fake, disk, get, has, options, put};
use routefuse_runtime::{DiskCache, DiskOptions, KernelCache};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Keeps the warnings of this thread.
#[derive(Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// What they say.
    pub fn said(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for Warnings {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "trouble" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Three kernels by way of a cache in this directory: all are compiled, and one warning says why. Gives the warning.
fn in_memory(root: &Path, options: DiskOptions) -> String {
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || {
        let cache = KernelCache::on_disk(DiskCache::open(root, options));
        (1..4).for_each(|n| get(&cache, &Fake::default(), n));
        assert_eq!(cache.counters().compiles, 3);
        assert!(cache.disk().unwrap().counters().troubles > 0);
    });
    let said = warnings.said();
    assert_eq!(said.len(), 1, "{said:?}");
    said[0].clone()
}

#[test]
fn what_is_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(in_memory(&file, options(dir.path())).ends_with("file is no directory"));
    assert!(in_memory(&file.join("below"), options(dir.path())).contains("cannot open the directory"));
    let nowhere = dir.path().join("nowhere");
    symlink(dir.path().join("gone"), &nowhere).unwrap();
    assert!(in_memory(&nowhere, options(dir.path())).contains("cannot make the directory"));
    assert!(in_memory(Path::new("/proc/routefuse"), options(dir.path())).contains("cannot make the directory"));
}

#[test]
fn a_directory_that_everyone_may_write_to() {
    let dir = tempfile::tempdir().unwrap();
    put(&disk(dir.path()), 1);
    for inner in ["cache", "cache/v3"] {
        let path = dir.path().join(inner);
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        let said = in_memory(&dir.path().join("cache"), options(dir.path()));
        let expected = format!("{inner} may be written by everyone (mode 0777); take that away with chmod o-w");
        assert!(said.ends_with(&expected), "{said}");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    assert!(has(&disk(dir.path()), 1));
    // An entry that anyone can change is no entry; its place is taken.
    let path = disk(dir.path()).list().map(|l| disk(dir.path()).path(l[0].key)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(!has(&disk(dir.path()), 1));
    put(&disk(dir.path()), 1);
    assert!(has(&disk(dir.path()), 1));
}

/// Entries that are links, directories or pipes are not followed, opened or waited for.
#[test]
fn entries_that_are_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk(dir.path());
    put(&disk, 1);
    let path = |n: i32| disk.path(crate::fake::key(n).key());
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(path(1), &elsewhere).unwrap();
    symlink(&elsewhere, path(1)).unwrap();
    fs::create_dir(path(2)).unwrap();
    assert!(Command::new("mkfifo").arg(path(3)).status().unwrap().success());
    (1..4).for_each(|n| assert!(!has(&disk, n)));
    assert_eq!(disk.counters().troubles, 3);
    assert!(disk.last_trouble().unwrap().ends_with("is no file: it is a pipe"));
}

#[test]
fn no_place_for_locks() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let options = DiskOptions::default().with(|o| o.locks = Some(file));
    let cache = KernelCache::on_disk(DiskCache::open(dir.path().join("cache"), options));
    get(&cache, &Fake::default(), 1);
    assert!(cache.disk().unwrap().last_trouble().unwrap().ends_with("file is no directory"));
    assert!(has(&disk(dir.path()), 1), "the entry is kept all the same");
}

/// The whole cache goes while the process runs.
#[test]
fn a_directory_that_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let disk = disk(dir.path());
    put(&disk, 1);
    fs::remove_dir_all(dir.path().join("cache")).unwrap();
    assert!(!has(&disk, 1));
    assert!(disk.list().unwrap().is_empty());
    put(&disk, 1);
    assert!(has(&disk, 1));
}

/// Says that a case was skipped, where the test runner counts them.
pub fn skip(why: &str) {
    eprintln!("skipped: {why}");
    if let Some(path) = std::env::var_os("ROUTEFUSE_SKIPS") {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        std::io::Write::write_all(&mut file, format!("{why}\n").as_bytes()).unwrap();
    }
}

/// A file system of this size and these options, gone when it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, size: &str) -> Option<Mounted> {
        fs::create_dir(at).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|o| o.status.success()).then(|| Mounted(at.to_owned()))
    }

    fn remount(&self, how: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::tmpfs(&dir.path().join("full"), "64k") else {
        return skip("full disk: no file system may be mounted here");
    };
    let root = mounted.0.join("cache");
    put(&DiskCache::open(&root, options(dir.path())), 0);
    fs::write(mounted.0.join("filler"), vec![0; 1 << 20]).unwrap_err();
    let said = in_memory(&root, options(dir.path()));
    assert!(said.contains("No space left on device"), "{said}");
    let disk = DiskCache::open(&root, options(dir.path()));
    assert!(has(&disk, 0), "what was there is found");
    assert_eq!(fs::read_dir(root.join("v3")).unwrap().filter(|f| f.as_ref().unwrap().file_name() != "uses").count(), 1);
    fs::remove_file(mounted.0.join("filler")).unwrap();
    put(&disk, 1);
}

#[test]
fn a_read_only_disk() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::tmpfs(&dir.path().join("ro"), "1m") else {
        return skip("read-only disk: no file system may be mounted here");
    };
    let root = mounted.0.join("cache");
    put(&DiskCache::open(&root, options(dir.path())), 0);
    mounted.remount("ro");
    let said = in_memory(&root, options(dir.path()));
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(has(&DiskCache::open(&root, options(dir.path())), 0), "what was there is found");
    assert!(in_memory(&mounted.0.join("other"), options(dir.path())).contains("cannot make the directory"));
}

/// A directory that root filled and another user may only read, as in an image: what is there is found, and what is not is
/// compiled in memory.
#[test]
fn a_read_only_directory() {
    let dir = tempfile::tempdir().unwrap();
    put(&disk(dir.path()), 0);
    let modes = |mode| {
        for path in ["", "cache", "cache/v3"] {
            fs::set_permissions(dir.path().join(path), Permissions::from_mode(mode)).unwrap();
        }
    };
    modes(0o555);
    // Root may write anywhere: another user looks, where this one can become another.
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "trouble::a_reader", "--nocapture"])
        .env(READER, dir.path())
        .output();
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        reads_only(dir.path());
    } else if let Some(said) = output.ok().map(|o| String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned())
        && !said.contains("setpriv: ")
    {
        assert!(said.contains("test result: ok. 1 passed"), "{said}");
    } else {
        skip("read-only directory: root cannot become another user here");
    }
    modes(0o755);
}

const READER: &str = "ROUTEFUSE_TEST_READER";

/// The other user's part of the test above.
#[test]
fn a_reader() {
    match std::env::var_os(READER) {
        Some(dir) => reads_only(Path::new(&dir)),
        // By itself: a directory that everyone may only read is no trouble to read.
        None => {
            let dir = tempfile::tempdir().unwrap();
            put(&disk(dir.path()), 0);
            assert!(has(&disk(dir.path()), 0));
        }
    }
}

fn reads_only(dir: &Path) {
    let locks = tempfile::tempdir().unwrap();
    let said = in_memory(&dir.join("cache"), options(locks.path()));
    assert!(said.contains("Permission denied"), "{said}");
    assert!(has(&DiskCache::open(dir.join("cache"), options(locks.path())), 0), "what is there is found");
}
