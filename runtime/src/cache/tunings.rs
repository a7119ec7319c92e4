//! Records of tunings in front of the tiers that kernels are kept in.

use super::{KernelCache, Key, KeyText, Reach};
use routefuse_ir::Diagnostic;
use routefuse_ir::kernel::schedule::tuning::Tuning;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a process knows of tunings: of every key that was asked for, its record, or that there is none. So one key has one
/// answer as long as the process runs, whatever others keep meanwhile, and plans of equal kernels have equal schedules.
#[derive(Debug, Default)]
pub(super) struct Tunings {
    known: papaya::HashMap<Key, Option<Arc<Tuning>>>,
    kept: AtomicU64,
}

impl Tunings {
    /// Forgets everything: what is on disk is looked for again.
    pub(super) fn clear(&self) {
        self.known.pin().clear();
        self.kept.fetch_add(1, Ordering::SeqCst);
    }
}

/// Where the record of a tuning is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptTuning {
    /// In the directory, if there is one and it could be written to.
    pub on_disk: bool,
    /// In the remote cache, if there is one that is written to and it was.
    pub remote: bool,
}

impl KernelCache {
    /// The record of a tuning under this key: as this process knows it, or from a bundle, the disk or the remote cache, if
    /// `check` accepts it. What is wrong with a record is said as for a kernel, and there is none. A cache that is sealed
    /// looks no further than memory.
    pub fn tuning(&self, key: &KeyText, check: impl Fn(&Tuning) -> Result<(), Diagnostic>) -> Option<Arc<Tuning>> {
        self.tuning_within(Reach::Network, key, check)
    }

    /// As [`KernelCache::tuning`], on this machine alone: nothing waits for a network.
    pub fn tuning_on_machine(
        &self,
        key: &KeyText,
        check: impl Fn(&Tuning) -> Result<(), Diagnostic>,
    ) -> Option<Arc<Tuning>> {
        self.tuning_within(Reach::Machine, key, check)
    }

    fn tuning_within(
        &self,
        reach: Reach,
        key: &KeyText,
        check: impl Fn(&Tuning) -> Result<(), Diagnostic>,
    ) -> Option<Arc<Tuning>> {
        let known = self.known_tunings();
        if let Some(answer) = known.known.pin().get(&key.key()) {
            return answer.clone();
        }
        if self.is_sealed() {
            return None;
        }
        let check = |tuning: &Tuning| check(tuning).map_err(|e| e.message);
        let found = self.tuning_of_bundle(key, check).or_else(|| self.disk()?.find_tuning(key, check));
        let afar = || if reach == Reach::Network { self.tuning_from_afar(key, check) } else { None };
        let found = found.or_else(afar).map(Arc::new);
        if let Some(tuning) = &found {
            tracing::debug!(key = %key.key(), card = tuning.card, "found the record of a tuning");
        }
        // Of two threads that come here with one key, both get the answer of the first.
        known.known.pin().get_or_insert(key.key(), found).clone()
    }

    /// As [`KernelCache::tuning`], but in bundles alone.
    pub fn bundled_tuning(
        &self,
        key: &KeyText,
        check: impl Fn(&Tuning) -> Result<(), Diagnostic>,
    ) -> Option<Arc<Tuning>> {
        self.tuning_of_bundle(key, |tuning| check(tuning).map_err(|e| e.message)).map(Arc::new)
    }

    /// Keeps the record of a tuning that was done here, in memory and in the tiers that are written to; one that is there under
    /// this key is replaced. It waits until the remote cache is written to, for as long as one kernel may take.
    pub fn keep_tuning(&self, key: &KeyText, tuning: Tuning) -> KeptTuning {
        let on_disk = self.disk().is_some_and(|disk| disk.publish_tuning(key, &tuning));
        #[cfg(feature = "remote")]
        let remote = self.remote().is_some_and(|remote| {
            let before = remote.counters().written;
            remote.publish_tuning(key, &tuning);
            remote.flush(remote.options().timeout) && remote.counters().written > before
        });
        #[cfg(not(feature = "remote"))]
        let remote = false;
        let known = self.known_tunings();
        known.known.pin().insert(key.key(), Some(Arc::new(tuning)));
        known.kept.fetch_add(1, Ordering::SeqCst);
        KeptTuning { on_disk, remote }
    }

    /// How often what is known of tunings was changed by [`KernelCache::keep_tuning`] and [`KernelCache::clear`]: what was
    /// scheduled before may be scheduled otherwise now.
    pub fn tunings_changed(&self) -> u64 {
        self.known_tunings().kept.load(Ordering::SeqCst)
    }

    fn tuning_of_bundle(&self, key: &KeyText, check: impl Fn(&Tuning) -> Result<(), String>) -> Option<Tuning> {
        for tuning in self.bundles().iter().filter_map(|b| b.find_tuning(key)) {
            match check(&tuning) {
                Ok(()) => return Some(tuning),
                Err(trouble) => tracing::warn!(%trouble, "the record of a tuning in a bundle cannot be used"),
            }
        }
        None
    }

    #[cfg(feature = "remote")]
    fn tuning_from_afar(&self, key: &KeyText, check: impl Fn(&Tuning) -> Result<(), String>) -> Option<Tuning> {
        let remote = self.remote()?;
        let entry = remote.find(key)?;
        let tuning = match entry.tuning() {
            Some(tuning) => check(tuning).map(|()| tuning.clone()),
            None => Err("it is a kernel, not the record of a tuning".to_owned()),
        };
        let tuning = tuning.map_err(|reason| remote.unusable(key.key(), reason)).ok()?;
        if let Some(disk) = self.disk() {
            disk.publish_entry(&entry);
        }
        Some(tuning)
    }

    #[cfg(not(feature = "remote"))]
    fn tuning_from_afar(&self, _: &KeyText, _: impl Fn(&Tuning) -> Result<(), String>) -> Option<Tuning> {
        None
    }
}
