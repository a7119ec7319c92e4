//! Rounds over keys that the lanes of a row have written, for rows that are seldom: as little code as may be.
//!
//! Nothing is sorted and no key is in a register from one round to the next. A *block* of a lane are neighbouring columns, lower lanes
//! having the lower ones, whoever wrote their keys. A lane knows the best key of its block. In a round the first lane with the best of
//! these is found; then all lanes of the row look through that block together, a piece each, for the first column that has it, strike it
//! out, and find the next best:
//! ```text
//! best of each block    7  9  4  9        the second block is the first one with a 9
//! the second block      3 5 │ 9 1 │ …     the lane with the second piece finds the column
//! ```

use super::RowGpu;
use super::spread::Spread;
use crate::machine::cells::Giving;
use crate::mlir::builder::{IntPredicate, Val};

/// Keys that are read at once.
pub(super) const AT_ONCE: u32 = 4;

/// Lanes of a row at least.
const LEAST_LANES: u32 = 4;

impl<'m> RowGpu<'_, 'm> {
    /// Whether a lane's keys of this spread, of one segment, lie in memory, as many neighbouring columns side by side as are read at
    /// once, and a row has lanes enough: few lanes have long pieces, and have their keys sooner sorted.
    pub(super) fn has_kept_rounds(&self, spread: &Spread<'m>) -> bool {
        let side_by_side = spread.run == spread.registers || spread.run.is_multiple_of(AT_ONCE);
        spread.segments == 1 && spread.span >= LEAST_LANES && side_by_side && !self.team.has_places()
    }

    /// Puts the columns of the `k` best of the keys that the row's lanes have written into its cells, best first and of equal ones the
    /// lower first, and −1 where no candidate is left. A lane's keys are those of its registers in the spread, which has one segment.
    pub(super) fn give_best_kept(
        &self,
        giving: &Giving<'_, '_, 'm>,
        (k, may_run_out): (u64, bool),
        spread: &Spread<'m>,
    ) {
        let (b, team, count, none) = (self.b, &self.team, spread.registers, self.word(0));
        let piece = count.div_ceil(spread.span).next_multiple_of(AT_ONCE);
        let fills = pieces_fill(spread);
        giving.overwriting();
        let best = b.repeat_while(
            &[none, none],
            |_, state| {
                self.pull.machine.keep_loop(b);
                let (_, keys) = self.kept_of_block(giving, spread.member, state[0], spread);
                let best = keys.into_iter().fold(state[1], |best, key| b.maxui(best, key));
                let next = b.addi(state[0], self.word(AT_ONCE));
                (b.cmpi(IntPredicate::Ult, next, self.word(count)), vec![next, best])
            },
            |_, state| state.to_vec(),
        )[1];
        let own_piece = b.muli(spread.member, self.word(piece));
        b.repeat_while(
            &[none, best],
            |_, state| {
                self.pull.machine.keep_loop(b);
                let (round, best) = (state[0], state[1]);
                let largest = team.max(best, spread.span);
                let lane = team.first(b.cmpi(IntPredicate::Eq, best, largest), spread.span);
                let block = b.andi(lane, self.word(spread.span - 1));
                let mut keys = vec![];
                let mut addresses = vec![];
                for number in (0..piece).step_by(AT_ONCE as usize) {
                    let (address, four) =
                        self.kept_of_block(giving, block, b.addi(own_piece, self.word(number)), spread);
                    keys.extend(four);
                    addresses.push(address);
                }
                // The first key that is the largest; none if it is in another lane's piece.
                let nowhere = self.word(u32::MAX);
                let equal = (0..)
                    .zip(&keys)
                    .map(|(number, key)| b.select(b.cmpi(IntPredicate::Eq, *key, largest), self.word(number), nowhere));
                let at = equal.reduce(|x, y| b.minui(x, y)).expect("a piece has a key");
                let has = b.cmpi(IntPredicate::Ne, at, nowhere);
                let finds = team.is_first(has, spread.span);
                let number = b.addi(own_piece, at);
                let mut column = b.addi(b.muli(block, self.word(count)), number);
                if may_run_out {
                    column = b.select(b.cmpi(IntPredicate::Ne, largest, none), column, self.word(u32::MAX));
                }
                giving.give_where(finds, column, round);
                let mut address = addresses[0];
                for (four, other) in (1u32..).zip(&addresses[1..]) {
                    let behind = b.cmpi(IntPredicate::Uge, at, self.word(four * AT_ONCE));
                    address = b.select(behind, *other, address);
                }
                let within = b.andi(at, self.word(AT_ONCE - 1));
                // A lane finds what it has struck out itself in its own piece, which no other lane has. Lanes whose piece lies behind the
                // block read its first keys instead, and then count none of them; but not while another lane strikes one out.
                let settle = || {
                    if !fills {
                        giving.overwriting();
                    }
                };
                settle();
                giving.strike_where(finds, address, within);
                settle();
                let left = addresses.iter().zip(keys.chunks(AT_ONCE as usize)).flat_map(|(address, keys)| {
                    let left = giving.read_keys(*address, AT_ONCE);
                    // What lies behind the block was not there before.
                    let own = |(left, key): (Val<'m>, &Val<'m>)| if fills { left } else { b.minui(left, *key) };
                    left.into_iter().zip(keys).map(own).collect::<Vec<_>>()
                });
                let next = left.fold(none, |best, key| b.maxui(best, key));
                let next = team.max(next, spread.span);
                let best = b.select(b.cmpi(IntPredicate::Eq, spread.member, block), next, best);
                giving.overwriting();
                let round = b.addi(round, self.word(1));
                (b.cmpi(IntPredicate::Ult, round, self.word(k as u32)), vec![round, best])
            },
            |_, state| state.to_vec(),
        );
    }

    /// Four keys of a lane's block, from the one of this number on, a multiple of four, and their address; 0 for those behind the
    /// block.
    fn kept_of_block(
        &self,
        giving: &Giving<'_, '_, 'm>,
        block: Val<'m>,
        number: Val<'m>,
        spread: &Spread<'m>,
    ) -> (Val<'m>, Vec<Val<'m>>) {
        let (b, count) = (self.b, spread.registers);
        let is_there = |at: Val<'m>| b.cmpi(IntPredicate::Ult, at, self.word(count));
        let fills = pieces_fill(spread);
        let safe = if fills { number } else { b.select(is_there(number), number, self.word(0)) };
        let address = if spread.run == spread.registers {
            giving.key_of(spread.member, block, safe)
        } else {
            self.address_of_key(giving, b.addi(b.muli(block, self.word(count)), safe), spread)
        };
        let keys = giving.read_keys(address, AT_ONCE);
        // A piece may lie behind the block as a whole, and the last four may be cut off.
        if fills {
            return (address, keys);
        }
        let whole = count.is_multiple_of(AT_ONCE);
        let own = (0..).zip(keys).map(|(i, key)| {
            let there = is_there(if whole { number } else { b.addi(number, self.word(i)) });
            b.select(there, key, self.word(0))
        });
        (address, own.collect())
    }

    /// Where the key of a column lies that some lane of the spread has.
    pub(super) fn address_of_key(&self, giving: &Giving<'_, '_, 'm>, column: Val<'m>, spread: &Spread<'m>) -> Val<'m> {
        let (b, run) = (self.b, spread.run);
        if run == spread.registers {
            let lane = b.divui(column, self.word(run));
            let register = b.subi(column, b.muli(lane, self.word(run)));
            return giving.key_of(spread.member, lane, register);
        }
        // Runs of all lanes follow each other.
        let of_all = b.divui(column, self.word(run));
        let lane = b.andi(of_all, self.word(spread.span - 1));
        let first = b.muli(b.shrui(of_all, self.word(spread.span.trailing_zeros())), self.word(run));
        giving.key_of(spread.member, lane, b.addi(first, b.andi(column, self.word(run - 1))))
    }

    /// A loop of so many turns, at least one, that the assembler does not write out. `body` is given the number of the turn and what
    /// the turn before gave.
    pub(super) fn seldom_loop(
        &self,
        turns: u32,
        first: Val<'m>,
        body: impl FnOnce(Val<'m>, Val<'m>) -> Val<'m>,
    ) -> Val<'m> {
        let b = self.b;
        b.repeat_while(
            &[self.word(0), first],
            |_, state| {
                self.pull.scopes.scoped(|| {
                    self.pull.machine.keep_loop(b);
                    let given = body(state[0], state[1]);
                    let next = b.addi(state[0], self.word(1));
                    (b.cmpi(IntPredicate::Ult, next, self.word(turns)), vec![next, given])
                })
            },
            |_, state| state.to_vec(),
        )[1]
    }
}

/// Whether the pieces of a block are whole, and no more than it has.
fn pieces_fill(spread: &Spread<'_>) -> bool {
    spread.registers.is_multiple_of(AT_ONCE * spread.span)
}
