//! Every launch check, with its text; nothing is written when one fails.

mod fixture;

use fixture::*;
use routefuse_ir::program::Program;
use routefuse_ir::target::Target;
use routefuse_ir::{Alias, DType, Diagnostic, Dim, Layout, TensorType};
use routefuse_runtime::{Args, Device, HostPlan, TensorMut, TensorRef, Workspace};

const MAP: [i32; E as usize] = [0; E as usize];
const IDS: [i32; 64] = [0; 64];

/// The error of a launch, in which `out` must not be written.
#[track_caller]
fn text(result: Result<(), Diagnostic>) -> String {
    result.expect_err("the launch was to fail").to_string()
}

/// `remap` with these ids, and everything else right.
fn remap_of(ids: TensorRef<'_>) -> String {
    let mut out = [77; 8];
    let error = text(
        plan(remap_program())
            .launch(Args::new().input(ids).input(TensorRef::new(&MAP, &[E])).output(TensorMut::new(&mut out, &[2, K]))),
    );
    assert_eq!(out, [77; 8]);
    error
}

/// `remap` of two rows into this output.
fn remap_into(out: TensorMut<'_>) -> String {
    text(
        plan(remap_program())
            .launch(Args::new().input(TensorRef::new(&IDS, &[2, K])).input(TensorRef::new(&MAP, &[E])).output(out)),
    )
}

#[test]
fn a_missing_argument() {
    let mut out = [77; 8];
    assert_eq!(
        text(
            plan(remap_program())
                .launch(Args::new().input(TensorRef::new(&IDS, &[2, K])).output(TensorMut::new(&mut out, &[2, K])))
        ),
        "RF0601: input `map` of `remap` has no argument\n  help: it takes inputs `ids`, `map` and outputs `out`"
    );
    assert_eq!(out, [77; 8]);
    assert_eq!(
        text(plan(increment_program(Alias::InPlace(0))).launch(&Args::new())),
        "RF0601: input `x` of `increment` has no argument\n  help: it takes inputs `x` and outputs `y`"
    );
    let mut trapping = remap_program();
    trapping.has_trap = true;
    assert_eq!(
        text(
            plan(trapping).launch(
                Args::new()
                    .input(TensorRef::new(&IDS, &[2, K]))
                    .input(TensorRef::new(&MAP, &[E]))
                    .output(TensorMut::new(&mut out, &[2, K]))
            )
        ),
        "RF0601: the error word `error_word` of `remap` has no argument\n  \
         help: it takes inputs `ids`, `map` and outputs `out`, `error_word`"
    );
}

#[test]
fn an_extra_argument() {
    let plan = plan(remap_program());
    let launch = |fill: fn(&mut Args<'_>)| {
        let mut args = Args::new();
        fill(&mut args);
        text(plan.launch(&args))
    };
    let takes = "  help: it takes inputs `ids`, `map` and outputs `out`";
    assert_eq!(
        launch(|a| {
            a.named_input("idz", TensorRef::new(&IDS, &[2, K]));
        }),
        format!("RF0602: `remap` has no input or output `idz`\n{takes}")
    );
    assert_eq!(
        launch(|a| for _ in 0..3 {
            a.input(TensorRef::new(&MAP, &[E]));
        }),
        format!("RF0602: more inputs than `remap` takes\n{takes}")
    );
    assert_eq!(
        launch(|a| {
            a.output(TensorMut::new(&mut [0i32; 0], &[0, K])).output(TensorMut::new(&mut [0i32; 0], &[0]));
        }),
        format!("RF0602: more outputs than `remap` takes\n{takes}")
    );
    assert_eq!(
        launch(|a| {
            a.named_input("out", TensorRef::new(&IDS, &[2, K]));
        }),
        "RF0602: `out` is given as an input, and is an output of `remap`\n  help: bind it by `named_output`"
    );
    assert_eq!(
        launch(|a| {
            a.named_output("ids", TensorMut::new(&mut [0i32; 0], &[0, K]));
        }),
        "RF0602: `ids` is given as an output, and is an input of `remap`\n  help: bind it by `named_input`"
    );
    assert_eq!(
        launch(|a| {
            a.input(TensorRef::new(&IDS, &[2, K])).named_input("ids", TensorRef::new(&IDS, &[2, K]));
        }),
        "RF0602: input `ids` is given twice\n  help: bind every input and output once"
    );
}

