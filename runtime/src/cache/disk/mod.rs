//! A directory of compiled kernels that processes share.

mod bounds;
mod flight;
mod tunings;
mod uses;

use super::directory;
use super::entry::{Content, Entry, Origin, VERSION};
use super::key::{Key, KeyText};
use super::reader::Malformed;
#[cfg(feature = "signatures")]
use super::signature::PublicKey;
use super::trouble::{Trouble, Troubles};
#[cfg(feature = "signatures")]
use super::trust;
pub use bounds::{Collected, Listed};
use flight::{Flight, Flights, Lock};
use routefuse_ir::artifact::Artifact;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A file of more bytes is no kernel of ours.
const LARGEST: u64 = 256 << 20;
/// Spoilt files that are kept for a look.
const QUARANTINED: usize = 32;
/// After so many entries of its own, a process looks again at what others have added.
const LOOK_AGAIN: u64 = 16;

/// How a cache on disk behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskOptions {
    /// Bytes of all entries; when there are more, those go that were used longest ago. 1 GiB.
    pub max_bytes: u64,
    /// Number of entries, likewise. 16,384.
    pub max_entries: u64,
    /// How long to wait for another process that compiles the same kernel, before compiling it as well. 30 s.
    pub wait: Duration,
    /// Nothing is written.
    pub read_only: bool,
    /// A directory of this machine for locks. `None`: `routefuse` in `$XDG_RUNTIME_DIR`, or else `routefuse-UID` among the
    /// temporary files.
    pub locks: Option<PathBuf>,
    /// If given: of what came from elsewhere, whenever it came, only what one of these keys has signed is used. What was
    /// compiled here is used in any case.
    #[cfg(feature = "signatures")]
    pub require_signed: Option<Vec<PublicKey>>,
}

impl Default for DiskOptions {
    fn default() -> DiskOptions {
        DiskOptions {
            max_bytes: 1 << 30,
            max_entries: 16_384,
            wait: Duration::from_secs(30),
            read_only: false,
            locks: None,
            #[cfg(feature = "signatures")]
            require_signed: None,
        }
    }
}

impl DiskOptions {
    /// These options, changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut DiskOptions)) -> DiskOptions {
        change(&mut self);
        self
    }
}

/// What a cache on disk did so far, in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DiskCounters {
    /// Kernels found.
    pub hits: u64,
    /// Kernels not found.
    pub misses: u64,
    /// Kernels written.
    pub published: u64,
    /// Entries that went because there were too many.
    pub evicted: u64,
    /// What went wrong, each of which a compile in memory made up for.
    pub troubles: u64,
}

/// A kernel that the directory lacked, and where it is from.
pub(crate) enum Found {
    /// It was compiled now.
    Compiled(Artifact),
    /// It came from elsewhere, and stays what it is.
    #[cfg(feature = "remote")]
    Brought(Entry),
}

/// Compiled kernels in a directory, one file each, shared by any number of threads and processes.
///
/// An entry says whether it was compiled here or came from elsewhere, and keeps the signature with which it came: see
/// [`Origin`]. The directory holds `v3`, so that another version of the format has its own, and in it `KEY.rfk` for each kernel, `uses`
/// (the order of last uses) and `quarantine` (spoilt files). A file appears under its name whole or not at all; it is
/// read with checks of its length, its hash and its key text; nothing in it refers to where it is, so that the directory can
/// be moved and copied.
///
/// Nothing that is wrong with a directory is an error: the first trouble is said by a warning through `tracing`, and
/// kernels are compiled in memory as without a cache.
#[derive(Debug)]
pub struct DiskCache {
    root: PathBuf,
    /// `root/v3`.
    directory: PathBuf,
    options: DiskOptions,
    /// It cannot even be read.
    unusable: bool,
    flights: Option<Flights>,
    estimate: Mutex<Option<Estimate>>,
    troubles: Troubles,
    hits: AtomicU64,
    misses: AtomicU64,
    published: AtomicU64,
    evicted: AtomicU64,
}

/// What is in the directory, as far as this process knows.
#[derive(Debug, Default)]
struct Estimate {
    entries: u64,
    bytes: u64,
    added: u64,
}

