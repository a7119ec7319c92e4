//! How much of the suite is run, and what was done.

use super::agreement::{Bands, Place};
use crate::memory::Alignment;
use routefuse_generate::data::Rule;
use std::time::Instant;

/// How much of it.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Rows of every graph.
    pub extents: Vec<u64>,
    /// The most rows of a graph that is tried where it begins to be launched in another way.
    pub most_rows_of_a_change: u64,
    /// Only graphs with this in their name, if any, and then nothing else.
    pub only: Option<String>,
    /// Allocations that this thread has made so far, if something counts them.
    pub allocations: Option<fn() -> u64>,
    /// A tool watches every access: nothing but one launch after the other, of every variant and random graph, on allocations
    /// that end with the tensor.
    pub watched: bool,
    /// Of all graphs only those whose number leaves the first when divided by the second. What is checked once is the first part's.
    pub part: (usize, usize),
    /// Threads that share the work; none for as many as there are processors.
    pub jobs: Option<usize>,
    /// Nothing is begun from here on.
    pub until: Option<Instant>,
    /// Threads that launch one plan at once, and launches of each.
    pub threads: (u64, u64),
    /// Kinds of inputs, the most hostile first; of many rows the first alone.
    pub rules: &'static [Rule],
    /// The most items of an alignment.
    pub items: u64,
    /// Replays of the captured launch of an alignment, each with other contents.
    pub replays: u64,
    /// Of so many random graphs, and of so many alignments, one.
    pub one_of: (usize, usize),
}

impl Scope {
    /// Everything.
    pub fn full() -> Scope {
        Scope {
            extents: vec![0, 1, 2, 7, 31, 33, 127, 512, 2049, 4097, 65_536],
            most_rows_of_a_change: 65_536,
            only: None,
            allocations: None,
            watched: false,
            part: (0, 1),
            jobs: None,
            until: None,
            threads: (8, 25),
            rules: &[Rule::Hostile, Rule::Mixed, Rule::Ids, Rule::Rows, Rule::Close],
            items: u64::MAX,
            replays: 10_000,
            one_of: (1, 1),
        }
    }

    /// A first look.
    pub fn quick() -> Scope {
        Scope { extents: vec![0, 1, 33, 512], most_rows_of_a_change: 512, replays: 500, ..Scope::full() }
    }

    /// What an emulator gets through in seconds.
    pub fn emulated() -> Scope {
        let (extents, rules) = (vec![0, 1, 33], &[Rule::Hostile]);
        Scope { extents, most_rows_of_a_change: 33, threads: (2, 3), rules, items: 200, replays: 3, ..Scope::full() }
    }

    /// What a tool that runs a hundred times slower can watch: each kind of launch, of as few rows as it has.
    pub fn watched() -> Scope {
        let (extents, rules) = (vec![1, 33], &[Rule::Hostile]);
        let (most_rows_of_a_change, one_of) = (5000, (12, 3));
        Scope { extents, most_rows_of_a_change, watched: true, rules, items: 2000, replays: 0, one_of, ..Scope::full() }
    }

    pub(super) fn place(&self, alignment: Alignment) -> Place {
        Place { alignment, bands: if self.watched { Bands::Nothing } else { Bands::Guards } }
    }

    /// The part's.
    pub(super) fn mine<'w, W>(&self, work: impl Iterator<Item = &'w W>) -> Vec<&'w W> {
        let (this, parts) = self.part;
        work.skip(this).step_by(parts.max(1)).collect()
    }

    /// Whether a graph of this name is wanted.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only))
    }

    /// Whether this part has what is checked once.
    pub(super) fn has_the_rest(&self) -> bool {
        self.only.is_none() && !self.watched
    }

    /// Whether nothing more is to be begun.
    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Graphs.
    pub graphs: u64,
    /// Launches whose memory was compared, and refusals that were asked for.
    pub checks: u64,
    /// Of them, wrong.
    pub failures: u64,
    /// Graphs at a number of rows, and other pieces of work, that were not begun in time.
    pub left: u64,
}
