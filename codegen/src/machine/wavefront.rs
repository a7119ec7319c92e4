//! How the lanes of AMD's wavefronts get each other's words.
//!
//! An instruction can take an operand from another lane (*data-parallel primitives*, DPP in AMD's manuals), which costs nothing
//! but a wait of two cycles for what was only just computed. Its choice is among the 16 lanes of a *row*; what leaves a row takes
//! an instruction of its own, which differs from one generation to the next ([`LaneMoves`]), or where there is none goes by way
//! of LDS, which takes as long as 16 instructions.
//!
//! Operands of exchanges are written as LLVM's `update.dpp`, which becomes part of the instruction that uses it if lanes that
//! get none keep what changes nothing there.

use crate::mlir::builder::{Builder, IntPredicate, Val};
use melior::ir::attribute::DenseI64ArrayAttribute;
use routefuse_ir::target::LaneMoves;

/// Lanes of a row.
const ROW: u32 = 16;

/// `quad_perm` with the lanes of a quad whose numbers differ by this xor, 1 to 3: two bits for each of four lanes.
const fn quad_xor(mask: u32) -> u32 {
    mask | (1 ^ mask) << 2 | (2 ^ mask) << 4 | (3 ^ mask) << 6
}

/// `row_ror:8`: the lane that is eight further, around the row.
const OTHER_HALF: u32 = 0x128;
/// The lane as far from the row's end as the own one is from its beginning: a xor of 15.
const ROW_MIRROR: u32 = 0x140;
/// The same in half a row: a xor of 7.
const HALF_MIRROR: u32 = 0x141;
/// The last lane of a row, for all lanes of the next.
const ROW_BROADCAST: u32 = 0x142;
/// The last lane of the first two rows, for all lanes behind.
const HALF_BROADCAST: u32 = 0x143;
/// `row_xmask:0`.
const ROW_XOR: u32 = 0x160;

/// A wavefront.
#[derive(Clone, Copy)]
pub(super) struct Wavefront {
    /// Its lanes.
    pub lanes: u32,
    /// How they get each other's words.
    pub moves: LaneMoves,
}

fn word<'m>(b: &Builder<'m>, value: u32) -> Val<'m> {
    b.const_int(b.int(32), i64::from(value))
}

/// The words of the lanes that `control` says; 0 on lanes of rows that are not in `rows`, a bit each.
fn dpp<'m>(b: &Builder<'m>, value: Val<'m>, control: u32, rows: u32) -> Val<'m> {
    // Of all rows every lane gets a word, so that nothing is kept and any instruction can take it up.
    let all = b.const_bool(rows == 0xf);
    let operands = [word(b, 0), value, word(b, control), word(b, rows), word(b, 0xf), all];
    b.call_intrinsic("llvm.amdgcn.update.dpp.i32", &operands, b.int(32))
}

/// The word of lane `lane` of the wavefront, by way of LDS.
pub(super) fn permute<'m>(b: &Builder<'m>, value: Val<'m>, lane: Val<'m>) -> Val<'m> {
    let address = b.shli(lane, word(b, 2));
    b.call_intrinsic("llvm.amdgcn.ds.bpermute", &[address, value], b.int(32))
}

/// The word of a lane that all lanes name, in a register of the wavefront.
pub(super) fn read_lane<'m>(b: &Builder<'m>, value: Val<'m>, lane: Val<'m>) -> Val<'m> {
    b.call_intrinsic("llvm.amdgcn.readlane.i32", &[value, lane], b.int(32))
}

/// The words of the row beside the own one: of the lanes that 16 selectors of four bits name.
fn other_row<'m>(b: &Builder<'m>, value: Val<'m>, selectors: [u32; 2]) -> Val<'m> {
    let [low, high] = selectors.map(|s| word(b, s));
    let no = b.const_bool(false);
    b.call_intrinsic("llvm.amdgcn.permlanex16.i32", &[value, value, low, high, no, no], b.int(32))
}

