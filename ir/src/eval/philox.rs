//! Philox4x32-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, §3.3.

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
/// The golden ratio, and √3 − 1, in 32 bits.
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

fn high_low(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

/// The four output words.
pub fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let (high0, low0) = high_low(MULTIPLIERS[0], counter[0]);
        let (high1, low1) = high_low(MULTIPLIERS[1], counter[2]);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The op: the key is the seed, the counter (position, offset), low words first; the first output word.
pub(super) fn element(seed: u64, offset: u64, position: u64) -> u64 {
    let counter = [position as u32, (position >> 32) as u32, offset as u32, (offset >> 32) as u32];
    u64::from(philox4x32_10(counter, [seed as u32, (seed >> 32) as u32])[0])
}
