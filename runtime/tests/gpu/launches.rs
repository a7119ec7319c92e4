//! Launches: their numbers, and what is refused before the driver is called.

use crate::fixture::*;
use crate::played::*;
use routefuse_ir::kernel::schedule::Variant;
use routefuse_ir::{Alias, Code, DType};
use routefuse_runtime::gpu::Launch;
use routefuse_runtime::{Args, Device, TensorMut, TensorRef};
use std::sync::atomic::Ordering;

/// Numbers for every way a launch goes, with the variant and the grid that the schedule says.
#[test]
fn launches_are_right() {
    let (gpu, log) = gpu();
    let plan = on_gpu(remap_program(), &gpu);
    assert!(format!("{plan:?}").contains("gpu: Gpu(hip:3, gfx942)") && format!("{plan:?}").contains("quick: true"));
    let schedule = &plan.plan().kernels()[0].schedule;
    let mut variants = std::collections::BTreeSet::new();
    for rows in [0u64, 1, 2, 33, 513, 4097] {
        for (off, gap, named) in [(0, 0, true), (1, 0, true), (0, 4, false), (3, 1, false)] {
            let stride = K + gap;
            let values = ids((rows * stride) as usize);
            let mut padded = aligned(off, &values);
            let mut result = aligned(off, &vec![77; values.len()]);
            let map = squares();
            let (input, output) = (&mut padded[off..], &mut result[off..]);
            let mut args = Args::new();
            let views = (
                on(TensorRef::rows(input, &[rows, K], stride)),
                on(TensorRef::new(&map, &[E])),
                out(TensorMut::rows(output, &[rows, K], stride)),
            );
            if named {
                args.named_input("ids", views.0).named_input("map", views.1).named_output("out", views.2);
            } else {
                args.input(views.0).input(views.1).output(views.2);
            }
            let before = log.launches.lock().unwrap().len();
            plan.launch(stream(&gpu), &args).unwrap();
            drop(args);
            let launches = log.launches.lock().unwrap();
            assert_eq!(launches.len() - before, usize::from(rows > 0), "one call of the driver, or none for no rows");
            let expected = remapped(&padded[off..]);
            for (i, got) in result[off..].iter().enumerate() {
                let inside = (i as u64) < rows * stride && (i as u64) % stride < K;
                assert_eq!(*got, if inside { expected[i] } else { 77 }, "{rows} rows, off {off}, gap {gap}");
            }
            if let Some((variant, blocks, threads)) = launches.get(before) {
                let of = *Variant::GPU.iter().find(|v| v.to_string() == *variant).unwrap();
                assert_eq!((u64::from(*blocks), *threads), (schedule.blocks(rows, of).unwrap(), schedule.threads(of)));
                variants.insert(variant.clone());
            }
        }
    }
    assert!(variants.len() > 1, "{variants:?}");
}

/// Kernels one after the other, through the workspace; and an output that lies in its input's memory.
#[test]
fn workspaces_and_aliases() {
    let (gpu, log) = gpu();
    let plan = on_gpu(two_step_program(), &gpu);
    let x: Vec<i32> = (0..400).collect();
    let mut y = vec![0; 400];
    let mut workspace = routefuse_runtime::Workspace::new(plan.plan().workspace_size(&[100]).unwrap() as usize);
    let (begin, bytes) = (workspace.as_mut_ptr().expose_provenance() as u64, workspace.len() as u64);
    let mut args = Args::new();
    args.input(on(TensorRef::new(&x, &[100, K]))).output(out(TensorMut::new(&mut y, &[100, K])));
    let e = plan.launch(stream(&gpu), &args).unwrap_err();
    assert_eq!((e.code, log.launches.lock().unwrap().len()), (Code::WorkspaceTooSmall, 0));
    // SAFETY: the memory is there and nobody else's.
    plan.launch(unsafe { stream(&gpu).workspace(begin, bytes) }, &args).unwrap();
    assert_eq!(log.launches.lock().unwrap().len(), 2);
    assert!(y.iter().zip(&x).all(|(y, x)| *y == x + 2));

    let plan = on_gpu(increment_program(Alias::InPlace(0)), &gpu);
    let mut x = vec![1, 2, 3, i32::MAX];
    plan.launch(stream(&gpu), Args::new().output(out(TensorMut::new(&mut x, &[1, K])))).unwrap();
    assert_eq!(x, [2, 3, 4, i32::MIN]);
}

