//! Merging sorted lists, as a network.

/// Of two lists, best first, the best `most` of both, best first.
///
/// Batcher's bitonic merge (Knuth, The Art of Computer Programming 5.3.4), cut down to what is asked for: of the two elements at
/// `i` and at `size − 1 − i` the larger one is among the best `size`, and these come in a bitonic order, which halving distances
/// sort. Where a list is shorter than a power of two nothing is compared.
pub(super) fn merge<T: Copy>(
    x: &[T],
    y: &[T],
    most: usize,
    mut larger: impl FnMut(T, T) -> T,
    mut lesser: impl FnMut(T, T) -> T,
) -> Vec<T> {
    let count = (x.len() + y.len()).min(most);
    let size = count.next_power_of_two();
    let (x, y) = (&x[..x.len().min(count)], &y[..y.len().min(count)]);
    let opposite = |i: usize| match (x.get(i), y.get(size - 1 - i)) {
        (Some(a), Some(b)) => Some(larger(*a, *b)),
        (one, other) => one.or(other).copied(),
    };
    let mut list: Vec<Option<T>> = (0..size).map(opposite).collect();
    // What each step is asked for, from the last one back.
    let mut asked = vec![(0..size).map(|i| i < count).collect::<Vec<bool>>()];
    let mut distance = 1;
    while distance < size {
        let behind = &asked[asked.len() - 1];
        asked.push((0..size).map(|i| behind[i] || behind[i ^ distance]).collect());
        distance *= 2;
    }
    asked.pop();
    while let Some(wanted) = asked.pop() {
        distance /= 2;
        for i in (0..size).filter(|i| i & distance == 0) {
            let j = i + distance;
            (list[i], list[j]) = match (list[i], list[j]) {
                (Some(a), Some(b)) => (wanted[i].then(|| larger(a, b)), wanted[j].then(|| lesser(a, b))),
                (one, other) => (one.or(other), None),
            };
        }
    }
    list.truncate(count);
    list.into_iter().map(|one| one.expect("the best come first, and there are as many")).collect()
}

#[cfg(test)]
mod tests {
    use super::merge;

    /// By the 0-1 principle lists of two values are enough; lists of other values show that nothing is lost or doubled.
    #[test]
    fn the_best_of_both_are_merged() {
        for (m, n) in (0..=9).flat_map(|m| (0..=9).map(move |n| (m, n))).filter(|(m, n)| m + n > 0) {
            for most in 1..=m + n {
                for (ones, others) in (0..=m).flat_map(|a| (0..=n).map(move |b| (a, b))) {
                    let list = |count, ones| (0..count).map(|i| u32::from(i < ones)).collect::<Vec<_>>();
                    let expected = list(most, ones + others);
                    assert_eq!(merge(&list(m, ones), &list(n, others), most, u32::max, u32::min), expected);
                }
                let (x, y) = ((0..m).map(|i| 100 - 7 * i), (0..n).map(|i| 99 - 5 * i));
                let (x, y): (Vec<usize>, Vec<usize>) = (x.collect(), y.collect());
                let mut all = [&x[..], &y[..]].concat();
                all.sort_unstable_by(|a, b| b.cmp(a));
                all.truncate(most);
                assert_eq!(merge(&x, &y, most, usize::max, usize::min), all, "{m} and {n}, {most}");
            }
        }
    }

    #[test]
    fn the_best_eight_of_two_eights_take_thirty_two_operations() {
        let list: Vec<u32> = (0..8).rev().collect();
        let mut operations = 0;
        let counted = std::cell::RefCell::new(&mut operations);
        let count = |f: fn(u32, u32) -> u32| {
            let counted = &counted;
            move |a, b| {
                **counted.borrow_mut() += 1;
                f(a, b)
            }
        };
        merge(&list, &list, 8, count(u32::max), count(u32::min));
        assert_eq!(operations, 8 + 3 * 8);
    }
}
