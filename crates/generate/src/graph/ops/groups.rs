//! Groups of experts: neighbouring columns with a score.

use crate::graph::Growing;
use crate::graph::values::inner;
use routefuse_ir::op::{GroupFill, GroupScore};
use routefuse_ir::verify::MAX_RANK;
use routefuse_ir::{DType, NodeId, Op};

impl Growing<'_> {
    /// A score for each group, or the mask by one.
    pub(super) fn groups(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.shape.len() < MAX_RANK && inner(t).is_some())?;
        let x = self.to(x, DType::F32)?;
        let columns = inner(self.b.ty(x))?;
        let divisors: Vec<u64> = (1..=columns.min(32)).filter(|d| columns.is_multiple_of(*d)).collect();
        let groups = self.c.any_of(&divisors)?;
        let score = if self.c.one_in(2) { GroupScore::Max } else { GroupScore::TopTwoSum };
        let scores = self.try_op(Op::GroupScore { groups, score }, &[x])?;
        if self.c.one_in(3) {
            return Some(scores);
        }
        let keep = self.c.range(1..groups + 1);
        let (fill, _) = self.c.of(GroupFill::ALL);
        self.try_op(Op::GroupMask { keep, fill }, &[x, scores])
    }
}
