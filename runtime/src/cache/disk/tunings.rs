//! Records of tunings among a directory's entries.

use super::DiskCache;
use crate::cache::directory;
use crate::cache::entry::{self, Content, Entry};
use crate::cache::key::KeyText;
use crate::cache::trouble::Trouble;
use routefuse_ir::kernel::schedule::tuning::Tuning;
use std::os::unix::fs::FileExt;

impl DiskCache {
    /// The record of a tuning under this key, if a good one is there that `check` accepts.
    pub(crate) fn find_tuning(&self, key: &KeyText, check: impl Fn(&Tuning) -> Result<(), String>) -> Option<Tuning> {
        let path = || self.path(key.key());
        match self.find_content(key)? {
            Content::Tuning(tuning) => match check(&tuning) {
                Ok(()) => {
                    self.used(key.key());
                    Some(tuning)
                }
                Err(reason) => {
                    self.troubles.tell(&Trouble::Unusable { path: path(), reason });
                    None
                }
            },
            Content::Kernel(_) => {
                self.put_aside(&Trouble::OtherKernel { path: path() });
                None
            }
        }
    }

    /// Keeps the record of a tuning that was done here, in the place of an older one; whether it did.
    pub fn publish_tuning(&self, key: &KeyText, tuning: &Tuning) -> bool {
        self.publish_bytes(key.key(), &Entry::encode_tuning_here(key, tuning))
    }

    /// Every record of a tuning that is there and whole, by key; kernels are not read.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn tunings(&self) -> Result<Vec<Entry>, Trouble> {
        let mut tunings = Vec::new();
        for listed in self.list()? {
            let begins = directory::open(&self.path(listed.key)).ok().flatten().map(|(file, _)| {
                let mut begins = [0; 8];
                file.read_exact_at(&mut begins, 0).is_ok() && entry::is_tuning(&begins)
            });
            if begins == Some(true) {
                tunings.extend(self.read(listed.key).ok().flatten());
            }
        }
        tunings.sort_by_key(|entry| entry.key);
        Ok(tunings)
    }
}