#[test]
fn another_dtype() {
    assert_eq!(
        remap_of(TensorRef::new(&[0i64; 8], &[2, K])),
        "RF0603: input `ids` is i32[T, 4], and the argument's elements are i64\n  help: give elements of dtype i32"
    );
}

#[test]
fn another_rank() {
    assert_eq!(
        remap_of(TensorRef::new(&IDS, &[8])),
        "RF0604: input `ids` is i32[T, 4], of rank 2, and the argument's rank is 1\n  help: give one extent for each dim"
    );
    assert_eq!(
        remap_of(TensorRef::new(&IDS, &[1; 9])),
        "RF0604: input `ids` is i32[T, 4], of rank 2, and the argument's rank is 9\n  help: give one extent for each dim"
    );
}

#[test]
fn another_constant_extent() {
    assert_eq!(
        remap_of(TensorRef::new(&IDS, &[2, 5])),
        "RF0605: input `ids` is i32[T, 4], and dim 1 of the argument is 5\n  help: dim 1 is 4 in every launch"
    );
}

#[test]
fn two_extents_of_one_symbol() {
    assert_eq!(
        remap_of(TensorRef::new(&IDS, &[3, K])),
        "RF0606: `T` is 3 in input `ids`, and 2 in output `out`\n  help: dim 0 of both is `T`, which has one value a launch"
    );
    // No rows in one of them is a conflict like any other.
    assert!(remap_of(TensorRef::new(&IDS, &[0, K])).starts_with("RF0606: `T` is 0 in input `ids`, and 2"));
}

#[test]
fn a_buffer_too_small() {
    assert_eq!(
        remap_of(TensorRef::new(&IDS[..7], &[2, K])),
        "RF0607: input `ids` needs 32 bytes, and its buffer has 28\n  \
         help: the argument's shape is [2, 4], its strides are [4, 1]"
    );
    assert_eq!(
        remap_into(TensorMut::rows(&mut [0i32; 12], &[2, K], 9)),
        "RF0607: output `out` needs 52 bytes, and its buffer has 48\n  \
         help: the argument's shape is [2, 4], its strides are [9, 1]"
    );
}

/// Addresses differ from run to run.
fn without_addresses(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let address = word.starts_with("0x");
        words.push(if address {
            word.replace(|c: char| c.is_ascii_hexdigit() || c == 'x', "").replace("..", "<range>")
        } else {
            word.to_owned()
        });
    }
    words.join(" ")
}

#[test]
fn partial_overlap() {
    let launch = |alias, input: usize, output: usize| {
        let mut memory = vec![5i32; 64];
        let plan = plan(increment_program(alias));
        let base = memory.as_mut_ptr();
        // SAFETY: both lie in `memory`, which nobody else uses.
        let (x, y) = unsafe { view_pair(base, input, output) };
        let result = plan.launch(Args::new().input(x).output(y));
        assert!(result.is_ok() || memory.iter().all(|v| *v == 5));
        result.map_err(|e| without_addresses(&e.to_string()))
    };
    assert_eq!(
        launch(Alias::None, 0, 4).unwrap_err(),
        "RF0608: output `y` at <range> overlaps input `x` at <range>\n  \
         help: give the output memory of its own, or declare it `in_place(x)`; where it is declared `donates(x)`, \
         lying there would take another kernel, as `explain` says"
    );
    assert!(launch(Alias::None, 0, 0).is_err());
    assert!(launch(Alias::None, 0, 7).is_err());
    assert!(launch(Alias::None, 7, 0).is_err());
    launch(Alias::None, 0, 8).unwrap();
    launch(Alias::None, 8, 0).unwrap();
    for alias in [Alias::Donates(0), Alias::Guarded(0)] {
        launch(alias, 3, 3).unwrap();
        launch(alias, 0, 8).unwrap();
        assert_eq!(
            launch(alias, 0, 1).unwrap_err(),
            "RF0608: output `y` at <range> overlaps input `x` at <range>\n  \
             help: give both the same view (address and strides), or memory apart from `x`"
        );
    }
    launch(Alias::InPlace(0), 3, 3).unwrap();
    let not_in_place = "RF0612: output `y` is declared in place of input `x`, and is another view\n  \
                        help: leave out the argument `x`, or give both the same address and strides";
    assert_eq!(launch(Alias::InPlace(0), 0, 8).unwrap_err(), not_in_place);
    assert_eq!(launch(Alias::InPlace(0), 0, 1).unwrap_err(), not_in_place);
}

