//! Compiled kernels that machines share: an object store, behind the directory on each machine's disk.
//!
//! An object is an entry, with a signature after it if its writer signs, under `v3/KK/KEY.rfk`: the
//! version of the format, the key's first two digits, the key. It is checked like any other bytes from elsewhere before
//! anything is made of it.

mod location;
mod patience;
mod worker;

use super::entry::{self, Entry, VERSION};
use super::key::{Key, KeyText};
use super::reader::Malformed;
use super::signature::{PublicKey, SigningKey};
use super::trouble::{Trouble, Troubles};
use super::trust;
use location::Location;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt, PutPayload};
use patience::Patience;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::tuning::Tuning;
use std::fmt;
use std::io::{Error as IoError, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use worker::Worker;

/// An object of more bytes is no kernel of ours.
const LARGEST: u64 = 256 << 20;
/// So many are written at once.
const WRITERS: usize = 4;
/// More than so many that wait to be written are not: a store that is too slow for them must not fill the memory.
const WAITING: usize = 1024;

/// How a remote cache behaves.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteOptions {
    /// How long connecting may take. 2 s.
    pub connect: Duration,
    /// How long one kernel may take, with all that is tried again. 5 s.
    pub timeout: Duration,
    /// How often is tried again what fails on the way, or at the server's end (5xx). 2.
    pub retries: usize,
    /// For how long nothing is asked after a failure that took more than a second, or three in a row; each time that it
    /// still fails, twice as long, up to 32 times. 30 s.
    pub pause: Duration,
    /// What is compiled here is written there.
    pub write: bool,
    /// Signs what is written.
    pub sign: Option<SigningKey>,
    /// If given: only what one of these keys has signed is used.
    pub require_signed: Option<Vec<PublicKey>>,
    /// Addresses that begin with `http://` are taken: whoever is on the way reads what is sent, the password too, and unless
    /// signatures are required can have code run here. No.
    pub allow_http: bool,
    /// Settings of the store by name, over those of the environment: `aws_endpoint`, `aws_region`, `google_service_account`,
    /// `azure_storage_account_name`, … as the crate `object_store` lists them.
    pub settings: Vec<(String, String)>,
}

// By hand: settings may be secret.
impl fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RemoteOptions { connect, timeout, retries, pause, write, sign, require_signed, allow_http, settings } =
            self;
        let settings: Vec<&str> = settings.iter().map(|s| s.0.as_str()).collect();
        let mut s = f.debug_struct("RemoteOptions");
        s.field("connect", connect).field("timeout", timeout).field("retries", retries).field("pause", pause);
        s.field("write", write).field("sign", sign).field("require_signed", require_signed);
        s.field("allow_http", allow_http).field("settings", &settings).finish()
    }
}

impl Default for RemoteOptions {
    fn default() -> RemoteOptions {
        RemoteOptions {
            connect: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            retries: 2,
            pause: Duration::from_secs(30),
            write: false,
            sign: None,
            require_signed: None,
            allow_http: false,
            settings: Vec::new(),
        }
    }
}

impl RemoteOptions {
    /// These options, changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut RemoteOptions)) -> RemoteOptions {
        change(&mut self);
        self
    }

    /// As the environment says: `$ROUTEFUSE_REMOTE_WRITE` and `$ROUTEFUSE_ALLOW_HTTP` (1 for yes), `$ROUTEFUSE_REMOTE_TIMEOUT`
    /// (seconds).
    pub fn from_env() -> RemoteOptions {
        let default = RemoteOptions::default();
        let seconds = std::env::var("ROUTEFUSE_REMOTE_TIMEOUT").ok().and_then(|s| s.trim().parse().ok());
        let timeout = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()).filter(|t| !t.is_zero());
        let timeout = timeout.unwrap_or(default.timeout);
        let yes = |name: &str| std::env::var_os(name).is_some_and(|v| v == "1");
        RemoteOptions {
            timeout,
            connect: default.connect.min(timeout),
            write: yes("ROUTEFUSE_REMOTE_WRITE"),
            allow_http: yes("ROUTEFUSE_ALLOW_HTTP"),
            ..default
        }
    }
}

/// What a remote cache did so far, in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RemoteCounters {
    /// Kernels found.
    pub hits: u64,
    /// Kernels not found.
    pub misses: u64,
    /// Kernels not asked for, or not written, because it failed shortly before.
    pub skipped: u64,
    /// Kernels written.
    pub written: u64,
    /// What went wrong, each of which a compile made up for.
    pub troubles: u64,
}

