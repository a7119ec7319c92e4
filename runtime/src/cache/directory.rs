//! A directory that code may be loaded from: only this user, or the system's administrator, can have put it there.

use super::trouble::Trouble;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The permission of everyone to write.
const WORLD_WRITABLE: u32 = 0o002;
/// The permissions of all but the owner.
#[cfg(feature = "signatures")]
const OTHERS: u32 = 0o077;

/// Makes the directory and its parents, for this user alone, unless it is there; and checks it.
pub(super) fn make(path: &Path) -> Result<(), Trouble> {
    match check(path) {
        Err(Trouble::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        checked => return checked,
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|e| Trouble::io("make the directory", path, e))?;
    check(path)
}

/// It is a directory, this user's or the administrator's, and not everyone may write to it.
pub(super) fn check(path: &Path) -> Result<(), Trouble> {
    let metadata = fs::metadata(path).map_err(|e| Trouble::io("open the directory", path, e))?;
    if !metadata.is_dir() {
        return Err(Trouble::Kind { expected: "directory", path: path.to_owned() });
    }
    trusted(path, &metadata)
}

fn trusted(path: &Path, metadata: &Metadata) -> Result<(), Trouble> {
    let (owner, user) = (metadata.uid(), user());
    if owner != user && owner != 0 {
        return Err(Trouble::Owner { path: path.to_owned(), owner, user });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & WORLD_WRITABLE != 0 {
        return Err(Trouble::WorldWritable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// The user whom the kernel takes this process for.
pub(super) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The bytes of a file of such a directory, at most `most` of them; `None` if there is no such file.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Trouble> {
    let failed = |e| Trouble::io("read", path, e);
    // No link is followed, and a pipe does not hang.
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32;
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Trouble::Kind { expected: "file", path: path.to_owned() });
    }
    trusted(path, &metadata)?;
    let mut bytes = Vec::with_capacity(metadata.len().min(most) as usize + 1);
    (&mut file).take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(failed(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes"))));
    }
    Ok(Some(bytes))
}

/// The text of a file of settings, which is followed if it is a link.
#[cfg(feature = "signatures")]
pub(super) fn read_text(path: &Path, most: u64) -> Result<String, Trouble> {
    let real = fs::canonicalize(path).map_err(|e| Trouble::io("read", path, e))?;
    let bytes = read(&real, most)?.ok_or_else(|| Trouble::io("read", path, ErrorKind::NotFound.into()))?;
    String::from_utf8(bytes).map_err(|_| Trouble::io("read", path, ErrorKind::InvalidData.into()))
}

/// That nobody but its owner has any permission on it.
#[cfg(feature = "signatures")]
pub(super) fn check_secret(path: &Path) -> Result<(), Trouble> {
    let metadata = fs::metadata(path).map_err(|e| Trouble::io("read", path, e))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 { Ok(()) } else { Err(Trouble::NotSecret { path: path.to_owned(), mode }) }
}

/// Publishes a file at once: readers see the old one, or none, or all of the new one. What is written is on the
/// disk before it is seen, so that a machine that stops leaves no half file under the name.
pub(super) fn publish(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Trouble> {
    let path = directory.join(name);
    let temporary = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(|e| Trouble::io("make a file in", directory, e))?;
    let written = (|| {
        let mut file: &File = temporary.as_file();
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    })();
    written.map_err(|e| Trouble::io("write", &path, e))?;
    temporary.persist(&path).map_err(|e| Trouble::io("write", &path, e.error))?;
    Ok(())
}

/// How the names of files begin that are being written. What a killed process leaves, `bounds` clears away.
pub(super) const TEMPORARY: &str = ".writing-";
