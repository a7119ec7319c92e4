//! Cold compiles: from the graph to code that is ready to run, or to be given to a driver. Every iteration makes a new MLIR
//! context and a new target machine, and finds nothing in a cache.
//!
//! `host` is the work of `compile` and `prepare`, loading included. `sm_90` and `gfx942` are one variant, which is what one
//! shape signature costs; `four variants` is all that `prepare` makes for a GPU.

use criterion::Criterion;
use routefuse::inspect;
use routefuse::{Engine, Error, Graph, Options, Target, Verified};
use routefuse_bench::{five_chains, long_chain};
use std::hint::black_box;
use std::time::Duration;

fn host(graph: &Verified<Graph>) -> Result<(), Error> {
    let plan = Engine::builder().build()?.compile(graph, &Target::host(), &Options::default())?;
    plan.prepare()?;
    black_box(&plan);
    Ok(())
}

fn device(graph: &Verified<Graph>, target: Target, variants: usize) -> Result<(), Error> {
    let stages = Engine::builder().build()?.stages(graph, &target, &Options::default())?;
    for kernel in &stages.kernels {
        for &variant in kernel.variants().iter().take(variants) {
            black_box(inspect::compile(kernel, variant)?);
        }
    }
    Ok(())
}

fn cold(c: &mut Criterion) {
    let chains = five_chains();
    let mut group = c.benchmark_group("cold/host");
    for (name, graph) in &chains {
        group.bench_function(*name, |b| b.iter(|| host(graph).expect("a chain compiles")));
    }
    group.finish();
    for name in ["sm_90", "gfx942"] {
        let target = Target::named(name).expect("a target of the table");
        let mut group = c.benchmark_group(format!("cold/{name}"));
        for (name, graph) in &chains {
            group.bench_function(*name, |b| b.iter(|| device(graph, target, 1).expect("a chain compiles")));
        }
        let graph = long_chain();
        group.bench_function("e_post_chain, four variants", |b| {
            b.iter(|| device(&graph, target, 4).expect("a chain compiles"));
        });
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    cold(&mut criterion);
    criterion.final_summary();
}
