//! Phases: one launch, or two of the same arguments, as there are rows; and also where there are none.

use crate::played::*;
use routefuse_ir::kernel::phases::MOST_CHUNKS;
use routefuse_ir::text;
use routefuse_passes::join::join;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_runtime::{Args, TensorMut, TensorRef, Workspace};

const ALIGN: &str = "route 1
graph @align {
  dim T
  dim C
  input %ids : i32[T, 8]
  %counts = bin_count %ids {bins = 64}
  %starts = bin_starts %counts {align = 4}
  %fill = const {dtype = i32, value = -1}
  %sorted = bin_scatter %ids, %ids, %starts, %fill {shape = [C]}
  output sorted = %sorted
  output counts = %counts
}
";

#[test]
fn rows_say_whether_one_launch_is_two() {
    let (gpu, log) = gpu();
    let graph = text::parse_verified(ALIGN).unwrap();
    let program = join(&compile_graph(graph, &Options::default()).unwrap().program).unwrap().program;
    assert_eq!(program.steps.len(), 1);
    let plan = on_gpu(program, &gpu);
    let schedule = plan.plan().kernels()[0].schedule.clone();
    // 32 items are four rows, and 16,384 are 2,048; four items for a block of one launch, and 512 for one of two.
    for (rows, launches) in [
        (0u64, vec![("align16/i32/shape3", 1)]),
        (1, vec![("align16/i32/shape3", 1)]),
        (4, vec![("align16/i32/shape3", 1)]),
        (5, vec![("align16/i32", 5)]),
        (127, vec![("align16/i32", 127)]),
        (2048, vec![("align16/i32", MOST_CHUNKS)]),
        (2049, vec![("align16/i32/shape1", 33), ("align16/i32/shape2", 33)]),
        (65_536, vec![("align16/i32/shape1", MOST_CHUNKS), ("align16/i32/shape2", MOST_CHUNKS)]),
    ] {
        let mut ids: Vec<i128> = vec![0; (rows as usize * 8).div_ceil(4).max(1)];
        let (mut sorted, mut counts) = (vec![0i128; 4], vec![0i128; 16]);
        let size = plan.plan().workspace_size(&[rows, 16]).unwrap();
        let mut workspace = Workspace::new(size as usize);
        let (begin, bytes) = (workspace.as_mut_ptr().expose_provenance() as u64, workspace.len() as u64);
        // The kernels of this test touch nothing.
        let (ids, sorted, counts) = (words(&mut ids), words(&mut sorted), words(&mut counts));
        let mut args = Args::new();
        args.input(on(TensorRef::new(&ids[..rows as usize * 8], &[rows, 8])))
            .output(out(TensorMut::new(&mut sorted[..], &[16])))
            .output(out(TensorMut::new(&mut counts[..], &[64])));
        log.launches.lock().unwrap().clear();
        // SAFETY: the memory is there and nobody else's.
        plan.launch(unsafe { stream(&gpu).workspace(begin, bytes) }, &args).unwrap();
        let noted: Vec<(String, u64)> = log
            .launches
            .lock()
            .unwrap()
            .iter()
            .map(|(variant, blocks, _)| (variant.clone(), (*blocks).into()))
            .collect();
        let expected: Vec<(String, u64)> = launches.iter().map(|(v, n)| ((*v).to_owned(), *n)).collect();
        assert_eq!(noted, expected, "{rows} rows, {schedule}");
    }
}

const BEHIND: &str = "route 1
graph @behind {
  dim T
  dim C
  input %logits : f32[T, 64]
  %ids = topk %logits {k = 8}
  %counts = bin_count %ids {bins = 64}
  %starts = bin_starts %counts {align = 4}
  %fill = const {dtype = i32, value = -1}
  %sorted = bin_scatter %ids, %ids, %starts, %fill {shape = [C]}
  output sorted = %sorted
}
";

/// A launch of few rows takes the kernel of all, and one of more rows the two. Where rows are not few to the router, it is the first
/// of two launches, as long as each block does its rows at once.
#[test]
fn rows_say_whether_two_kernels_are_one() {
    let (gpu, log) = gpu();
    let graph = text::parse_verified(BEHIND).unwrap();
    let program = join(&compile_graph(graph, &Options::default()).unwrap().program).unwrap().program;
    assert_eq!(program.steps.len(), 4, "one of few rows, one in chunks, and two beside");
    let plan = on_gpu(program, &gpu);
    // 32 items are four rows.
    for (rows, launches) in
        [(0u64, 1), (1, 1), (4, 1), (5, 2), (2048, 2), (8192, 3), (8193, 2), (16_384, 2), (16_385, 3)]
    {
        let mut logits: Vec<i128> = vec![0; (rows as usize * 16).max(1)];
        let mut sorted = vec![0i128; 4];
        let size = plan.plan().workspace_size(&[rows, 16]).unwrap();
        let mut workspace = Workspace::new(size as usize);
        let (begin, bytes) = (workspace.as_mut_ptr().expose_provenance() as u64, workspace.len() as u64);
        let (logits, sorted) = (floats(&mut logits), words(&mut sorted));
        let mut args = Args::new();
        args.input(on(TensorRef::new(&logits[..rows as usize * 64], &[rows, 64])))
            .output(out(TensorMut::new(&mut sorted[..], &[16])));
        log.launches.lock().unwrap().clear();
        // SAFETY: the memory is there and nobody else's.
        plan.launch(unsafe { stream(&gpu).workspace(begin, bytes) }, &args).unwrap();
        assert_eq!(log.launches.lock().unwrap().len(), launches, "{rows} rows");
    }
}

/// Floats at a multiple of 16 bytes.
fn floats(of: &mut [i128]) -> &mut [f32] {
    // SAFETY: any bytes are floats, and none has stricter alignment.
    unsafe { std::slice::from_raw_parts_mut(of.as_mut_ptr().cast(), 4 * of.len()) }
}

/// Words of 32 bits at a multiple of 16 bytes.
fn words(of: &mut [i128]) -> &mut [i32] {
    // SAFETY: any bytes are words, and no word has stricter alignment.
    unsafe { std::slice::from_raw_parts_mut(of.as_mut_ptr().cast(), 4 * of.len()) }
}
