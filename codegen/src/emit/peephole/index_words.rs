//! `table[index % 2ⁿ]` for an index in memory reads the index as an address, lane by lane, beside the vector of indices.
//!
//! - **Machine:** the host; an index that is loaded, at another address for each lane.
//! - **Reason:** as addresses, indices are wanted in general registers, and reading them twice costs less than taking a vector
//!   apart. (They come before the vector: LLVM would make them of a vector that is there already.) Where the extent is a power
//!   of two, the low bits are the index if that is in range, and safe if it is not, so no lane needs a comparison. They are
//!   loaded as 64 bits wherever so many neighbours are in them, because looking up is bound by the number of loads; others as
//!   no more bytes than they need, which LLVM does not make a vector of and take apart again.
//! - **Test:** `peephole::tests`, and the snapshots `tests/snapshots/chains/host/a_remap_static@mlir` and `@asm`.

use crate::emit::pull::index::{Index, Ix, neighbours};
use crate::emit::pull::types::memory_type;
use crate::emit::pull::{Pull, Shortcut, Wanted};
use routefuse_ir::kernel::{ParamId, ValueKind};
use routefuse_ir::op::OutOfRange;

/// The peephole.
pub(in crate::emit) struct IndexWords;

impl<'m> Shortcut<'m> for IndexWords {
    fn addresses(&self, pull: &Pull<'_, 'm>, wanted: Wanted, index: &Index<'m>) -> Option<Vec<Ix<'m>>> {
        if !is_apart(pull, wanted, index) {
            return None;
        }
        low_bits_apart(pull, wanted, index).or_else(|| {
            // All are pulled before the first is checked.
            let each: Vec<_> = (0..index.lanes() as usize)
                .map(|lane| pull.evaluate(wanted.id, &index.slice(lane, lane + 1)))
                .collect();
            let dtype = pull.kernel.value(wanted.id).dtype;
            let checked = |at| pull.checked(at, dtype, wanted.extent, wanted.bounds).safe[0];
            Some(each.into_iter().map(checked).collect())
        })
    }
}

/// Whether the index is read from memory, at another address for each lane.
fn is_apart(pull: &Pull<'_, '_>, wanted: Wanted, index: &Index<'_>) -> bool {
    let value = pull.kernel.value(wanted.id);
    let lanes = index.lanes() as usize;
    let each =
        (value.space.cols > 1 && index.column.len() == lanes) || (value.space.per_row && index.row.len() == lanes);
    matches!(value.kind, ValueKind::Load(_)) && lanes > 1 && each
}

/// The low bits of every lane's index, where they are enough.
fn low_bits_apart<'m>(pull: &Pull<'_, 'm>, wanted: Wanted, index: &Index<'m>) -> Option<Vec<Ix<'m>>> {
    let extent = wanted.extent.as_const().filter(|n| n.is_power_of_two() && *n <= 1 << 16)?;
    let value = pull.kernel.value(wanted.id);
    let ValueKind::Load(param) = value.kind else { return None };
    let bits = if extent <= 1 << 8 { 8 } else { 16 };
    if wanted.bounds.policy() == OutOfRange::Clamp || value.dtype.bits() < bits || pull.holds(wanted.id) {
        return None;
    }
    let offsets = pull.memory.offsets(param, &pull.seen_by(wanted.id, index));
    let in_a_word = (64 / value.dtype.bits()) as usize;
    let low = offsets.chunks(in_a_word).flat_map(|lanes| {
        if lanes.len() == in_a_word && lanes.len() > 1 && neighbours(lanes) {
            return low_bits_of_word(pull, param, lanes, extent);
        }
        lanes.iter().map(|at| low_bits(pull, param, *at, bits, extent)).collect()
    });
    Some(low.collect())
}

/// An element of a parameter modulo a power of two, of which no more than `bits` are loaded.
fn low_bits<'m>(pull: &Pull<'_, 'm>, param: ParamId, at: Ix<'m>, bits: u32, extent: u64) -> Ix<'m> {
    let (b, element) = (pull.b, memory_type(pull.b, pull.kernel.param(param).ty.dtype));
    let (pointer, align) = pull.memory.address(param, at, element);
    let low = b.load(pointer, b.int(bits), align.min(u64::from(bits / 8)) as u32, !pull.memory.is_aliased(param));
    let at = b.extui(low, pull.ix.ty());
    let known = extent == 1 << bits;
    Ix::value(if known { at } else { b.andi(at, pull.ix.constant(extent - 1)) }, 1)
}

/// Neighbouring elements of a parameter, 64 bits in all, each modulo a power of two.
fn low_bits_of_word<'m>(pull: &Pull<'_, 'm>, param: ParamId, lanes: &[Ix<'m>], extent: u64) -> Vec<Ix<'m>> {
    let (b, dtype) = (pull.b, pull.kernel.param(param).ty.dtype);
    let long = b.int(64);
    let (pointer, align) = pull.memory.address(param, lanes[0], memory_type(pull.b, dtype));
    let word = b.load(pointer, long, align.min(8) as u32, !pull.memory.is_aliased(param));
    let at = |lane: usize| {
        let shift = (lane * dtype.bits() as usize) as i64;
        let low = if lane == 0 { word } else { b.shrui(word, b.const_int(long, shift)) };
        let low = b.andi(low, b.const_int(long, extent as i64 - 1));
        Ix::value(if pull.ix.bits() < 64 { b.trunci(low, pull.ix.ty()) } else { low }, 1)
    };
    (0..lanes.len()).map(at).collect()
}
