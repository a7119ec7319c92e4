//! Counts of integers, in an input of their own.

use crate::graph::Growing;
use routefuse_ir::{Alias, DType, Dim, Layout};

impl Growing<'_> {
    /// A count of integers that are there, as an output in place of an input that nothing else reads.
    pub(in crate::graph) fn count(&mut self) -> Option<()> {
        let indices = self.index()?;
        let dtype = self.c.of(&[DType::I32, DType::I64, DType::U32, DType::U64]);
        let shape = self.shape_of(indices);
        let amounts = self.value_where(|t| t.dtype == dtype && (t.shape == shape || t.shape.is_empty()));
        let amounts = match amounts {
            Some(a) if !self.c.one_in(2) => a,
            _ => self.constant(dtype),
        };
        let extent: u64 = self.c.of(&[1, 3, 8, 64, 257]);
        let name = self.profile.names.symbol("counts", self.c);
        let counts = self.b.input(&name, dtype, [Dim::Const(extent)]);
        let added = self.b.atomic_add(counts, indices, amounts);
        let position = self.b.input_position(counts)?;
        self.used.extend([indices, amounts]);
        let name = self.profile.names.symbol("added", self.c);
        self.b.output_with(&name, added, Layout::Contiguous, Alias::InPlace(position));
        Some(())
    }
}
