//! Keys of signatures, and the files that they are in: PEM text, as other programs write and read it.

use crate::cache::directory;
use crate::cache::trouble::Trouble;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes};
use ed25519_dalek::{Signer, VerifyingKey};
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file of keys has no more bytes.
const LARGEST: u64 = 1 << 20;
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// What signs: an ed25519 key, which is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// What a signature is checked with. Its text is 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

/// Why a text holds no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadKey {
    /// It is not the PEM text of an ed25519 signing key.
    #[error("it is no ed25519 signing key (PKCS #8 as PEM, \"BEGIN PRIVATE KEY\")")]
    Signing,
    /// It is not the PEM text of ed25519 public keys.
    #[error("it is no ed25519 public key (SubjectPublicKeyInfo as PEM, \"BEGIN PUBLIC KEY\"), or several of them")]
    Public,
}

impl SigningKey {
    /// A new one, of the system's random numbers.
    ///
    /// # Errors
    /// If the system has none.
    pub fn generate() -> Result<SigningKey, Trouble> {
        let mut seed = [0; 32];
        let source = "the system's random numbers".as_ref();
        getrandom::fill(&mut seed).map_err(|e| Trouble::io("read", source, std::io::Error::other(e.to_string())))?;
        Ok(SigningKey(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// What checks its signatures.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Of PKCS #8 as PEM, as [`SigningKey::to_pem`] and `openssl genpkey -algorithm ed25519` write it.
    ///
    /// # Errors
    /// If it is not that.
    pub fn from_pem(text: &str) -> Result<SigningKey, BadKey> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(text).map(SigningKey).map_err(|_| BadKey::Signing)
    }

    /// PKCS #8 as PEM.
    pub fn to_pem(&self) -> String {
        // Version 1, without the public key, which not every program reads.
        let pair = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        // Nothing in 32 bytes cannot be encoded.
        pair.to_pkcs8_pem(LineEnding::LF).map(|t| t.to_string()).unwrap_or_default()
    }

    /// Reads a file that nobody but its owner may read or write, and that is this user's or the administrator's.
    ///
    /// # Errors
    /// The system's refusals; what is wrong with the file.
    pub fn read(path: &Path) -> Result<SigningKey, Trouble> {
        let text = directory::read_text(path, LARGEST)?;
        let bad = |reason| Trouble::BadKey { path: path.to_owned(), reason };
        let key = SigningKey::from_pem(text.trim()).map_err(bad)?;
        directory::check_secret(path).map(|()| key)
    }

    /// Writes a file that only this user may read. One that is there stays.
    ///
    /// # Errors
    /// The system's refusals.
    pub fn write(&self, path: &Path) -> Result<(), Trouble> {
        write_new(path, 0o600, &self.to_pem())
    }

    /// Writes two files: the key, as [`SigningKey::write`] does, and its public key, which anybody may read, to the name of the
    /// first with `.pub` behind it. Gives that name. Files that are there stay, and on an error neither is left.
    ///
    /// # Errors
    /// The system's refusals.
    pub fn write_pair(&self, path: &Path) -> Result<PathBuf, Trouble> {
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let public = PathBuf::from(public);
        self.write(path)?;
        write_new(&public, 0o644, &self.public().to_pem()).inspect_err(|_| {
            // Nobody knows whose its signatures are, and it would be in the way of the next try.
            let _ = std::fs::remove_file(path);
        })?;
        Ok(public)
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// Writes a file of these permissions, which is not there yet.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), Trouble> {
    let failed = |e| Trouble::io("write", path, e);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(failed).inspect_err(|_| {
        // Half of it is no key.
        let _ = std::fs::remove_file(path);
    })
}

impl PublicKey {
    /// Of 32 bytes; `None` if they are no point of the curve, or one of the few that verify what nobody signed.
    pub fn from_bytes(bytes: [u8; 32]) -> Option<PublicKey> {
        point(&bytes).filter(|k| !k.is_weak()).map(|_| PublicKey(bytes))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of one or several PEM texts, as [`PublicKey::to_pem`] and `openssl pkey -pubout` write them, one after another. What
    /// stands before, between and after them is passed over.
    ///
    /// # Errors
    /// If there is none, or one is no ed25519 key.
    pub fn from_pem(text: &str) -> Result<Vec<PublicKey>, BadKey> {
        let mut keys = Vec::new();
        for part in text.split(BEGIN).skip(1) {
            let body = part.split_once(END).ok_or(BadKey::Public)?.0;
            let key = VerifyingKey::from_public_key_pem(&format!("{BEGIN}{body}{END}\n"));
            let key = key.ok().and_then(|k| PublicKey::from_bytes(k.to_bytes())).ok_or(BadKey::Public)?;
            keys.push(key);
        }
        if keys.is_empty() { Err(BadKey::Public) } else { Ok(keys) }
    }

    /// SubjectPublicKeyInfo as PEM.
    pub fn to_pem(&self) -> String {
        // Nothing in 32 bytes cannot be encoded.
        point(&self.0).and_then(|k| k.to_public_key_pem(LineEnding::LF).ok()).unwrap_or_default()
    }

    /// Reads a file of one or several keys. It must be this user's or the administrator's, and not everyone may write to it.
    ///
    /// # Errors
    /// The system's refusals; what is wrong with the file.
    pub fn read(path: &Path) -> Result<Vec<PublicKey>, Trouble> {
        let text = directory::read_text(path, LARGEST)?;
        PublicKey::from_pem(&text).map_err(|reason| Trouble::BadKey { path: path.to_owned(), reason })
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = ed25519_dalek::Signature::from_slice(signature);
        let key = point(&self.0);
        key.zip(signature.ok()).is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
    }
}

fn point(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes).ok()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

// By hand: it is secret.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}
