//! Ids and weights in one word.

use crate::graph::Growing;
use routefuse_ir::op::PackForm;
use routefuse_ir::{DType, NodeId, Op};

impl Growing<'_> {
    pub(super) fn pack(&mut self) -> Option<NodeId> {
        let ids = self.index()?;
        let shape = self.shape_of(ids);
        let dtype = if self.c.one_in(2) { DType::F32 } else { DType::Bf16 };
        let weights = self.partner(&shape, dtype)?;
        let form = if self.c.one_in(2) { PackForm::Masked } else { PackForm::SignExtended };
        self.try_op(Op::Pack { form }, &[ids, weights])
    }

    pub(super) fn unpack(&mut self) -> Option<NodeId> {
        let x = self.value();
        let x = self.to(x, DType::I32)?;
        let op = if self.c.one_in(2) { Op::UnpackId } else { Op::UnpackWeight };
        self.try_op(op, &[x])
    }
}
