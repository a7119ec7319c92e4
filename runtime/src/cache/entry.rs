//! One kernel, or the record of a tuning, as bytes: what a cache's files and a bundle are made of.
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 8 | `RFKERNEL`, or `RFTUNING` |
//! | 8 | 4 | version of the format |
//! | 12 | 4 | 1 if the kernel was compiled for the directory it lies in, 0 if it came or goes elsewhere |
//! | 16 | 32 | the key: blake3 of the key text |
//! | 48 | 8 | length of the key text |
//! | 56 | 8 | length of the artifact's fields, or of the record |
//! | 64 | 8 | length of the code; 0 for a record |
//! | 72 | 32 | blake3 of the bytes before it and after it, but for a signature |
//! | 104 | | key text, fields and code, or the record as text |
//! | | 112 | if it is signed: see `signature` |
//!
//! Integers are little-endian. There is no path, time, name or pointer in it, and nothing is executed to read it.

use super::form;
use super::key::{Key, KeyText};
use super::reader::{Malformed, Reader, Writer};
use super::signature::{self, LENGTH};
#[cfg(feature = "signatures")]
use super::signature::{PublicKey, SigningKey, Subject};
use routefuse_ir::artifact::Artifact;
use routefuse_ir::kernel::schedule::tuning::Tuning;

/// The version that this build reads and writes.
pub(crate) const VERSION: u32 = 3;
const MAGIC: &[u8; 8] = b"RFKERNEL";
/// How the record of a tuning begins.
const TUNING: &[u8; 8] = b"RFTUNING";
/// Where the lengths are.
const LENGTHS: usize = 48;
/// Where the hash is.
const HASH: usize = 72;
/// Where what it hashes goes on.
const BODY: usize = 104;

/// Where a kernel was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Where it lies: by a process of the directory's owner.
    Here,
    /// Elsewhere: it came in a bundle or from a remote cache, and is as good as who made it.
    Elsewhere,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Compiled code.
    Kernel(Artifact),
    /// The record of a tuning: no code, and nothing that changes a bit.
    Tuning(Tuning),
}

/// A kernel, or the record of a tuning, that was read from bytes, whole and as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The hash of the key text.
    pub key: Key,
    /// What the kernel was made from, or what was tuned: see [`KeyText`].
    pub text: String,
    /// What is kept under this key.
    pub content: Content,
    /// Where it was made. What is [`Here`](Origin::Here) is not signed.
    pub origin: Origin,
    /// As it is written: [`LENGTH`] bytes.
    signature: Option<Vec<u8>>,
}

impl Entry {
    /// The bytes of a kernel for a bundle or a remote cache, not signed; `None` if its schedule is of a kind that the format
    /// does not have.
    pub fn encode(key: &KeyText, artifact: &Artifact) -> Option<Vec<u8>> {
        Entry::kernel_bytes(Origin::Elsewhere, key.key(), key.text(), artifact)
    }

    /// The bytes of a tuning's record for a bundle or a remote cache, not signed.
    pub fn encode_tuning(key: &KeyText, tuning: &Tuning) -> Vec<u8> {
        Entry::tuning_bytes(Origin::Elsewhere, key.key(), key.text(), tuning)
    }

    /// The bytes of a kernel that was compiled for the directory in which they will lie; `None` as for [`Entry::encode`].
    pub(crate) fn encode_here(key: &KeyText, artifact: &Artifact) -> Option<Vec<u8>> {
        Entry::kernel_bytes(Origin::Here, key.key(), key.text(), artifact)
    }

    /// The bytes of the record of a tuning that was done on this machine.
    pub(crate) fn encode_tuning_here(key: &KeyText, tuning: &Tuning) -> Vec<u8> {
        Entry::tuning_bytes(Origin::Here, key.key(), key.text(), tuning)
    }

    fn kernel_bytes(origin: Origin, key: Key, text: &str, artifact: &Artifact) -> Option<Vec<u8>> {
        Some(bytes(MAGIC, origin, key, text, &form::encode(artifact)?, &artifact.code))
    }

