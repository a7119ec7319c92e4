//! Square roots of several numbers.

use crate::mlir::builder::{Builder, IntPredicate, Val};

/// The bits of the least number of a short root, 2⁻¹⁰¹: of what is less, the rest would be below the normal floats.
const LEAST: u32 = (127 - 101) << 23;

/// How many floats there are from it to the largest one.
const FLOATS: u32 = 0x7f7f_ffff - LEAST;

/// The most roots that are written out in the loop for other numbers.
const MOST_WRITTEN: usize = 8;

/// √x for the lanes of a vector, rounded once, for a machine whose own root looks at each number and branches, so that none overlaps another.
/// One look at all numbers decides here: all are normal, 2⁻¹⁰¹ or more and not infinite, or the machine's own root takes one after the
/// other.
///
/// `rough` approximates 1 / √x. What is rounded once with it is up to the machine, which takes the same steps for such numbers.
pub(crate) fn roots<'m>(b: &Builder<'m>, x: Val<'m>, rough: impl Fn(Val<'m>) -> Val<'m>) -> Val<'m> {
    let numbers: Vec<Val<'m>> = (0..b.lanes(b.type_of(x))).map(|lane| b.extract(x, lane)).collect();
    if let [one] = numbers[..] {
        return b.sqrt(one);
    }
    let i32 = b.int(32);
    let word = |value: u32| b.const_int(i32, i64::from(value));
    let above = numbers.iter().map(|x| b.subi(b.bitcast(*x, i32), word(LEAST)));
    let largest = above.reduce(|x, y| b.maxui(x, y)).expect("a vector has lanes");
    let short = |b: &Builder<'m>| numbers.iter().map(|x| short_root(b, *x, rough(*x))).collect();
    // In a loop through which the numbers go round: the code of some roots, not of all.
    let written = (1..=MOST_WRITTEN).rev().find(|n| numbers.len().is_multiple_of(*n)).unwrap_or(1);
    let long = |b: &Builder<'m>| {
        let range = (word(0), word((numbers.len() / written) as u32), word(1));
        b.for_loop_carrying(range, &numbers, |b, _, now| {
            let (first, rest) = now.split_at(written);
            rest.iter().copied().chain(first.iter().map(|x| b.sqrt(*x))).collect()
        })
    };
    let types = vec![b.f32(); numbers.len()];
    b.gather_lanes(&b.if_then_else(b.cmpi(IntPredicate::Ule, largest, word(FLOATS)), &types, short, long))
}

/// The root next to x / √x, by what its square is wrong by.
fn short_root<'m>(b: &Builder<'m>, x: Val<'m>, rough: Val<'m>) -> Val<'m> {
    let root = b.mulf(x, rough);
    let half = b.mulf(rough, b.const_f32(0.5, 1));
    let rest = b.fma(b.negf(root), root, x);
    b.fma(rest, half, root)
}
