//! Caches that machines share, in real servers, and what becomes of them when the network does its worst.

mod proxy;
mod servers;

use crate::fake::{Fake, VARIANT, code, disk, get, has, kernel, key};
use crate::fixture::{CCompiler, E, K, ids, plan_for, remap_program, remapped, squares};
use crate::trouble::Warnings;
use proxy::{Fault, Proxy};
use routefuse_ir::target::Target;
use routefuse_runtime::{
    Args, Compiler, Content, Entry, HostPlan, KernelCache, Origin, RemoteCache, RemoteOptions, SigningKey, TensorMut,
    TensorRef,
};
use servers::{KINDS, Kind, Server, reader, writer};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A machine: a directory of its own.
fn machine(dir: &Path, remote: RemoteCache) -> KernelCache {
    KernelCache::on_disk(disk(dir)).with_remote(remote)
}

fn bytes(n: i32) -> Vec<u8> {
    Entry::encode(&key(n), &Fake::default().compile(&kernel(n), VARIANT).unwrap()).unwrap()
}

/// Kernels 0 to 2 are there.
fn filled(kind: Kind) -> Server {
    let server = Server::start(kind);
    (0..3).for_each(|n| servers::put(&server.file(key(n).key()), &bytes(n)));
    server
}

/// What one machine compiles, another does not; and it has it on its own disk from then on.
#[test]
fn two_machines_compile_once() {
    for kind in KINDS {
        let (server, first, second) = (Server::start(kind), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let compiler = Fake::default();
        let cache = machine(first.path(), server.cache(writer()));
        (0..3).for_each(|n| get(&cache, &compiler, n));
        let remote = cache.remote().unwrap();
        assert!(remote.flush(Duration::from_secs(60)));
        let counters = remote.counters();
        assert_eq!((counters.misses, counters.written, counters.troubles), (3, 3, 0), "{:?}", remote.last_trouble());
        let objects = server.objects();
        assert_eq!(objects.len(), 3);
        assert!(objects.iter().all(|(path, bytes)| Entry::decode(bytes).is_ok_and(|e| server.file(e.key) == *path)));

        let cache = machine(second.path(), server.cache(reader()));
        (0..3).for_each(|n| get(&cache, &compiler, n));
        assert_eq!((cache.counters().compiles, compiler.calls.load(Ordering::SeqCst)), (0, 3));
        assert_eq!(cache.remote().unwrap().counters().hits, 3);
        let without = disk(second.path());
        assert!((0..3).all(|n| has(&without, n)), "found once, kept here");
        let again = machine(second.path(), server.cache(reader()));
        (0..3).for_each(|n| get(&again, &compiler, n));
        assert_eq!(again.remote().unwrap().counters(), Default::default(), "the disk comes first");
        // A reader writes nothing; what it compiled stays here.
        get(&again, &compiler, 3);
        drop(again);
        assert_eq!(server.objects(), objects);
    }
}

/// What was begun is written before the process ends.
#[test]
fn dropping_waits_for_what_is_being_written() {
    for kind in KINDS {
        let (server, dir) = (Server::start(kind), tempfile::tempdir().unwrap());
        let cache = machine(dir.path(), server.cache(writer()));
        (0..20).for_each(|n| get(&cache, &Fake::default(), n));
        drop(cache);
        assert_eq!(server.objects().len(), 20);
    }
}

/// A folder that machines mount needs no server.
#[test]
fn a_shared_folder() {
    let (dir, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let address = format!("file://{}/not/there/yet", shared.path().display());
    let cache = machine(dir.path(), RemoteCache::open(&address, writer()));
    assert_eq!(cache.remote().unwrap().address(), address);
    get(&cache, &Fake::default(), 1);
    drop(cache);
    assert!(shared.path().join("not/there/yet").join(RemoteCache::object(key(1).key())).exists());
    let cache = KernelCache::new().with_remote(RemoteCache::open(&address, reader()));
    get(&cache, &Fake::default(), 1);
    assert_eq!(cache.counters().compiles, 0, "without a disk, too");
    let entry = cache.remote().unwrap().read(key(1).key()).unwrap().unwrap();
    assert_eq!(entry.artifact().unwrap().code, code(&kernel(1)));
    assert!(cache.remote().unwrap().read(key(2).key()).unwrap().is_none());
}

/// Google's and Azure's clients, with their own ways to say where a server is and who asks: they ask for the same objects.
#[test]
fn other_stores() {
    let server = filled(Kind::WebDav);
    let at = Proxy::before(server.at, Fault::None).at;
    let account = format!(
        r#"{{"gcs_base_url": "http://{at}", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}}"#
    );
    let google = vec![("google_service_account_key", account), ("allow_http", "true".to_owned())];
    let azure = vec![
        ("azure_storage_account_name", "account".to_owned()),
        ("azure_storage_account_key", "c2VjcmV0".to_owned()),
        ("azure_storage_endpoint", format!("http://{at}")),
        ("allow_http", "true".to_owned()),
    ];
    for (address, settings) in [("gs://kernels/team", google), ("az://kernels/team", azure)] {
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let cache =
            KernelCache::new().with_remote(RemoteCache::open(address, reader().with(|o| o.settings = settings)));
        (0..4).for_each(|n| get(&cache, &Fake::default(), n));
        let remote = cache.remote().unwrap();
        let counters = remote.counters();
        let expected = (3, 1, 0);
        assert_eq!(
            (counters.hits, counters.misses, counters.troubles),
            expected,
            "{address}: {:?}",
            remote.last_trouble()
        );
    }
}

/// Whatever a network does: the right kernels in bounded time, one warning, and nothing bad is kept.
#[test]
fn every_fault_is_a_compile() {
    let faults = [
        (Fault::Hangs, "no answer in"),
        (Fault::Drips, ""),
        (Fault::CutShort, ""),
        (Fault::Flips, "is spoilt: "),
        (Fault::Answers(401, "no"), "401"),
        (Fault::Answers(403, "no"), "403"),
        (Fault::Answers(500, "no"), "500"),
        (Fault::Answers(503, "no"), "503"),
        (Fault::Answers(200, ""), "is spoilt: it is cut short in its header"),
        (Fault::Answers(200, "<html>Please log in to the network</html>"), "is spoilt: it is no compiled kernel"),
        (Fault::Noise, ""),
        (Fault::Closes, ""),
    ];
    for (kind, (fault, expected)) in KINDS.into_iter().flat_map(|k| faults.iter().map(move |f| (k, f))) {
        let (server, dir) = (filled(kind), tempfile::tempdir().unwrap());
        let before = server.objects();
        let proxy = Proxy::before(server.at, fault.clone());
        // What answers gets all the time that a busy machine needs.
        let silent = matches!(fault, Fault::Hangs | Fault::Drips);
        let timeout = if silent { Duration::from_millis(400) } else { Duration::from_secs(20) };
        let options = reader().with(|o| {
            o.connect = timeout;
            o.timeout = timeout;
            o.retries = 1;
        });
        let (warnings, compiler, begin) = (Warnings::default(), Fake::default(), Instant::now());
        tracing::subscriber::with_default(warnings.clone(), || {
            let cache = machine(dir.path(), server.cache_at(proxy.at, options));
            (0..3).for_each(|n| get(&cache, &compiler, n));
            assert_eq!(cache.counters().compiles, 3, "{kind:?} {fault:?}");
            let counters = cache.remote().unwrap().counters();
            assert!(counters.hits == 0 && counters.written == 0 && (1..=3).contains(&counters.troubles));
            assert_eq!(cache.disk().unwrap().counters().troubles, 0);
        });
        // Three quick failures, or one slow one: far less than the minute and more that such a server takes.
        assert!(begin.elapsed() < Duration::from_secs(40), "{kind:?} {fault:?}: {:?}", begin.elapsed());
        let said = warnings.said();
        assert!(said.len() == 1 && said[0].contains(expected), "{kind:?} {fault:?}: {said:?}");
        let kept = disk(dir.path());
        for n in 0..3 {
            let entry = kept.read(key(n).key()).unwrap().unwrap();
            assert_eq!((entry.origin, entry.to_bytes().unwrap()), (Origin::Here, bytes(n)), "{kind:?} {fault:?}");
        }
        assert_eq!(kept.list().unwrap().len(), 3);
        assert_eq!(server.objects(), before);
    }
}

/// A server that refuses connections, and one that hangs: a start-up of many kernels is held up once.
#[test]
fn a_dead_remote_costs_a_start_once() {
    let server = Server::start(Kind::WebDav);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hangs = Proxy::before(server.at, Fault::Hangs);
    for at in [nobody, hangs.at] {
        let options = reader().with(|o| o.timeout = Duration::from_millis(1100));
        let dir = tempfile::tempdir().unwrap();
        let cache = machine(dir.path(), server.cache_at(at, options.with(|o| o.write = true)));
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for t in 0..4 {
                let cache = &cache;
                scope.spawn(move || (0..15).for_each(|n| get(cache, &Fake::default(), n * 4 + t)));
            }
        });
        // The server hangs for a minute; asked for every kernel it would take several times that.
        assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
        let counters = cache.remote().unwrap().counters();
        assert_eq!((cache.counters().compiles, counters.hits), (60, 0));
        assert!(counters.skipped >= 40, "{counters:?}");
        let begin = Instant::now();
        drop(cache);
        assert!(begin.elapsed() < Duration::from_secs(40), "writing is given up, too: {:?}", begin.elapsed());
    }
}