impl DiskCache {
    /// The cache in this directory, which is made if need be, for this user alone. Never fails: see
    /// [`DiskCache::last_trouble`].
    pub fn open(root: impl Into<PathBuf>, options: DiskOptions) -> DiskCache {
        let root = root.into();
        let directory = root.join(format!("v{VERSION}"));
        let troubles = Troubles::of("the kernel cache");
        let ready = if options.read_only {
            directory::check(&root).and_then(|()| directory::check(&directory))
        } else {
            directory::make(&root).and_then(|()| directory::make(&directory))
        };
        let unusable = ready.inspect_err(|t| troubles.tell(t)).is_err();
        let flights = (!options.read_only && !unusable)
            .then(|| Flights::new(options.locks.clone(), &root).inspect_err(|t| troubles.tell(t)).ok());
        DiskCache {
            flights: flights.flatten(),
            root,
            directory,
            options,
            unusable,
            estimate: Mutex::new(None),
            troubles,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            published: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// As [`DiskOptions::require_signed`]: of what came from elsewhere, what none of these keys has signed is not used.
    #[cfg(feature = "signatures")]
    #[must_use]
    pub fn require_signed(mut self, keys: Vec<PublicKey>) -> DiskCache {
        self.options.require_signed = Some(keys);
        self
    }

    /// Where a user's cache is: `$ROUTEFUSE_CACHE_DIR`, else `routefuse` in `$XDG_CACHE_HOME`, else `~/.cache/routefuse`.
    /// `None` if `$ROUTEFUSE_CACHE_DIR` is empty, or there is neither of the others.
    pub fn default_dir() -> Option<PathBuf> {
        if let Some(dir) = std::env::var_os("ROUTEFUSE_CACHE_DIR") {
            return (!dir.is_empty()).then(|| dir.into());
        }
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(base.join("routefuse"))
    }

    /// Whether there is a cache of this version of the format below a directory; nothing is made or said.
    pub fn is_at(root: &Path) -> bool {
        root.join(format!("v{VERSION}")).is_dir()
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its options.
    pub fn options(&self) -> &DiskOptions {
        &self.options
    }

    /// The file that holds, or would hold, this kernel.
    pub fn path(&self, key: Key) -> PathBuf {
        self.directory.join(bounds::file_name(key))
    }

    /// The kernel, from the directory; or else from `make`, kept in the directory for others. Of any number of threads and
    /// processes of this machine that want it at once, one makes it. An entry that `check` refuses is made anew.
    ///
    /// # Errors
    /// Those of `make` alone.
    pub(crate) fn get_or_make<T, E>(
        &self,
        key: &KeyText,
        check: impl Fn(Artifact) -> Result<T, String>,
        make: impl FnOnce() -> Result<(Found, T), E>,
    ) -> Result<T, E> {
        if let Some(found) = self.checked(key, &check) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(found);
        }
        let lock = match self.flights.as_ref().map(|f| f.enter(key.key(), self.options.wait)) {
            Some(Ok(Flight::Leads(lock))) => Some(lock),
            Some(Ok(Flight::InVain)) | None => None,
            Some(Ok(Flight::TimedOut)) => {
                tracing::debug!(key = %key.key(), "another process compiles this kernel for too long");
                None
            }
            Some(Err(trouble)) => {
                self.troubles.tell(&trouble);
                None
            }
        };
        // Another may have made it since the first look.
        if let Some(found) = self.checked(key, &check) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(found);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let (found, made) = make()?;
        let kept = match &found {
            Found::Compiled(artifact) => self.publish(key, artifact),
            #[cfg(feature = "remote")]
            Found::Brought(entry) => self.publish_entry(entry),
        };
        if let (false, Some(lock)) = (kept, lock) {
            Lock::in_vain(lock);
        }
        Ok(made)
    }

    fn checked<T>(&self, key: &KeyText, check: impl Fn(Artifact) -> Result<T, String>) -> Option<T> {
        let artifact = self.find(key)?;
        match check(artifact) {
            Ok(found) => {
                tracing::debug!(key = %key.key(), "found a kernel in {}", self.root.display());
                self.used(key.key());
                Some(found)
            }
            Err(reason) => {
                // Not moved away: it is as it was written, and another process may be able to load it.
                self.troubles.tell(&Trouble::Unusable { path: self.path(key.key()), reason });
                None
            }
        }
    }

    /// The kernel of this key, if a good entry is there.
    pub fn lookup(&self, key: &KeyText) -> Option<Artifact> {
        let found = self.find(key);
        if found.is_some() {
            self.used(key.key());
        }
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn find(&self, key: &KeyText) -> Option<Artifact> {
        match self.find_content(key)? {
            Content::Kernel(artifact) => Some(artifact),
            _ => {
                self.put_aside(&Trouble::OtherKernel { path: self.path(key.key()) });
                None
            }
        }
    }

    fn find_content(&self, key: &KeyText) -> Option<Content> {
        if self.unusable {
            return None;
        }
        match self.read(key.key()) {
            Ok(Some(entry)) if entry.text == key.text() => match self.trusted(&entry) {
                Ok(()) => Some(entry.content),
                // Not moved away: who requires no signature, or another, may use it.
                Err(trouble) => {
                    self.troubles.tell(&trouble);
                    None
                }
            },
            Ok(None) => None,
            Ok(Some(_)) => {
                self.put_aside(&Trouble::OtherKernel { path: self.path(key.key()) });
                None
            }
            // Of a build that reads and writes another version: it is good there.
            Err(Trouble::Spoilt { reason: Malformed::Version { .. }, .. }) => None,
            Err(trouble) => {
                self.put_aside(&trouble);
                None
            }
        }
    }

    /// That an entry was compiled here, or is signed as it has to be.
    ///
    /// # Errors
    /// It came from elsewhere, and none of the keys that are required has signed it.
    pub fn trusted(&self, entry: &Entry) -> Result<(), Trouble> {
        #[cfg(feature = "signatures")]
        if let (Origin::Elsewhere, Some(keys)) = (entry.origin, &self.options.require_signed) {
            let path = self.path(entry.key);
            trust::check(entry.signer(), keys).map_err(|reason| Trouble::Untrusted { path, reason })?;
        }
        // A build without signatures has no way to require one.
        let _ = entry;
        Ok(())
    }

    /// The entry of this key, if there is one, whoever made it; nothing is put aside.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(&self, key: Key) -> Result<Option<Entry>, Trouble> {
        let path = self.path(key);
        let Some(bytes) = directory::read(&path, LARGEST)? else { return Ok(None) };
        match Entry::decode(&bytes) {
            Ok(entry) if entry.key == key => Ok(Some(entry)),
            Ok(_) => Err(Trouble::OtherKernel { path }),
            Err(reason) => Err(Trouble::Spoilt { path, reason }),
        }
    }

    /// Keeps a kernel that was compiled here; whether it did. Whoever publishes one key at the same time publishes the same
    /// code.
    pub fn publish(&self, key: &KeyText, artifact: &Artifact) -> bool {
        let Some(bytes) = Entry::encode_here(key, artifact) else { return false };
        self.publish_bytes(key.key(), &bytes)
    }

    /// Keeps an entry that was read elsewhere, with its signature if it has one; whether it is there. What was compiled here
    /// stays, and so does what is signed where the other is not.
    pub fn publish_entry(&self, entry: &Entry) -> bool {
        let stays = |there: Entry| there.origin == Origin::Here || there.is_signed() && !entry.is_signed();
        if !self.unusable && self.read(entry.key).is_ok_and(|there| there.is_some_and(stays)) {
            return true;
        }
        entry.to_bytes().is_some_and(|bytes| self.publish_bytes(entry.key, &bytes))
    }

    /// Spoilt files that were moved away.
    pub fn quarantined(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.directory.join("quarantine")).into_iter().flatten().flatten();
        files.map(|f| f.path()).collect()
    }

    fn publish_bytes(&self, key: Key, bytes: &[u8]) -> bool {
        if self.unusable || self.options.read_only {
            return false;
        }
        let put = || directory::publish(&self.directory, bounds::file_name(key), bytes);
        let result = match put() {
            // The whole cache was taken away under us.
            Err(Trouble::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                directory::make(&self.directory).and_then(|()| put())
            }
            other => other,
        };
        if let Err(trouble) = result {
            self.troubles.tell(&trouble);
            return false;
        }
        self.published.fetch_add(1, Ordering::Relaxed);
        self.used(key);
        self.stay_within_bounds(bytes.len() as u64);
        true
    }

    /// Notes a use. That a directory cannot be written to is said when a kernel is to be kept, not here.
    fn used(&self, key: Key) {
        if self.options.read_only {
            return;
        }
        match uses::append(&self.directory, &[key]) {
            // Not what a full or a read-only disk does: somebody put it there.
            Err(trouble @ Trouble::Kind { .. }) => self.troubles.tell(&trouble),
            Err(trouble) => tracing::debug!(%trouble, "the order of uses is not kept"),
            Ok(()) => {}
        }
    }

    /// After an entry of so many bytes was added.
    fn stay_within_bounds(&self, bytes: u64) {
        // Two threads need not both look.
        let Ok(mut estimate) = self.estimate.try_lock() else { return };
        let within = estimate.as_mut().is_some_and(|e| {
            (e.entries, e.bytes, e.added) = (e.entries + 1, e.bytes + bytes, e.added + 1);
            let DiskOptions { max_entries, max_bytes, .. } = self.options;
            e.added < LOOK_AGAIN && e.entries <= max_entries && e.bytes <= max_bytes
        });
        if within {
            return;
        }
        match self.collect() {
            Ok(Some(left)) => *estimate = Some(Estimate { entries: left.entries, bytes: left.bytes, added: 0 }),
            Ok(None) => {}
            Err(trouble) => self.troubles.tell(&trouble),
        }
    }

    /// Brings the directory within its bounds and clears away what killed processes left. `None` if another process is
    /// doing so.
    ///
    /// # Errors
    /// The system's refusals.
    pub fn collect(&self) -> Result<Option<Collected>, Trouble> {
        let DiskOptions { max_entries, max_bytes, .. } = self.options;
        self.collect_to(max_entries, max_bytes)
    }

    /// As [`DiskCache::collect`], for other bounds.
    ///
    /// # Errors
    /// The system's refusals.
    pub fn collect_to(&self, max_entries: u64, max_bytes: u64) -> Result<Option<Collected>, Trouble> {
        // No key text has this hash but by breaking blake3.
        let bounds = Key::of_text("bounds");
        let lock = match &self.flights {
            Some(flights) => match flights.enter(bounds, Duration::ZERO)? {
                Flight::Leads(lock) => Some(lock),
                Flight::InVain | Flight::TimedOut => return Ok(None),
            },
            None => None,
        };
        let collected = bounds::collect(&self.directory, max_entries, max_bytes)?;
        drop(lock);
        self.evicted.fetch_add(collected.evicted, Ordering::Relaxed);
        Ok(Some(collected))
    }

    /// Every entry, the last used last; none is opened.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn list(&self) -> Result<Vec<Listed>, Trouble> {
        match bounds::list(&self.directory) {
            Err(Trouble::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            listed => Ok(listed?.0),
        }
    }

    /// Takes every entry away; how many there were.
    ///
    /// # Errors
    /// The system's refusals.
    pub fn clear(&self) -> Result<u64, Trouble> {
        let listed = self.list()?;
        for l in &listed {
            bounds::remove(&self.path(l.key))?;
        }
        if !listed.is_empty() {
            uses::rewrite(&self.directory, &[])?;
        }
        if let Ok(mut estimate) = self.estimate.lock() {
            *estimate = None;
        }
        Ok(listed.len() as u64)
    }

    /// A file that must not be used: moved away where that can be done, and said.
    pub(crate) fn put_aside(&self, trouble: &Trouble) {
        self.troubles.tell(trouble);
        let path = match trouble {
            Trouble::Spoilt { path, .. } | Trouble::OtherKernel { path } => path,
            // What cannot be read, or is another user's, is not ours to move.
            _ => return,
        };
        if self.options.read_only {
            return;
        }
        let aside = self.directory.join("quarantine");
        let moved = directory::make(&aside).and_then(|()| {
            let failed = |e| Trouble::io("move", path, e);
            let full = fs::read_dir(&aside).map_err(failed)?.count() >= QUARANTINED;
            match path.file_name() {
                Some(name) if !full => fs::rename(path, aside.join(name)).map_err(failed),
                _ => bounds::remove(path),
            }
        });
        if let Err(trouble) = moved {
            tracing::debug!(%trouble, "a spoilt entry stays where it is");
        }
    }

    /// The last thing that went wrong, in words.
    pub fn last_trouble(&self) -> Option<String> {
        self.troubles.last()
    }

    /// What happened so far, in this process.
    pub fn counters(&self) -> DiskCounters {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        DiskCounters {
            hits: get(&self.hits),
            misses: get(&self.misses),
            published: get(&self.published),
            evicted: get(&self.evicted),
            troubles: self.troubles.count(),
        }
    }
}
