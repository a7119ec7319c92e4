//! Which entries were used last: our own records, because file systems are mounted without access times and clocks go
//! backwards.
//!
//! The file `uses` is a list of keys; the later in it, the later used. Every use appends a record, in one write, without a
//! lock. Records are checked one by one: what a torn write or another program leaves among them is passed over. It is no
//! harm to lose one; it decides only what is cleared away first.

use crate::cache::Key;
use crate::cache::directory;
use crate::cache::trouble::Trouble;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

const NAME: &str = "uses";
/// How a record begins, then a key, then the first bytes of its hash.
const MARK: &[u8; 4] = b"\x00use";
const CHECK: usize = 4;
const RECORD: usize = 4 + 32 + CHECK;
/// The file is written anew when it has grown to this many bytes.
pub(super) const COMPACT: u64 = 1 << 20;
/// A file that is larger than this (nobody was allowed to write it anew) is as good as none.
const MOST: u64 = 16 << 20;

fn record(key: Key) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..4].copy_from_slice(MARK);
    record[4..36].copy_from_slice(key.as_bytes());
    record[36..].copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..CHECK]);
    record
}

/// Notes that these were used, in this order.
pub(super) fn append(directory: &Path, keys: &[Key]) -> Result<(), Trouble> {
    let bytes: Vec<u8> = keys.iter().flat_map(|k| record(*k)).collect();
    directory::append(&directory.join(NAME), &bytes)
}

/// Each key's position in the order of last uses: the greater, the later. And the size of the file.
pub(super) fn read(directory: &Path) -> Result<(HashMap<Key, usize>, u64), Trouble> {
    let bytes = match directory::read(&directory.join(NAME), MOST) {
        Err(Trouble::Io { source, .. }) if source.kind() == ErrorKind::FileTooLarge => {
            return Ok((HashMap::new(), u64::MAX));
        }
        read => read?.unwrap_or_default(),
    };
    let mut positions = HashMap::new();
    for (position, key) in records(&bytes).into_iter().enumerate() {
        positions.insert(key, position);
    }
    Ok((positions, bytes.len() as u64))
}

/// Writes the file anew with these keys, the last used last.
pub(super) fn rewrite(directory: &Path, keys: &[Key]) -> Result<(), Trouble> {
    let bytes: Vec<u8> = keys.iter().flat_map(|k| record(*k)).collect();
    directory::publish(directory, NAME, &bytes)
}

/// The keys of all whole records, in order; any bytes will do.
pub(crate) fn records(bytes: &[u8]) -> Vec<Key> {
    let (mut keys, mut at) = (Vec::new(), 0);
    while let Some(window) = bytes.get(at..at + RECORD) {
        let mut key = [0; 32];
        key.copy_from_slice(&window[4..36]);
        if window.starts_with(MARK) && blake3::hash(&key).as_bytes()[..CHECK] == window[36..] {
            keys.push(Key::from_bytes(key));
            at += RECORD;
        } else {
            at += 1;
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key::of_text(&n.to_string())
    }

    #[test]
    fn the_last_use_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap().0.is_empty());
        append(dir.path(), &[key(1), key(2)]).unwrap();
        append(dir.path(), &[key(1)]).unwrap();
        let (positions, size) = read(dir.path()).unwrap();
        assert!(positions[&key(1)] > positions[&key(2)]);
        assert_eq!(size, 3 * RECORD as u64);
        rewrite(dir.path(), &[key(1), key(2)]).unwrap();
        let (positions, size) = read(dir.path()).unwrap();
        assert!(positions[&key(1)] < positions[&key(2)]);
        assert_eq!(size, 2 * RECORD as u64);
    }

    #[test]
    fn torn_records_are_passed_over() {
        let whole: Vec<u8> = (0..3).flat_map(|n| record(key(n))).collect();
        for cut in 0..RECORD {
            let torn = [&whole[..RECORD], &whole[RECORD..RECORD + cut], &whole[2 * RECORD..]].concat();
            assert_eq!(records(&torn), [key(0), key(2)], "cut at {cut}");
        }
        assert!(records(&[0; 1000]).is_empty());
    }
}
