//! Sorting networks.

/// Batcher's merge exchange (Knuth, The Art of Computer Programming 5.2.2, algorithm M): calls `exchange(i, j)`, `i < j`, in
/// an order in which exchanging what is out of order sorts `count` elements.
pub(super) fn sort(count: usize, mut exchange: impl FnMut(usize, usize)) {
    let mut merged = 1;
    while merged < count {
        let mut distance = merged;
        while distance > 0 {
            let mut from = distance % merged;
            while from + distance < count {
                for i in from..(from + distance).min(count - distance) {
                    // Both in the same pair of what is merged.
                    if i / (2 * merged) == (i + distance) / (2 * merged) {
                        exchange(i, i + distance);
                    }
                }
                from += 2 * distance;
            }
            distance /= 2;
        }
        merged *= 2;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn networks_sort() {
        // By the 0-1 principle all sequences of two values are enough.
        for count in 1..=14 {
            for bits in 0..1u32 << count {
                let mut x: Vec<u32> = (0..count).map(|i| bits >> i & 1).collect();
                super::sort(count, |i, j| {
                    if x[j] < x[i] {
                        x.swap(i, j);
                    }
                });
                assert!(x.is_sorted(), "{count} {bits:b}: {x:?}");
            }
        }
    }

    #[test]
    fn eight_take_nineteen_exchanges() {
        let mut exchanges = 0;
        super::sort(8, |_, _| exchanges += 1);
        assert_eq!(exchanges, 19);
    }
}