/// A cache that machines share. It is read by all and written by those that are told to.
///
/// Addresses are `s3://BUCKET/…`, `gs://BUCKET/…`, `az://CONTAINER/…`, `https://HOST/…` (a WebDAV server; any web server, to
/// read), `file:///DIRECTORY`; credentials come from the environment (`AWS_…`, `GOOGLE_…`, `AZURE_…`), or for WebDAV from the
/// address. `http://HOST/…` needs [`RemoteOptions::allow_http`].
///
/// Nothing that is wrong with it is an error, and nothing waits for it for longer than [`RemoteOptions::timeout`]: the first
/// trouble is said by a warning through `tracing`, and kernels are compiled. A launch never asks it: what a plan lacks when
/// it is launched unprepared is compiled. Unless [`RemoteOptions::require_signed`] is given, whoever can write to it can have
/// code run here.
pub struct RemoteCache {
    /// `None` if the address is none.
    shared: Option<Arc<Shared>>,
    /// Started when it is first wanted; `None` if the system has no thread for it.
    worker: OnceLock<Option<Worker>>,
    address: String,
    options: RemoteOptions,
    troubles: Arc<Troubles>,
}

/// What the worker needs as well.
struct Shared {
    location: Location,
    options: RemoteOptions,
    troubles: Arc<Troubles>,
    patience: Patience,
    writers: Semaphore,
    waiting: Mutex<usize>,
    nothing_waits: Condvar,
    hits: AtomicU64,
    misses: AtomicU64,
    skipped: AtomicU64,
    written: AtomicU64,
}

// By hand: stores show their credentials.
impl fmt::Debug for RemoteCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut s = f.debug_struct("RemoteCache");
        s.field("address", &self.address).field("options", &self.options).field("counters", &self.counters());
        s.field("last_trouble", &self.last_trouble()).finish_non_exhaustive()
    }
}

impl RemoteCache {
    /// The cache at this address. Never fails, and asks nothing yet: see [`RemoteCache::last_trouble`].
    pub fn open(address: &str, options: RemoteOptions) -> RemoteCache {
        let troubles = Arc::new(Troubles::of("the remote kernel cache"));
        let shared = match Location::of(address, &options) {
            Ok(location) => Some(Arc::new(Shared {
                location,
                options: options.clone(),
                troubles: Arc::clone(&troubles),
                patience: Patience::default(),
                writers: Semaphore::new(WRITERS),
                waiting: Mutex::new(0),
                nothing_waits: Condvar::new(),
                hits: AtomicU64::new(0),
                misses: AtomicU64::new(0),
                skipped: AtomicU64::new(0),
                written: AtomicU64::new(0),
            })),
            Err(reason) => {
                // An address that cannot be read may hold a password.
                troubles.tell(&Trouble::Unusable { path: PathBuf::from("the remote cache"), reason });
                None
            }
        };
        let address = shared.as_ref().map_or_else(String::new, |s| s.location.shown.clone());
        RemoteCache { shared, worker: OnceLock::new(), address, options, troubles }
    }

    /// As [`RemoteOptions::require_signed`]: what none of these keys has signed is not used.
    #[must_use]
    pub fn require_signed(mut self, keys: Vec<PublicKey>) -> RemoteCache {
        self.options.require_signed = Some(keys);
        self
    }

    /// The address of `$ROUTEFUSE_REMOTE_CACHE`, unless it is empty.
    pub fn default_address() -> Option<String> {
        std::env::var("ROUTEFUSE_REMOTE_CACHE").ok().filter(|a| !a.is_empty())
    }

    /// The address, without a password; empty if it could not be read.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its options.
    pub fn options(&self) -> &RemoteOptions {
        &self.options
    }

    /// The object that holds, or would hold, this kernel: its name after the address.
    pub fn object(key: Key) -> String {
        let key = key.to_string();
        format!("v{VERSION}/{}/{key}.rfk", &key[..2])
    }

