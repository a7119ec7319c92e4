//! Files that are written whole or not at all.

use routefuse::diag::{Code, Diagnostic};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes a file: beside it first, then renamed over it. A file that is there keeps its permissions, and a link stays one.
///
/// # Errors
/// `RF0702`.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = real.clone().into_os_string();
    beside.push(format!(".routefuse-{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let replace = || {
        fs::write(&beside, bytes)?;
        if let Ok(there) = fs::metadata(&real) {
            fs::set_permissions(&beside, there.permissions())?;
        }
        fs::rename(&beside, &real)
    };
    replace().map_err(|e| {
        // The half-written file, if there is one, is of no use to anybody.
        let _ = fs::remove_file(&beside);
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
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn permissions_and_links_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let nowhere = folder.path().join("none/file");
        assert_eq!(write(&nowhere, b"new").unwrap_err().code, Code::CannotWrite);
    }
}
