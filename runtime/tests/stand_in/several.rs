//! Launches of several kernels, some of which are for some numbers of rows: as light as those of one.

use crate::launch::COMPARES;
use crate::plans::*;
use crate::vendor::{StandIn, Vendor};
use routefuse_allocations as allocations;
use routefuse_ir::Code;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_runtime::gpu::GpuPlan;

/// What crosses rows: from ids, where memory lies between the phases of one kernel; behind a router; and with zeros, which have no rows.
/// The first three have dims of capacity.
const GRAPHS: [&str; 6] = [
    "bins_bounded",
    "bins_vllm_align",
    "bins_behind_a_router",
    "bins_counts_behind_a_router",
    "bins_counts_of_the_second_dim",
    "bins_deepep_layout",
];

/// Numbers of rows at which a launch is another.
fn rows_of<V: Vendor>(plan: &GpuPlan<V>) -> Vec<u64> {
    let taken = plan.plan().program().steps.iter().filter_map(|step| step.taken);
    let ranges = taken.flat_map(|t| t.ranges());
    let mut rows: Vec<u64> = ranges.flat_map(|(least, most)| [Some(least), most]).flatten().collect();
    rows.extend(plan.plan().kernels().iter().filter_map(|k| match k.schedule {
        Schedule::Phased { most_rows, .. } => Some(most_rows),
        _ => None,
    }));
    rows = rows.into_iter().flat_map(|rows| [rows.saturating_sub(1), rows, rows + 1]).chain([1, 7]).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

pub fn launches_of_several_kernels_are_quick<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let stream = V::stream(&gpu);
    let (mut launches, mut most) = (0, 0);
    for name in GRAPHS {
        let graph = of_corpus(name);
        let plan = on_gpu(&graph, &gpu);
        assert!(format!("{plan:?}").contains("quick: true"), "{name}");
        for rows in rows_of(&plan) {
            let mut extents = graph.extents_of_rows(rows);
            if name == "bins_counts_of_the_second_dim" {
                extents[0] += 5;
            }
            for (off, named, dependent) in [(0, true, false), (0, false, true), (1, true, false)] {
                let manner = Manner { off, named, ..Manner::USUAL };
                let tensors = tensors(plan.plan().program(), &extents, manner);
                let args = args(&tensors, manner, gpu.device());
                let launch = with_workspace(&plan, &stream, &extents).dependent(dependent);
                let (calls, before) = (driver.launched(), allocations::of_this_thread());
                plan.launch(launch, &args).unwrap_or_else(|e| panic!("{name}, {rows} rows: {e}"));
                // A quick one is compared with a thorough one, in which memory begins at any multiple of its elements, and which may
                // have no rows.
                let compared = COMPARES && off == 0 && rows > 0;
                assert_eq!(allocations::of_this_thread() > before, compared, "{name}, {rows} rows: allocations");
                let made = driver.launched() - calls;
                assert_eq!(made, plan.plan().launches(&extents).unwrap(), "{name}, {rows} rows");
                (launches, most) = (launches + 1, most.max(made));
            }
        }
    }
    assert!(launches > 150 && most == 4, "{launches} launches of up to {most} kernels");
}

/// What is wrong is refused before the driver is called: the first kernel is not launched either.
pub fn what_several_refuse_calls_nothing<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let stream = V::stream(&gpu);
    let graph = of_corpus("bins_behind_a_router");
    let plan = on_gpu(&graph, &gpu);
    let extents = graph.extents_of_rows(1000);
    let good = tensors(plan.plan().program(), &extents, Manner::USUAL);
    let bytes = plan.plan().workspace_size(&extents).unwrap();
    assert!(bytes > 0);
    let launch = |tensors: &[Tensor], (address, bytes): (u64, u64)| {
        let calls = driver.count("calls");
        // SAFETY: nothing touches the memory.
        let launch = unsafe { V::on(&stream).workspace(address, bytes) };
        let result = plan.launch(launch, &args(tensors, Manner::USUAL, gpu.device()));
        (result.map_err(|e| e.code), driver.count("calls") - calls)
    };
    assert_eq!(launch(&good, (1 << 30, bytes)), (Ok(()), 2));
    assert_eq!(launch(&good, (1 << 30, bytes - 1)), (Err(Code::WorkspaceTooSmall), 0));
    assert_eq!(launch(&good, ((1 << 30) + 8, bytes)), (Err(Code::WorkspaceTooSmall), 0));
    assert_eq!(launch(&good, (good[0].address, bytes)), (Err(Code::PartialOverlap), 0));
    let refused = |change: &dyn Fn(&mut Vec<Tensor>), code: Code| {
        let mut tensors = good.clone();
        change(&mut tensors);
        assert_eq!(launch(&tensors, (1 << 30, bytes)), (Err(code), 0));
    };
    refused(&|t| t[1].address = t[0].address, Code::PartialOverlap);
    refused(&|t| t[0].bytes -= 1, Code::BufferTooSmall);
    // A longer name than is compared at once.
    let long = of_corpus("bins_counts_behind_a_router");
    let plan = on_gpu(&long, &gpu);
    let mut tensors = tensors(plan.plan().program(), &[9], Manner::USUAL);
    let last = tensors.iter().position(|t| t.name.len() > 16).unwrap();
    tensors[last].name.pop();
    tensors[last].name.push('x');
    let calls = driver.count("calls");
    let wrong = plan.launch(with_workspace(&plan, &stream, &[9]), &args(&tensors, Manner::USUAL, gpu.device()));
    assert_eq!((wrong.unwrap_err().code, driver.count("calls") - calls), (Code::ExtraArgument, 0));
}
