//! Runs a shared object in this process.

use crate::data::Run;
use routefuse_ir::artifact::Artifact;

/// A cache line, at which scratch memory begins.
#[repr(align(64))]
#[derive(Clone, Copy)]
pub struct Line(#[allow(dead_code)] [u8; 64]);

/// The buffers after a launch, one a parameter. The rows are run in two parts, as threads would, with so many bytes of scratch
/// memory.
pub fn run(artifact: &Artifact, run: &Run, scratch_bytes: u64) -> Vec<Vec<u8>> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &artifact.code).expect("written");
    // Addresses that are multiples of the elements' size and of nothing more.
    let mut memory: Vec<Vec<u64>> = run.buffers.iter().map(|b| vec![0u64; b.bytes.len() / 8 + 3]).collect();
    let addresses: Vec<u64> = memory.iter_mut().map(|m| m[1..].as_mut_ptr() as u64).collect();
    for (buffer, address) in run.buffers.iter().zip(&addresses) {
        // SAFETY: the memory holds the bytes behind its first word.
        unsafe { std::ptr::copy_nonoverlapping(buffer.bytes.as_ptr(), *address as *mut u8, buffer.bytes.len()) };
    }
    let slots = run.slots(&artifact.slots, |i| addresses[i]);
    let mut scratch = vec![Line([0x5a; 64]); scratch_bytes.div_ceil(64) as usize];
    let scratch = scratch.as_mut_ptr();
    // SAFETY: the code was made for these slots, whose buffers are as large as the extents and strides say.
    unsafe {
        let library = libloading::Library::new(file.path()).expect("dlopen");
        let entry: libloading::Symbol<unsafe extern "C" fn(*const u64, u64, u64, *mut Line)> =
            library.get(artifact.entry.as_bytes()).expect("the entry");
        let rows = if run.extents.is_empty() { 1 } else { run.rows };
        let middle = rows / 3;
        // An argument more than the code looks at does nothing.
        entry(slots.as_ptr(), 0, middle, scratch);
        entry(slots.as_ptr(), middle, rows, scratch);
    }
    run.buffers
        .iter()
        .zip(&addresses)
        // SAFETY: the memory still holds the bytes.
        .map(|(b, address)| unsafe { std::slice::from_raw_parts(*address as *const u8, b.bytes.len()) }.to_vec())
        .collect()
}
