//! Host machine code: an ELF shared object in memory becomes a callable function.
//!
//! Three layers: `memory_file` puts the bytes where `dlopen` finds them, `libloading` opens them, and [`HostCode`] keeps
//! what the entry point needs alive.

use super::{elf, memory_file};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::abi::{COUNT, PART};
use routefuse_ir::target::TargetKind;
use routefuse_ir::{Code, Diagnostic};
use std::os::fd::{AsRawFd, OwnedFd};

/// `extern "C" fn(slots, row_begin, row_end)`: see [`routefuse_ir::kernel::abi`].
type EntryPoint = unsafe extern "C" fn(*const u64, u64, u64);

/// `extern "C" fn(slots, row_begin, row_end, scratch)`, of a kernel that takes scratch memory.
type EntryPointWithScratch = unsafe extern "C" fn(*const u64, u64, u64, *mut u8);

/// `extern "C" fn(slots, row_begin, row_end, counts)`, of a kernel whose rows are done in order.
type Count = unsafe extern "C" fn(*const u64, u64, u64, *mut i32);

/// `extern "C" fn(slots, row_begin, row_end, before, scratch)`, of the same.
type Part = unsafe extern "C" fn(*const u64, u64, u64, *const i32, *mut u8);

/// A loaded shared object; dropping it unloads the code.
#[derive(Debug)]
pub(crate) struct HostCode {
    // Dropped in this order: the code goes before the file. The file stays open as long as the code is loaded, because the
    // loader knows objects by their path: another file under the same `/proc/self/fd/N` would be taken for this one.
    entry: EntryPoint,
    /// What counts the ids of rows, and what does rows behind those that were counted.
    parts: Option<(Count, Part)>,
    _library: Library,
    _file: OwnedFd,
}

impl HostCode {
    /// Loads the artifact's code.
    ///
    /// # Errors
    /// `RF0806` if it was compiled for another kind of machine; `RF0805` if its bytes are not a shared object for this
    /// processor, or the system does not load it.
    ///
    /// # Safety
    /// The code does what the artifact says, under the calling convention of [`routefuse_ir::kernel::abi`]: it is what a
    /// [`Compiler`](crate::Compiler) gave.
    pub(crate) unsafe fn load(artifact: &Artifact) -> Result<HostCode, Diagnostic> {
        let Artifact { target, format, entry, code, .. } = artifact;
        if target.kind() != TargetKind::Host {
            let message = format!("the artifact is machine code for `{target}`, and this process runs on the host");
            return Err(Diagnostic::new(Code::TargetNotHere, message).help("compile the graph for the target `host`"));
        }
        let refuse =
            |reason: String| Diagnostic::new(Code::CannotLoad, format!("the compiled code cannot be loaded: {reason}"));
        if *format != CodeFormat::SharedObject {
            return Err(refuse(format!("it is {format:?}, not a shared object")));
        }
        elf::check(code).map_err(&refuse)?;
        let file = memory_file::create(code).map_err(|e| {
            refuse(format!("no file in memory can be made: {e}"))
                .help("the system call `memfd_create` must be allowed to make executable files")
        })?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        // SAFETY: the caller vouches for the code. Without initialisers in the object, opening it runs nothing.
        let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|e| refuse(e.to_string()).help("`/proc` must be mounted, and memory mapped executable"))?;
        // SAFETY: the caller vouches that the entry point has this type. The pointer lives as long as `library`, which is
        // kept beside it.
        let entry = unsafe { library.get::<EntryPoint>(entry.as_bytes()).map(|symbol| *symbol) }
            .map_err(|_| refuse(format!("it has no entry point `{entry}`")))?;
        // SAFETY: as above, of functions of these names.
        let parts = unsafe {
            let count = library.get::<Count>(COUNT.as_bytes()).map(|symbol| *symbol);
            let part = library.get::<Part>(PART.as_bytes()).map(|symbol| *symbol);
            count.ok().zip(part.ok())
        };
        Ok(HostCode { entry, parts, _library: library, _file: file })
    }

    /// Runs rows `begin..end`.
    ///
    /// # Safety
    /// `slots` are the arguments that the artifact's slots name, in order, and the memory behind them is what the kernel
    /// reads and writes in these rows. `scratch` is as many bytes as its kernel takes, for this call alone, and null exactly
    /// where it takes none.
    #[inline]
    pub(crate) unsafe fn call(&self, slots: *const u64, [begin, end]: [u64; 2], scratch: *mut u8) {
        if scratch.is_null() {
            // SAFETY: the entry point is code that is loaded as long as `self`; the caller vouches for its arguments.
            return unsafe { (self.entry)(slots, begin, end) };
        }
        // SAFETY: of a kernel that takes scratch memory, as the caller says, this is the entry point's type.
        let entry = unsafe { std::mem::transmute::<EntryPoint, EntryPointWithScratch>(self.entry) };
        // SAFETY: as above.
        unsafe { entry(slots, begin, end, scratch) }
    }

    /// Whether rows that are done in order can be shared.
    pub(crate) fn has_parts(&self) -> bool {
        self.parts.is_some()
    }

    /// Counts the ids of rows `begin..end`.
    ///
    /// # Safety
    /// As of [`HostCode::call`]; `counts` has an `i32` for each bin of the kernel and one more, at a multiple of 64, for this call
    /// alone.
    pub(crate) unsafe fn count(&self, slots: *const u64, [begin, end]: [u64; 2], counts: *mut i32) {
        if let Some((count, _)) = self.parts {
            // SAFETY: the caller vouches for the arguments.
            unsafe { count(slots, begin, end, counts) }
        }
    }

    /// Runs rows `begin..end`, before which there are as many ids as `before` says.
    ///
    /// # Safety
    /// As of [`HostCode::call`]; `before` has the sums of what [`HostCode::count`] gave for all rows before.
    pub(crate) unsafe fn part(&self, slots: *const u64, [begin, end]: [u64; 2], before: *const i32, scratch: *mut u8) {
        if let Some((_, part)) = self.parts {
            // SAFETY: the caller vouches for the arguments.
            unsafe { part(slots, begin, end, before, scratch) }
        }
    }
}