/// After a pause it is asked again.
#[test]
fn a_remote_that_comes_back() {
    // Longer than what is done within it takes on a busy machine.
    let pause = Duration::from_secs(6);
    let comes_back = |kind| {
        let (server, dir) = (filled(kind), tempfile::tempdir().unwrap());
        let proxy = Proxy::before(server.at, Fault::Answers(500, "no"));
        let options = reader().with(|o| {
            o.retries = 0;
            o.pause = pause;
        });
        let cache = machine(dir.path(), server.cache_at(proxy.at, options));
        (10..13).for_each(|n| get(&cache, &Fake::default(), n));
        let asked = proxy.heads().len();
        get(&cache, &Fake::default(), 0);
        assert_eq!(proxy.heads().len(), asked, "it is left alone");
        proxy.set(Fault::None);
        std::thread::sleep(pause + Duration::from_millis(100));
        (1..3).for_each(|n| get(&cache, &Fake::default(), n));
        let counters = cache.remote().unwrap().counters();
        assert_eq!((counters.hits, counters.skipped), (2, 1), "{:?}", cache.remote().unwrap().last_trouble());
    };
    std::thread::scope(|scope| KINDS.map(|kind| scope.spawn(move || comes_back(kind))).map(|t| t.join().unwrap()));
}

