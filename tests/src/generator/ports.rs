//! Outputs.

use super::Growing;
use rand::Rng;
use rand::seq::IndexedRandom;
use routefuse_ir::{Alias, Layout, NodeId, Op};

impl Growing {
    /// One to five outputs: values that nothing uses, others, sometimes inputs and constants; in an input's memory where one
    /// fits. What is left over is dead.
    pub(super) fn outputs(&mut self) {
        let sinks: Vec<NodeId> = self.pool.iter().copied().filter(|v| !self.used.contains(v)).collect();
        let mut chosen: Vec<NodeId> = vec![];
        for _ in 0..self.rng.random_range(1..5) {
            let from = if self.one_in(4) { &self.pool } else { &sinks };
            chosen.extend(from.choose(&mut self.rng).copied());
        }
        chosen.push(self.pool[self.pool.len() - 1]);
        if self.on_rows > 0 && self.one_in(3) {
            self.addition();
        }
        let mut taken = vec![];
        for (number, value) in chosen.into_iter().enumerate() {
            self.output(number, value, &mut taken);
        }
    }

    fn output(&mut self, number: usize, value: NodeId, taken: &mut Vec<NodeId>) {
        let name = if self.one_in(40) { format!("y {number}") } else { format!("y{number}") };
        let ty = self.b.ty(value).clone();
        let free: Vec<NodeId> = self.inputs.iter().copied().filter(|i| !taken.contains(i)).collect();
        if self.one_in(12)
            && let Some(&input) = free.choose(&mut self.rng)
            && let Some(copy) = self.try_op(Op::Copy, &[input])
        {
            taken.push(input);
            let alias = Alias::Guarded(self.position(input));
            let layout = self.layout(self.b.ty(copy).shape.is_empty());
            self.b.output_with(&name, copy, layout, alias);
            return;
        }
        let fits: Vec<NodeId> = free.into_iter().filter(|i| *self.b.ty(*i) == ty).collect();
        if self.one_in(2)
            && let Some(&input) = fits.choose(&mut self.rng)
        {
            taken.push(input);
            let position = self.position(input);
            let alias = if self.one_in(2) { Alias::InPlace(position) } else { Alias::Donates(position) };
            let layout = self.layouts[position];
            self.b.output_with(&name, value, layout, alias);
            return;
        }
        let layout = self.layout(ty.shape.is_empty());
        self.b.output_with(&name, value, layout, Alias::None);
    }

    fn position(&self, input: NodeId) -> usize {
        self.inputs.iter().position(|i| *i == input).unwrap_or(0)
    }

    fn layout(&mut self, scalar: bool) -> Layout {
        match self.rng.random_range(0..7) {
            0 if !scalar => Layout::Rows,
            1 => Layout::Strided,
            _ => Layout::Contiguous,
        }
    }
}
