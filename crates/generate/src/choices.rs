//! Decisions: from a seed without end, or from a list that a property test or a fuzzer gives.

use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use routefuse_ir::op::{BinaryOp, NanRule};
use std::ops::Range;

/// Where decisions come from.
///
/// A list can be used up. From then on every decision is the first of its alternatives, and nothing that happens once in a
/// few times happens, so a shorter list makes a smaller and plainer graph. [`Choices::done`] tells a generator to stop.
#[derive(Clone, Debug)]
pub struct Choices {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// Without end.
    Seeded { seed: u64, rng: SmallRng },
    /// One word a decision.
    Words(std::vec::IntoIter<u64>),
    /// As many bytes a decision as its bound needs, so that a fuzzer's small change stays small.
    Bytes(std::vec::IntoIter<u8>),
}

impl Choices {
    /// Decisions without end; equal seeds give equal decisions.
    pub fn seeded(seed: u64) -> Choices {
        Choices { source: Source::Seeded { seed, rng: SmallRng::seed_from_u64(seed) } }
    }

    /// One decision a word: what property tests shrink.
    pub fn of_words(words: &[u64]) -> Choices {
        Choices { source: Source::Words(Vec::from(words).into_iter()) }
    }

    /// One, two or eight bytes a decision: what fuzzers mutate.
    pub fn of_bytes(bytes: &[u8]) -> Choices {
        Choices { source: Source::Bytes(Vec::from(bytes).into_iter()) }
    }

    /// The seed, if there is one.
    pub fn seed(&self) -> Option<u64> {
        match self.source {
            Source::Seeded { seed, .. } => Some(seed),
            Source::Words(_) | Source::Bytes(_) => None,
        }
    }

    /// Whether the list of decisions is used up. Seeds never are.
    pub fn done(&self) -> bool {
        self.fewer_than(1)
    }

    /// Whether a list has fewer words, or bytes, than this left. Seeds never have.
    pub fn fewer_than(&self, left: usize) -> bool {
        match &self.source {
            Source::Seeded { .. } => false,
            Source::Words(words) => words.len() < left,
            Source::Bytes(bytes) => bytes.len() < left,
        }
    }

    /// Whether decisions come from a list.
    pub fn is_list(&self) -> bool {
        self.seed().is_none()
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        match &mut self.source {
            Source::Seeded { rng, .. } => rng.next_u64(),
            Source::Words(words) => words.next().unwrap_or(0),
            Source::Bytes(bytes) => little_endian(bytes, 8),
        }
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n.max(1);
        match &mut self.source {
            Source::Seeded { rng, .. } => rng.random_range(0..n),
            Source::Words(_) | Source::Bytes(_) => self.listed(n as u64) as usize,
        }
    }

    /// A number of the range; its start if the range is empty.
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        let end = range.end.max(range.start + 1);
        match &mut self.source {
            Source::Seeded { rng, .. } => rng.random_range(range.start..end),
            Source::Words(_) | Source::Bytes(_) => range.start + self.listed(end - range.start),
        }
    }

    /// A position of the range; its start if the range is empty.
    pub fn position(&mut self, range: Range<usize>) -> usize {
        range.start + self.below(range.end.saturating_sub(range.start))
    }

    /// True once in `n` times. A list that is used up says no, if it can: what is special is left out.
    pub fn one_in(&mut self, n: usize) -> bool {
        let special = if self.is_list() { n.saturating_sub(1) } else { 0 };
        self.below(n) == special
    }

    /// True this many times of a hundred; a list that is used up says no.
    pub fn percent(&mut self, times: u32) -> bool {
        let at = self.below(100);
        if self.is_list() { at >= 100usize.saturating_sub(times as usize) } else { at < times as usize }
    }

    /// One of the items.
    ///
    /// # Panics
    /// If there is none.
    pub fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// Any scalar op of two operands of one dtype, with any choice of its attributes.
    pub fn binary_op(&mut self) -> BinaryOp {
        match self.of(&BinaryOp::ALL).0 {
            BinaryOp::Min(_) => BinaryOp::Min(self.of(NanRule::ALL).0),
            BinaryOp::Max(_) => BinaryOp::Max(self.of(NanRule::ALL).0),
            op => op,
        }
    }

    /// One of the items, if there is one. Nothing is decided where there is none.
    pub fn any_of<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        if items.is_empty() { None } else { Some(self.of(items)) }
    }

    /// A decision of a list.
    fn listed(&mut self, n: u64) -> u64 {
        match &mut self.source {
            Source::Bytes(bytes) => {
                let size = if n <= 1 << 8 { 1 } else { 8 - 6 * usize::from(n <= 1 << 16) };
                little_endian(bytes, size) % n
            }
            _ => self.bits() % n,
        }
    }
}

fn little_endian(bytes: &mut std::vec::IntoIter<u8>, size: usize) -> u64 {
    bytes.take(size).enumerate().fold(0, |word, (i, byte)| word | u64::from(byte) << (8 * i))
}

/// For tests that lay out memory or shuffle by the same decisions.
impl RngCore for Choices {
    fn next_u32(&mut self) -> u32 {
        match &mut self.source {
            Source::Seeded { rng, .. } => rng.next_u32(),
            Source::Words(_) | Source::Bytes(_) => self.bits() as u32,
        }
    }

    fn next_u64(&mut self) -> u64 {
        self.bits()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.bits().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_decide_alike() {
        let all = |seed| -> Vec<u64> {
            let mut c = Choices::seeded(seed);
            (0..50).map(|i| if i % 2 == 0 { c.bits() } else { c.range(3..90) }).collect()
        };
        assert_eq!(all(7), all(7));
        assert_ne!(all(7), all(8));
        assert!(!Choices::seeded(7).done());
    }

    #[test]
    fn a_list_that_is_used_up_decides_for_the_first() {
        let mut words = Choices::of_words(&[5, 9]);
        assert_eq!((words.below(4), words.range(10..13), words.done()), (1, 10, true));
        assert_eq!((words.below(4), words.range(10..13), words.bits()), (0, 10, 0));
        assert_eq!(words.of(&["first", "second"]), "first");
        assert!(!words.one_in(2) && !words.percent(99) && words.one_in(1) && words.percent(100));
    }

    #[test]
    fn small_bounds_take_one_byte() {
        let mut bytes = Choices::of_bytes(&[7, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(bytes.below(4), 3);
        assert_eq!(bytes.below(1000), 0x0201);
        assert_eq!(bytes.bits(), 3);
        assert_eq!((bytes.below(200), bytes.done()), (9, true));
    }

    #[test]
    fn bounds_hold_and_empty_ones_are_their_start() {
        for mut c in [Choices::seeded(1), Choices::of_words(&[u64::MAX; 40]), Choices::of_bytes(&[255; 90])] {
            assert_eq!((c.below(0), c.range(5..5), c.position(3..3)), (0, 5, 3));
            assert!((0..10).all(|_| c.below(7) < 7 && (2..6).contains(&c.range(2..6))));
            assert_eq!(c.any_of::<u8>(&[]), None);
        }
    }
}
