//! The lanes of a vector made one.

use crate::mlir::builder::{Builder, Val};

/// Joins two states, vectors of as many lanes each, lane by lane.
pub(super) type Combine<'f, 'm> = &'f dyn Fn(&[Val<'m>], &[Val<'m>]) -> Vec<Val<'m>>;

/// The states that [`fold_eight`] folds at once, and the lanes of each.
pub(super) const EIGHT: u64 = 8;

/// Lanes `i` and `i + n/2` joined, halving, to `lanes` lanes.
pub(super) fn fold_lanes<'m>(
    b: &Builder<'m>,
    mut state: Vec<Val<'m>>,
    lanes: u32,
    combine: Combine<'_, 'm>,
) -> Vec<Val<'m>> {
    loop {
        let n = b.lanes(b.type_of(state[0]));
        if n <= lanes {
            return state;
        }
        let half = n as i32 / 2;
        let part = |from: i32| -> Vec<Val<'m>> {
            let mask: Vec<i32> = (from..from + half).collect();
            let part = |x: &Val<'m>| {
                if half == 1 { b.extract(*x, from as u32) } else { b.shuffle(*x, *x, &mask) }
            };
            state.iter().map(part).collect()
        };
        state = combine(&part(0), &part(half));
    }
}

/// As [`fold_lanes`] to one lane, of eight states of eight lanes at once: lane `i` is what becomes of state `i`.
pub(super) fn fold_eight<'m>(b: &Builder<'m>, states: Vec<Vec<Val<'m>>>, combine: Combine<'_, 'm>) -> Vec<Val<'m>> {
    // In each turn the first and the second half of what is left of every state lie in the same lanes of `low` and
    // `high`. But for the first and the last turn no element leaves its 128 bits.
    const TURNS: [([i32; 8], [i32; 8]); 3] = [
        ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]),
        ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]),
        ([0, 2, 8, 10, 4, 6, 12, 14], [1, 3, 9, 11, 5, 7, 13, 15]),
    ];
    const ORDER: [i32; 8] = [0, 4, 1, 5, 2, 6, 3, 7];
    let pick = |x: &[Val<'m>], y: &[Val<'m>], mask: &[i32; 8]| -> Vec<Val<'m>> {
        x.iter().zip(y).map(|(x, y)| b.shuffle(*x, *y, mask)).collect()
    };
    let mut states = states;
    for (low, high) in TURNS {
        states = states.chunks(2).map(|p| combine(&pick(&p[0], &p[1], &low), &pick(&p[0], &p[1], &high))).collect();
    }
    pick(&states[0], &states[0], &ORDER)
}
