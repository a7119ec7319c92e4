//! How an engine embeds routefuse: compile a routing graph at model load, launch it on the engine's own memory.
//!
//! ```text
//! cargo run --release -p routefuse --example embed
//! ```
//! The graph is the long chain: remap, scale, append the shared expert, padding mask, pack.

use routefuse::{Args, Engine, HostPlan, Options, Target, TensorMut, TensorRef, chains::PostChain};
use std::time::Instant;

/// The model's sizes, as the graph declares them: experts, experts a token, with the shared one.
const E: usize = 256;
const K: usize = 8;
const K1: usize = K + 1;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The same graph as text is `examples/e_post_chain.route` of the repository; `text::parse_verified` reads it.
    let graph = PostChain { experts: E as u64, top_k: K as u64, shared: 1, ..PostChain::default() }.graph()?;

    // Model load: one engine, one plan, every kernel compiled and loaded before the first request.
    let engine = Engine::builder().build()?;
    let start = Instant::now();
    let plan = HostPlan::new(engine.compile(&graph, &Target::host(), &Options::default())?)?;
    plan.prepare()?;
    println!(
        "@{}: {} operations in {} kernel(s), compiled in {:.1} ms",
        graph.name,
        graph.op_count(),
        plan.plan().kernels().len(),
        start.elapsed().as_secs_f64() * 1e3
    );

    // Serving: the engine's buffers, sized for the largest batch; any number of rows, no compilation, no allocation.
    let most = 2048;
    let map: Vec<i32> = (0..E as i32).map(|e| (e * 37 + 11) % E as i32).collect();
    let ids: Vec<i32> = (0..most * K).map(|i| (i * 97 % E) as i32).collect();
    let weights: Vec<f32> = (0..most * K).map(|i| 1.0 / (1 + i % 7) as f32).collect();
    let shared = vec![half::bf16::from_f32(0.5); most];
    let (mut packed, mut ids_out) = (vec![0i32; most * K1], vec![0i32; most * K1]);
    let mut weights_out = vec![0f32; most * K1];
    for t in [1usize, 2, 64, most] {
        // The last quarter of the rows is padding.
        let n = (t - t / 4) as i32;
        let rows = t as u64;
        let mut args = Args::new();
        args.named_input("ids", TensorRef::new(&ids, &[rows, K as u64]))
            .named_input("weights", TensorRef::new(&weights, &[rows, K as u64]))
            .named_input("map", TensorRef::new(&map, &[E as u64]))
            .named_input("n", TensorRef::scalar(&n))
            .named_input("shared_weights", TensorRef::new(&shared, &[rows, 1]))
            .named_output("packed", TensorMut::new(&mut packed, &[rows, K1 as u64]))
            .named_output("ids_out", TensorMut::new(&mut ids_out, &[rows, K1 as u64]))
            .named_output("weights_out", TensorMut::new(&mut weights_out, &[rows, K1 as u64]));
        let start = Instant::now();
        plan.launch(&args)?;
        let time = start.elapsed();

        let last = (t - 1) * K1..t * K1;
        println!("\nT = {t}, {n} of them real: {:.2} µs", time.as_secs_f64() * 1e6);
        println!("  first row  ids {:?}", &ids_out[..K1]);
        println!("         weights {:?}", &weights_out[..K1]);
        println!("          packed {:08x?}", &packed[..K1]);
        println!("  last row   ids {:?}", &ids_out[last]);
    }

    // A mistake is an error that says what is wrong, before anything is written.
    let mut args = Args::new();
    args.named_input("ids", TensorRef::new(&ids, &[1, 7]));
    if let Err(e) = plan.launch(&args) {
        println!("\n{e}");
    }
    println!("\n{:?}", engine.counters());
    Ok(())
}
