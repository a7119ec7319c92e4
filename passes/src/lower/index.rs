//! Gathers from values that are computed: several indices, or rows that are columns too, become one column.

use super::builder::KernelBuilder;
use routefuse_ir::kernel::{Bounds, ValueId};
use routefuse_ir::op::{BinaryOp, CompareOp, NanRule, OutOfRange};
use routefuse_ir::{DType, Literal};

/// One index and the extent of the dim that it is for.
pub(super) type Axis = (ValueId, u64);

impl KernelBuilder {
    /// `value[axes…]`, row-major, of a value that has the product of the extents in columns. `begin` is added to the
    /// column: where the inner row begins that the indices count from.
    pub(super) fn gather_columns(
        &mut self,
        value: ValueId,
        begin: Option<ValueId>,
        axes: &[Axis],
        bounds: Bounds,
    ) -> ValueId {
        let mut column = begin;
        let mut in_range: Option<ValueId> = None;
        let mut stride: u64 = axes.iter().map(|a| a.1).product();
        for (index, extent) in axes {
            stride /= extent;
            let (index, test) = self.bounded(*index, *extent, bounds);
            let scale = self.integer(stride);
            let scaled = if stride == 1 { index } else { self.binary(BinaryOp::Mul, index, scale) };
            column = Some(column.map_or(scaled, |c| self.binary(BinaryOp::Add, c, scaled)));
            if let Some(test) = test {
                in_range = Some(in_range.map_or(test, |t| self.binary(BinaryOp::And, t, test)));
            }
        }
        let column = column.unwrap_or_else(|| self.integer(0));
        match in_range {
            None => self.gather_row(value, column, Bounds::Proved),
            Some(test) => {
                // What is out of range in one dim must not be in range of the product: −1 is out of range of any.
                let outside = self.constant(Literal::i64(-1));
                let column = self.select(test, column, outside);
                let policy = if bounds.policy() == OutOfRange::Wrap { OutOfRange::Pass } else { bounds.policy() };
                self.gather_row(value, column, Bounds::Checked(policy))
            }
        }
    }

    /// The index as `i64`, clamped or wrapped as the policy says, and the test that it is in range where one is needed.
    fn bounded(&mut self, index: ValueId, extent: u64, bounds: Bounds) -> (ValueId, Option<ValueId>) {
        let mut index = index;
        if self.dtype(index) == DType::U64 {
            // Extents fit 63 bits, so what is above the extent may as well be the extent.
            let most = self.constant(Literal::from_bits(DType::U64, extent));
            index = self.binary(BinaryOp::Min(NanRule::Number), index, most);
        }
        let index = self.cast(index, DType::I64);
        let Bounds::Checked(policy) = bounds else { return (index, None) };
        let (zero, count) = (self.integer(0), self.integer(extent));
        let index = match policy {
            OutOfRange::Clamp => {
                let last = self.integer(extent - 1);
                let lifted = self.binary(BinaryOp::Max(NanRule::Number), index, zero);
                return (self.binary(BinaryOp::Min(NanRule::Number), lifted, last), None);
            }
            OutOfRange::Wrap => {
                let negative = self.compare(CompareOp::Lt, index, zero);
                let from_end = self.binary(BinaryOp::Add, index, count);
                self.select(negative, from_end, index)
            }
            OutOfRange::Pass | OutOfRange::Fill(_) | OutOfRange::Trap => index,
        };
        let above = self.compare(CompareOp::Ge, index, zero);
        let below = self.compare(CompareOp::Lt, index, count);
        (index, Some(self.binary(BinaryOp::And, above, below)))
    }
}