/// Two views of two rows, at these elements.
///
/// # Safety
/// `base` has 64 elements that nobody else uses.
unsafe fn view_pair<'a>(base: *mut i32, input: usize, output: usize) -> (TensorRef<'a>, TensorMut<'a>) {
    let bytes = |at: usize| (64 - at as u64) * 4;
    // SAFETY: within the 64 elements.
    unsafe {
        (
            TensorRef::from_raw(base.add(input).cast(), bytes(input), DType::I32, &[2, K], &[4, 1]),
            TensorMut::from_raw(base.add(output).cast(), bytes(output), DType::I32, &[2, K], &[4, 1]),
        )
    }
}

/// N2: the same start with other strides is an error, never a silent skip.
#[test]
fn guarded_views_that_differ_in_stride() {
    let plan = plan(guarded_program());
    let launch = |stride: i64, offset: usize| {
        let mut memory = vec![5i32; 64];
        let base: *mut u8 = memory.as_mut_ptr().cast();
        // SAFETY: both lie in `memory`, which nobody else uses.
        let (src, dst) = unsafe {
            (
                TensorRef::from_raw(base, 256, DType::I32, &[2, K], &[8, 1]),
                TensorMut::from_raw(base.add(4 * offset), 256 - 4 * offset as u64, DType::I32, &[2, K], &[stride, 1]),
            )
        };
        plan.launch(Args::new().input(src).output(dst)).map_err(|e| e.code)
    };
    use routefuse_ir::Code::PartialOverlap;
    launch(8, 0).unwrap();
    assert_eq!(launch(4, 0), Err(PartialOverlap));
    assert_eq!(launch(9, 0), Err(PartialOverlap));
    // The gap of each row holds the output's row exactly; one element further it reaches into the next row.
    launch(8, 4).unwrap();
    assert_eq!(launch(8, 3), Err(PartialOverlap));
    assert_eq!(launch(8, 5), Err(PartialOverlap));
    // In the gaps by other strides: not analysed, refused.
    assert_eq!(launch(20, 4), Err(PartialOverlap));
    launch(8, 16).unwrap();
}

#[test]
fn outputs_that_overlap_each_other() {
    let plan = plan(two_outputs_program());
    let launch = |left: usize, right: usize, stride: i64| {
        let mut memory = vec![5i32; 64];
        let base: *mut u8 = memory.as_mut_ptr().cast();
        // SAFETY: within `memory`, which nobody else uses.
        let output = |at: usize| unsafe {
            TensorMut::from_raw(base.add(4 * at), 256 - 4 * at as u64, DType::I32, &[3, K], &[stride, 1])
        };
        let mut args = Args::new();
        args.input(TensorRef::new(&IDS, &[3, K])).input(TensorRef::new(&MAP, &[E]));
        plan.launch(args.output(output(left)).output(output(right))).map_err(|e| without_addresses(&e.to_string()))
    };
    launch(0, 4, 8).unwrap();
    launch(4, 0, 8).unwrap();
    launch(0, 5, 9).unwrap();
    launch(1, 12 + 5, 12).unwrap();
    launch(0, 24, 8).unwrap();
    assert_eq!(
        launch(0, 3, 8).unwrap_err(),
        "RF0608: output `out` at <range> overlaps output `again` at <range>\n  help: give each output memory of its own"
    );
    assert!(launch(0, 5, 8).is_err());
    assert!(launch(0, 0, 8).is_err());
    assert!(launch(0, 16, 8).is_err(), "row 2 of one is row 0 of the other");
}

