//! The identity of compiled code: the shape signature.

use crate::compiler::Compiler;
use routefuse_ir::kernel::abi;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::TargetKind;
use std::fmt;

/// The version of what a key is made of, and of the calling convention.
const FORMAT: u32 = 1;

/// Everything that decides what machine code a kernel becomes, hashed: its text without names, its schedule and slots, the
/// target (and for the host, its processor), the variant, and the compiler's version. Never an extent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of one variant of a kernel.
    pub fn of(scheduled: &Scheduled, variant: Variant, compiler: &dyn Compiler) -> Key {
        // Destructured so that a new field cannot be forgotten.
        let Scheduled { kernel, schedule, target } = scheduled;
        let mut hasher = blake3::Hasher::new();
        // Each text with its length, so that no two lists of texts run together.
        let mut field = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        field(&format!("routefuse key {FORMAT}"));
        field(compiler.version());
        field(target.name());
        field(if target.kind() == TargetKind::Host { compiler.host_cpu() } else { "" });
        field(&variant.to_string());
        field(&schedule.to_string());
        field(&format!("{:?}", abi::slots(kernel)));
        field(&kernel.canonical_text());
        Key(*hasher.finalize().as_bytes())
    }

    /// The hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}
