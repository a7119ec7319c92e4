//! Launches on `cudarc`'s streams and on raw ones.

use super::Launch;
use super::driver::Context;
use cudarc::driver::{CudaStream, sys};
use std::sync::Arc;

impl<'s> Launch<'s> {
    /// On this stream.
    #[inline]
    pub fn on(stream: &'s CudaStream) -> Launch<'s> {
        // SAFETY: the stream is borrowed for 's, and keeps its context.
        unsafe { Launch::on_stream(stream.cu_stream(), Some(Context::of(stream.context()))) }
    }

    /// On a stream of the driver's or of CUDA's runtime.
    ///
    /// # Safety
    /// It is a live stream of the plan's context for `'s`.
    #[inline]
    pub unsafe fn on_raw(stream: sys::CUstream) -> Launch<'s> {
        // SAFETY: the caller vouches that the stream lives for 's, in the plan's context.
        unsafe { Launch::on_stream(stream, None) }
    }
}

impl<'s> From<&'s CudaStream> for Launch<'s> {
    #[inline]
    fn from(stream: &'s CudaStream) -> Launch<'s> {
        Launch::on(stream)
    }
}

impl<'s> From<&'s Arc<CudaStream>> for Launch<'s> {
    #[inline]
    fn from(stream: &'s Arc<CudaStream>) -> Launch<'s> {
        Launch::on(stream)
    }
}
