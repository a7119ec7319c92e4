//! A cache stays within its bounds: what was used longest ago goes first.
//!
//! An entry that goes while another process reads it is still read whole: the file is there until the reader closes it.

use super::uses;
use crate::cache::Key;
use crate::cache::directory::TEMPORARY;
use crate::cache::trouble::Trouble;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How the names of entries end.
const EXTENSION: &str = ".rfk";
/// A file that is being written belongs to a dead process after this time.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The file of a key.
pub(super) fn file_name(key: Key) -> String {
    format!("{key}{EXTENSION}")
}

/// An entry's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Its key, by its name.
    pub key: Key,
    /// Its size.
    pub bytes: u64,
    /// Its position in the order of last uses, from 0; `None` if no use is on record.
    pub used: Option<usize>,
}

/// What was cleared away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Collected {
    /// Entries that are left.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that went.
    pub evicted: u64,
    /// Files that went, of processes that were killed while they wrote.
    pub abandoned: u64,
}

/// The entries of a directory, the last used last; those without a recorded use come first, by key.
pub(super) fn list(directory: &Path) -> Result<(Vec<Listed>, Vec<PathBuf>), Trouble> {
    let failed = |e| Trouble::io("list", directory, e);
    let positions = uses::read(directory).map(|(positions, _)| positions).unwrap_or_default();
    let (mut listed, mut temporary) = (Vec::new(), Vec::new());
    for file in fs::read_dir(directory).map_err(failed)? {
        let file = file.map_err(failed)?;
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(TEMPORARY) {
            temporary.push(file.path());
        }
        let Some(key) = name.strip_suffix(EXTENSION).and_then(Key::from_text) else { continue };
        // Another process may take a file away while we look.
        let Ok(metadata) = file.metadata() else { continue };
        listed.push(Listed { key, bytes: metadata.len(), used: positions.get(&key).copied() });
    }
    listed.sort_by_key(|l| (l.used, l.key));
    Ok((listed, temporary))
}

/// Takes entries away until there are at most so many, of at most so many bytes. Where something has to go, an eighth of the
/// bounds is made free, so that it is not done again for each new entry.
pub(super) fn collect(directory: &Path, max_entries: u64, max_bytes: u64) -> Result<Collected, Trouble> {
    let (listed, temporary) = list(directory)?;
    let mut left =
        Collected { entries: listed.len() as u64, bytes: listed.iter().map(|l| l.bytes).sum(), ..Collected::default() };
    if left.entries > max_entries || left.bytes > max_bytes {
        let (entries, bytes) = (max_entries - max_entries / 8, max_bytes - max_bytes / 8);
        for l in &listed {
            if left.entries <= entries && left.bytes <= bytes {
                break;
            }
            remove(&directory.join(file_name(l.key)))?;
            left.entries -= 1;
            left.bytes -= l.bytes;
            left.evicted += 1;
        }
    }
    for path in temporary {
        // By distance, not by order: clocks go backwards, and those of a file server are others.
        let age = fs::metadata(&path).and_then(|m| m.modified()).map(|at| match SystemTime::now().duration_since(at) {
            Ok(age) => age,
            Err(e) => e.duration(),
        });
        if age.is_ok_and(|age| age > ABANDONED) && remove(&path).is_ok() {
            left.abandoned += 1;
        }
    }
    let (positions, size) = uses::read(directory)?;
    if size > uses::COMPACT || (left.evicted > 0 && !positions.is_empty()) {
        let kept = listed.iter().skip(left.evicted as usize).filter(|l| l.used.is_some()).map(|l| l.key);
        uses::rewrite(directory, &kept.collect::<Vec<_>>())?;
    }
    Ok(left)
}

/// Takes a file away that another may have taken away.
pub(super) fn remove(path: &Path) -> Result<(), Trouble> {
    let removed = match fs::remove_file(path) {
        // No entry of ours, but under the name of one.
        Err(e) if e.kind() == ErrorKind::IsADirectory => fs::remove_dir_all(path),
        removed => removed,
    };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Trouble::io("remove", path, e)),
        _ => Ok(()),
    }
}
