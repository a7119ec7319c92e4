//! Dimensions: constants, and symbols compared by identity.

use crate::visible::visible;
#[cfg(feature = "graphs")]
use serde::{Deserialize, Serialize};

/// A symbol of one graph or kernel: an index into its list of symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "graphs", derive(Serialize, Deserialize))]
pub struct SymbolId(pub u32);

/// One dimension of a shape, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "graphs", derive(Serialize, Deserialize))]
pub enum Dim {
    /// Known when the graph is made.
    Const(u64),
    /// Known at launch. Equal to another dimension only if it is the same symbol.
    Sym(SymbolId),
}

impl Dim {
    /// The value, if it is known when the graph is made.
    pub fn as_const(self) -> Option<u64> {
        match self {
            Dim::Const(n) => Some(n),
            Dim::Sym(_) => None,
        }
    }

    /// The symbol, if it is one.
    pub fn as_sym(self) -> Option<SymbolId> {
        match self {
            Dim::Const(_) => None,
            Dim::Sym(s) => Some(s),
        }
    }

    /// The value at launch; `extents[i]` is the value of `SymbolId(i)`.
    ///
    /// # Panics
    /// If the symbol has no entry in `extents`.
    pub fn resolve(self, extents: &[u64]) -> u64 {
        match self {
            Dim::Const(n) => n,
            Dim::Sym(s) => extents[s.0 as usize],
        }
    }
}

impl From<u64> for Dim {
    fn from(n: u64) -> Dim {
        Dim::Const(n)
    }
}

impl From<SymbolId> for Dim {
    fn from(s: SymbolId) -> Dim {
        Dim::Sym(s)
    }
}

/// `T, 8` with the symbols' names; an unnamed symbol prints as `s<index>`.
pub fn shape_text(shape: &[Dim], symbols: &[String]) -> String {
    let dims: Vec<String> = shape
        .iter()
        .map(|d| match d {
            Dim::Const(n) => n.to_string(),
            Dim::Sym(s) => match symbols.get(s.0 as usize) {
                Some(name) => visible(name).into_owned(),
                None => format!("s{}", s.0),
            },
        })
        .collect();
    dims.join(", ")
}

/// The product of constant dims; `None` if one is symbolic or the product exceeds 2⁶³ − 1.
pub fn const_product(dims: &[Dim]) -> Option<u64> {
    dims.iter().try_fold(1u64, |n, d| n.checked_mul(d.as_const()?).filter(|&n| n <= i64::MAX as u64))
}
