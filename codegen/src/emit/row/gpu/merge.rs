//! Merging sorted lists, as a network.

use super::exchange::Exchanging;

/// Of two lists, best first, the best `most` of both, best first.
///
/// Batcher's bitonic merge (Knuth, The Art of Computer Programming 5.3.4), cut down to what is asked for: of the two elements at
/// `i` and at `size − 1 − i` the larger one is among the best `size`, and these come in a bitonic order, which halving distances
/// sort. Where a list is shorter than a power of two nothing is compared.
pub(super) fn merge<T: Copy>(x: &[T], y: &[T], most: usize, by: &impl Exchanging<T>) -> Vec<T> {
    let count = (x.len() + y.len()).min(most);
    let size = count.next_power_of_two();
    let (x, y) = (&x[..x.len().min(count)], &y[..y.len().min(count)]);
    let opposite = |i: usize| match (x.get(i), y.get(size - 1 - i)) {
        (Some(a), Some(b)) => Some(by.larger(*a, *b)),
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
                (Some(a), Some(b)) => match (wanted[i], wanted[j]) {
                    (true, true) => {
                        let [larger, lesser] = by.exchange(a, b, distance == 1);
                        (Some(larger), Some(lesser))
                    }
                    (larger, lesser) => (larger.then(|| by.larger(a, b)), lesser.then(|| by.lesser(a, b))),
                },
                (one, other) => (one.or(other), None),
            };
        }
    }
    list.truncate(count);
    list.into_iter().map(|one| one.expect("the best come first, and there are as many")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Exchanging;
    use super::merge;
    use std::cell::Cell;

    /// Numbers themselves, and how many operations they took.
    #[derive(Default)]
    struct Numbers {
        operations: Cell<usize>,
    }

    impl<T: Copy + Ord> Exchanging<T> for Numbers {
        fn larger(&self, x: T, y: T) -> T {
            self.operations.set(self.operations.get() + 1);
            x.max(y)
        }

        fn lesser(&self, x: T, y: T) -> T {
            self.operations.set(self.operations.get() + 1);
            x.min(y)
        }
    }

    /// By the 0-1 principle lists of two values are enough; lists of other values show that nothing is lost or doubled.
    #[test]
    fn the_best_of_both_are_merged() {
        for (m, n) in (0..=9).flat_map(|m| (0..=9).map(move |n| (m, n))).filter(|(m, n)| m + n > 0) {
            for most in 1..=m + n {
                for (ones, others) in (0..=m).flat_map(|a| (0..=n).map(move |b| (a, b))) {
                    let list = |count, ones| (0..count).map(|i| u32::from(i < ones)).collect::<Vec<_>>();
                    let expected = list(most, ones + others);
                    assert_eq!(merge(&list(m, ones), &list(n, others), most, &Numbers::default()), expected);
                }
                let (x, y) = ((0..m).map(|i| 100 - 7 * i), (0..n).map(|i| 99 - 5 * i));
                let (x, y): (Vec<usize>, Vec<usize>) = (x.collect(), y.collect());
                let mut all = [&x[..], &y[..]].concat();
                all.sort_unstable_by(|a, b| b.cmp(a));
                all.truncate(most);
                assert_eq!(merge(&x, &y, most, &Numbers::default()), all, "{m} and {n}, {most}");
            }
        }
    }

    #[test]
    fn the_best_eight_of_two_eights_take_thirty_two_operations() {
        let list: Vec<u32> = (0..8).rev().collect();
        let by = Numbers::default();
        merge(&list, &list, 8, &by);
        assert_eq!(by.operations.get(), 8 + 3 * 8);
    }
}
