//! Any bytes as a cache's entry and as a bundle: nothing panics, and what is read is what was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use routefuse_runtime::{Bundle, BundleWriter, Entry};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::decode(bytes) {
        assert_eq!(entry.to_bytes().as_deref(), Some(bytes));
    }
    if let Ok(bundle) = Bundle::decode(bytes.to_vec()) {
        for (key, entry) in bundle.entries() {
            if let Ok(entry) = entry {
                assert_eq!(entry.key, key);
            }
        }
        let _ = bundle.lacking();
    }
    // Hashes keep a fuzzer out: what is behind them is reached by putting them right.
    let mut entry = bytes.to_vec();
    if let Some(length) = entry.len().checked_sub(104) {
        let text = u64::from_le_bytes(entry[48..56].try_into().unwrap_or_default()).min(length as u64) as usize;
        let key = *blake3::hash(&entry[104..104 + text]).as_bytes();
        entry[16..48].copy_from_slice(&key);
        let hash = *blake3::Hasher::new().update(&entry[..72]).update(&entry[104..]).finalize().as_bytes();
        entry[72..104].copy_from_slice(&hash);
        if let Ok(read) = Entry::decode(&entry) {
            assert_eq!(read.to_bytes(), Some(entry));
        }
    }
    let mut bundle = bytes.to_vec();
    if bundle.len() >= 48 {
        let hash = *blake3::hash(&bundle[48..]).as_bytes();
        bundle[16..48].copy_from_slice(&hash);
        if let Ok(read) = Bundle::decode(bundle) {
            let mut writer = BundleWriter::new(read.compiler(), read.processor());
            for g in read.graphs() {
                let targets: Vec<&str> = g.targets.iter().map(String::as_str).collect();
                writer.graph(&g.name, &g.text, &targets, g.fused);
            }
            let good = read.entries().filter_map(|e| e.1.ok()).filter(|e| writer.entry(e)).count();
            let again = Bundle::decode(writer.finish());
            assert!(again.is_ok_and(|b| b.len() <= good && b.graphs() == read.graphs()));
        }
    }
});
