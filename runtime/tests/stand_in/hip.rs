//! AMD's HIP runtime, by its stand-in.

use crate::vendor::Vendor;
use libloading::os::unix::Library;
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::kernel::schedule::Variant;
use routefuse_runtime::Device;
use routefuse_runtime::gpu::Whose;
use routefuse_runtime::hip::{Gpu, Hip, Launch, Stream};
use std::ffi::c_void;
use std::sync::OnceLock;

impl Vendor for Hip {
    type Own = Stream;

    const SOURCE_TEXT: &'static str = include_str!("hip.c");
    const LIBRARY: &'static str = "libamdhip64.so.7";
    const AT_FIRST: &'static [(&'static str, i32)] =
        &[("load_fails", 0), ("malloc_fails", 0), ("strict", 1), ("version", 70_100_000)];
    const TARGET: &'static str = "gfx942";
    const COMPILED: CodeFormat = CodeFormat::Hsaco;
    const LAUNCH: &'static str = "hipModuleLaunchKernel";
    const INVALID_VALUE: &'static str = "hipErrorInvalidValue (1)";
    const DEPENDENT: bool = false;
    const LOAD_FAILS: &'static str = "load_fails";

    fn open(ordinal: u32) -> Gpu {
        Gpu::open(ordinal).unwrap()
    }

    fn stream(gpu: &Gpu) -> Stream {
        Stream::new(gpu).unwrap()
    }

    fn on(stream: &Stream) -> Launch<'_> {
        Launch::on(stream)
    }

    fn raw(stream: &Stream) -> *mut c_void {
        stream.raw()
    }

    fn number(ordinal: u32) -> Device {
        Device::Hip(ordinal)
    }

    fn whose(address: u64) -> Option<Whose> {
        routefuse_runtime::hip::whose(address)
    }

    fn code(kernel: &str, variant: Variant, parameters: usize) -> Vec<u8> {
        let text = format!("// target gfx942\n// kernel {kernel} {variant}\n// parameters {parameters}\n");
        code_object(0x54c, &text)
    }

    fn library() -> &'static OnceLock<Library> {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        &LIBRARY
    }
}

/// The header of a code object with these `e_flags` and one segment, which is the whole file; behind it a text.
pub fn code_object(flags: u32, text: &str) -> Vec<u8> {
    let mut code = vec![0; 120];
    code[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    // ET_DYN, EM_AMDGPU.
    code[16..20].copy_from_slice(&[3, 0, 224, 0]);
    code[32] = 64;
    code[48..52].copy_from_slice(&flags.to_le_bytes());
    code[54..58].copy_from_slice(&[56, 0, 1, 0]);
    code.extend_from_slice(text.as_bytes());
    let size = code.len() as u64;
    code[64 + 32..64 + 40].copy_from_slice(&size.to_le_bytes());
    code
}
