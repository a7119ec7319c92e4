//! What is paid once a plan is there: finding it again by an equal graph, and launching it.

use criterion::Criterion;
use routefuse::{Engine, Options, Target};
use routefuse_bench::{launch, long_chain};
use std::hint::black_box;
use std::time::Duration;

fn hit(c: &mut Criterion) {
    let engine = Engine::builder().build().expect("an engine");
    let mut execution = launch(&engine, &long_chain(), true, 1).expect("the chain compiles");
    let plan = execution.plan().clone();
    // Another graph, equal to the one that was compiled.
    let graph = long_chain();
    let mut group = c.benchmark_group("hit");
    group.bench_function("compile, plan in memory", |b| {
        b.iter(|| black_box(engine.compile(&graph, &Target::host(), &Options::default())).is_ok());
    });
    group.bench_function("prepare, prepared", |b| b.iter(|| black_box(plan.prepare()).is_ok()));
    let (args, _) = execution.args();
    group.bench_function("launch, T = 1", |b| b.iter(|| plan.launch(&args)));
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    hit(&mut criterion);
    criterion.final_summary();
}
