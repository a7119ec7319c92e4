//! A generator of numbers from a seed, for inputs.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, seedable, and the same everywhere.
pub(super) struct Random(u64);

impl Random {
    /// What follows from a seed for an input. A stream of its own for each input: giving one of them does not change the others.
    pub(super) fn of_input(seed: u64, input: usize) -> Random {
        Random(seed ^ (input as u64 + 1).wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
