//! The keys of a graph's kernels, before anything is compiled.

use routefuse_ir::Verified;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_runtime::{Compiler, KeyText};

/// The key of one variant of one kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KernelKey {
    /// The kernel's name, which is not part of the key.
    pub kernel: String,
    /// The variant.
    pub variant: Variant,
    /// The key, and what it is made of.
    pub key: KeyText,
}

impl KernelKey {
    /// For each kernel, one a variant.
    pub(crate) fn all(kernels: &[Verified<Scheduled>], compiler: &dyn Compiler) -> Vec<KernelKey> {
        let of = |scheduled: &Scheduled, variant| KernelKey {
            kernel: scheduled.kernel.name.clone(),
            variant,
            key: KeyText::of(scheduled, variant, compiler),
        };
        kernels.iter().flat_map(|k| k.variants().iter().map(move |&variant| of(k, variant))).collect()
    }
}