/// A single failure at the server's end is tried again, and nobody hears of it.
#[test]
fn one_failure_is_tried_again() {
    let (server, dir) = (filled(Kind::S3), tempfile::tempdir().unwrap());
    let proxy = Proxy::before(server.at, Fault::Answers(503, "busy"));
    let patient = reader().with(|o| o.retries = 20);
    let cache = machine(dir.path(), server.cache_at(proxy.at, patient));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while proxy.heads().is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            proxy.set(Fault::None);
        });
        get(&cache, &Fake::default(), 0);
    });
    assert_eq!((cache.counters().compiles, cache.remote().unwrap().counters().troubles), (0, 0));
}

/// Objects that were changed, cut, swapped or written by another version, where they lie.
#[test]
fn objects_that_are_not_what_was_written() {
    for kind in KINDS {
        let (server, good) = (filled(kind), bytes(0));
        let file = server.file(key(0).key());
        let remote = server.cache(reader());
        for at in (0..good.len()).step_by(29) {
            let mut changed = good.clone();
            changed[at] ^= 1 << (at % 8);
            for bytes in [&changed[..], &good[..at], &[&good[..], &[0]].concat()] {
                servers::put(&file, bytes);
                assert!(!matches!(remote.read(key(0).key()), Ok(Some(_))), "{kind:?} byte {at}");
            }
        }
        servers::put(&file, &bytes(1));
        let cache = KernelCache::new().with_remote(server.cache(reader()));
        get(&cache, &Fake::default(), 0);
        assert_eq!(cache.counters().compiles, 1);
        let said = cache.remote().unwrap().last_trouble().unwrap();
        assert!(said.ends_with(".rfk is the code of another kernel than its name says"), "{said}");
        // Two versions of the format share a bucket; were one's object in the other's place, it would be no trouble.
        let mut newer = good.clone();
        newer[8] += 1;
        servers::put(&file, &newer);
        servers::put(&server.folder.join("team/v4/aa/aa.rfk"), &newer);
        let cache = KernelCache::new().with_remote(server.cache(writer()));
        get(&cache, &Fake::default(), 0);
        assert_eq!((cache.counters().compiles, cache.remote().unwrap().counters().troubles), (1, 0));
        drop(cache);
        assert_eq!(std::fs::read(&file).unwrap(), good, "a writer puts it right");
        assert_eq!(std::fs::read(server.folder.join("team/v4/aa/aa.rfk")).unwrap(), newer);
    }
}

