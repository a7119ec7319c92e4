//! Operations on rows.

use super::{EXPERTS, Growing};
use rand::Rng;
use rand::seq::IndexedRandom;
use routefuse_ir::op::{Candidates, Denominator, GroupFill, GroupScore, OutOfRange, ReduceOp, TopKOrder};
use routefuse_ir::{Alias, DType, Dim, Layout, NodeId, Op, TensorType};

/// The inner extent, if the value has elements along it.
fn inner(t: &TensorType) -> Option<u64> {
    t.shape.last().and_then(|d| d.as_const()).filter(|n| *n > 0)
}

impl Growing {
    /// What is routed: floats, seldom integers, in rows of as many columns as models have experts.
    pub(super) fn declare_logits(&mut self) {
        use DType::{Bf16, F16, F32, I16, I32};
        let dtype = *[F32, F32, F32, Bf16, Bf16, F16, I32, I16].choose(&mut self.rng).unwrap_or(&F32);
        let experts = *EXPERTS.choose(&mut self.rng).unwrap_or(&8);
        let row = self.row_dim();
        self.declare_of(dtype, vec![row, experts.into()]);
    }

    /// One operation on rows, with a cast before it where it takes `f32` alone.
    pub(super) fn on_rows(&mut self) -> Option<NodeId> {
        match self.rng.random_range(0..24) {
            0..6 => self.reduce(),
            6 => {
                let x = self.value_where(|t| inner(t).is_some())?;
                self.try_op(Op::ArgMax, &[x])
            }
            7 => {
                let x = self.value_where(|t| inner(t).is_some())?;
                self.try_op(Op::CumSum, &[x])
            }
            8..10 => {
                let (x, op) = (self.float()?, [Op::Softmax, Op::LogSoftmax][self.rng.random_range(0..2)].clone());
                self.try_op(op, &[x])
            }
            10 => {
                let a = self.float()?;
                let shape = self.shape_of(a);
                let b = self.partner(&shape, DType::F32)?;
                self.try_op(Op::Dot, &[a, b])
            }
            11..15 => self.topk(),
            15 => {
                let x = self.value_where(|t| inner(t).is_some())?;
                let (k, candidates) = (self.count(x)?, self.candidates());
                self.try_op(Op::TopKMask { k, candidates }, &[x])
            }
            16..20 => self.groups(),
            20..22 => {
                let w = self.float()?;
                let epsilon = self.literal(DType::F32);
                let rules = [
                    Denominator::Sum,
                    Denominator::PlusEpsilon(epsilon),
                    Denominator::Clamp(epsilon),
                    Denominator::Positive,
                ];
                let denominator = *rules.choose(&mut self.rng)?;
                self.try_op(Op::Renorm { denominator }, &[w])
            }
            _ => self.chosen(),
        }
    }

    /// A value of `f32` with an inner dim; others are cast.
    fn float(&mut self) -> Option<NodeId> {
        let fits = |t: &TensorType| inner(t).is_some();
        let cast = self.one_in(3);
        let x = match self.value_where(|t| fits(t) && t.dtype == DType::F32) {
            Some(x) if !cast => x,
            _ => self.value_where(fits)?,
        };
        self.to(x, DType::F32)
    }

    fn candidates(&mut self) -> Candidates {
        if self.one_in(2) { Candidates::All } else { Candidates::AboveNegInf }
    }

    /// How many of a value's columns: mostly few, sometimes all.
    fn count(&mut self, x: NodeId) -> Option<u64> {
        let columns = inner(self.b.ty(x))?;
        Some(if self.one_in(6) { columns } else { self.rng.random_range(1..columns.min(12) + 1) })
    }

