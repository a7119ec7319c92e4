//! How a worker starts from a bundle: no compiler, no LLVM, nothing compiled or loaded once it serves.
//!
//! ```text
//! routefuse bundle build examples/c_pack.route examples/e_post_chain.route -o model.rfb
//! cargo run --release -p routefuse --no-default-features --example serve -- model.rfb
//! ```
//! With a second argument, a file of public keys, the bundle has to be signed by one of them (`--features signatures`). Without
//! it, whoever made the file runs code as you.

use routefuse::cache::Trust;
use routefuse::{Engine, Plan, Target};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("the path of a bundle, as `routefuse bundle build` makes it")?;
    let start = Instant::now();
    let trust = match args.next() {
        Some(keys) => signed_by(&keys)?,
        None => Trust::anyone(),
    };
    let engine = Engine::from_bundle(&path, &trust)?;
    let (names, plans): (Vec<_>, Vec<_>) = engine.bundled_plans(&Target::host())?.into_iter().unzip();
    Plan::prepare_all(&plans, None, &|_| ())?;
    let time = start.elapsed();
    let sealed = engine.sealed();

    for (name, plan) in names.iter().zip(&plans) {
        let program = plan.program();
        let ports = |list: &[routefuse::ir::Port]| list.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
        println!(
            "{name}: {} -> {}, {} kernel(s)",
            ports(&program.inputs),
            ports(&program.outputs),
            plan.kernels().len()
        );
    }
    println!("{} plans ready in {:.2} ms: {:?}", plans.len(), time.as_secs_f64() * 1e3, engine.counters());

    // Serving: `engine.plan("c_pack")?.launch(&args)`, as in the example `embed`. Whatever happened, nothing was compiled or
    // loaded.
    sealed.check()?;
    Ok(())
}

/// Whoever holds one of the keys in a file.
#[cfg(feature = "signatures")]
fn signed_by(keys: &str) -> Result<Trust, Box<dyn std::error::Error>> {
    Ok(Trust::signed_by(routefuse::cache::PublicKey::read(keys.as_ref())?))
}

#[cfg(not(feature = "signatures"))]
fn signed_by(_: &str) -> Result<Trust, Box<dyn std::error::Error>> {
    Err("who signed a bundle is only checked in builds with the feature `signatures`".into())
}
