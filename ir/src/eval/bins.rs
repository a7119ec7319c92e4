//! What bins are, one element at a time: the definition of the operations on them.

/// The largest number that counts and places can be.
const MOST: i64 = i32::MAX as i64;

/// The bin that an id names, if there is one.
pub fn bin(id: i128, bins: u64) -> Option<usize> {
    usize::try_from(id).ok().filter(|bin| (*bin as u64) < bins)
}

/// Where each bin of so many items begins, and last where all end. With s = 0, for each bin e: `starts[e]` = s, then s grows by
/// max(⌈count ÷ align⌉, `empty`) × `align`; a count below 0 is 0. What is above 2³¹ − 1 is that.
pub fn starts(counts: &[i32], align: u64, empty: u64) -> Vec<i32> {
    let mut place = 0i64;
    let mut starts = Vec::with_capacity(counts.len() + 1);
    for count in counts {
        starts.push(place as i32);
        let blocks = (*count).max(0) as u64;
        let taken = blocks.div_ceil(align).max(empty) * align;
        // At most 2³¹ − 1 and twice that.
        place = (place + taken as i64).min(MOST);
    }
    starts.push(place as i32);
    starts
}

/// Where bins begin whose starts are `stride` places apart.
pub fn strided(bins: usize, stride: u64) -> Vec<i32> {
    (0..=bins as u64).map(|bin| (bin * stride).min(MOST as u64) as i32).collect()
}

/// How many items before each have its id: counts of what was seen.
#[derive(Clone, Debug)]
pub struct Ranks(Vec<i32>);

impl Ranks {
    /// Nothing was seen.
    pub fn new(bins: u64) -> Ranks {
        Ranks(vec![0; bins as usize])
    }

    /// The rank of the next item; −1 where its id is in no bin.
    pub fn next(&mut self, id: i128) -> i32 {
        let Some(bin) = bin(id, self.0.len() as u64) else { return -1 };
        let rank = self.0[bin];
        self.0[bin] = rank.wrapping_add(1);
        rank
    }
}

/// The bin whose places, from `starts[e]` to before `starts[e + 1]`, hold this one; −1 if none does. Starts do not fall.
pub fn bin_of(starts: &[i32], place: u64) -> i32 {
    let begun = starts.partition_point(|start| u64::try_from(*start).is_ok_and(|start| start <= place));
    if begun == starts.len() { -1 } else { begun as i32 - 1 }
}
