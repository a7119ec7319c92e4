//! Launches that succeed: numbers, strides, aliases, workspaces, threads.

mod fixture;

use fixture::*;
use routefuse_ir::target::Target;
use routefuse_ir::{Alias, Tensor};
use routefuse_runtime::{Args, HostPlan, KernelCache, TensorMut, TensorRef, Workspace};
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[test]
fn rows_of_any_number() {
    let plan = plan(remap_program());
    for t in [0u64, 1, 2, 17, 4096] {
        let (ids, map) = (ids(t as usize), squares());
        let mut out = vec![77; ids.len()];
        plan.launch(
            Args::new()
                .input(TensorRef::new(&ids, &[t, K]))
                .input(TensorRef::new(&map, &[E]))
                .output(TensorMut::new(&mut out, &[t, K])),
        )
        .unwrap();
        assert_eq!(out, remapped(&ids));
    }
}

#[test]
fn by_name_in_any_order() {
    let plan = plan(remap_program());
    let (ids, map) = (ids(3), squares());
    let mut out = vec![77; 12];
    let mut args = Args::new();
    args.named_output("out", TensorMut::new(&mut out, &[3, K]));
    args.named_input("map", TensorRef::new(&map, &[E]));
    args.input(TensorRef::new(&ids, &[3, K]));
    plan.launch(&args).unwrap();
    assert_eq!(out, remapped(&ids));
}

#[test]
fn tensors_of_the_interpreter_are_views() {
    let plan = plan(remap_program());
    let ids = Tensor::from_i32(&[3, K], &ids(3));
    let map = Tensor::from_i32(&[E], &squares());
    let mut out = Tensor::zeros(routefuse_ir::DType::I32, &[3, K]);
    plan.launch(Args::new().input((&ids).into()).input((&map).into()).output((&mut out).into())).unwrap();
    assert_eq!(out, Tensor::from_i32(&[3, K], &remapped(&(0..12).map(|i| ids.bits(i) as i32).collect::<Vec<_>>())));
}

/// P13: routed columns go into a wider buffer that already holds the shared ones.
#[test]
fn column_slices_leave_the_rest_alone() {
    let plan = plan(remap_program());
    let (t, wide) = (5u64, 7u64);
    let (ids, map) = (ids(5), squares());
    let mut buffer = vec![99; (t * wide) as usize];
    plan.launch(
        Args::new().input(TensorRef::new(&ids, &[t, K])).input(TensorRef::new(&map, &[E])).output(TensorMut::rows(
            &mut buffer[2..],
            &[t, K],
            wide,
        )),
    )
    .unwrap();
    let expected = remapped(&ids);
    for (row, expected) in buffer.chunks(7).zip(expected.chunks(4)) {
        assert_eq!(row[..2], [99, 99]);
        assert_eq!(&row[2..6], expected);
        assert_eq!(row[6], 99);
    }
}

#[test]
fn outputs_side_by_side_in_one_buffer() {
    let plan = plan(two_outputs_program());
    let (ids, map) = (ids(5), squares());
    let mut buffer = vec![99; 5 * 8];
    let (left, right) = TensorMut::new(&mut buffer, &[5, 8]).split_columns(K).unwrap();
    plan.launch(
        Args::new().input(TensorRef::new(&ids, &[5, K])).input(TensorRef::new(&map, &[E])).output(left).output(right),
    )
    .unwrap();
    let expected = remapped(&ids);
    for (row, expected) in buffer.chunks(8).zip(expected.chunks(4)) {
        assert_eq!(&row[..4], expected);
        assert_eq!(&row[4..], expected);
    }
}

#[test]
fn inputs_may_overlap() {
    let plan = plan(remap_program());
    let table = squares();
    let mut out = vec![0; 8];
    // Rows one element apart, in the table itself.
    plan.launch(
        Args::new()
            .input(TensorRef::rows(&table, &[2, K], 1))
            .input(TensorRef::new(&table, &[E]))
            .output(TensorMut::new(&mut out, &[2, K])),
    )
    .unwrap();
    assert_eq!(out, remapped(&[0, 1, 4, 9, 1, 4, 9, 16]));
}

#[test]
fn in_place_takes_the_input_from_the_output() {
    for alias in [Alias::InPlace(0), Alias::Donates(0)] {
        let plan = plan(increment_program(alias));
        let mut x = vec![1, 2, 3, i32::MAX];
        plan.launch(Args::new().output(TensorMut::new(&mut x, &[1, K]))).unwrap();
        assert_eq!(x, [2, 3, 4, i32::MIN]);
        plan.launch(Args::new().named_output("y", TensorMut::new(&mut x, &[1, K]))).unwrap();
        assert_eq!(x, [3, 4, 5, i32::MIN + 1]);
    }
    let plan = plan(increment_program(Alias::Donates(0)));
    let mut y = vec![0; 4];
    plan.launch(Args::new().input(TensorRef::new(&[1, 2, 3, 4], &[1, K])).output(TensorMut::new(&mut y, &[1, K])))
        .unwrap();
    assert_eq!(y, [2, 3, 4, 5]);
}