/// The host's checks, with this GPU's name; nothing is launched.
#[test]
fn what_is_wrong_is_refused() {
    let (gpu, log) = gpu();
    let plan = on_gpu(remap_program(), &gpu);
    let (ids, map) = (ids(2), squares());
    let mut result = [77; 8];
    let refused = |ids: TensorRef<'_>, into: TensorMut<'_>, launch: Launch<'_, Played>| {
        let mut args = Args::new();
        args.input(ids).input(on(TensorRef::new(&map, &[E]))).output(into);
        plan.launch(launch, &args).expect_err("the launch was to fail").to_string()
    };
    let good = on(TensorRef::new(&ids, &[2, K]));
    let usual = stream(&gpu);
    let text = refused(TensorRef::new(&ids, &[2, K]), out(TensorMut::new(&mut result, &[2, K])), usual);
    assert_eq!(
        text,
        "RF0611: input `ids` is in the memory of the host, and the plan runs on hip:3\n  \
         help: copy it to hip:3, or compile the graph for where it is"
    );
    // The same ordinal, of another vendor's driver.
    let text = refused(good.on(Device::Cuda(ORDINAL)), out(TensorMut::new(&mut result, &[2, K])), usual);
    assert!(text.starts_with("RF0611: input `ids` is in the memory of cuda:3, and the plan runs on hip:3"), "{text}");
    for (ids, code) in [
        (on(TensorRef::new(&[0i64; 8], &[2, K])), "RF0603"),
        (on(TensorRef::new(&ids, &[8])), "RF0604"),
        (on(TensorRef::new(&ids, &[2, 3])), "RF0605"),
        (on(TensorRef::new(&ids, &[1, K])), "RF0606"),
        (on(TensorRef::new(&ids, &[1 << 40, K])), "RF0607"),
        (on(TensorRef::rows(&ids, &[2, K], 5)), "RF0607"),
        (on(TensorRef::strided(&ids, &[2, K], &[4, 2])), "RF0610"),
    ] {
        let text = refused(ids, out(TensorMut::new(&mut result, &[2, K])), usual);
        assert!(text.starts_with(code), "{code}: {text}");
    }
    // SAFETY: refused before anything is touched.
    let inside = unsafe { TensorMut::from_raw(ids.as_ptr().cast_mut().cast(), 32, DType::I32, &[2, K], &[4, 1]) };
    assert!(refused(good, out(inside), usual).starts_with("RF0608"));
    let foreign = gpu.driver().context + 1000;
    // SAFETY: streams of the played driver are numbers.
    let foreign = unsafe { Launch::on_stream(Stream { context: foreign }, Some(foreign)) };
    let text = refused(good, out(TensorMut::new(&mut result, &[2, K])), foreign);
    assert!(text.starts_with("RF0611: the stream is of another context than the plan of `remap`"), "{text}");
    assert!(text.contains("the context of hip:3"), "{text}");
    assert!(log.launches.lock().unwrap().is_empty());
    assert_eq!(result, [77; 8]);
}

/// More threads than the driver's launch takes, which CUDA's would: refused by every way to a launch.
#[test]
fn too_many_threads() {
    let (gpu, log) = gpu();
    let plan = on_gpu(increment_program(Alias::None), &gpu);
    let launch = |rows: u64, named: bool| {
        let at = |n: u64| std::ptr::with_exposed_provenance_mut::<u8>((n << 46) as usize);
        let (bytes, shape, strides) = (rows * K * 4, [rows, K], [K as i64, 1]);
        // SAFETY: refused before anything is touched.
        let (x, y) = unsafe {
            (
                TensorRef::from_raw(at(1), bytes, DType::I32, &shape, &strides),
                TensorMut::from_raw(at(2), bytes, DType::I32, &shape, &strides),
            )
        };
        let mut args = Args::new();
        if named {
            args.named_output("y", out(y)).named_input("x", on(x));
        } else {
            args.input(on(x)).output(out(y));
        }
        plan.launch(stream(&gpu), &args).unwrap_err().to_string()
    };
    let rows = 1 << 34;
    for named in [false, true] {
        assert_eq!(
            launch(rows, named),
            format!(
                "RF0614: kernel `increment` over {rows} rows takes more than {MOST_THREADS} threads\n  \
                 help: give smaller extents"
            )
        );
    }
    assert!(launch(1 << 40, false).contains("takes more than 2^31 - 1 blocks"));
    assert!(log.launches.lock().unwrap().is_empty());
}

/// A thread without a context gets the plan's, and the launch is tried again; another failure is an error.
#[test]
fn what_the_driver_refuses() {
    let (gpu, log) = gpu();
    let plan = on_gpu(increment_program(Alias::InPlace(0)), &gpu);
    let launch = || {
        let mut x = vec![1; 4];
        plan.launch(stream(&gpu), Args::new().output(out(TensorMut::new(&mut x, &[1, K])))).map(|()| x)
    };
    std::thread::scope(|scope| assert_eq!(scope.spawn(launch).join().unwrap().unwrap(), [2; 4]));
    assert_eq!(log.launches.lock().unwrap().len(), 1);
    log.refuses.store(1, Ordering::SeqCst);
    let e = launch().unwrap_err();
    assert_eq!(e.code, Code::DriverFailed);
    assert!(e.to_string().contains("`launch` failed for kernel `increment` ") && e.to_string().contains("Busy"), "{e}");
    assert_eq!(launch().unwrap(), [2; 4]);
}

/// Elements that begin so many past a multiple of 16 bytes.
fn aligned(off: usize, values: &[i32]) -> AlignedVec {
    let mut lines =
        AlignedVec { lines: vec![Line([0; 4]); (off + values.len()).div_ceil(4)], length: off + values.len() };
    lines[off..].copy_from_slice(values);
    lines
}

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Line([i32; 4]);

struct AlignedVec {
    lines: Vec<Line>,
    length: usize,
}

impl std::ops::Deref for AlignedVec {
    type Target = [i32];

    fn deref(&self) -> &[i32] {
        // SAFETY: a line is four numbers without padding, and there are no fewer than `length`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl std::ops::DerefMut for AlignedVec {
    fn deref_mut(&mut self) -> &mut [i32] {
        // SAFETY: a line is four numbers without padding, there are no fewer than `length`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}
