//! What can be wrong with a cache. It never fails a compile: it is said once, and the kernel is compiled in memory.

use super::reader::Malformed;
#[cfg(feature = "signatures")]
use super::signature::BadKey;
use super::trust::Untrusted;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Why a cache, or one file of it, is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where: a path, or an address.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not a directory, or not a file.
    #[error("{} is no {expected}", path.display())]
    Kind {
        /// What it should be.
        expected: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// Everyone may write to it, so that anyone could put code there for this process to run.
    #[error("{} may be written by everyone (mode {mode:04o}); take that away with chmod o-w", path.display())]
    WorldWritable {
        /// Where.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A group may write to it, so that any of its members could put code there for this process to run.
    #[error(
        "{} may be written by group {group} (mode {mode:04o}), which is not this user's alone; take that away with chmod g-w",
        path.display()
    )]
    GroupWritable {
        /// Where.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The group's number.
        group: u32,
    },
    /// It belongs to another user, who could put code there for this process to run.
    #[error("{} belongs to user {owner}, and this process runs as user {user}", path.display())]
    Owner {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who asks.
        user: u32,
    },
    /// Others than its owner may read or write a file that is secret.
    #[cfg(feature = "signatures")]
    #[error("{} is secret, and others have permissions on it (mode {mode:04o}); take them away with chmod 600", path.display())]
    NotSecret {
        /// Where.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file holds no key.
    #[cfg(feature = "signatures")]
    #[error("{} cannot be used: {reason}", path.display())]
    BadKey {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: BadKey,
    },
    /// It is not signed as it has to be.
    #[error("{} cannot be used: {reason}", path.display())]
    Untrusted {
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: Untrusted,
    },
    /// A file is not what was written.
    #[error("{} is spoilt: {reason}", path.display())]
    Spoilt {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: Malformed,
    },
    /// A file under one key's name has another key.
    #[error("{} is the code of another kernel than its name says", path.display())]
    OtherKernel {
        /// Where.
        path: PathBuf,
    },
    /// What a good entry holds does not load or does not fit its kernel.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// Where.
        path: PathBuf,
        /// What loading it said.
        reason: String,
    },
}

impl Trouble {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Trouble {
        Trouble::Io { action, path: path.to_owned(), source }
    }
}

/// Says the first trouble of a cache as a warning and the others as debug messages, counts them, and keeps the last.
#[derive(Debug)]
pub(super) struct Troubles {
    cache: &'static str,
    warned: AtomicBool,
    count: AtomicU64,
    last: Mutex<Option<String>>,
}

impl Troubles {
    /// Of this cache.
    pub(super) fn of(cache: &'static str) -> Troubles {
        Troubles { cache, warned: AtomicBool::new(false), count: AtomicU64::new(0), last: Mutex::new(None) }
    }

    /// Counts it, keeps its text, and says it: loudly the first time.
    pub(super) fn tell(&self, trouble: &Trouble) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.warned.swap(true, Ordering::Relaxed) {
            tracing::debug!(%trouble, "{}", self.cache);
        } else {
            tracing::warn!(%trouble, "trouble with {} (what it cannot give or keep is compiled in memory)", self.cache);
        }
        if let Ok(mut last) = self.last.lock() {
            *last = Some(trouble.to_string());
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn last(&self) -> Option<String> {
        self.last.lock().ok()?.clone()
    }
}
