//! What programs are told that launch by themselves (grids, places in the workspace, dependents, as formulas) is what a launch asks of
//! the driver.

use crate::plans::*;
use crate::vendor::{StandIn, Vendor};
use routefuse_ir::formula::{Ask, Formula};
use routefuse_ir::kernel::schedule::RowShape;
use routefuse_ir::program::{Buffer, Source};
use routefuse_ir::{Code, Graph, Verified, text};
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule_of;
use routefuse_runtime::Plan;
use routefuse_runtime::gpu::{Gpu, GpuPlan};
use std::sync::Arc;

/// Two buffers of the workspace, of which the first ends within a line of 64 bytes, and three kernels.
const THREE_KERNELS: &str = "route 1
graph @three {
  dim T
  input %x : f32[T, 3]
  input %i : i32[T]
  input %j : i32[T]
  %e = exp %x
  %y = gather %e, %i, %j {out_of_range = trap}
  %z = gather %y, %i {out_of_range = trap}
  output z = %z
}
";

/// A plan whose row schedules have one shape, which is persistent.
fn persistent<V: Vendor>(g: &Verified<Graph>, gpu: &Gpu<V>) -> GpuPlan<V> {
    let target = routefuse_ir::target::Target::named(V::TARGET).unwrap();
    let program = compile_graph(g.clone(), &Options::default()).unwrap().program;
    let schedule = |kernel| {
        let schedule = schedule_of(kernel, target);
        let shape = *schedule.shapes().first().expect("a router");
        schedule.with_shape(RowShape { persistent: true, ..shape })
    };
    let schedules = program.steps.iter().map(|s| schedule(&s.kernel)).collect();
    let plan = Plan::new(program, schedules, target, Arc::<Notes<V>>::default(), Arc::default()).unwrap();
    let plan = GpuPlan::new(plan, gpu).unwrap();
    plan.prepare().unwrap();
    plan
}

pub fn formulas_have_the_values_of_launches<V: Vendor>() {
    let driver = StandIn::<V>::new();
    let gpu = V::open(0);
    let mut plans: Vec<(String, GpuPlan<V>)> =
        examples().into_iter().map(|(name, g)| (name, on_gpu(&g, &gpu))).collect();
    plans.push(("three".to_owned(), on_gpu(&text::parse_verified(THREE_KERNELS).unwrap(), &gpu)));
    for name in ["deepseek-v3", "mixtral"] {
        plans.push((format!("{name}, persistent"), persistent(&example(name), &gpu)));
    }
    let (mut launches, mut between, mut cut) = (0, 0, 0);
    for (name, plan) in &plans {
        // A workspace of more rows would lie where the tensors are.
        let most = if plan.plan().program().intermediates.is_empty() { u64::MAX } else { 1 << 20 };
        for rows in [1, 2, 31, 513, 2049, 65_537, 1 << 29].into_iter().filter(|rows| *rows <= most) {
            match compare(&driver, &gpu, plan, rows) {
                Some(found) => {
                    launches += found.launches;
                    between += found.between;
                    cut += found.cut;
                }
                None => assert!(rows >= 1 << 29, "{name}: {rows} rows are too many"),
            }
        }
    }
    assert!(launches > 300 && between >= 12 && cut >= 4, "{launches} {between} {cut}");
}

struct Found {
    launches: usize,
    /// Addresses in the workspace.
    between: usize,
    /// Grids that are as large as what is resident.
    cut: usize,
}