impl Wavefront {
    /// The word of the lane whose number differs in the bits of `mask`.
    pub fn xor<'m>(self, b: &Builder<'m>, value: Val<'m>, own: Val<'m>, mask: u32) -> Val<'m> {
        let (in_row, rows) = (mask & (ROW - 1), mask & !(ROW - 1));
        match (self.moves, rows) {
            (_, 0) => self.xor_in_row(b, value, in_row),
            (LaneMoves::Xor, 16) => self.xor_in_row(b, other_row(b, value, [0x7654_3210, 0xfedc_ba98]), in_row),
            (LaneMoves::BroadcastAndSwap, 16 | 32) => {
                self.xor_in_row(b, self.swapped_rows(b, value, own, rows), in_row)
            }
            (_, 0..32) => {
                // Bit mode: lanes of 32 are and-ed with the low five bits, or-ed with the next, xor-ed with the next.
                let pattern = word(b, mask << 10 | 31);
                b.call_intrinsic("llvm.amdgcn.ds.swizzle", &[value, pattern], b.int(32))
            }
            _ => permute(b, value, b.xori(own, word(b, mask))),
        }
    }

    /// Whether [`Self::xor`] by this mask does not go by way of LDS.
    pub fn has_xor(self, mask: u32) -> bool {
        match self.moves {
            LaneMoves::None | LaneMoves::Broadcast => mask < ROW,
            LaneMoves::BroadcastAndSwap => mask / ROW < 3,
            LaneMoves::Xor => mask < 2 * ROW,
        }
    }

    /// Of a mask within a row.
    fn xor_in_row<'m>(self, b: &Builder<'m>, value: Val<'m>, mask: u32) -> Val<'m> {
        let controls = match (self.moves, mask) {
            (_, 0) => vec![],
            (_, 1..4) => vec![quad_xor(mask)],
            (LaneMoves::Xor, _) => vec![ROW_XOR + mask],
            (_, 7) => vec![HALF_MIRROR],
            (_, 8) => vec![OTHER_HALF],
            (_, 15) => vec![ROW_MIRROR],
            (_, 4..8) => vec![HALF_MIRROR, quad_xor(mask ^ 7)],
            (_, 9..12) => vec![OTHER_HALF, quad_xor(mask ^ 8)],
            _ => vec![ROW_MIRROR, quad_xor(mask ^ 15)],
        };
        controls.into_iter().fold(value, |value, control| dpp(b, value, control, 0xf))
    }

    /// The word of the lane 16 or 32 further or before, where an instruction swaps rows of two registers.
    fn swapped_rows<'m>(self, b: &Builder<'m>, value: Val<'m>, own: Val<'m>, rows: u32) -> Val<'m> {
        let context = b.context();
        let both = melior::dialect::llvm::r#type::r#struct(context, &[b.int(32), b.int(32)], false);
        let no = b.const_bool(false);
        let name = format!("llvm.amdgcn.permlane{rows}.swap");
        let swapped = b.call_intrinsic(&name, &[value, value, no, no], both);
        let [first, second] = [0, 1].map(|i| {
            let position = DenseI64ArrayAttribute::new(context, &[i]).into();
            b.op("llvm.extractvalue", &[swapped], &[("position", position)], b.int(32))
        });
        // The lower rows of both registers are now in the first one, the upper ones in the second.
        let upper = b.cmpi(IntPredicate::Ne, b.andi(own, word(b, rows)), word(b, 0));
        b.select(upper, first, second)
    }

    /// The word of some lane in the aligned group of `mask` lanes beside the own one, of which all have the same.
    pub fn across<'m>(self, b: &Builder<'m>, value: Val<'m>, own: Val<'m>, mask: u32) -> Val<'m> {
        match (mask, self.moves) {
            (4, _) => dpp(b, value, HALF_MIRROR, 0xf),
            (8, _) => dpp(b, value, ROW_MIRROR, 0xf),
            // Every lane of the other row will do.
            (16, LaneMoves::Xor) => other_row(b, value, [0, 0]),
            _ => self.xor(b, value, own, mask),
        }
    }

    /// The largest word, unsigned, of each aligned group of `span` lanes; that of the whole wavefront in a register of its own.
    pub fn max<'m>(self, b: &Builder<'m>, value: Val<'m>, own: Val<'m>, span: u32) -> Val<'m> {
        let in_rows = [1, 2, 4, 8].into_iter().take_while(|mask| *mask < span);
        let max = in_rows.fold(value, |max, mask| b.maxui(max, self.across(b, max, own, mask)));
        let of = |value: Val<'m>, lane: u32| read_lane(b, value, word(b, lane));
        match (span, self.moves) {
            (..=ROW, _) => max,
            (32, LaneMoves::Xor) if self.lanes == 32 => b.maxui(of(max, 0), of(max, ROW)),
            (_, LaneMoves::Broadcast | LaneMoves::BroadcastAndSwap) => {
                // Of lanes that get nothing 0, which changes no maximum.
                let max = b.maxui(max, dpp(b, max, ROW_BROADCAST, 0b1010));
                if span == 32 {
                    let upper = b.cmpi(IntPredicate::Uge, own, word(b, 32));
                    return b.select(upper, of(max, 63), of(max, 31));
                }
                of(b.maxui(max, dpp(b, max, HALF_BROADCAST, 0b1100)), 63)
            }
            _ => {
                let across = [16, 32].into_iter().take_while(|mask| *mask < span);
                across.fold(max, |max, mask| b.maxui(max, self.across(b, max, own, mask)))
            }
        }
    }
}