#[test]
fn outputs_that_overlap_inputs_in_a_wider_buffer() {
    let plan = plan(remap_program());
    let launch = |table_at: usize, out_at: usize| {
        let mut memory = vec![5i32; 64];
        let base: *mut u8 = memory.as_mut_ptr().cast();
        // SAFETY: within `memory`, which nobody else uses.
        let (map, out) = unsafe {
            (
                TensorRef::from_raw(base.add(4 * table_at), 256 - 4 * table_at as u64, DType::I32, &[E], &[1]),
                TensorMut::from_raw(base.add(4 * out_at), 256 - 4 * out_at as u64, DType::I32, &[2, K], &[24, 1]),
            )
        };
        plan.launch(Args::new().input(TensorRef::new(&IDS, &[2, K])).input(map).output(out)).is_ok()
    };
    // A gapless table between two rows of the output, and touching them.
    assert!(launch(4, 0) && launch(8, 0) && launch(28, 0) && launch(0, 20));
    assert!(!launch(3, 0) && !launch(9, 0) && !launch(27, 0) && !launch(0, 15));
}

#[test]
fn a_misaligned_base() {
    let bytes = [0u64; 8];
    // SAFETY: within `bytes`.
    let ids = unsafe { TensorRef::from_raw(bytes.as_ptr().cast::<u8>().add(2), 62, DType::I32, &[2, K], &[4, 1]) };
    let text = remap_of(ids);
    assert!(text.starts_with("RF0609: input `ids` begins at 0x"), "{text}");
    assert!(text.ends_with("2, which is no multiple of 4 bytes\n  help: align it to the size of i32"), "{text}");
}

#[test]
fn strides_of_another_layout() {
    assert_eq!(
        remap_of(TensorRef::strided(&IDS, &[2, K], &[8, 2])),
        "RF0610: input `ids` is declared of gapless rows, and dim 1 has stride 2 instead of 1\n  \
         help: copy the tensor, or declare the layout `rows` or `strided` in the graph"
    );
    assert_eq!(
        remap_of(TensorRef::strided(&IDS, &[2, K], &[-4, 1])),
        "RF0610: input `ids` has stride -4 in dim 0\n  help: give one stride a dim, in elements, none negative"
    );
    assert_eq!(
        remap_into(TensorMut::rows(&mut [0i32; 64], &[2, K], 3)),
        "RF0610: elements of output `out` overlap each other: strides [3, 1]\n  \
         help: rows of 4 elements need a stride of at least that"
    );
    let mut y = [77i32; 64];
    assert_eq!(
        text(
            plan(increment_program(Alias::None))
                .launch(Args::new().input(TensorRef::new(&IDS, &[2, K])).output(TensorMut::rows(&mut y, &[2, K], 8)))
        ),
        "RF0610: output `y` is declared contiguous, and dim 0 has stride 8 instead of 4\n  \
         help: copy the tensor, or declare the layout `rows` or `strided` in the graph"
    );
    // The stride of a dim of one element means nothing.
    plan(increment_program(Alias::None))
        .launch(Args::new().input(TensorRef::new(&IDS, &[1, K])).output(TensorMut::rows(&mut y, &[1, K], 999)))
        .unwrap();
}

