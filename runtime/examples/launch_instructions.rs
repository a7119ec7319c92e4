//! Launches plans on the stand-ins for the drivers of both vendors, for an instruction counter to count:
//! `scripts/launch-instructions` runs this program under callgrind, which counts what happens inside of [`measured`].
//!
//! The arguments are `cuda` or `hip`, a graph's name (`e_post_chain`, `deepseek-v3-post`; see `examples/`), or that of a file in
//! `tests/corpus/` behind `corpus/`, how many launches to make, and of how many rows: one if nothing is said.

#[path = "../tests/stand_in/cuda.rs"]
mod cuda;
#[path = "../tests/stand_in/hip.rs"]
mod hip;
#[path = "../tests/stand_in/plans.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod plans;
#[path = "../tests/stand_in/vendor.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod vendor;

use plans::{Manner, args, example, of_corpus, on_gpu, tensors, with_workspace};
use routefuse_runtime::Args;
use routefuse_runtime::gpu::{GpuPlan, Launch};
use vendor::{StandIn, Vendor};

/// What is counted: launches with arguments that were bound before.
#[inline(never)]
fn measured<V: Vendor>(plan: &GpuPlan<V>, launch: Launch<'_, V>, args: &Args<'_>, launches: u32) {
    for _ in 0..launches {
        plan.launch(std::hint::black_box(launch), std::hint::black_box(args)).expect("the launch is right");
    }
}

fn launch<V: Vendor>(name: &str, launches: u32, rows: u64) {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let stream = V::stream(&gpu);
    let graph = name.strip_prefix("corpus/").map_or_else(|| example(name), of_corpus);
    let plan = on_gpu(&graph, &gpu);
    let extents = graph.extents_of_rows(rows);
    let tensors = tensors(plan.plan().program(), &extents, Manner::USUAL);
    let args = args(&tensors, Manner::USUAL, gpu.device());
    let launch = with_workspace(&plan, &stream, &extents);
    // What happens once (a symbol that is bound at its first use) is not counted.
    plan.launch(launch, &args).expect("the launch is right");
    let (each, launched) = (driver.launched(), driver.launched());
    measured(&plan, launch, &args, launches);
    assert_eq!(driver.launched() - launched, launches as usize * each);
}

fn main() {
    let mut words = std::env::args().skip(1);
    let vendor = words.next().expect("`cuda` or `hip`");
    let name = words.next().expect("the name of a graph");
    let launches: u32 = words.next().and_then(|n| n.parse().ok()).expect("a number of launches");
    let rows: u64 = words.next().map_or(1, |n| n.parse().expect("a number of rows"));
    match vendor.as_str() {
        "cuda" => launch::<routefuse_runtime::cuda::Cuda>(&name, launches, rows),
        "hip" => launch::<routefuse_runtime::hip::Hip>(&name, launches, rows),
        other => panic!("`{other}` is neither `cuda` nor `hip`"),
    }
}