#[test]
fn a_guarded_copy_writes_what_is_disjoint_and_leaves_what_is_the_same() {
    let plan = plan(guarded_program());
    let mut dst = vec![0; 8];
    let src: Vec<i32> = (1..=8).collect();
    plan.launch(Args::new().input(TensorRef::new(&src, &[2, K])).output(TensorMut::new(&mut dst, &[2, K]))).unwrap();
    assert_eq!(dst, src);

    // The same view is not written at all: here its memory is read-only.
    static READ_ONLY: [i32; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
    let (ptr, bytes) = (READ_ONLY.as_ptr().cast::<u8>(), 32);
    // SAFETY: the launch is to leave the output alone, which this test is about; a write would be a fault.
    let output = unsafe { TensorMut::from_raw(ptr.cast_mut(), bytes, routefuse_ir::DType::I32, &[2, K], &[4, 1]) };
    plan.launch(Args::new().input(TensorRef::new(&READ_ONLY, &[2, K])).output(output)).unwrap();
    assert_eq!(READ_ONLY, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_guarded_copy_into_the_gaps_of_its_source() {
    let plan = plan(guarded_program());
    let mut wide: Vec<i32> = (0..16).collect();
    let (src, dst) = TensorMut::new(&mut wide, &[2, 8]).split_columns(K).unwrap();
    // SAFETY: used in this launch only, beside the other half of the columns.
    let src = unsafe { src.share() };
    plan.launch(Args::new().input(src).output(dst)).unwrap();
    assert_eq!(wide, [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]);
}

#[test]
fn several_kernels_go_through_the_workspace() {
    let plan = plan(two_step_program());
    assert_eq!(plan.plan().workspace_size(&[0]).unwrap(), 0);
    assert_eq!(plan.plan().workspace_size(&[3]).unwrap(), 64);
    let x: Vec<i32> = (0..400).collect();
    for t in [0u64, 1, 100] {
        let mut y = vec![0; (t * K) as usize];
        let mut workspace = Workspace::new(plan.plan().workspace_size(&[t]).unwrap() as usize);
        plan.launch_with(
            Args::new().input(TensorRef::new(&x, &[t, K])).output(TensorMut::new(&mut y, &[t, K])),
            &mut workspace,
        )
        .unwrap();
        assert!(y.iter().zip(&x).all(|(y, x)| *y == x + 2));
    }
    assert!(plan.plan().workspace_size(&[1 << 62]).is_err());
    assert!(plan.plan().workspace_size(&[1, 2]).is_err());
}

#[test]
fn rows_shared_by_a_pool() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let (one, two) = (plan(remap_program()), plan(two_step_program()));
    for t in [0u64, 1, 63, 100_000, 100_001] {
        let (ids, map) = (ids(t as usize), squares());
        let mut out = vec![77; ids.len()];
        one.launch_on(
            &pool,
            Args::new()
                .input(TensorRef::new(&ids, &[t, K]))
                .input(TensorRef::new(&map, &[E]))
                .output(TensorMut::new(&mut out, &[t, K])),
        )
        .unwrap();
        assert_eq!(out, remapped(&ids));
        let mut workspace = Workspace::new(two.plan().workspace_size(&[t]).unwrap() as usize);
        two.launch_on_with(
            &pool,
            Args::new().input(TensorRef::new(&ids, &[t, K])).output(TensorMut::new(&mut out, &[t, K])),
            &mut workspace,
        )
        .unwrap();
        assert!(out.iter().zip(&ids).all(|(y, x)| *y == x + 2));
    }
}

#[test]
fn forty_extents_one_compile() {
    let (compiler, cache) = (CCompiler::new(), Arc::new(KernelCache::new()));
    let plan =
        HostPlan::new(plan_for(remap_program(), Target::host(), Arc::clone(&compiler), Arc::clone(&cache))).unwrap();
    plan.prepare().unwrap();
    let map = squares();
    for t in (0..40u64).map(|i| i * i) {
        let ids = ids(t as usize);
        let mut out = vec![0; ids.len()];
        plan.launch(
            Args::new()
                .input(TensorRef::new(&ids, &[t, K]))
                .input(TensorRef::new(&map, &[E]))
                .output(TensorMut::new(&mut out, &[t, K])),
        )
        .unwrap();
        assert_eq!(out, remapped(&ids));
    }
    let counters = cache.counters();
    assert_eq!((counters.compiles, counters.loads, counters.hits), (1, 1, 0));
    assert_eq!(compiler.calls.load(Ordering::SeqCst), 1);
}

#[test]
fn threads_launch_one_plan_at_once() {
    let cache = Arc::new(KernelCache::new());
    let plan = HostPlan::new(plan_for(remap_program(), Target::host(), CCompiler::new(), Arc::clone(&cache))).unwrap();
    let map = squares();
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let (plan, map) = (&plan, &map);
            scope.spawn(move || {
                for i in 0..200 {
                    let t = (thread * 31 + i) % 97;
                    let ids = ids(t);
                    let mut out = vec![0; ids.len()];
                    plan.launch(
                        Args::new()
                            .input(TensorRef::new(&ids, &[t as u64, K]))
                            .input(TensorRef::new(map, &[E]))
                            .output(TensorMut::new(&mut out, &[t as u64, K])),
                    )
                    .unwrap();
                    assert_eq!(out, remapped(&ids));
                }
            });
        }
    });
    assert_eq!(cache.counters().compiles, 1);
}