/// Sound code that does not load here is compiled, and said.
#[test]
fn what_does_not_load_is_compiled() {
    let (server, compiler) = (Server::start(Kind::WebDav), CCompiler::new());
    let cache = Arc::new(KernelCache::new().with_remote(server.cache(writer())));
    let plan =
        |cache: &Arc<KernelCache>| plan_for(remap_program(), Target::host(), Arc::clone(&compiler), Arc::clone(cache));
    plan(&cache).prepare().unwrap();
    assert!(cache.remote().unwrap().flush(Duration::from_secs(20)));
    let (file, bytes) = server.objects().remove(0);
    let mut entry = Entry::decode(&bytes).unwrap();
    let Content::Kernel(artifact) = &mut entry.content else { panic!("a kernel") };
    artifact.code = b"no machine code".to_vec();
    servers::put(&file, &entry.to_bytes().unwrap());
    let cache = Arc::new(KernelCache::new().with_remote(server.cache(reader())));
    plan(&cache).prepare().unwrap();
    assert_eq!(cache.counters().compiles, 1);
    let said = cache.remote().unwrap().last_trouble().unwrap();
    assert!(said.contains("cannot be used: RF0805"), "{said}");
}

/// A launch waits for no network: a plan that was not prepared compiles. A prepared one takes what is there.
#[test]
fn a_launch_asks_nobody() {
    let (server, compiler) = (Server::start(Kind::S3), CCompiler::new());
    let proxy = Proxy::before(server.at, Fault::None);
    let cache = || Arc::new(KernelCache::new().with_remote(server.cache_at(proxy.at, reader())));
    let (ids, map) = (ids(9), squares());
    let launch = |cache: &Arc<KernelCache>, prepared: bool| {
        let plan = plan_for(remap_program(), Target::host(), Arc::clone(&compiler), Arc::clone(cache));
        let plan = HostPlan::new(plan).unwrap();
        if prepared {
            plan.prepare().unwrap();
        }
        let mut out = vec![0; ids.len()];
        let mut args = Args::new();
        args.input(TensorRef::new(&ids, &[9, K])).input(TensorRef::new(&map, &[E]));
        args.output(TensorMut::new(&mut out, &[9, K]));
        plan.launch(&args).unwrap();
        assert_eq!(out, remapped(&ids));
    };
    launch(&cache(), false);
    assert!(proxy.heads().is_empty());
    launch(&cache(), true);
    assert_eq!(proxy.heads().len(), 1);
}

/// A caller that is itself within a runtime may prepare.
#[test]
fn within_a_runtime() {
    let server = filled(Kind::WebDav);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cache = KernelCache::new().with_remote(server.cache(reader()));
        get(&cache, &Fake::default(), 0);
        assert_eq!(cache.counters().compiles, 0);
    });
}

/// The address's password goes to the server and nowhere else.
#[test]
fn a_password_is_not_said() {
    let server = filled(Kind::WebDav);
    let proxy = Proxy::before(server.at, Fault::Answers(401, "no"));
    let address = format!("http://me:s3cr3t@{}/kernels/team", proxy.at);
    let cache = KernelCache::new().with_remote(RemoteCache::open(&address, reader()));
    get(&cache, &Fake::default(), 0);
    assert!(proxy.heads()[0].contains("authorization: Basic bWU6czNjcjN0\r\n"), "{:?}", proxy.heads());
    let remote = cache.remote().unwrap();
    let said = format!("{remote:?} {} {}", remote.address(), remote.last_trouble().unwrap());
    assert!(said.contains("401") && !said.contains("s3cr3t"), "{said}");
    let settings = vec![("aws_secret_access_key".to_owned(), "s3cr3t".to_owned())];
    let said = format!("{:?}", RemoteOptions::default().with(|o| o.settings = settings));
    assert!(said.contains("aws_secret_access_key") && !said.contains("s3cr3t"), "{said}");
}

