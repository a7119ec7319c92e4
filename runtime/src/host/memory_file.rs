//! A file that lies in memory only.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd};

/// A file with these bytes, closed on exec, whose pages may be mapped executable.
pub(super) fn create(bytes: &[u8]) -> io::Result<OwnedFd> {
    // Kernels from 6.3 on want to be told that the file is to be executed; older ones do not know the flag.
    let file = open(libc::MFD_CLOEXEC | libc::MFD_EXEC).or_else(|_| open(libc::MFD_CLOEXEC))?;
    let mut file = File::from(file);
    file.write_all(bytes)?;
    Ok(file.into())
}

fn open(flags: libc::c_uint) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string that outlives the call.
    let fd = unsafe { libc::memfd_create(c"routefuse".as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
