//! Making and checking a signature.

use super::signing_key::{PublicKey, SigningKey};
use super::{LENGTH, MAGIC};
use crate::cache::reader::{Malformed, Reader, Writer};
use crate::cache::{bundle, entry};

const VERSION: u32 = 1;

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) enum Subject {
    Kernel,
    Bundle,
}

impl Subject {
    fn text(self, hash: &[u8; 32]) -> String {
        let what = match self {
            Subject::Kernel => format!("kernel {}", entry::VERSION),
            Subject::Bundle => format!("bundle {}", bundle::VERSION),
        };
        format!("routefuse {what}\n{}\n", blake3::Hash::from_bytes(*hash))
    }
}

/// The bytes that follow what has this hash.
pub(in crate::cache) fn sign(key: &SigningKey, subject: Subject, hash: &[u8; 32]) -> Vec<u8> {
    let mut w = Writer(Vec::with_capacity(LENGTH));
    w.0.extend_from_slice(MAGIC);
    w.u32(VERSION);
    w.u32(0);
    w.0.extend_from_slice(key.public().as_bytes());
    w.0.extend_from_slice(&key.sign(subject.text(hash).as_bytes()));
    w.0
}

/// The key that a signature names. That it is one by this key is not said.
pub(in crate::cache) fn named(bytes: &[u8]) -> Option<PublicKey> {
    PublicKey::from_bytes(bytes.get(16..48)?.try_into().ok()?)
}

/// Who signed what has this hash, by the bytes that follow it. That the key is one to be trusted is not said.
pub(in crate::cache) fn signer(bytes: &[u8], subject: Subject, hash: &[u8; 32]) -> Result<PublicKey, Malformed> {
    let mut r = Reader::new(bytes);
    r.version(MAGIC, VERSION, "signature")?;
    let reserved = r.u32("signature")?;
    let key = PublicKey::from_bytes(r.hash("signature")?).ok_or(Malformed::Signature)?;
    let signature = [r.hash("signature")?, r.hash("signature")?];
    r.end()?;
    if reserved != 0 {
        return Err(Malformed::Unknown { what: "signature", value: reserved.into() });
    }
    let text = subject.text(hash);
    if key.verifies(text.as_bytes(), signature.as_flattened()) { Ok(key) } else { Err(Malformed::Signature) }
}
