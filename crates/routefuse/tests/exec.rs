//! Owned execution: buffers for every argument, and results as named tensors.
#![cfg(feature = "compiler")]

use routefuse::diag::Code;
use routefuse::exec::{Device, Executor, HostExecution};
use routefuse::ir::interp;
use routefuse::{Engine, HostPlan, Options, Target, Tensor, text};

/// An output in an input's memory, one beside it, and a gather that traps.
const GRAPH: &str = "route 1
graph @all {
  dim T
  input %ids : i32[T, 2]
  input %map : i32[4]
  input %n : i32[]
  %masked = mask_rows %ids, %n {fill = -1}
  %mapped = gather %map, %ids {out_of_range = trap}
  output ids_out = %masked in_place(ids)
  output mapped = %mapped
}
";

fn inputs(ids: &[i32]) -> [Tensor; 3] {
    [
        Tensor::from_i32(&[ids.len() as u64 / 2, 2], ids),
        Tensor::from_i32(&[4], &[10, 11, 12, 13]),
        Tensor::from_i32(&[], &[1]),
    ]
}

#[test]
fn outputs_are_named_and_inputs_stay_as_they_are() {
    let graph = text::parse_verified(GRAPH).unwrap();
    let engine = Engine::builder().build().unwrap();
    let executor = Executor::on(Device::Host).unwrap();
    assert_eq!(executor.target().unwrap(), Target::host());
    // Without fusion there are several kernels, and a workspace between them.
    for options in [Options::default(), Options::unfused()] {
        for (ids, trapped) in [([3, 0, 1, 2], false), ([3, 0, 4, 2], true)] {
            let inputs = inputs(&ids);
            let plan = engine.compile(&graph, &executor.target().unwrap(), &options).unwrap();
            let outcome = executor.run(plan, &inputs, &[]).unwrap();
            let expected = interp::run(&graph, &inputs, &[]).unwrap();
            assert_eq!(outcome.output("ids_out"), Some(&Tensor::from_i32(&[2, 2], &[3, 0, -1, -1])));
            assert_eq!(outcome.output("mapped"), Some(&expected.outputs[1]));
            assert_eq!((outcome.trapped, expected.trapped), (trapped, trapped));
            assert_eq!(outcome.output("map"), None, "an input");
            assert_eq!(inputs[0], Tensor::from_i32(&[2, 2], &ids), "the caller's tensors are copied");
        }
    }
}

#[test]
fn launches_go_on_with_the_same_memory() {
    let source = "route 1
graph @count {
  dim T
  input %ids : i32[T, 2]
  input %counts : i32[4]
  %one = const {dtype = i32, value = 1}
  %counted = atomic_add %counts, %ids, %one
  output counts_out = %counted in_place(counts)
}
";
    let graph = text::parse_verified(source).unwrap();
    let engine = Engine::builder().build().unwrap();
    let plan = HostPlan::new(engine.compile(&graph, &Target::host(), &Options::default()).unwrap()).unwrap();
    let inputs = [Tensor::from_i32(&[2, 2], &[0, 3, 3, -1]), Tensor::from_i32(&[4], &[0; 4])];
    let mut execution = HostExecution::new(plan, &inputs, &[]).unwrap();
    execution.launch(5).unwrap();
    assert_eq!(execution.outcome().output("counts_out"), Some(&Tensor::from_i32(&[4], &[5, 0, 0, 10])));
    // Two rows of two ids, and the counts, which are read and written.
    assert_eq!(execution.bytes(), (16 + 16, 16));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_runs() {
    let graph = text::parse_verified(GRAPH).unwrap();
    let engine = Engine::builder().build().unwrap();
    let executor = Executor::on(Device::Host).unwrap();
    let plan = engine.compile(&graph, &Target::host(), &Options::default()).unwrap();
    let few = executor.run(plan.clone(), &inputs(&[0, 1])[..2], &[]).unwrap_err();
    assert_eq!(few.code(), Code::MissingArgument);
    assert!(few.to_string().starts_with("RF0601: input `n` of `all` has no argument"), "{few}");
    let unknown = executor.run(plan, &inputs(&[0, 1]), &[("N", 3)]).unwrap_err();
    assert_eq!(unknown.code(), Code::UndefinedDim);
    let elsewhere = engine.compile(&graph, &Target::named("sm_90").unwrap(), &Options::default()).unwrap();
    assert_eq!(executor.run(elsewhere, &inputs(&[0, 1]), &[]).unwrap_err().code(), Code::TargetNotHere);
}

#[test]
fn devices_that_are_not_there() {
    for (device, is_built) in [(Device::Cuda(0), cfg!(feature = "cuda")), (Device::Hip(0), cfg!(feature = "hip"))] {
        if !is_built {
            let none = Executor::on(device).unwrap_err().to_string();
            assert!(none.starts_with(&format!("RF0809: this build of routefuse does not run on {device}")), "{none}");
        }
    }
}
