//! The system's allocator, counting: what shows that a launch allocates nothing.
//!
//! A test binary installs it, `#[global_allocator] static COUNTING: Counting = Counting;`, and asks [`of_this_thread`] before
//! and after.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts the allocations of each thread.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator with the same arguments. Counting allocates nothing: the counter is a
// constant-initialised cell of the thread, and while the thread ends, when the cell is gone, nothing is counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `alloc`, so from the system's allocator, with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }
}

/// Allocations of this thread so far; 0 where [`Counting`] is not the global allocator.
pub fn of_this_thread() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

/// Allocations of this thread while `f` runs.
pub fn during(f: impl FnOnce()) -> u64 {
    let before = of_this_thread();
    f();
    of_this_thread() - before
}
