//! A cache's directory as an attacker leaves it: files, links, pipes, second names and directories under the names that a cache
//! uses, of any permissions, whole, cut and changed. Nothing panics, hangs or writes elsewhere; who requires signatures runs what
//! the compiler made, what this process kept, or what the key has signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use routefuse_generate::Choices;
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::abi;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::Target;
use routefuse_ir::{Diagnostic, Verified, text};
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule;
use routefuse_runtime::{Compiler, DiskCache, DiskOptions, Entry, KernelCache, KeyText, SigningKey};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

struct Fake;

// SAFETY: the code is for a GPU, and there is none.
unsafe impl Compiler for Fake {
    fn compile(&self, kernel: &Verified<Scheduled>, variant: Variant) -> Result<Artifact, Diagnostic> {
        Ok(artifact(kernel, variant, b"// compiled"))
    }

    fn version(&self) -> &str {
        "fuzz 1"
    }

    fn host_cpu(&self) -> &str {
        "none"
    }
}

fn artifact(kernel: &Scheduled, variant: Variant, code: &[u8]) -> Artifact {
    let slots = abi::slots(&kernel.kernel, kernel.target);
    let (schedule, entry) = (kernel.schedule.clone(), "routefuse_kernel".to_owned());
    Artifact { target: kernel.target, variant, schedule, slots, entry, format: CodeFormat::Ptx, code: code.to_vec() }
}

/// What there is to be put under a name.
struct Parts {
    key: KeyText,
    kernel: Verified<Scheduled>,
    signer: SigningKey,
    /// Entries of this and of another key, by ourselves, by a stranger, and signed by either.
    entries: Vec<Vec<u8>>,
}

const STRANGE: &[u8] = b"// a stranger's";

static PARTS: LazyLock<Parts> = LazyLock::new(|| {
    let kernel = |n: u32| {
        let graph =
            format!("route 1\ngraph @g {{\n  dim T\n  input %x : i32[T, {n}]\n  %y = neg %x\n  output y = %y\n}}\n");
        let program =
            compile_graph(text::parse_verified(&graph).expect("a graph"), &Options::default()).expect("a program");
        schedule(program.program.steps[0].kernel.clone(), Target::named("sm_90").expect("a target"))
            .expect("a schedule")
    };
    let keys = [SigningKey::generate().expect("a key"), SigningKey::generate().expect("a key")];
    let mut entries = Vec::new();
    for n in [4, 5] {
        let kernel = kernel(n);
        let variant = kernel.variants()[0];
        let key = KeyText::of(&kernel, variant, &Fake);
        let strange = artifact(&kernel, variant, STRANGE);
        entries.extend(Entry::encode(&key, &strange));
        entries.extend(Entry::encode_signed(&key, &strange, &keys[1]));
        entries.extend(Entry::encode_signed(&key, &artifact(&kernel, variant, b"// signed"), &keys[0]));
        // What only a process of the directory's owner writes.
        let dir = tempfile::tempdir().expect("a folder");
        let disk = DiskCache::open(
            dir.path().join("cache"),
            DiskOptions::default().with(|o| o.locks = Some(dir.path().join("locks"))),
        );
        assert!(disk.publish(&key, &artifact(&kernel, variant, b"// kept")));
        entries.push(fs::read(disk.path(key.key())).expect("it was just written"));
    }
    let kernel = kernel(4);
    let key = KeyText::of(&kernel, kernel.variants()[0], &Fake);
    let [signer, _] = keys;
    Parts { key, kernel, signer, entries }
});

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::of_bytes(bytes);
    let dir = tempfile::tempdir().expect("a folder");
    let (cache, precious) = (dir.path().join("cache"), dir.path().join("precious"));
    fs::create_dir_all(cache.join("v2")).expect("a folder");
    fs::write(&precious, b"precious").expect("a file");
    for _ in 0..choices.of(&[1, 2, 3, 5, 8]) {
        put(&mut choices, &cache.join("v2"), &precious);
    }
    if choices.of(&[0, 0, 0, 1]) == 1 {
        let at = choices.of(&[cache.clone(), cache.join("v2")]);
        fs::set_permissions(at, Permissions::from_mode(choices.of(&[0o777, 0o775, 0o555, 0o755]))).expect("ours");
    }
    let options = DiskOptions::default().with(|o| {
        o.locks = Some(dir.path().join("locks"));
        o.wait = Duration::ZERO;
        o.max_entries = choices.of(&[1, 3, 1000]);
        o.read_only = choices.of(&[0, 0, 1]) == 1;
        o.require_signed = Some(vec![PARTS.signer.public()]);
    });
    use_it(&DiskCache::open(&cache, options.clone()), DiskCache::open(&cache, options));
    assert_eq!(fs::read(&precious).expect("it stays"), b"precious");
});

/// Something under one of the names that mean something.
fn put(choices: &mut Choices, at: &Path, precious: &Path) {
    let (own, other) = (format!("{}.rfk", PARTS.key.key()), format!("{}.rfk", "0".repeat(64)));
    let name = choices.of(&[own.as_str(), &own, &own, &other, "uses", "quarantine", ".writing-1", "what else"]);
    let path = at.join(name);
    // What is there stays.
    match choices.of(&[0, 0, 0, 0, 1, 2, 3, 4]) {
        0 => {
            let mut bytes = choices.of(&PARTS.entries);
            match choices.of(&[0, 0, 1, 2, 3]) {
                1 => bytes.truncate(choices.bits() as usize % (bytes.len() + 1)),
                2 => {
                    let at = choices.bits() as usize % bytes.len();
                    bytes[at] ^= 1 << (choices.bits() % 8);
                }
                3 => bytes.extend_from_slice(&choices.bits().to_le_bytes()),
                _ => {}
            }
            if !path.exists() && fs::write(&path, bytes).is_ok() {
                let mode = choices.of(&[0o644, 0o644, 0o600, 0o664, 0o666, 0o000]);
                let _ = fs::set_permissions(&path, Permissions::from_mode(mode));
            }
        }
        1 => drop(symlink(choices.of(&[precious, &at.join(&own), &path, Path::new("/dev/zero")]), &path)),
        2 => drop(mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o644), 0)),
        3 => drop(fs::hard_link(precious, &path)),
        _ => drop(fs::create_dir_all(path.join("inside"))),
    }
}

fn use_it(disk: &DiskCache, for_kernels: DiskCache) {
    let Parts { key, kernel, .. } = &*PARTS;
    let variant = kernel.variants()[0];
    if let Ok(Some(entry)) = disk.read(key.key()) {
        assert_eq!(entry.key, key.key());
        let _ = disk.trusted(&entry);
    }
    if let Some(found) = disk.lookup(key) {
        assert_ne!(found.code, STRANGE, "not signed by the key that is required");
    }
    let cache = KernelCache::on_disk(for_kernels);
    // SAFETY: the code is for a GPU, and there is none.
    let got = unsafe { cache.get_or_compile(key, |_| Ok(()), || Fake.compile(kernel, variant)) };
    assert_ne!(got.expect("compiled, if nothing else").artifact().code, STRANGE);
    let _ = (disk.list().map(|l| l.len()), disk.quarantined().len(), disk.counters(), disk.last_trouble());
    let _ = disk.collect();
    let _ = disk.clear();
}
