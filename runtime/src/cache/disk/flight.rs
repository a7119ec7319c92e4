//! One process compiles what many want.
//!
//! Who misses takes a lock that is named after the cache and the key; the others wait for it, and then find the entry. The
//! lock is the system's lock on a file of this machine (not of the cache's file system, which may be a network's): it goes
//! with its holder, so that a process that is killed blocks nobody. Who has waited too long compiles anyway.

use crate::cache::Key;
use crate::cache::directory;
use crate::cache::trouble::Trouble;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest pause between two looks at a lock.
const PAUSE: Duration = Duration::from_millis(8);

/// Where the locks of a cache are.
#[derive(Debug)]
pub(super) struct Flights {
    directory: PathBuf,
    /// Distinguishes the caches of a machine.
    cache: [u8; 32],
}

/// What became of the wish to be the one who compiles.
#[derive(Debug)]
pub(super) enum Flight {
    /// Nobody else does. The lock is held until this is dropped.
    Leads(Lock),
    /// Another did, and could not keep the result: nothing to wait for.
    InVain,
    /// Another does, and takes too long.
    TimedOut,
}

/// A held lock.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Flights {
    /// Makes the directory of this user's locks.
    ///
    /// # Errors
    /// If there is no directory for it that nobody else can write to.
    pub(super) fn new(directory: Option<PathBuf>, cache: &Path) -> Result<Flights, Trouble> {
        let directory = directory.unwrap_or_else(Flights::default_directory);
        directory::make(&directory)?;
        let cache = fs::canonicalize(cache).unwrap_or_else(|_| cache.to_owned());
        let cache = *blake3::hash(cache.as_os_str().as_encoded_bytes()).as_bytes();
        Ok(Flights { directory, cache })
    }

    /// The user's runtime directory where there is one, else a directory of this user's among the temporary files.
    fn default_directory() -> PathBuf {
        match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
            Some(runtime) if runtime.is_absolute() && directory::check(&runtime).is_ok() => runtime.join("routefuse"),
            _ => std::env::temp_dir().join(format!("routefuse-{}", directory::user())),
        }
    }

    /// Waits until nobody else compiles this, but no longer than `timeout`.
    ///
    /// # Errors
    /// The system's refusals: then there is no lock, and one compiles without.
    pub(super) fn enter(&self, what: Key, timeout: Duration) -> Result<Flight, Trouble> {
        let name = blake3::Hasher::new().update(&self.cache).update(what.as_bytes()).finalize();
        let path = self.directory.join(&name.to_hex()[..32]);
        let failed = |action| move |e, path: &Path| Trouble::io(action, path, e);
        let open = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options.custom_flags(directory::careful());
            options.open(&path).map_err(|e| failed("open the lock")(e, &path))
        };
        let (start, mut pause, mut waited) = (Instant::now(), Duration::from_micros(500), false);
        let mut file = open()?;
        loop {
            match file.try_lock() {
                Ok(()) => {
                    // The last holder takes the file away: is this still the one that others find?
                    let same =
                        |m: fs::Metadata| file.metadata().is_ok_and(|f| (f.dev(), f.ino()) == (m.dev(), m.ino()));
                    if !fs::metadata(&path).is_ok_and(same) {
                        file = open()?;
                        continue;
                    }
                    let mut lock = Lock { file, path, kept: false };
                    if waited && lock.was_in_vain() {
                        lock.kept = true;
                        return Ok(Flight::InVain);
                    }
                    // An older holder's mark.
                    let _ = lock.file.set_len(0);
                    return Ok(Flight::Leads(lock));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(failed("lock")(e, &path)),
            }
            let Some(left) = timeout.checked_sub(start.elapsed()) else {
                return Ok(Flight::TimedOut);
            };
            waited = true;
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(PAUSE);
        }
    }
}

impl Lock {
    fn was_in_vain(&mut self) -> bool {
        let mut mark = [0];
        self.file.read(&mut mark).is_ok_and(|n| n > 0)
    }

    /// Tells those who wait that the result could not be kept. They need not compile one after another.
    pub(super) fn in_vain(mut self) {
        self.kept = self.file.write_all(b"!").is_ok();
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.kept {
            // Those who hold the file open see that it is gone, and open another.
            let _ = fs::remove_file(&self.path);
        }
        // Not left to closing: a forked child has the file open too.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn flights(dir: &tempfile::TempDir) -> Flights {
        Flights::new(Some(dir.path().join("locks")), dir.path()).unwrap()
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn one_at_a_time_and_no_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, runs) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let flights = flights(&dir);
                    for _ in 0..20 {
                        let Flight::Leads(lock) = flights.enter(Key::of_text("a"), LONG).unwrap() else {
                            panic!("there is time")
                        };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        runs.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(runs.into_inner(), 160);
        assert_eq!(fs::read_dir(dir.path().join("locks")).unwrap().count(), 0);
    }

    #[test]
    fn who_waits_too_long_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let flights = flights(&dir);
        let held = flights.enter(Key::of_text("a"), LONG).unwrap();
        let second = flights.enter(Key::of_text("a"), Duration::from_millis(20)).unwrap();
        assert!(matches!(second, Flight::TimedOut), "{second:?}");
        assert!(matches!(flights.enter(Key::of_text("b"), LONG).unwrap(), Flight::Leads(_)), "another key");
        drop(held);
        assert!(matches!(flights.enter(Key::of_text("a"), LONG).unwrap(), Flight::Leads(_)));
    }

    #[test]
    fn who_waited_in_vain_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let flights = flights(&dir);
        let key = Key::of_text("a");
        let Flight::Leads(lock) = flights.enter(key, LONG).unwrap() else { panic!("nobody else is there") };
        std::thread::scope(|scope| {
            let waiters: Vec<_> = (0..3).map(|_| scope.spawn(|| flights.enter(key, LONG).unwrap())).collect();
            // All three wait by then, on a busy machine too.
            std::thread::sleep(Duration::from_millis(500));
            lock.in_vain();
            for waiter in waiters {
                assert!(matches!(waiter.join().unwrap(), Flight::InVain));
            }
        });
        // Who comes later does not know of it.
        assert!(matches!(flights.enter(key, LONG).unwrap(), Flight::Leads(_)));
    }
}