    fn tuning_bytes(origin: Origin, key: Key, text: &str, tuning: &Tuning) -> Vec<u8> {
        bytes(TUNING, origin, key, text, tuning.to_string().as_bytes(), &[])
    }

    /// As it would be read elsewhere, not signed.
    fn own_bytes(&self) -> Option<Vec<u8>> {
        match &self.content {
            Content::Kernel(artifact) => Entry::kernel_bytes(Origin::Elsewhere, self.key, &self.text, artifact),
            Content::Tuning(tuning) => Some(Entry::tuning_bytes(Origin::Elsewhere, self.key, &self.text, tuning)),
        }
    }

    /// The code, if it is a kernel.
    pub fn artifact(&self) -> Option<&Artifact> {
        match &self.content {
            Content::Kernel(artifact) => Some(artifact),
            Content::Tuning(_) => None,
        }
    }

    /// The record, if it is one of a tuning.
    pub fn tuning(&self) -> Option<&Tuning> {
        match &self.content {
            Content::Kernel(_) => None,
            Content::Tuning(tuning) => Some(tuning),
        }
    }

    /// Reads what [`Entry::encode`] and [`Entry::to_bytes`] wrote. No change of any bit goes unseen, and a signature that is
    /// there is one of these bytes. Whether its signer is someone to be trusted is for the caller to say.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Entry, Malformed> {
        let entry = Entry::decode_within(bytes)?;
        #[cfg(feature = "signatures")]
        if let Some(signature) = &entry.signature {
            signature::signer(signature, Subject::Kernel, &stored_hash(bytes))?;
        }
        Ok(entry)
    }

    /// As [`Entry::decode`], of bytes within others whose signature was checked: that of the entry alone is not.
    pub(super) fn decode_within(bytes: &[u8]) -> Result<Entry, Malformed> {
        let end = Entry::end(bytes).filter(|&end| signature::begins(&bytes[end..])).unwrap_or(bytes.len());
        let (body, signature) = bytes.split_at(end);
        let mut entry = Entry::decode_body(body)?;
        if signature.is_empty() {
            return Ok(entry);
        }
        // What was compiled here has no use for one.
        if entry.origin == Origin::Here || signature.len() > LENGTH {
            let kept = if entry.origin == Origin::Here { 0 } else { LENGTH };
            return Err(Malformed::TooLong { bytes: (signature.len() - kept) as u64 });
        }
        if signature.len() < LENGTH {
            return Err(Malformed::CutShort { what: "signature" });
        }
        entry.signature = Some(signature.to_vec());
        Ok(entry)
    }

    fn decode_body(bytes: &[u8]) -> Result<Entry, Malformed> {
        let mut r = Reader::new(bytes);
        let is_tuning = bytes.starts_with(TUNING);
        r.version(if is_tuning { TUNING } else { MAGIC }, VERSION, "compiled kernel")?;
        let origin = r.u32("header")?;
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
        let origin = match origin {
            0 => Origin::Elsewhere,
            1 => Origin::Here,
            other => return Err(Malformed::Unknown { what: "header", value: other.into() }),
        };
        let text = std::str::from_utf8(text).map_err(|_| Malformed::NotText { what: "key text" })?;
        if Key::of_text(text) != key {
            return Err(Malformed::Key);
        }
        let content = if is_tuning {
            Content::Tuning(tuning(fields, code)?)
        } else {
            Content::Kernel(form::decode(fields, code)?)
        };
        Ok(Entry { key, text: text.to_owned(), content, origin, signature: None })
    }

    /// Of bytes that came from elsewhere, whatever they say.
    ///
    /// # Errors
    /// Those of [`Entry::decode`]; that they say they were compiled here.
    #[cfg(feature = "remote")]
    pub(super) fn decode_foreign(bytes: &[u8]) -> Result<Entry, Malformed> {
        Entry::decode(bytes)?.foreign()
    }

    /// Itself, if it says of itself that it is from elsewhere, as everything must that does not lie in a cache's directory.
    pub(super) fn foreign(self) -> Result<Entry, Malformed> {
        match self.origin {
            Origin::Elsewhere => Ok(self),
            Origin::Here => Err(Malformed::Unknown { what: "header", value: 1 }),
        }
    }

    pub(super) fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// Whose signature it has. That it is one of these bytes, [`Entry::decode`] has checked.
    #[cfg(feature = "signatures")]
    pub fn signer(&self) -> Option<PublicKey> {
        self.signature.as_deref().and_then(signature::named)
    }

    /// As [`Entry::encode`], with a signature: what a remote cache holds.
    #[cfg(feature = "signatures")]
    pub fn encode_signed(key: &KeyText, artifact: &Artifact, by: &SigningKey) -> Option<Vec<u8>> {
        Entry::encode(key, artifact).map(|bytes| signed(bytes, by))
    }

    /// Where an entry ends, by the lengths that it says it has; `None` if that is beyond the bytes.
    fn end(bytes: &[u8]) -> Option<usize> {
        let mut r = Reader::new(bytes.get(LENGTHS..BODY)?);
        let lengths = [r.u64("header").ok()?, r.u64("header").ok()?, r.u64("header").ok()?];
        let end = lengths.iter().try_fold(BODY as u64, |end, n| end.checked_add(*n))?;
        usize::try_from(end).ok().filter(|end| *end <= bytes.len())
    }

    /// The bytes that [`Entry::decode`] reads, for a bundle, a remote cache or another machine's directory: with its signature,
    /// if it has one.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = self.own_bytes()?;
        bytes.extend_from_slice(self.signature.as_deref().unwrap_or_default());
        Some(bytes)
    }

    /// As [`Entry::to_bytes`], signed with this key and no other. Who signs vouches for the code, whoever compiled it.
    #[cfg(feature = "signatures")]
    pub fn to_signed_bytes(&self, by: &SigningKey) -> Option<Vec<u8>> {
        self.own_bytes().map(|bytes| signed(bytes, by))
    }

    /// The value of an ingredient of the key text, such as `compiler` or `schedule`.
    pub fn ingredient(&self, name: &str) -> &str {
        let line = self.text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_default()
    }
}

