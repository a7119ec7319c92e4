//! Files that are read: nothing but files, whatever has their name, and no further than their limit.

use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file and says how many bytes it has. A link is followed; a pipe or a device is not waited for.
///
/// # Errors
/// The system's refusals; that it is no file.
pub fn open(path: &Path) -> Result<(File, u64)> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok((file, metadata.len()));
    }
    let what = match kind {
        k if k.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        k if k.is_fifo() => "a pipe",
        k if k.is_block_device() || k.is_char_device() => "a device",
        _ => "something else",
    };
    Err(Error::new(ErrorKind::InvalidInput, format!("it is {what}, and only files are read")))
}

/// The bytes of a file that has at most so many; of a larger one nothing is read.
///
/// # Errors
/// Those of [`open`]; that it is larger.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let (file, length) = open(path)?;
    if length > most {
        return Err(too_large(&format!("{length} bytes"), most));
    }
    let mut bytes = Vec::with_capacity(length as usize + 1);
    read_at_most(file, most, &mut bytes)?;
    Ok(bytes)
}

/// Everything that a stream gives, if that is not too much; no more is read.
///
/// # Errors
/// Those of the stream; that it gives more.
pub fn read_at_most(stream: impl Read, most: u64, bytes: &mut Vec<u8>) -> Result<()> {
    // It may give more than it said, or say nothing.
    stream.take(most + 1).read_to_end(bytes)?;
    if bytes.len() as u64 > most { Err(too_large("more", most)) } else { Ok(()) }
}

fn too_large(has: &str, most: u64) -> Error {
    Error::new(ErrorKind::FileTooLarge, format!("it has {has}, and at most {most} bytes are read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().to_string(), "it has 5 bytes, and at most 4 bytes are read");
        let mut endless = std::io::repeat(7);
        assert!(read_at_most(&mut endless, 1000, &mut Vec::new()).is_err());
        assert!(read(Path::new("/dev/zero"), 5).unwrap_err().to_string().contains("it is a device"));
        assert_eq!(read(folder.path(), 5).unwrap_err().kind(), ErrorKind::IsADirectory);
    }
}
