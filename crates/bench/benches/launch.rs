//! Launches on the host, one thread, every check included.
//!
//! `one-token` launches with arguments that were bound before, and with arguments bound anew each time, as a serving loop
//! does. `long-chain` is the chain remap → mask → scale → append → pack at several T: fused, unfused (a kernel an op), and
//! beside them `copy`, a plain copy that reads and writes as many bytes in all as the fused chain's arguments have, and
//! `traffic`, which reads as many as its inputs have, writes as many as its outputs have, and computes nothing. `router` is
//! DeepSeek-V3's with everything behind it, on one thread and on a pool of two.

use criterion::{BenchmarkId, Criterion, Throughput};
use routefuse::Engine;
use routefuse_bench::{Move, five_chains, launch, long_chain, router};
use std::time::Duration;

const TOKENS: [u64; 5] = [64, 1024, 4096, 16_384, 65_536];

fn one_token(c: &mut Criterion) {
    let engine = Engine::builder().build().expect("an engine");
    let mut group = c.benchmark_group("launch/one-token");
    for (name, graph) in five_chains() {
        let mut execution = launch(&engine, &graph, true, 1).expect("a chain compiles");
        let plan = execution.plan().clone();
        {
            let (args, _) = execution.args();
            group.bench_function(BenchmarkId::new("bound", name), |b| b.iter(|| plan.launch(&args)));
        }
        group.bench_function(BenchmarkId::new("binding", name), |b| b.iter(|| plan.launch(&execution.args().0)));
    }
    group.finish();
}

fn long(c: &mut Criterion) {
    let engine = Engine::builder().build().expect("an engine");
    let graph = long_chain();
    let mut group = c.benchmark_group("launch/long-chain");
    for tokens in TOKENS {
        let mut fused = launch(&engine, &graph, true, tokens).expect("the chain compiles");
        let mut unfused = launch(&engine, &graph, false, tokens).expect("the chain compiles");
        let (read, written) = fused.bytes();
        group.throughput(Throughput::Bytes(read + written));
        let (read, written) = (read as usize, written as usize);
        for (name, execution) in [("fused", &mut fused), ("unfused", &mut unfused)] {
            let plan = execution.plan().clone();
            let (args, workspace) = execution.args();
            group.bench_function(BenchmarkId::new(name, tokens), |b| b.iter(|| plan.launch_with(&args, workspace)));
        }
        let half = (read + written) / 2;
        for (name, mut moved) in [("copy", Move::new(half, half)), ("traffic", Move::new(read, written))] {
            group.bench_function(BenchmarkId::new(name, tokens), |b| b.iter(|| moved.run()));
        }
    }
    group.finish();
}

fn whole_router(c: &mut Criterion) {
    let engine = Engine::builder().build().expect("an engine");
    let graph = router();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads");
    let mut group = c.benchmark_group("launch/router");
    for tokens in [1, 65_536] {
        let mut execution = launch(&engine, &graph, true, tokens).expect("the router compiles");
        let plan = execution.plan().clone();
        let (args, _) = execution.args();
        group.bench_function(BenchmarkId::new("one-thread", tokens), |b| b.iter(|| plan.launch(&args)));
        group.bench_function(BenchmarkId::new("two-threads", tokens), |b| b.iter(|| plan.launch_on(&pool, &args)));
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    one_token(&mut criterion);
    long(&mut criterion);
    whole_router(&mut criterion);
    criterion.final_summary();
}
