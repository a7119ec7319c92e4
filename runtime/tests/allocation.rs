//! A launch allocates nothing. Alone in its process, because it counts every allocation of this thread.

mod fixture;

use fixture::*;
use routefuse_ir::Alias;
use routefuse_runtime::{Args, TensorMut, TensorRef, Workspace};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: the system's allocator, counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: handed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: handed on to the caller.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(f: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    f();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn launches_allocate_nothing() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    let (one, two, place) =
        (plan(two_outputs_program()), plan(two_step_program()), plan(increment_program(Alias::InPlace(0))));
    [&one, &two, &place].iter().for_each(|p| p.prepare().unwrap());
    let (ids, map) = (ids(64), squares());
    let (mut out, mut again) = (vec![0; 256], vec![0; 256]);
    let mut workspace = Workspace::new(two.plan().workspace_size(&[64]).unwrap() as usize);
    for t in [0u64, 1, 17, 64] {
        let n = allocations(|| {
            let mut args = Args::new();
            args.input(TensorRef::new(&ids, &[t, K]));
            args.input(TensorRef::new(&map, &[E]));
            args.output(TensorMut::new(&mut out, &[t, K]));
            args.named_output("again", TensorMut::new(&mut again, &[t, K]));
            one.launch(&args).unwrap();
            let mut args = Args::new();
            args.input(TensorRef::new(&ids, &[t, K])).output(TensorMut::new(&mut out, &[t, K]));
            two.launch_with(&args, &mut workspace).unwrap();
            place.launch(Args::new().output(TensorMut::new(&mut out, &[t, K]))).unwrap();
        });
        assert_eq!(n, 0, "T = {t}");
    }
}
