//! NVIDIA's driver, by its stand-in.

use crate::vendor::Vendor;
use libloading::os::unix::Library;
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::kernel::schedule::Variant;
use routefuse_runtime::Device;
use routefuse_runtime::cuda::cudarc::driver::CudaStream;
use routefuse_runtime::cuda::{Cuda, Gpu, Launch};
use routefuse_runtime::gpu::Whose;
use std::ffi::c_void;
use std::sync::{Arc, OnceLock};

impl Vendor for Cuda {
    type Own = Arc<CudaStream>;

    const SOURCE_TEXT: &'static str = include_str!("cuda.c");
    const LIBRARY: &'static str = "libcuda.so";
    const AT_FIRST: &'static [(&'static str, i32)] = &[("link_fails", 0), ("build", 1), ("version", 12_080)];
    const TARGET: &'static str = "sm_90";
    const COMPILED: CodeFormat = CodeFormat::Ptx;
    const LAUNCH: &'static str = "cuLaunchKernelEx";
    const INVALID_VALUE: &'static str = "CUDA_ERROR_INVALID_VALUE (1)";
    const DEPENDENT: bool = true;
    const LOAD_FAILS: &'static str = "link_fails";

    fn open(ordinal: u32) -> Gpu {
        Gpu::open(ordinal).unwrap()
    }

    /// A stream of a thread whose context is the GPU's.
    fn stream(gpu: &Gpu) -> Arc<CudaStream> {
        gpu.context().bind_to_thread().unwrap();
        gpu.context().new_stream().unwrap()
    }

    fn on(stream: &Arc<CudaStream>) -> Launch<'_> {
        Launch::on(stream)
    }

    fn raw(stream: &Arc<CudaStream>) -> *mut c_void {
        stream.cu_stream().cast()
    }

    fn number(ordinal: u32) -> Device {
        Device::Cuda(ordinal)
    }

    fn whose(address: u64) -> Option<Whose> {
        routefuse_runtime::cuda::whose(address)
    }

    /// "PTX".
    fn code(kernel: &str, variant: Variant, parameters: usize) -> Vec<u8> {
        format!(".version 8.0\n// kernel {kernel} {variant}\n// parameters {parameters}\n").into_bytes()
    }

    fn library() -> &'static OnceLock<Library> {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        &LIBRARY
    }
}