/// One launch; `None` if it is refused, because it is too large.
fn compare<V: Vendor>(driver: &StandIn<V>, gpu: &Gpu<V>, plan: &GpuPlan<V>, rows: u64) -> Option<Found> {
    let program = plan.plan().program();
    let extents: Vec<u64> = (0..program.symbols.len() as u64).map(|s| rows + s).collect();
    let tensors = tensors(program, &extents, Manner::USUAL);
    let stream = V::stream(gpu);
    let launched = driver.launched();
    let launch = with_workspace(plan, &stream, &extents).dependent(true);
    match plan.launch(launch, &args(&tensors, Manner::USUAL, gpu.device())) {
        Ok(()) => {}
        Err(e) if e.code == Code::ExtentTooLarge => return None,
        Err(e) => panic!("{}: {e}", program.name),
    }
    let multiprocessors = u64::from(gpu.driver().multiprocessors());
    // The stand-ins say 2 for each multiprocessor.
    let resident = 2 * multiprocessors;
    let ask = |ask| match ask {
        Ask::Multiprocessors => Some(multiprocessors),
        Ask::ResidentBlocks => Some(resident),
    };
    let value = |formula: &Formula| formula.value(&extents, &ask).unwrap();
    let mut offsets = vec![];
    let bytes = program.lay_out(Formula::Extent, |offset, bytes| offsets.push((offset, bytes))).unwrap();
    assert_eq!(value(&bytes), plan.plan().workspace_size(&extents).unwrap(), "{}", program.name);
    let mut found = Found { launches: 0, between: 0, cut: 0 };
    for (step, scheduled) in program.steps.iter().zip(plan.plan().kernels()) {
        let got = driver.launch(launched + found.launches);
        found.launches += 1;
        let what = || format!("{} {}, {rows} rows", program.name, got.kernel());
        let variant = scheduled.variants().iter().find(|v| got.kernel() == format!("{} {v}", scheduled.kernel.name));
        let variant = *variant.unwrap_or_else(|| panic!("{}", what()));
        let schedule = &scheduled.schedule;
        let of_step = step.rows().map_or(Formula::Number(1), Formula::Extent);
        let row_count = value(&of_step);
        let grid = schedule.grid(of_step, variant, || Formula::Device(Ask::ResidentBlocks)).unwrap();
        assert_eq!(value(&grid), u64::from(got.blocks), "{}", what());
        assert_eq!(schedule.threads(variant), got.threads, "{}", what());
        found.cut += usize::from(schedule.is_persistent(variant) && u64::from(got.blocks) == resident);
        let most = schedule.most_dependent(variant, Formula::Device(Ask::Multiprocessors)).unwrap();
        let dependent = V::DEPENDENT && u64::from(got.blocks) <= value(&most);
        assert_eq!(got.dependent, u32::from(dependent), "{}", what());
        let (least, most) = schedule.rows_of_shape(variant.shape);
        assert!(least <= row_count && most.is_none_or(|most| row_count <= most), "{}", what());
        assert!(scheduled.kernel.most_rows().is_none_or(|most| row_count <= most), "{}", what());
        let sources = step.sources(program, scheduled.target).unwrap();
        assert_eq!(sources.len(), got.values().len(), "{}", what());
        for (source, got) in sources.iter().zip(got.values()) {
            let expected = match *source {
                Source::Address(Buffer::Input(i)) => tensors[i].address,
                Source::Address(Buffer::Output(o)) => tensors[program.inputs.len() + o].address,
                Source::Address(Buffer::ErrorWord) => tensors[tensors.len() - 1].address,
                Source::Address(Buffer::Intermediate(i)) => {
                    found.between += 1;
                    // Where `with_workspace` has it.
                    (1 << 30) + value(&offsets[i].0)
                }
                Source::Stride(Buffer::Input(i), dim) => tensors[i].strides[dim as usize] as u64,
                Source::Stride(Buffer::Output(o), dim) => {
                    tensors[program.inputs.len() + o].strides[dim as usize] as u64
                }
                Source::Stride(other, _) => panic!("{}: the stride of {other:?} is known beforehand", what()),
                Source::Fixed(stride) => stride,
                Source::Extent(s) => extents[s.0 as usize],
            };
            assert_eq!(expected, *got, "{}", what());
        }
    }
    assert_eq!(driver.launched() - launched, found.launches, "{}", program.name);
    Some(found)
}
