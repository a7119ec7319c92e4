//! How arguments lie in memory, and how they may share it.

/// How an input's or output's elements lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "graphs", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "graphs", serde(rename_all = "lowercase"))]
pub enum Layout {
    /// Row-major without gaps.
    #[default]
    Contiguous,
    /// The leading dim's stride is free, given at launch; the rest is row-major without gaps. In text: `rows`.
    Rows,
    /// Every stride is free, given at launch. In text: `strided`.
    Strided,
}

/// How an output's memory may meet an input's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Alias {
    /// The output is disjoint from every input.
    #[default]
    None,
    /// The output *is* this input's view; launch checks it. In text: `in_place(name)`.
    InPlace(usize),
    /// The output may be this input's view, or disjoint from it. Where lying in the input would take another kernel, it has to be
    /// disjoint: `explain` says so, and a launch refuses anything else. In text: `donates(name)`.
    Donates(usize),
    /// The output is a copy of this input: the same view is left alone, a disjoint one is written, anything between is an
    /// error at launch. In text: `guarded(name)`.
    Guarded(usize),
}

impl Alias {
    /// The input it names.
    pub fn input(self) -> Option<usize> {
        match self {
            Alias::None => None,
            Alias::InPlace(i) | Alias::Donates(i) | Alias::Guarded(i) => Some(i),
        }
    }
}