/// Strides of another number than the dims, whatever the extents are, and elements at no address.
#[test]
fn r13_strides_that_are_not_one_a_dim_and_null() {
    let help = "\n  help: give one stride a dim, in elements";
    for (shape, strides, said) in [
        (&[2, K][..], &[4][..], "2 dims and 1 stride"),
        (&[2, K], &[], "2 dims and 0 strides"),
        (&[1, 1], &[1, 1, 1], "2 dims and 3 strides"),
        (&[], &[1], "0 dims and 1 stride"),
    ] {
        assert_eq!(remap_of(TensorRef::strided(&IDS, shape, strides)), format!("RF0610: input `ids` has {said}{help}"));
        // SAFETY: the launch refuses it.
        let raw = unsafe { TensorRef::from_raw(IDS.as_ptr().cast(), 256, DType::I32, shape, strides) };
        assert_eq!(remap_of(raw), format!("RF0610: input `ids` has {said}{help}"));
    }
    let again = TensorRef::strided(&IDS, &[2, K], &[4]).with_strides(&[-4, 1]);
    assert!(remap_of(again).starts_with("RF0610: input `ids` has stride -4 in dim 0"), "the last strides count");
    let of = |ptr: *const u8| {
        // SAFETY: the launch refuses it.
        [unsafe { TensorRef::from_raw(ptr, 256, DType::I32, &[2, K], &[K as i64, 1]) }, unsafe {
            TensorRef::contiguous(ptr, 256, DType::I32, &[2, K])
        }]
    };
    for null in of(std::ptr::null()) {
        assert_eq!(
            remap_of(null),
            "RF0607: input `ids` needs 32 bytes, and its address is null\n  \
             help: give the address of memory that holds them; only a tensor without elements needs none"
        );
    }
}

/// Layout `strided`: any strides that reach each element once.
#[test]
fn strided_outputs() {
    let ty = || TensorType::new(DType::I32, [Dim::Sym(T), Dim::Const(K)]);
    let strided = || -> Program {
        let inputs = vec![port("x", ty(), Layout::Strided, Alias::None)];
        let outputs = vec![port("y", ty(), Layout::Strided, Alias::None)];
        program("strided", inputs, outputs, vec![])
    };
    let plan = plan(strided());
    let launch = |input: &[i64], output: &[i64]| {
        let mut y = [0i32; 64];
        let mut args = Args::new();
        args.input(TensorRef::strided(&IDS, &[3, K], input)).output(TensorMut::strided(&mut y, &[3, K], output));
        plan.launch(&args).map_err(|e| e.code)
    };
    use routefuse_ir::Code::{BadStride, BufferTooSmall};
    launch(&[4, 1], &[4, 1]).unwrap();
    launch(&[0, 0], &[1, 3]).unwrap();
    launch(&[1, 1], &[2, 6]).unwrap();
    assert_eq!(launch(&[4, 1], &[1, 2]), Err(BadStride));
    assert_eq!(launch(&[4, 1], &[0, 1]), Err(BadStride));
    assert_eq!(launch(&[4, -1], &[4, 1]), Err(BadStride));
    assert_eq!(launch(&[4, 1], &[32, 8]), Err(BufferTooSmall));
}

#[test]
fn memory_of_another_device() {
    assert_eq!(
        remap_of(TensorRef::new(&IDS, &[2, K]).on(Device::Cuda(1))),
        "RF0611: input `ids` is in the memory of cuda:1, and the plan runs on the host\n  \
         help: copy it to the host, or compile the graph for where it is"
    );
}

