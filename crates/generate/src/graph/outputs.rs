//! Outputs.

use super::{Growing, Outputs};
use routefuse_ir::{Alias, Layout, NodeId, Op};

impl Growing<'_> {
    /// Values that nothing uses, others, sometimes inputs and constants; in an input's memory where one fits.
    pub(super) fn outputs(&mut self) {
        let sinks: Vec<NodeId> = self.pool.iter().copied().filter(|v| !self.used.contains(v)).collect();
        let mut chosen: Vec<NodeId> = vec![];
        if self.profile.outputs == Outputs::EverySink && self.c.below(4) < 3 {
            chosen.extend(sinks.iter().filter(|v| !self.inputs.contains(v)));
        } else {
            for _ in 0..self.c.position(1..5) {
                let from = if self.c.one_in(4) { &self.pool } else { &sinks };
                chosen.extend(self.c.any_of(from));
            }
        }
        chosen.extend(self.pool.last());
        if self.profile.counts > 0 && self.c.one_in(self.profile.counts) {
            self.count();
        }
        for (number, value) in std::mem::take(&mut self.laid).into_iter().enumerate() {
            let name = self.profile.names.argument('z', number, self.c);
            self.b.output(&name, value);
        }
        let mut taken = vec![];
        for (number, value) in chosen.into_iter().enumerate() {
            self.output(number, value, &mut taken);
        }
    }

    fn output(&mut self, number: usize, value: NodeId, taken: &mut Vec<NodeId>) {
        let name = self.profile.names.argument('y', number, self.c);
        let ty = self.b.ty(value).clone();
        let free: Vec<NodeId> = self.inputs.iter().copied().filter(|i| !taken.contains(i)).collect();
        if self.c.one_in(12)
            && let Some(input) = self.c.any_of(&free)
            && let Some(copy) = self.try_op(Op::Copy, &[input])
        {
            taken.push(input);
            let alias = Alias::Guarded(self.position_of(input));
            let layout = self.layout(self.b.ty(copy).shape.is_empty());
            self.b.output_with(&name, copy, layout, alias);
            return;
        }
        let fits: Vec<NodeId> = free.into_iter().filter(|i| *self.b.ty(*i) == ty).collect();
        if self.c.one_in(2)
            && let Some(input) = self.c.any_of(&fits)
        {
            taken.push(input);
            let position = self.position_of(input);
            let alias = if self.c.one_in(2) { Alias::InPlace(position) } else { Alias::Donates(position) };
            self.b.output_with(&name, value, self.layouts[position], alias);
            return;
        }
        let layout = self.layout(ty.shape.is_empty());
        self.b.output_with(&name, value, layout, Alias::None);
    }

    fn position_of(&self, input: NodeId) -> usize {
        self.inputs.iter().position(|i| *i == input).unwrap_or(0)
    }

    fn layout(&mut self, scalar: bool) -> Layout {
        match self.c.below(7) {
            0 if !scalar => Layout::Rows,
            1 => Layout::Strided,
            _ => Layout::Contiguous,
        }
    }
}
