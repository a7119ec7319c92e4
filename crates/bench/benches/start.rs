//! Starting again: kernels found in memory, on disk and in a bundle, and a model of equal layers.

use criterion::Criterion;
use routefuse::cache::{Bundle, DiskCache, DiskOptions, Trust};
use routefuse::models::{ModelOptions, PRESETS};
use routefuse::{Engine, Graph, Options, Plan, Target, Verified};
use routefuse_bench::long_chain;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn engine(dir: &Path) -> Engine {
    let options = DiskOptions::default().with(|o| o.locks = Some(dir.join("locks")));
    Engine::builder().disk_cache(DiskCache::open(dir.join("cache"), options)).build().expect("an engine")
}

fn prepared(engine: &Engine, graph: &Verified<Graph>) -> Arc<Plan> {
    let plan = engine.compile(graph, &Target::host(), &Options::default()).expect("the graph compiles");
    plan.prepare().expect("its kernels compile");
    plan
}

fn start(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (graph, host) = (long_chain(), Target::host());
    let warm = engine(dir.path());
    let plan = prepared(&warm, &graph);
    let mut group = c.benchmark_group("start");

    group.bench_function("memory hit, an equal graph", |b| {
        b.iter(|| black_box(warm.compile(&graph, &host, &Options::default())).is_ok());
    });
    group.bench_function("memory hit, a bound plan", |b| b.iter(|| black_box(plan.prepare()).is_ok()));

    // The kernel alone: read, checked, loaded.
    let key = &warm.keys(&graph, &host, &Options::default()).expect("keys")[0].key;
    let disk = warm.cache().disk().expect("a disk");
    group.bench_function("disk hit, read and checked", |b| b.iter(|| black_box(disk.lookup(key)).is_some()));
    group.bench_function("disk hit, engine to loaded plan", |b| {
        b.iter(|| {
            let engine = engine(dir.path());
            black_box(prepared(&engine, &graph));
            assert_eq!(engine.counters().compiles, 0);
        });
    });

    let models: Vec<(String, Verified<Graph>)> =
        PRESETS.iter().filter_map(|p| Some((p.name.to_owned(), p.graph(&ModelOptions::default()).ok()?))).collect();
    let maker = engine(dir.path());
    let bundle = maker.bundle(&models, &[host], &Options::default(), None, &|_| ());
    if let Ok(bundle) = bundle {
        let path = dir.path().join("all.rfb");
        std::fs::write(&path, bundle.finish()).expect("a bundle is written");
        group.bench_function(format!("bundle of {} models, read and checked", models.len()), |b| {
            b.iter(|| black_box(Bundle::read(&path)).is_ok());
        });
        group.bench_function(format!("bundle of {} models, file to loaded plans", models.len()), |b| {
            b.iter(|| {
                let engine = Engine::from_bundle(&path, &Trust::anyone()).expect("the bundle is good");
                let plans: Vec<_> = engine.bundled_plans(&host).expect("plans").into_iter().map(|p| p.1).collect();
                Plan::prepare_all(&plans, None, &|_| ()).expect("every kernel is there");
                assert_eq!(engine.counters().compiles, 0);
            });
        });
    } else {
        println!("start: the models do not all compile for the host; their bundle is left out");
    }
    group.finish();

    let mut group = c.benchmark_group("start/cold");
    for layers in [1, 58] {
        let graphs = vec![graph.clone(); layers];
        group.bench_function(format!("{layers} equal layers"), |b| {
            b.iter(|| {
                let engine = Engine::builder().build().expect("an engine");
                let plans = engine.compile_all(&graphs, &host, &Options::default(), None, &|_| ());
                black_box(plans.expect("the layers compile"));
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    start(&mut criterion);
    criterion.final_summary();
}