#[test]
fn a_workspace_too_small() {
    let plan = plan(two_step_program());
    let mut y = [77i32; 8];
    let mut workspace = Workspace::new(128);
    let help = "  help: give the launch what `workspace_size` says, at an address that is a multiple of 64";
    let mut launch = |workspace: &mut [u8]| {
        let mut args = Args::new();
        args.input(TensorRef::new(&IDS, &[2, K])).output(TensorMut::new(&mut y, &[2, K]));
        plan.launch_with(&args, workspace)
    };
    assert_eq!(
        text(launch(&mut [])),
        format!("RF0613: the plan of `twice` needs 64 bytes of workspace, and there are 0\n{help}")
    );
    assert_eq!(
        text(launch(&mut workspace[..63])),
        format!("RF0613: the plan of `twice` needs 64 bytes of workspace, and there are 63\n{help}")
    );
    let unaligned = text(launch(&mut workspace[4..]));
    assert!(unaligned.starts_with("RF0613: the workspace begins at 0x"), "{unaligned}");
    assert!(unaligned.ends_with(&format!("4, no multiple of 64\n{help}")), "{unaligned}");
    launch(&mut workspace[..64]).unwrap();
    assert_eq!(y, [2; 8]);

    let base: *mut u8 = workspace.as_mut_ptr();
    // SAFETY: the view is only used in the launch below, which refuses it.
    let y = unsafe { TensorMut::from_raw(base.add(32), 32, DType::I32, &[2, K], &[4, 1]) };
    assert_eq!(
        text(plan.launch_with(Args::new().input(TensorRef::new(&IDS, &[2, K])).output(y), &mut workspace)),
        "RF0608: output `y` overlaps the workspace\n  help: give the workspace memory of its own"
    );
}

#[test]
fn extents_past_63_bits() {
    let rows = 1u64 << 60;
    let mut out = [0i32; 4];
    let launch = |plan: &HostPlan, ids: TensorRef<'_>, out: TensorMut<'_>| {
        text(plan.launch(Args::new().input(ids).input(TensorRef::new(&MAP, &[E])).output(out)))
    };
    let plan = plan(remap_program());
    let huge = TensorRef::new(&IDS, &[rows, K]);
    assert_eq!(
        launch(&plan, huge, TensorMut::new(&mut out, &[rows, K])),
        "RF0614: input `ids` is i32[T, 4], and with 1152921504606846976 rows it spans more than 2^63 - 1 bytes\n  \
         help: give smaller extents or strides"
    );
    for rows in [u64::MAX, 1 << 63, 1 << 62] {
        let huge = TensorRef::new(&IDS, &[rows, K]);
        assert!(launch(&plan, huge, TensorMut::new(&mut out, &[rows, K])).starts_with("RF0614"));
    }
    let far = TensorRef::rows(&IDS, &[2, K], i64::MAX as u64);
    assert!(launch(&plan, far, TensorMut::new(&mut out, &[2, K])).starts_with("RF0614"));
    // Within 63 bits, but not within the buffer.
    let large = TensorRef::new(&IDS, &[1 << 40, K]);
    assert!(launch(&plan, large, TensorMut::new(&mut out, &[1 << 40, K])).starts_with("RF0607"));
}

#[test]
fn no_rows_are_checked_like_any() {
    let plan = plan(remap_program());
    let mut none = [0i32; 0];
    let mut launch = |ids: TensorRef<'_>| {
        plan.launch(Args::new().input(ids).input(TensorRef::new(&MAP, &[E])).output(TensorMut::new(&mut none, &[0, K])))
            .map_err(|e| e.code)
    };
    launch(TensorRef::new::<i32>(&[], &[0, K])).unwrap();
    assert_eq!(launch(TensorRef::new::<i64>(&[], &[0, K])), Err(routefuse_ir::Code::ArgumentDType));
    assert_eq!(launch(TensorRef::new::<i32>(&[], &[0, 3])), Err(routefuse_ir::Code::ArgumentExtent));
    assert_eq!(launch(TensorRef::new(&IDS, &[1, K])), Err(routefuse_ir::Code::SymbolConflict));
}

#[test]
fn a_plan_for_another_target() {
    let plan = plan_for(
        remap_program(),
        Target::named("sm_90").unwrap(),
        CCompiler::new(),
        std::sync::Arc::new(routefuse_runtime::KernelCache::new()),
    );
    assert_eq!(
        text(HostPlan::new(plan).map(drop)),
        "RF0806: the plan of `remap` is for `sm_90`, which the host does not run\n  \
         help: compile for the target `host`, load the plan on a GPU (`CudaPlan`), or take its `artifacts` elsewhere"
    );
}
