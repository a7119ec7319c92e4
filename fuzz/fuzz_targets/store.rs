//! Any bytes as a cache's entry, as a bundle, signed or not, as the record of a tuning, and as a file of keys: nothing panics, and what is read is what was
//! written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use routefuse_ir::kernel::schedule::tuning::Tuning;
use routefuse_runtime::{Bundle, BundleWriter, Entry, Origin, PublicKey, SigningKey};
use std::sync::LazyLock;

/// Where an entry's header ends, and where a bundle's does.
const ENTRY: usize = 104;
const BUNDLE: usize = 48;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n";
    SigningKey::from_pem(pem).expect("a key")
});

fuzz_target!(|bytes: &[u8]| {
    as_they_are(bytes);
    // Hashes and signatures keep a fuzzer out: what is behind them is reached by putting them right.
    entry(bytes);
    bundle(bytes);
});

fn as_they_are(bytes: &[u8]) {
    if let Ok(entry) = Entry::decode(bytes) {
        let written = entry.to_bytes().expect("it was one");
        // What was compiled here says so; what is written for elsewhere does not.
        if entry.origin == Origin::Elsewhere {
            assert_eq!(written, bytes);
        }
        assert!(entry.origin == Origin::Elsewhere || entry.signer().is_none());
        assert_eq!(written.len(), bytes.len());
    }
    if let Ok(bundle) = Bundle::decode(bytes.to_vec()) {
        for (key, entry) in bundle.entries() {
            if let Ok(entry) = entry {
                assert_eq!(entry.key, key);
            }
        }
        let _ = bundle.lacking();
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(tuning) = text.parse::<Tuning>() {
        assert_eq!(tuning.to_string(), text);
    }
    if let Ok(key) = SigningKey::from_pem(&text) {
        assert_eq!(SigningKey::from_pem(&key.to_pem()), Ok(key));
    }
    for key in PublicKey::from_pem(&text).unwrap_or_default() {
        assert_eq!(PublicKey::from_pem(&key.to_pem()), Ok(vec![key]));
    }
}

fn entry(bytes: &[u8]) {
    let mut entry = bytes.to_vec();
    let Some(length) = entry.len().checked_sub(ENTRY) else { return };
    let text = u64::from_le_bytes(entry[48..56].try_into().unwrap_or_default()).min(length as u64) as usize;
    let key = *blake3::hash(&entry[ENTRY..ENTRY + text]).as_bytes();
    entry[16..48].copy_from_slice(&key);
    let hash = *blake3::Hasher::new().update(&entry[..72]).update(&entry[ENTRY..]).finalize().as_bytes();
    entry[72..ENTRY].copy_from_slice(&hash);
    if let Ok(read) = Entry::decode(&entry) {
        assert_eq!(read.to_bytes().map(|b| b.len()), Some(entry.len()));
        let signed = read.to_signed_bytes(&KEY).expect("it was one");
        let again = Entry::decode(&signed).expect("it was just written");
        assert_eq!((again.signer(), again.origin), (Some(KEY.public()), Origin::Elsewhere));
        assert_eq!((again.key, again.text, again.content), (read.key, read.text, read.content));
    }
}

fn bundle(bytes: &[u8]) {
    let mut bundle = bytes.to_vec();
    if bundle.len() < BUNDLE {
        return;
    }
    let hash = *blake3::hash(&bundle[BUNDLE..]).as_bytes();
    bundle[16..BUNDLE].copy_from_slice(&hash);
    let Ok(read) = Bundle::decode(bundle) else { return };
    let mut writer = BundleWriter::new(read.compiler(), read.processor());
    for g in read.graphs() {
        let targets: Vec<&str> = g.targets.iter().map(String::as_str).collect();
        writer.graph(&g.name, &g.text, &targets, g.fused);
    }
    let good = read.entries().filter_map(|e| e.1.ok()).filter(|e| writer.entry(e)).count();
    for (bytes, signer) in [(writer.finish(), None), (writer.finish_signed(&KEY), Some(KEY.public()))] {
        let again = Bundle::decode(bytes);
        assert!(again.is_ok_and(|b| b.len() <= good && b.graphs() == read.graphs() && b.signer() == signer));
    }
}
