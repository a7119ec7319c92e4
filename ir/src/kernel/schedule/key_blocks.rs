//! How the host lays out the keys of a long segment that it ranks.

/// The widest segment that the host ranks by counting.
const COUNTED: u64 = 16;

/// Columns of a block of keys and the number of blocks, a power of two, of a segment that the host ranks in rounds; none where
/// it is ranked by counting.
pub fn key_blocks(width: u64) -> Option<(u64, u64)> {
    if width <= COUNTED {
        return None;
    }
    let block = match width {
        ..=128 => 8,
        129..=256 => 16,
        257..=1024 => 32,
        _ => 64,
    };
    Some((block, width.div_ceil(block).checked_next_power_of_two()?))
}
