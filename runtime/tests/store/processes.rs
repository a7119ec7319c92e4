//! Many processes and one cache. The processes are this test program, started anew with a task in its environment.

use crate::fake::{Fake, disk, get, has, kernel, key, options, put};
use routefuse_runtime::{Compiler, DiskCache, KernelCache};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TASK: &str = "ROUTEFUSE_TEST_TASK";
const FOLDER: &str = "ROUTEFUSE_TEST_FOLDER";

/// Another process that does this task in this folder; it waits for a line on its input where the task says so.
fn start(task: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::a_process", "--nocapture", "--test-threads=1"])
        .env(TASK, task)
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Until the process says that it is ready.
fn ready(child: &mut Child) {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the process ended early");
    }
}

/// The other process; as a test, that tasks are known.
#[test]
fn a_process() {
    let Ok(task) = std::env::var(TASK) else {
        let mut child = start("unknown", Path::new("/"));
        return assert!(!child.wait().unwrap().success(), "an unknown task fails");
    };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let say_ready = || {
        println!("ready");
        std::io::stdout().flush().unwrap();
    };
    match task.as_str() {
        // Takes kernels 0 to 2, in its turn.
        "take" => {
            let log = Some(folder.join("compiles"));
            let compiler = Fake { delay: Duration::from_millis(30), log, ..Fake::default() };
            let cache = KernelCache::on_disk(disk(&folder));
            say_ready();
            std::io::stdin().read_exact(&mut [0]).unwrap();
            (0..3).for_each(|n| get(&cache, &compiler, n));
        }
        // Compiles one kernel for ever.
        "hang" => {
            struct Forever;
            // SAFETY: it gives no code.
            unsafe impl Compiler for Forever {
                fn compile(
                    &self,
                    _: &routefuse_ir::Verified<routefuse_ir::kernel::schedule::Scheduled>,
                    _: routefuse_ir::kernel::schedule::Variant,
                ) -> Result<routefuse_ir::artifact::Artifact, routefuse_ir::Diagnostic> {
                    println!("ready");
                    std::io::stdout().flush().unwrap();
                    loop {
                        std::thread::sleep(Duration::from_secs(1));
                    }
                }
                fn version(&self) -> &str {
                    ""
                }
                fn host_cpu(&self) -> &str {
                    ""
                }
            }
            let cache = KernelCache::on_disk(disk(&folder));
            let compile = || Forever.compile(&kernel(0), crate::fake::VARIANT);
            // SAFETY: no code comes of it.
            let _ = unsafe { cache.get_or_compile(&key(0), |_| Ok(()), compile) };
        }
        // Publishes one kernel after another until it is killed.
        "publish" => {
            let disk = DiskCache::open(folder.join("cache"), options(&folder).with(|o| o.max_entries = 40));
            let mut count = File::options().append(true).create(true).open(folder.join("count")).unwrap();
            say_ready();
            for n in 0.. {
                put(&disk, n % 50);
                count.write_all(b"!").unwrap();
            }
        }
        other => panic!("no task `{other}`"),
    }
}

#[test]
fn sixteen_processes_compile_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut children: Vec<Child> = (0..16).map(|_| start("take", dir.path())).collect();
    children.iter_mut().for_each(ready);
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let compiles = fs::read_to_string(dir.path().join("compiles")).unwrap();
    assert_eq!(compiles.lines().count(), 3, "one for each of three kernels");
    assert_eq!(fs::read_dir(dir.path().join("locks")).unwrap().count(), 0, "no lock stays");
}

/// A process that dies while it compiles holds nobody up; one that hangs, only for as long as we are willing to wait.
#[test]
fn a_crashed_or_hanging_holder_blocks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start("hang", dir.path());
    ready(&mut child);
    let options = options(dir.path()).with(|o| o.wait = Duration::from_millis(100));
    let cache = KernelCache::on_disk(DiskCache::open(dir.path().join("cache"), options));
    let compiler = Fake::default();
    let begin = Instant::now();
    get(&cache, &compiler, 0);
    assert!(begin.elapsed() >= Duration::from_millis(100), "it waited");
    assert_eq!(cache.counters().compiles, 1);
    fs::remove_file(cache.disk().unwrap().path(key(0).key())).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let cache = KernelCache::on_disk(disk(dir.path()));
            get(&cache, &Fake::default(), 0);
            cache.counters().compiles
        });
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiter.is_finished());
        let killed = Instant::now();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(waiter.join().unwrap(), 1);
        // The holder would have been waited for longer than this.
        assert!(killed.elapsed() < Duration::from_secs(25), "the lock went with its holder");
    });
}

/// Processes are killed at any moment of 500 publishes and more, beside others that live. No reader ever sees anything but a
/// whole, right entry, or none.
#[test]
fn killed_while_publishing() {
    let dir = tempfile::tempdir().unwrap();
    let reader = disk(dir.path());
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let (mut kills, mut found) = (0, 0);
    // A byte for each publish.
    let published = || fs::metadata(dir.path().join("count")).map_or(0, |m| m.len());
    while published() < 500 || kills < 60 {
        let mut child = start("publish", dir.path());
        ready(&mut child);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros(random >> 48) * 2);
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        found += (0..50).filter(|&n| has(&reader, n)).count();
        assert_eq!(reader.counters().troubles, 0, "{:?}", reader.last_trouble());
        assert!(kills < 400, "only {} publishes in {kills} processes", published());
    }
    assert!(found > kills);
}
