//! Peepholes: patterns for which an owner emits something else than their operands say, and why.
//!
//! Each has a file with its equation, the machine it is for, the reason, and the tests that fail without it. [`Peephole`] is
//! the register; the unit tests compile an example of each with and without it and see the texts differ, so that none is left
//! that does nothing. What a *machine* does otherwise (a division, an `or` that hides its operands) is not here but a method of
//! [`Machine`](crate::machine::Machine).
//!
//! An owner lists the peepholes that it uses; those that stand in for a value, an address or a load are
//! [shortcuts](super::pull::Shortcut).

pub(super) mod bf16_pairs;
pub(super) mod bound_mask;
pub(super) mod chosen_columns;
pub(super) mod distinct_columns;
pub(super) mod index_words;
pub(super) mod masked_keys;
pub(super) mod plain_keys;
pub(super) mod streamed_load;

use super::pull::Shortcut;

/// Every peephole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peephole {
    /// [`bf16_pairs`].
    Bf16Pairs,
    /// [`bound_mask`].
    BoundMask,
    /// [`chosen_columns`].
    ChosenColumns,
    /// [`distinct_columns`].
    DistinctColumns,
    /// [`index_words`].
    IndexWords,
    /// [`masked_keys`].
    MaskedKeys,
    /// [`plain_keys`].
    PlainKeys,
    /// [`streamed_load`].
    StreamedLoad,
}

/// The peepholes that are on: all of them, but in tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peepholes {
    off: Option<Peephole>,
}

impl Peepholes {
    /// All but one.
    #[cfg(test)]
    pub fn without(off: Peephole) -> Peepholes {
        Peepholes { off: Some(off) }
    }

    /// Whether it is on.
    pub fn has(self, peephole: Peephole) -> bool {
        self.off != Some(peephole)
    }
}

/// Of an owner's shortcuts, those that are on.
pub(super) fn chosen<'p, 'm>(
    peepholes: Peepholes,
    shortcuts: &[(Peephole, &'p dyn Shortcut<'m>)],
) -> Vec<&'p dyn Shortcut<'m>> {
    shortcuts.iter().filter(|(which, _)| peepholes.has(*which)).map(|(_, shortcut)| *shortcut).collect()
}

#[cfg(test)]
mod tests;
