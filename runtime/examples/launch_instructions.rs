//! Launches plans on the stand-in for NVIDIA's driver, for an instruction counter to count: `scripts/launch-instructions`
//! runs this program under callgrind, which counts what happens inside of [`measured`].
//!
//! The arguments are a graph's name (`e_post_chain`, `deepseek-v3-post`; see `examples/`) and how many launches to make.

#[path = "../tests/cuda/plans.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod plans;
#[path = "../tests/cuda/stand_in.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod stand_in;

use plans::{Manner, args, example, on_gpu, tensors, with_workspace};
use routefuse_runtime::Args;
use routefuse_runtime::cuda::{CudaPlan, Gpu, Launch};

/// What is counted: launches with arguments that were bound before.
#[inline(never)]
fn measured(plan: &CudaPlan, launch: Launch<'_>, args: &Args<'_>, launches: u32) {
    for _ in 0..launches {
        plan.launch(std::hint::black_box(launch), std::hint::black_box(args)).expect("the launch is right");
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let name = words.next().expect("the name of a graph");
    let launches: u32 = words.next().and_then(|n| n.parse().ok()).expect("a number of launches");
    let driver = stand_in::Driver::new();
    let gpu = Gpu::open(0).expect("the stand-in has a GPU");
    let stream = gpu.context().new_stream().expect("the stand-in has streams");
    let plan = on_gpu(&example(&name), &gpu);
    let extents = vec![1; plan.plan().program().symbols.len()];
    let tensors = tensors(plan.plan().program(), &extents, Manner::USUAL);
    let args = args(&tensors, Manner::USUAL, gpu.device());
    let launch = with_workspace(&plan, &stream, &extents);
    // What happens once (a symbol that is bound at its first use) is not counted.
    plan.launch(launch, &args).expect("the launch is right");
    let launched = driver.launched();
    measured(&plan, launch, &args, launches);
    assert_eq!(driver.launched() - launched, launches as usize * plan.plan().program().steps.len());
}
