//! Files that are written whole or not at all, and over nothing that somebody may still want.

use crate::input_file;
use routefuse::diag::{Code, Diagnostic};
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What may be written over. A file that has the very bytes already is none.
#[derive(Clone, Copy)]
pub enum Over<'a> {
    /// No other file.
    Nothing,
    /// Files of which this says that they are former ones of the same.
    Former(&'a dyn Fn(&Path) -> bool),
    /// Any file: somebody said so.
    Anything,
}

impl<'a> Over<'a> {
    /// Any file with `--force`, and else `without`.
    pub fn forced(force: bool, without: Over<'a>) -> Over<'a> {
        if force { Over::Anything } else { without }
    }
}

/// Writes a file: beside it first, then renamed over it. A file that is there keeps its permissions, and a link stays one.
///
/// # Errors
/// `RF0702`: the system's refusals; that something is there which may not be written over.
pub fn write(path: &Path, bytes: &[u8], over: Over<'_>) -> Result<(), Diagnostic> {
    check(path, bytes, over)?;
    put(path, bytes, over)
}

/// As [`write`], of several files: none is written unless all may be.
///
/// # Errors
/// As [`write`].
pub fn write_all(files: &[(PathBuf, Vec<u8>)], over: Over<'_>) -> Result<(), Diagnostic> {
    files.iter().try_for_each(|(path, bytes)| check(path, bytes, over))?;
    files.iter().try_for_each(|(path, bytes)| put(path, bytes, over))
}

/// Whether a file may be written, and nothing more: before what takes long. What it is going to hold is not known yet.
///
/// # Errors
/// As [`write`].
pub fn may_write(path: &Path, over: Over<'_>) -> Result<(), Diagnostic> {
    match fs::metadata(path) {
        Ok(there) => {
            let kind = there.file_type();
            if kind.is_file() {
                return match over {
                    Over::Anything => Ok(()),
                    Over::Former(is_former) if is_former(path) => Ok(()),
                    _ => Err(occupied(path, "is there already")),
                };
            }
            let what = match kind {
                k if k.is_dir() => "is a folder",
                k if k.is_fifo() => "is a pipe",
                k if k.is_block_device() || k.is_char_device() => "is a device",
                _ => "is no file",
            };
            // Whatever was said: this is nothing to be replaced by a file.
            let message = format!("`{}` {what}, and is not written over", path.display());
            Err(Diagnostic::new(Code::CannotWrite, message).help("name a file"))
        }
        Err(_) if fs::symlink_metadata(path).is_ok() && !matches!(over, Over::Anything) => {
            Err(occupied(path, "is a link that leads to no file"))
        }
        // Whatever else is wrong is said by trying.
        Err(_) => Ok(()),
    }
}

fn occupied(path: &Path, what: &str) -> Diagnostic {
    let message = format!("`{}` {what}, and is not written over", path.display());
    Diagnostic::new(Code::CannotWrite, message).help("name another, or write over it with `--force`")
}

fn check(path: &Path, bytes: &[u8], over: Over<'_>) -> Result<(), Diagnostic> {
    may_write(path, over).or_else(|refused| if holds(path, bytes) { Ok(()) } else { Err(refused) })
}

/// Whether a file has these bytes already.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    input_file::read(path, bytes.len() as u64).is_ok_and(|there| there == bytes)
}

fn put(path: &Path, bytes: &[u8], over: Over<'_>) -> Result<(), Diagnostic> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let replace = || {
        let folder = real.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let there = fs::metadata(&real).ok();
        let permissions = there.as_ref().map_or_else(|| Permissions::from_mode(0o666), fs::Metadata::permissions);
        // A new file of its own, whatever stands in the folder. New files have the permissions that the umask leaves.
        let mut beside =
            tempfile::Builder::new().prefix(".routefuse-").permissions(permissions.clone()).tempfile_in(folder)?;
        beside.write_all(bytes)?;
        match there {
            Some(_) => {
                beside.as_file().set_permissions(permissions)?;
                beside.persist(&real).map_err(|e| e.error)?;
            }
            None if matches!(over, Over::Anything) => {
                beside.persist(&real).map_err(|e| e.error)?;
            }
            // Nor over what has come meanwhile.
            None => {
                beside.persist_noclobber(&real).map_err(|e| e.error)?;
            }
        }
        Ok(())
    };
    replace().map_err(|e: std::io::Error| {
        if e.kind() == ErrorKind::AlreadyExists {
            return occupied(path, "is there already");
        }
        Diagnostic::new(Code::CannotWrite, format!("cannot write `{}`: {e}", path.display()))
            .help("the folder must exist and be writable")
    })
}

/// Makes a folder, unless it is there.
///
/// # Errors
/// `RF0702`.
pub fn make_folder(path: &Path) -> Result<(), Diagnostic> {
    fs::create_dir_all(path).map_err(|e| {
        Diagnostic::new(Code::CannotWrite, format!("cannot make the folder `{}`: {e}", path.display()))
            .help("name a folder that is there, or that can be made")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn permissions_and_links_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"new", Over::Anything).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let nowhere = folder.path().join("none/file");
        assert_eq!(write(&nowhere, b"new", Over::Anything).unwrap_err().code, Code::CannotWrite);
    }

    #[test]
    fn nothing_is_written_over_unless_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let file = |name: &str, bytes: &str| (path(name), bytes.as_bytes().to_vec());
        write_all(&[file("a", "1"), file("b", "2")], Over::Nothing).unwrap();
        write_all(&[file("a", "1"), file("b", "2")], Over::Nothing).expect("the same bytes");
        let refused = write_all(&[file("c", "3"), file("b", "4")], Over::Nothing).unwrap_err();
        assert!(refused.message.ends_with("b` is there already, and is not written over"), "{refused}");
        assert!(!path("c").exists() && fs::read(path("b")).unwrap() == b"2");
        assert!(write(&path("b"), b"4", Over::Former(&|_| false)).is_err());
        write(&path("b"), b"4", Over::Former(&|there| there.ends_with("b"))).unwrap();
        write(&path("b"), b"5", Over::Anything).unwrap();
        assert_eq!(fs::read(path("b")).unwrap(), b"5");
        symlink(path("gone"), path("loose")).unwrap();
        assert!(
            write(&path("loose"), b"6", Over::Nothing).unwrap_err().message.contains("a link that leads to no file")
        );
        for device in ["/dev/null", "/dev/full"] {
            let refused = write(Path::new(device), b"7", Over::Anything).unwrap_err();
            assert!(refused.message.ends_with("is a device, and is not written over"), "{refused}");
        }
        assert!(write(folder.path(), b"7", Over::Anything).unwrap_err().message.contains("is a folder"));
    }
}