    /// The kernel of this key, if a good entry is there and it is not to be left alone.
    pub fn find(&self, key: &KeyText) -> Option<Entry> {
        let shared = self.shared.as_ref()?;
        let began = Instant::now();
        if !shared.patience.ask(began, self.options.timeout) {
            shared.skipped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let found = match self.read(key.key()) {
            Ok(Some(entry)) if entry.text == key.text() => Ok(Some(entry)),
            Ok(Some(_)) => Err(Trouble::OtherKernel { path: shared.path(key.key()) }),
            Ok(None) => Ok(None),
            // Of a build that reads and writes another version.
            Err(Trouble::Spoilt { reason: Malformed::Version { .. }, .. }) => Ok(None),
            Err(trouble) => Err(trouble),
        };
        let found = shared.outcome(began, found).flatten();
        let counter = if found.is_some() { &shared.hits } else { &shared.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// The entry of this key, if there is one. Asks in any case, and waits for no longer than [`RemoteOptions::timeout`].
    ///
    /// # Errors
    /// What is wrong with the cache or the object.
    pub fn read(&self, key: Key) -> Result<Option<Entry>, Trouble> {
        let Some((shared, worker)) = self.ready() else { return Err(self.unopened()) };
        let path = shared.path(key);
        let job = Arc::clone(shared).fetch(key);
        let bytes = match worker.wait(self.options.timeout, job) {
            Ok(Ok(Some(bytes))) => bytes,
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(reason)) => return Err(shared.failed("read", key, &reason)),
            Err(_) => return Err(shared.timed_out("read", key)),
        };
        let entry = match Entry::decode_foreign(&bytes) {
            Ok(entry) if entry.key == key => entry,
            Ok(_) => return Err(Trouble::OtherKernel { path }),
            Err(reason) => return Err(Trouble::Spoilt { path, reason }),
        };
        if let Some(keys) = &self.options.require_signed {
            trust::check(entry.signer(), keys).map_err(|reason| Trouble::Untrusted { path, reason })?;
        }
        Ok(Some(entry))
    }

    /// Says that what a good entry holds does not load.
    pub(crate) fn unusable(&self, key: Key, reason: String) {
        if let Some(shared) = &self.shared {
            shared.troubles.tell(&Trouble::Unusable { path: shared.path(key), reason });
        }
    }

    /// Has a kernel written, meanwhile, if this is a writer: [`RemoteCache::flush`] waits for it.
    pub fn publish(&self, key: &KeyText, artifact: &Artifact) {
        if self.options.write
            && let Some(bytes) = match &self.options.sign {
                Some(by) => Entry::encode_signed(key, artifact, by),
                None => Entry::encode(key, artifact),
            }
        {
            self.write(key.key(), bytes);
        }
    }

    /// As [`RemoteCache::publish`], for the record of a tuning that was done here.
    pub fn publish_tuning(&self, key: &KeyText, tuning: &Tuning) {
        if self.options.write {
            let bytes = Entry::encode_tuning(key, tuning);
            let bytes = match &self.options.sign {
                Some(by) => entry::signed(bytes, by),
                None => bytes,
            };
            self.write(key.key(), bytes);
        }
    }

    /// As [`RemoteCache::publish`], for an entry that was read elsewhere. If the cache signs, it signs this as well, and so
    /// vouches for its code; without that, the entry keeps the signature that it has.
    pub fn publish_entry(&self, entry: &Entry) {
        if self.options.write
            && let Some(bytes) = match &self.options.sign {
                Some(by) => entry.to_signed_bytes(by),
                None => entry.to_bytes(),
            }
        {
            self.write(entry.key, bytes);
        }
    }

    fn write(&self, key: Key, bytes: Vec<u8>) {
        let Some((shared, worker)) = self.ready() else { return };
        {
            let Ok(mut waiting) = shared.waiting.lock() else { return };
            if *waiting >= WAITING {
                shared.skipped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            *waiting += 1;
        }
        // Warnings go where the caller's do.
        let caller = tracing::dispatcher::get_default(Clone::clone);
        let shared = Arc::clone(shared);
        worker.spawn(async move {
            shared.put(key, bytes, &caller).await;
            if let Ok(mut waiting) = shared.waiting.lock() {
                *waiting -= 1;
            }
            shared.nothing_waits.notify_all();
        });
    }

    /// Waits until everything is written, but no longer than `limit`; whether it is. What is still to be written when the
    /// cache is dropped is waited for as well, for no longer than [`RemoteOptions::timeout`].
    pub fn flush(&self, limit: Duration) -> bool {
        let Some(shared) = &self.shared else { return true };
        let Ok(waiting) = shared.waiting.lock() else { return false };
        let waited = shared.nothing_waits.wait_timeout_while(waiting, limit, |n| *n > 0);
        waited.is_ok_and(|(n, _)| *n == 0)
    }

    fn ready(&self) -> Option<(&Arc<Shared>, &Worker)> {
        let shared = self.shared.as_ref()?;
        let start = || {
            let path = || PathBuf::from(&self.address);
            let failed = |e: IoError| self.troubles.tell(&Trouble::io("start a thread for", &path(), e));
            Worker::start(self.options.timeout).map_err(failed).ok()
        };
        Some((shared, self.worker.get_or_init(start).as_ref()?))
    }

    fn unopened(&self) -> Trouble {
        let reason = self.last_trouble().unwrap_or_default();
        Trouble::io("open", "the remote cache".as_ref(), IoError::new(ErrorKind::InvalidInput, reason))
    }

    /// The last thing that went wrong, in words.
    pub fn last_trouble(&self) -> Option<String> {
        self.troubles.last()
    }

    /// What happened so far, in this process.
    pub fn counters(&self) -> RemoteCounters {
        let get = |of: fn(&Shared) -> &AtomicU64| self.shared.as_ref().map_or(0, |s| of(s).load(Ordering::Relaxed));
        RemoteCounters {
            hits: get(|s| &s.hits),
            misses: get(|s| &s.misses),
            skipped: get(|s| &s.skipped),
            written: get(|s| &s.written),
            troubles: self.troubles.count(),
        }
    }
}

impl Shared {
    fn object(&self, key: Key) -> Path {
        let name = RemoteCache::object(key);
        match self.location.prefix.as_ref() {
            "" => Path::from(name),
            prefix => Path::from_iter(prefix.split('/').chain(name.split('/'))),
        }
    }

    /// The object's address, for messages.
    fn path(&self, key: Key) -> PathBuf {
        format!("{}/{}", self.location.shown, RemoteCache::object(key)).into()
    }

    fn failed(&self, action: &'static str, key: Key, reason: &str) -> Trouble {
        Trouble::io(action, &self.path(key), IoError::other(self.location.say(reason)))
    }

    fn timed_out(&self, action: &'static str, key: Key) -> Trouble {
        let reason = format!("no answer in {} s", self.options.timeout.as_secs_f64());
        Trouble::io(action, &self.path(key), IoError::new(ErrorKind::TimedOut, reason))
    }

    /// Says what went wrong, and remembers for a while that it did.
    fn outcome<T>(&self, began: Instant, result: Result<T, Trouble>) -> Option<T> {
        match result {
            Ok(value) => {
                self.patience.worked();
                Some(value)
            }
            Err(trouble) => {
                self.troubles.tell(&trouble);
                self.patience.failed(began, Instant::now(), self.options.pause);
                None
            }
        }
    }

    async fn fetch(self: Arc<Shared>, key: Key) -> Result<Option<Vec<u8>>, String> {
        let got = match self.location.store(&self.options)?.get(&self.object(key)).await {
            Ok(got) => got,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(reason(&e)),
        };
        let size = got.meta.size;
        if size > LARGEST {
            return Err(format!("it has {size} bytes, and a kernel has {LARGEST} at most"));
        }
        let bytes = got.bytes().await.map_err(|e| reason(&e))?;
        Ok(Some(bytes.into()))
    }

    async fn put(&self, key: Key, bytes: Vec<u8>, caller: &tracing::Dispatch) {
        let Ok(_turn) = self.writers.acquire().await else { return };
        let began = Instant::now();
        if !self.patience.ask(began, self.options.timeout) {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let object = self.object(key);
        let put = async {
            let (store, payload) = (self.location.store(&self.options)?, PutPayload::from(bytes));
            let mut put = store.put(&object, payload.clone()).await;
            // WebDAV: who loses the race to make a folder is refused, and then the folder is there; one for each level.
            for _ in 0..if self.location.makes_folders() { 3 } else { 0 } {
                if put.is_err() {
                    put = store.put(&object, payload.clone()).await;
                }
            }
            put.map_err(|e| reason(&e))
        };
        let result = match tokio::time::timeout(self.options.timeout, put).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(reason)) => Err(self.failed("write", key, &reason)),
            Err(_) => Err(self.timed_out("write", key)),
        };
        if tracing::dispatcher::with_default(caller, || self.outcome(began, result)).is_some() {
            self.written.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What an error comes from in the end, such as "Connection refused": the address is said beside it.
fn reason(error: &StoreError) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}