/// An address that is none, or a store that cannot be: one warning, and kernels are compiled.
#[test]
fn what_is_no_remote() {
    let unknown = vec![("aws_colour".to_owned(), "blue".to_owned())];
    for (address, settings, expected) in [
        ("ftp://host/kernels", vec![], "no store has addresses of this kind"),
        ("kernels", vec![], "it is no address"),
        ("s3://kernels", unknown, "it has no setting `aws_colour`"),
    ] {
        let warnings = Warnings::default();
        tracing::subscriber::with_default(warnings.clone(), || {
            let remote = RemoteCache::open(address, writer().with(|o| o.settings = settings));
            assert!(remote.read(key(1).key()).is_err() && remote.flush(Duration::ZERO));
            let cache = KernelCache::new().with_remote(remote);
            (0..3).for_each(|n| get(&cache, &Fake::default(), n));
            assert_eq!(cache.counters().compiles, 3);
        });
        let said = warnings.said();
        assert!(said.len() == 1 && said[0].contains(expected), "{said:?}");
    }
}

/// Of many threads and processes of one machine, one asks.
#[test]
fn one_asks_for_all_of_a_machine() {
    let (server, dir) = (filled(Kind::S3), tempfile::tempdir().unwrap());
    let proxy = Proxy::before(server.at, Fault::None);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let cache = machine(dir.path(), server.cache_at(proxy.at, reader()));
                (0..3).for_each(|n| get(&cache, &Fake::default(), n));
                assert_eq!(cache.counters().compiles, 0);
            });
        }
    });
    assert_eq!(proxy.heads().len(), 3);
}

/// Where signatures are required, kernels that are not signed, or by others, or whose signature is another kernel's, are compiled.
#[test]
fn only_what_is_signed() {
    let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let trusting = |server: &Server| {
        let require_signed = Some(vec![ours.public()]);
        server.cache(reader().with(|o| o.require_signed = require_signed))
    };
    for kind in KINDS {
        let (server, dir) = (Server::start(kind), tempfile::tempdir().unwrap());
        let cache = KernelCache::new().with_remote(server.cache(writer().with(|o| o.sign = Some(ours.clone()))));
        (0..3).for_each(|n| get(&cache, &Fake::default(), n));
        drop(cache);
        assert!(
            server.objects().iter().all(|(_, bytes)| Entry::decode(bytes).unwrap().signer() == Some(ours.public()))
        );
        let cache = machine(dir.path(), trusting(&server));
        (0..3).for_each(|n| get(&cache, &Fake::default(), n));
        assert_eq!((cache.counters().compiles, cache.remote().unwrap().counters().troubles), (0, 0));
        // It keeps its signature on the disk.
        let kept = std::fs::read(disk(dir.path()).path(key(1).key())).unwrap();
        assert_eq!(server.objects().iter().filter(|(_, bytes)| *bytes == kept).count(), 1);
        // Who requires nothing takes it as well.
        let cache = KernelCache::new().with_remote(server.cache(reader()));
        get(&cache, &Fake::default(), 0);
        assert_eq!(cache.counters().compiles, 0);

        let signed = |n: i32, by: &SigningKey| {
            Entry::encode_signed(&key(n), &Fake::default().compile(&kernel(n), VARIANT).unwrap(), by).unwrap()
        };
        let moved = [bytes(0), signed(1, &ours)[bytes(1).len()..].to_vec()].concat();
        for (object, expected) in [
            (bytes(0), "it is not signed, and a signature is required"),
            (signed(0, &other), "whose signature is not one of those that are required"),
            (moved, "its signature is not one of its bytes by the key it names"),
            (signed(1, &ours), "is the code of another kernel than its name says"),
        ] {
            let (dir, warnings) = (tempfile::tempdir().unwrap(), Warnings::default());
            servers::put(&server.file(key(0).key()), &object);
            tracing::subscriber::with_default(warnings.clone(), || {
                let cache = machine(dir.path(), trusting(&server));
                (0..3).for_each(|n| get(&cache, &Fake::default(), n));
                assert_eq!((cache.counters().compiles, cache.remote().unwrap().counters().hits), (1, 2));
            });
            let said = warnings.said();
            assert!(said.len() == 1 && said[0].contains(expected), "{said:?}");
        }
    }
}
