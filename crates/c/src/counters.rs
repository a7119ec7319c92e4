//! What an engine did so far.

use crate::boundary::{Out, call};
use crate::engine::{engine, routefuse_engine};
use crate::error::{routefuse_error, routefuse_status};
use routefuse::cache::Counters;

/// What an engine did so far.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_counters {
    /// Kernels that were compiled.
    pub compiles: u64,
    /// Kernels that were found.
    pub hits: u64,
    /// Host kernels loaded into the process, and machine code loaded on GPUs.
    pub loads: u64,
    /// Kernels of which a GPU's driver made machine code.
    pub assembled: u64,
    /// Kernels that would have had to be compiled or loaded after the engine was sealed.
    pub refused: u64,
}

/// What the engine did so far.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_engine_counters(
    engine: *const routefuse_engine,
    counters: *mut routefuse_counters,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("counters", counters) }?;
        let Counters { compiles, hits, loads, assembled, refused, .. } = self::engine(engine)?.engine.counters();
        out.write(routefuse_counters { compiles, hits, loads, assembled, refused });
        Ok(())
    })
}