    fn reduce(&mut self) -> Option<NodeId> {
        let (op, _) = *ReduceOp::ALL.as_slice().choose(&mut self.rng)?;
        let x = if op == ReduceOp::TopTwoSum { self.float()? } else { self.value_where(|t| inner(t).is_some())? };
        let rank = self.shape_of(x).len();
        let axis = if self.one_in(5) { self.rng.random_range(0..rank) } else { rank - 1 };
        self.try_op(Op::Reduce { op, axis }, &[x]).or_else(|| {
            let x = self.to(x, DType::F32)?;
            self.try_op(Op::Reduce { op, axis }, &[x])
        })
    }

    fn topk(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| inner(t).is_some())?;
        let (k, candidates) = (self.count(x)?, self.candidates());
        let order = if self.one_in(3) { TopKOrder::Column } else { TopKOrder::Value };
        self.try_op(Op::TopK { k, candidates, order }, &[x])
    }

    /// A score for each group, or the mask by one.
    fn groups(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.shape.len() == 2 && inner(t).is_some())?;
        let x = self.to(x, DType::F32)?;
        let columns = inner(self.b.ty(x))?;
        let divisors: Vec<u64> = (1..=columns.min(32)).filter(|d| columns.is_multiple_of(*d)).collect();
        let groups = *divisors.choose(&mut self.rng)?;
        let score = if self.one_in(2) { GroupScore::Max } else { GroupScore::TopTwoSum };
        let scores = self.try_op(Op::GroupScore { groups, score }, &[x])?;
        if self.one_in(3) {
            return Some(scores);
        }
        let keep = self.rng.random_range(1..groups + 1);
        let (fill, _) = *GroupFill::ALL.choose(&mut self.rng)?;
        self.try_op(Op::GroupMask { keep, fill }, &[x, scores])
    }

    /// What a top-k chose, of its own keys or of other values of the row.
    fn chosen(&mut self) -> Option<NodeId> {
        let ids = self.topk()?;
        let row = *self.shape_of(ids).first()?;
        let x = self.value_where(|t| t.shape.len() == 2 && t.shape[0] == row && inner(t).is_some())?;
        let out_of_range = if self.one_in(2) { OutOfRange::Pass } else { self.policy(self.dtype_of(x)) };
        self.try_op(Op::GatherRow { out_of_range }, &[x, ids])
    }

    /// A count of integers that are there, as an output in place of an input of its own.
    pub(super) fn addition(&mut self) -> Option<()> {
        let indices = self.index()?;
        let dtype = *[DType::I32, DType::I64, DType::U32, DType::U64].choose(&mut self.rng)?;
        let shape = self.shape_of(indices);
        let amounts = self.value_where(|t| t.dtype == dtype && (t.shape == shape || t.shape.is_empty()));
        let amounts = match amounts {
            Some(a) if !self.one_in(2) => a,
            _ => self.constant(dtype),
        };
        let extent: u64 = *[1, 3, 8, 64, 257].choose(&mut self.rng)?;
        let counts = self.b.input("counts", dtype, [Dim::Const(extent)]);
        let added = self.b.atomic_add(counts, indices, amounts);
        let position = self.b.input_position(counts)?;
        self.used.extend([indices, amounts]);
        self.b.output_with("added", added, Layout::Contiguous, Alias::InPlace(position));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::row_graph;
    use std::collections::BTreeMap;

    /// Every operation on rows is reached, or suites over these graphs say less than they seem to.
    #[test]
    fn every_operation_on_rows_is_made() {
        let (mut seen, mut valid) = (BTreeMap::new(), 0);
        for graph in (0..600).filter_map(|seed| row_graph(seed).graph.ok()) {
            valid += 1;
            for n in graph.nodes.node_weights() {
                *seen.entry(n.op.mnemonic()).or_insert(0) += 1;
            }
        }
        assert!(valid > 570, "{valid} of 600 are valid");
        let rows = routefuse_ir::op::table::OPS.iter().map(|o| o.mnemonic).skip_while(|m| *m != "reduce_sum");
        for op in rows {
            assert!(seen.get(op).is_some_and(|n| *n >= 10), "{op}: {:?}", seen.get(op));
        }
    }
}
