//! Files and directories that code may be loaded from: only this user, or the system's administrator, can have put it there.

use super::private_group::is_private;
use super::trouble::Trouble;
use std::fs::{self, DirBuilder, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The permission of everyone to write.
const WORLD_WRITABLE: u32 = 0o002;
/// The permission of the group to write.
const GROUP_WRITABLE: u32 = 0o020;
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

/// It is a directory, this user's or the administrator's, and no others may write to it.
pub(super) fn check(path: &Path) -> Result<(), Trouble> {
    let metadata = fs::metadata(path).map_err(|e| Trouble::io("open the directory", path, e))?;
    if !metadata.is_dir() {
        return Err(Trouble::Kind { expected: "directory", path: path.to_owned() });
    }
    trusted(path, &metadata)
}

fn trusted(path: &Path, metadata: &Metadata) -> Result<(), Trouble> {
    let (owner, group, user) = (metadata.uid(), metadata.gid(), user());
    if owner != user && owner != 0 {
        return Err(Trouble::Owner { path: path.to_owned(), owner, user });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & WORLD_WRITABLE != 0 {
        return Err(Trouble::WorldWritable { path: path.to_owned(), mode });
    }
    if mode & GROUP_WRITABLE != 0 && !is_private(path, group, user) {
        return Err(Trouble::GroupWritable { path: path.to_owned(), mode, group });
    }
    Ok(())
}

/// The user whom the kernel takes this process for.
pub(super) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// No link is followed, and a pipe does not hang.
pub(super) fn careful() -> i32 {
    (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32
}

/// Opens a file, and nothing else, that only this user or the administrator can have written; `None` if there is none.
pub(super) fn open(path: &Path) -> Result<Option<(File, Metadata)>, Trouble> {
    let file = match OpenOptions::new().read(true).custom_flags(careful()).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(refused("read", path, e)),
    };
    let metadata = file.metadata().map_err(|e| Trouble::io("read", path, e))?;
    if !metadata.is_file() {
        return Err(Trouble::Kind { expected: no_file(metadata.file_type()), path: path.to_owned() });
    }
    trusted(path, &metadata)?;
    Ok(Some((file, metadata)))
}

/// The bytes of a file of such a directory; `None` if there is no such file. Of one of more than `most` bytes nothing is read.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Trouble> {
    let Some((file, metadata)) = open(path)? else { return Ok(None) };
    read_whole(path, &file, &metadata, most).map(Some)
}

/// The bytes of an open file, as [`read`].
pub(super) fn read_whole(path: &Path, mut file: &File, metadata: &Metadata, most: u64) -> Result<Vec<u8>, Trouble> {
    let failed = |e| Trouble::io("read", path, e);
    let too_large = || failed(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    if metadata.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    // It may grow meanwhile.
    (&mut file).take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

/// Why something was not opened: by what it is, rather than by what the system says of trying.
fn refused(action: &'static str, path: &Path, e: io::Error) -> Trouble {
    match fs::symlink_metadata(path) {
        Ok(m) if !m.is_file() => Trouble::Kind { expected: no_file(m.file_type()), path: path.to_owned() },
        _ => Trouble::io(action, path, e),
    }
}

/// What [`Trouble::Kind`] says of something where a file is meant.
fn no_file(kind: FileType) -> &'static str {
    match kind {
        k if k.is_symlink() => "file: it is a link",
        k if k.is_dir() => "file: it is a directory",
        k if k.is_fifo() => "file: it is a pipe",
        k if k.is_block_device() || k.is_char_device() => "file: it is a device",
        _ => "file",
    }
}

/// Adds to the end of a file, which is made if need be: never through a link, into a pipe, or into a file that has another name
/// besides, so that nothing of anyone's is written to.
pub(super) fn append(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let failed = |e| Trouble::io("write", path, e);
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o644).custom_flags(careful());
    let mut file = options.open(path).map_err(|e| refused("write", path, e))?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Trouble::Kind { expected: no_file(metadata.file_type()), path: path.to_owned() });
    }
    if metadata.nlink() > 1 {
        return Err(Trouble::Kind { expected: "file of one name", path: path.to_owned() });
    }
    trusted(path, &metadata)?;
    file.write_all(bytes).map_err(failed)
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
pub(super) fn publish(directory: &Path, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Trouble> {
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
