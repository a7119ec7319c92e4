//! Places that no item has: those behind the items of each bin, and those behind the last bin.

use super::Phased;
use crate::emit::pull::Pull;
use crate::emit::pull::index::{Index, Ix};
use crate::mlir::builder::Val;
use routefuse_ir::kernel::phases::{Phase, Place};
use routefuse_ir::kernel::schedule::Domain;

impl<'m> Phased<'_, 'm> {
    /// A warp has neighbouring places of a bin. Where there are more warps than bins, several have those of one.
    pub(super) fn pad(&self, phase: &Phase, domains: &[Domain], starts: Place) {
        let b = self.b;
        let pull = self.pull_of(phase);
        pull.evaluate_uniforms();
        let ix = &pull.ix;
        let table = match starts {
            Place::Param(param) => self.arguments.pointer(param),
            Place::Shared(at) => self.words_at(self.room.shared[at as usize]),
        };
        let index = |word: Val<'m>| ix.materialise(ix.of_word(word));
        let start = |bin: Val<'m>| index(self.load_word(b.gep(table, bin, b.int(32))));
        let (bins, lanes) = (self.word(self.phases.bins() as u32), self.warps.lanes());
        let (block, blocks) = (self.short(self.block), self.short(self.blocks));
        // Neighbouring warps of numbers are of neighbouring blocks, beginning with the last warp but one: the last one has what else
        // the blocks divide, and the first one still ranks.
        let of_block = self.threads / lanes;
        let behind = b.subi(self.word(of_block.wrapping_sub(2)), self.short(self.warp));
        let behind = b.minui(behind, self.word(of_block - 1));
        let warp = b.addi(b.muli(behind, blocks), block);
        let warps = b.muli(blocks, self.word(of_block));
        let parts = b.maxui(b.divui(warps, bins), self.word(1));
        let rows = pull.memory.rows();
        let lane = self.short(self.lane);
        let stride = index(b.muli(parts, self.word(lanes)));
        b.for_loop(warp, b.muli(bins, parts), warps, |_, task| {
            pull.scopes.scoped(|| {
                let (part, bin) = (b.divui(task, bins), b.remui(task, bins));
                let next = b.minui(start(b.addi(bin, self.word(1))), rows);
                let held = b.addi(start(bin), index(self.load_word(self.word_at(self.room.shared[0], bin))));
                let first = b.addi(held, index(b.addi(b.muli(part, self.word(lanes)), lane)));
                self.pad_rows(&pull, domains, (first, next, stride));
            });
        });
        let thread = b.addi(b.muli(warp, self.word(lanes)), lane);
        let first = b.addi(start(bins), index(thread));
        self.pad_rows(&pull, domains, (first, rows, index(b.muli(blocks, self.word(self.threads)))));
    }

    /// Stores the rows `from`, `from + step`, … before `end`, all of the index type.
    fn pad_rows(&self, pull: &Pull<'_, 'm>, domains: &[Domain], (from, end, step): (Val<'m>, Val<'m>, Val<'m>)) {
        // Signed, a number from 2³¹ on would be less than the end.
        let from = self.b.minui(from, end);
        self.b.for_loop(from, end, step, |_, row| {
            pull.scopes.scoped(|| {
                let row = Ix::value(row, 1);
                let index = Index::new(vec![row], vec![Ix::constant(0)], Some((row, 1)));
                domains.iter().for_each(|d| pull.piece(&d.stores, &index));
            });
        });
    }
}
