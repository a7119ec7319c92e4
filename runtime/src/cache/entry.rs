//! One kernel as bytes: what a cache's files and a bundle are made of.
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 8 | `RFKERNEL` |
//! | 8 | 4 | version of the format |
//! | 12 | 4 | 0 |
//! | 16 | 32 | the key: blake3 of the key text |
//! | 48 | 8 | length of the key text |
//! | 56 | 8 | length of the artifact's fields |
//! | 64 | 8 | length of the code |
//! | 72 | 32 | blake3 of the bytes before it and after it |
//! | 104 | | key text, fields, code |
//!
//! Integers are little-endian. There is no path, time, name or pointer in it, and nothing is executed to read it.

use super::form;
use super::key::{Key, KeyText};
use super::reader::{Malformed, Reader, Writer};
#[cfg(feature = "signatures")]
use super::signature::{self, PublicKey, SigningKey, Subject};
use routefuse_ir::artifact::Artifact;

/// The version that this build reads and writes.
pub(crate) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"RFKERNEL";
/// Where the lengths are.
#[cfg(feature = "signatures")]
const LENGTHS: usize = 48;
/// Where the hash is.
const HASH: usize = 72;
/// Where what it hashes goes on.
const BODY: usize = 104;

/// A kernel that was read from bytes, whole and as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The hash of the key text.
    pub key: Key,
    /// What the kernel was made from: see [`KeyText`].
    pub text: String,
    /// The code.
    pub artifact: Artifact,
}

impl Entry {
    /// The bytes of a kernel; `None` if its schedule is of a kind that the format does not have.
    pub fn encode(key: &KeyText, artifact: &Artifact) -> Option<Vec<u8>> {
        Entry::bytes(key.key(), key.text(), artifact)
    }

    pub(crate) fn bytes(key: Key, text: &str, artifact: &Artifact) -> Option<Vec<u8>> {
        let fields = form::encode(artifact)?;
        let lengths = [text.len(), fields.len(), artifact.code.len()];
        let mut w = Writer(Vec::with_capacity(BODY + lengths.iter().sum::<usize>()));
        w.0.extend_from_slice(MAGIC);
        w.u32(VERSION);
        w.u32(0);
        w.0.extend_from_slice(key.as_bytes());
        lengths.iter().for_each(|&n| w.u64(n as u64));
        w.0.extend_from_slice(&[0; 32]);
        for part in [text.as_bytes(), &fields, &artifact.code] {
            w.0.extend_from_slice(part);
        }
        let hash = hash(&w.0);
        w.0[HASH..BODY].copy_from_slice(&hash);
        Some(w.0)
    }

    /// Reads what [`Entry::encode`] wrote. No change of any bit goes unseen.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Entry, Malformed> {
        let mut r = Reader::new(bytes);
        r.version(MAGIC, VERSION, "compiled kernel")?;
        let reserved = r.u32("header")?;
        let key = Key::from_bytes(r.hash("header")?);
        let [text, fields, code] = [r.u64("header")?, r.u64("header")?, r.u64("header")?];
        let expected = r.hash("header")?;
        let text = r.bytes(text, "key text")?;
        let fields = r.bytes(fields, "fields")?;
        let code = r.bytes(code, "code")?;
        r.end()?;
        if hash(bytes) != expected {
            return Err(Malformed::Hash);
        }
        if reserved != 0 {
            return Err(Malformed::Unknown { what: "header", value: reserved.into() });
        }
        let text = std::str::from_utf8(text).map_err(|_| Malformed::NotText { what: "key text" })?;
        if Key::of_text(text) != key {
            return Err(Malformed::Key);
        }
        Ok(Entry { key, text: text.to_owned(), artifact: form::decode(fields, code)? })
    }

    /// As [`Entry::encode`], with a signature: what a remote cache holds.
    #[cfg(feature = "signatures")]
    pub fn encode_signed(key: &KeyText, artifact: &Artifact, by: &SigningKey) -> Option<Vec<u8>> {
        Entry::encode(key, artifact).map(|bytes| signed(bytes, by))
    }

    /// Reads what [`Entry::encode_signed`] or [`Entry::encode`] wrote, and says who signed it, if anyone did. Whether that is
    /// someone to be trusted is for the caller to say.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    #[cfg(feature = "signatures")]
    pub fn decode_signed(bytes: &[u8]) -> Result<(Entry, Option<PublicKey>), Malformed> {
        let end = Entry::end(bytes).filter(|&end| signature::begins(&bytes[end..]));
        let Some(end) = end else { return Ok((Entry::decode(bytes)?, None)) };
        let entry = Entry::decode(&bytes[..end])?;
        let signer = signature::signer(&bytes[end..], Subject::Kernel, &stored_hash(bytes))?;
        Ok((entry, Some(signer)))
    }

    /// Where an entry ends, by the lengths that it says it has; `None` if that is beyond the bytes.
    #[cfg(feature = "signatures")]
    fn end(bytes: &[u8]) -> Option<usize> {
        let mut r = Reader::new(bytes.get(LENGTHS..BODY)?);
        let lengths = [r.u64("header").ok()?, r.u64("header").ok()?, r.u64("header").ok()?];
        let end = lengths.iter().try_fold(BODY as u64, |end, n| end.checked_add(*n))?;
        usize::try_from(end).ok().filter(|end| *end <= bytes.len())
    }

    /// The bytes that [`Entry::decode`] reads.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        Entry::bytes(self.key, &self.text, &self.artifact)
    }

    /// The bytes that [`Entry::decode_signed`] reads.
    #[cfg(feature = "signatures")]
    pub fn to_signed_bytes(&self, by: &SigningKey) -> Option<Vec<u8>> {
        self.to_bytes().map(|bytes| signed(bytes, by))
    }

    /// The value of an ingredient of the key text, such as `compiler` or `schedule`.
    pub fn ingredient(&self, name: &str) -> &str {
        let line = self.text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_default()
    }
}

/// An entry, with its signature after it.
#[cfg(feature = "signatures")]
fn signed(mut bytes: Vec<u8>, by: &SigningKey) -> Vec<u8> {
    let signature = signature::sign(by, Subject::Kernel, &stored_hash(&bytes));
    bytes.extend_from_slice(&signature);
    bytes
}

/// The hash in an entry's header.
#[cfg(feature = "signatures")]
fn stored_hash(bytes: &[u8]) -> [u8; 32] {
    bytes.get(HASH..BODY).and_then(|h| h.try_into().ok()).unwrap_or_default()
}

/// Of an entry of at least a header's length.
fn hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(&bytes[..HASH]).update(&bytes[BODY..]).finalize().as_bytes()
}
