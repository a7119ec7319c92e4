//! Exchanges of keys: which of two is the larger one, and which the lesser.
//!
//! Both are instructions of the pipe that compares integers. It takes one every second cycle, so that where a lane does little but
//! sort, its warps wait for that pipe while others have nothing to do. The lesser of x and y is x + y less the larger one too,
//! exactly, modulo 2³². By [factors that nobody knows](crate::machine::Machine::factors_beside) these are two products, and so
//! instructions of another pipe. How many exchanges are made so hangs on what else a lane has to do.

use super::RowGpu;
use super::key_order::KeyOrder;
use crate::machine::Machine;
use crate::mlir::builder::{Builder, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::analysis::{ordered, softmax_choice};
use routefuse_ir::kernel::{Kernel, RowOp, RowValue};
use std::cell::Cell;

/// Lists of more keys than this take more exchanges for each key than what the keys are made by.
const SHORT: u64 = 8;

/// What sorts and merges lists exchanges by.
pub(super) trait Exchanging<T: Copy> {
    /// The larger of two.
    fn larger(&self, x: T, y: T) -> T;

    /// The lesser of two.
    fn lesser(&self, x: T, y: T) -> T;

    /// The larger of two and the lesser. `last` says that this is the last exchange of the larger one's place in its list.
    fn exchange(&self, x: T, y: T, last: bool) -> [T; 2] {
        let _ = last;
        [self.larger(x, y), self.lesser(x, y)]
    }
}

/// Of how many exchanges the lesser key is made by products.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Share {
    None,
    /// Of every second one.
    Half,
    All,
}

/// Exchanges of keys.
pub(super) struct Exchanges<'a, 'm> {
    b: &'a Builder<'m>,
    machine: &'a dyn Machine,
    order: KeyOrder,
    share: Share,
    /// 1 and −1.
    factors: Option<[Val<'m>; 2]>,
    /// What is sorted here is merged with what was before, or with what comes.
    merged: bool,
    count: Cell<u32>,
}

impl<'m> RowGpu<'_, 'm> {
    /// Exchanges for lists of which the best `k` are wanted. Of those that are `merged` in their lane, the assembler makes one
    /// instruction of the larger of a last exchange and the comparison behind it, if the lesser one does not need the larger.
    pub(super) fn exchanges(&self, k: u64, order: KeyOrder, merged: bool) -> Exchanges<'_, 'm> {
        let share = if order == KeyOrder::Words { self.share(k) } else { Share::None };
        let (b, machine) = (self.b, self.pull.machine);
        let factors = if share == Share::None { None } else { machine.factors_beside(b) };
        Exchanges { b, machine, order, share, factors, merged, count: Cell::new(0) }
    }

    /// Whether no lesser word is made by products where the best `k` are wanted.
    pub(super) fn exchanges_without_products(&self, k: u64) -> bool {
        self.share(k) == Share::None
    }

    fn share(&self, k: u64) -> Share {
        // Where rows are few a row waits for each of them; and what is seldom done is to be short.
        match self.few() || self.by_the_letter.get() {
            true => Share::None,
            false => share(k, self.chooses_by_pairs),
        }
    }
}

/// On an H100, 65,536 rows took, by none, half and all: eight columns of 128 by pairs of `bf16` 10.2, 9.4 and 9.1 µs, and in front of
/// a softmax 14.1, 13.3 and 13.0; ten of 512 49.8, 48.1 and 49.1; 22 of 512 sigmoids 110, 106 and 111; six of 256 from 48.4 to 47.7,
/// with registers for one block less if they were short before, which took eight of 256 from 41.7 to 43.6.
fn share(k: u64, of_pairs: bool) -> Share {
    match (k > SHORT, of_pairs) {
        (false, true) => Share::All,
        (true, _) => Share::Half,
        (false, false) => Share::None,
    }
}

/// Whether all columns are chosen by `bf16`, or by a softmax of such, which have keys of little work.
pub(super) fn chooses_by_pairs(kernel: &Kernel, machine: &dyn Machine) -> bool {
    // Also from some groups of a softmax.
    let choice = kernel.values().find_map(|(id, _)| softmax_choice(kernel, id));
    let by_logits = |row: &RowValue| match &choice {
        Some(choice) if choice.from == row.value => Some(choice.ordered.dtype),
        _ => ordered(kernel, row.value, row.width).map(|by| by.dtype),
    };
    let chosen = kernel.values.iter().filter_map(|v| v.kind.row_value());
    let mut chosen = chosen.filter(|row| matches!(row.op, RowOp::TopK { .. }));
    machine.has_bf16_pairs() && chosen.all(|row| by_logits(row) == Some(DType::Bf16))
}

impl<'m> Exchanging<Val<'m>> for Exchanges<'_, 'm> {
    fn larger(&self, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.order.larger(self.b, x, y)
    }

    fn lesser(&self, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.order.lesser(self.b, x, y)
    }

    fn exchange(&self, x: Val<'m>, y: Val<'m>, last: bool) -> [Val<'m>; 2] {
        let larger = self.larger(x, y);
        let Some([one, minus]) = self.factors.filter(|_| !(last && self.merged) && self.is_next_by_products()) else {
            return [larger, self.lesser(x, y)];
        };
        let sum = self.machine.multiply_add_words(self.b, [x, one, y]);
        [larger, self.machine.multiply_add_words(self.b, [larger, minus, sum])]
    }
}

impl Exchanges<'_, '_> {
    /// Whether the lesser key of the next exchange is made by products.
    fn is_next_by_products(&self) -> bool {
        let count = self.count.replace(self.count.get() + 1);
        match self.share {
            Share::None => false,
            Share::Half => count.is_multiple_of(2),
            Share::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SHORT, Share, share};

    /// What the two products make, and what wraps on the way comes back.
    #[test]
    fn the_lesser_is_the_sum_less_the_larger() {
        let some = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, u32::MAX - 1, u32::MAX, 0x3f80_0000, 0xff80_ffff];
        for (x, y) in some.iter().flat_map(|x| some.map(|y| (*x, y))) {
            let (one, minus) = (1u32, u32::MAX);
            let sum = x.wrapping_mul(one).wrapping_add(y);
            assert_eq!(x.max(y).wrapping_mul(minus).wrapping_add(sum), x.min(y), "{x} and {y}");
        }
    }

    #[test]
    fn short_lists_of_dear_keys_are_sorted_without_products() {
        assert_eq!(share(SHORT, false), Share::None);
        assert_eq!(
            (share(SHORT, true), share(SHORT + 1, true), share(SHORT + 1, false)),
            (Share::All, Share::Half, Share::Half)
        );
    }
}