/// Whether bytes that are an entry are the record of a tuning.
pub(super) fn is_tuning(bytes: &[u8]) -> bool {
    bytes.starts_with(TUNING)
}

fn bytes(magic: &[u8; 8], origin: Origin, key: Key, text: &str, fields: &[u8], code: &[u8]) -> Vec<u8> {
    let lengths = [text.len(), fields.len(), code.len()];
    let mut w = Writer(Vec::with_capacity(BODY + lengths.iter().sum::<usize>() + LENGTH));
    w.0.extend_from_slice(magic);
    w.u32(VERSION);
    w.u32((origin == Origin::Here).into());
    w.0.extend_from_slice(key.as_bytes());
    lengths.iter().for_each(|&n| w.u64(n as u64));
    w.0.extend_from_slice(&[0; 32]);
    for part in [text.as_bytes(), fields, code] {
        w.0.extend_from_slice(part);
    }
    let hash = hash(&w.0);
    w.0[HASH..BODY].copy_from_slice(&hash);
    w.0
}

/// The record of these bytes, which no code follows.
fn tuning(fields: &[u8], code: &[u8]) -> Result<Tuning, Malformed> {
    if !code.is_empty() {
        return Err(Malformed::TooLong { bytes: code.len() as u64 });
    }
    let text = std::str::from_utf8(fields).map_err(|_| Malformed::NotText { what: "record" })?;
    text.parse().map_err(|why| Malformed::Tuning { why: format!("{why}") })
}

/// An entry's bytes with this signature, in the place of one that is there.
#[cfg(feature = "signatures")]
pub(super) fn signed(mut bytes: Vec<u8>, by: &SigningKey) -> Vec<u8> {
    bytes.truncate(Entry::end(&bytes).unwrap_or(bytes.len()));
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
