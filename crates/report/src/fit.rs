//! No more than a page can hold: what is too much is left out, and the document says so.

use crate::model::{Document, Group};

/// The largest page, in bytes.
pub const MOST_BYTES: usize = 2 << 20;

impl Document {
    /// The document without as many texts as make its JSON longer than this. Code goes first, MLIR before LLVM IR before assembly
    /// and the variants that assume least before the first one; then what passes made; then keys.
    #[must_use]
    pub fn fitted(&self, most: usize) -> Document {
        let mut document = self.clone();
        let mut length = crate::json(&document).len();
        while length > most {
            let Some(at) = document.least_needed() else { break };
            let stage = document.stages.remove(at);
            length = length.saturating_sub(serde_json::to_string(&stage).map_or(0, |text| text.len()));
            for of in document.stages.iter_mut().filter(|s| s.diff.as_ref().is_some_and(|d| d.from == stage.id)) {
                of.diff = None;
            }
            let lines = stage.text.lines().count();
            document.left_out.push(format!("{}: {lines} lines, with which the page would be too large", stage.title));
        }
        if length > most {
            document.numbers.keys.iter_mut().for_each(|key| key.text.clear());
            document.left_out.push("what keys are made of: the page would be too large".to_owned());
        }
        document
    }

    /// The stage that a reader misses least.
    fn least_needed(&self) -> Option<usize> {
        let rank = |at: usize| {
            let stage = &self.stages[at];
            let form = stage.id.rsplit('.').next().unwrap_or_default();
            let form = ["asm", "llvm", "mlir"].iter().position(|f| *f == form).unwrap_or(0);
            let first = self.stages.iter().find(|s| s.group == Group::Code && s.kernel == stage.kernel);
            let is_first = first.is_some_and(|s| s.variant == stage.variant);
            (stage.group == Group::Code, !is_first, form, at)
        };
        let can_go = |at: &usize| matches!(self.stages[*at].group, Group::Code | Group::Passes);
        (0..self.stages.len()).filter(can_go).max_by_key(|at| rank(*at))
    }
}
