//! What a row value needs on the stack.

use super::reduce::{LANES, UNROLLED};
use super::stack::Scratch;
use super::topk::blocks;
use crate::emit::pull::Emitter;
use crate::emit::pull::index::Ix;
use crate::emit::pull::known::Nans;
use crate::mlir::builder::Val;
use routefuse_ir::kernel::{Kernel, ValueId, ValueKind};
use routefuse_ir::op::{OutOfRange, ReduceOp, TopKOrder};

/// The most bytes of stack that a row may take: threads of a pool have a few MiB.
pub(in crate::emit) const MOST_STACK: u64 = 1 << 20;

/// Alignment of what lies there.
const ALIGN: u32 = 64;

/// The memory of a row value: what it becomes, and what is needed on the way.
pub(in crate::emit) struct Room<'m> {
    /// The result.
    pub out: Scratch<'m>,
    /// A column of `out` that nobody reads.
    pub trash: u64,
    /// The keys of a segment, in blocks; 0 past the end.
    pub keys: Option<Val<'m>>,
    /// The best key of each of many blocks.
    pub maxima: Option<Val<'m>>,
    /// Ids to be sorted.
    pub sorted: Option<Val<'m>>,
    /// Half of a long segment, to be added up.
    pub halves: Option<Val<'m>>,
    /// A byte: whether a column of the segment trapped. Where one may.
    pub trap: Option<Val<'m>>,
}

impl<'m> Emitter<'_, 'm> {
    /// The room of a row value. To be asked for at the beginning of the function.
    pub(in crate::emit) fn room(&self, id: ValueId, may_trap: &[bool]) -> Room<'m> {
        let (b, value) = (self.b, self.kernel.value(id));
        let (i32, cols) = (b.int(32), value.space.cols);
        let operand = value.kind.operands()[0];
        let width = value.kind.segment().unwrap_or(1);
        let traps = may_trap[operand.0 as usize];
        let each = match value.kind {
            ValueKind::Reduce { .. } => 1,
            ValueKind::TopK { k, .. } => k,
            _ => width,
        };
        // Reductions and sums are settled, everything else is no `f32`, so NaNs are what they are.
        let out = self.new_scratch(value.dtype, cols + 1, traps.then_some(each));
        let mut room = Room { out, trash: cols, keys: None, maxima: None, sorted: None, halves: None, trap: None };
        room.trap = traps.then(|| b.stack(b.int(8), 1, 1));
        match &value.kind {
            ValueKind::Reduce { op: ReduceOp::Sum, value, .. } if width.div_ceil(LANES) > UNROLLED => {
                let element = self.memory_type(self.kernel.value(*value).dtype);
                room.halves = Some(b.stack(element, width.next_power_of_two() / 2, ALIGN));
            }
            ValueKind::TopK { .. } | ValueKind::TopKMask { .. } => {
                if let Some((block, count)) = blocks(width) {
                    let keys = b.stack(i32, block * count, ALIGN);
                    self.columns(Ix::constant(width), block * count - width, |at| {
                        let zero = b.const_int(b.lanes_of(i32, at.len() as u32), 0);
                        self.write_stack(keys, i32, 4, at[0], zero);
                    });
                    room.keys = Some(keys);
                    room.maxima = Some(b.stack(i32, count, ALIGN));
                }
                if let ValueKind::TopK { k, order: TopKOrder::Column, .. } = value.kind {
                    room.sorted = Some(b.stack(i32, k.next_power_of_two(), ALIGN));
                }
            }
            _ => {}
        }
        room
    }
}

/// Bytes of stack for what is kept of a row, about.
pub(in crate::emit) fn stack_bytes(kernel: &Kernel, held: &[ValueId]) -> u64 {
    let of = |id: ValueId| {
        let value = kernel.value(id);
        let own = value.space.cols.saturating_mul(value.dtype.size() + 1);
        let segment = value.kind.segment().unwrap_or(0).saturating_mul(match &value.kind {
            ValueKind::Reduce { op: ReduceOp::Sum, value, .. } => kernel.value(*value).dtype.size(),
            // Keys up to the next power of two of blocks, and the blocks' best.
            ValueKind::TopK { .. } | ValueKind::TopKMask { .. } => 12,
            _ => 0,
        });
        own.saturating_add(segment)
    };
    let rows = kernel.values().filter(|(_, v)| v.kind.is_row_value()).map(|(id, _)| id);
    held.iter().copied().chain(rows).fold(0, |sum, id| sum.saturating_add(of(id)))
}

/// Of every value, whether an element of it may come by way of a gather that traps.
pub(in crate::emit) fn may_trap(kernel: &Kernel) -> Vec<bool> {
    let mut traps: Vec<bool> = vec![];
    for value in &kernel.values {
        let itself = match &value.kind {
            ValueKind::Gather { out_of_range, proved, .. } | ValueKind::GatherRow { out_of_range, proved, .. } => {
                *out_of_range == OutOfRange::Trap && !proved
            }
            _ => false,
        };
        let before = value.kind.operands().iter().any(|o| traps[o.0 as usize]);
        traps.push(itself || before);
    }
    traps
}

/// What is known of the NaNs of every element of an `f32` value, if they are not made canonical.
pub(in crate::emit) fn nans_of(kernel: &Kernel, id: ValueId) -> Nans {
    use routefuse_ir::op::ScalarOp::{Binary, Cast, Fma, Unary};
    match kernel.value(id).kind {
        ValueKind::Scalar(Unary(_) | Binary(_) | Fma | Cast(_), _) => Nans::Free,
        _ => Nans::Exact,
    }
}
