//! Inference of operations on whole rows.

use super::{Cx, Inferred, Problem, problem};
use crate::diag::Code;
use crate::dim::Dim;
use crate::dtype::DType;
use crate::op::info::DTypes;
use crate::op::{Denominator, GroupScore, ReduceOp};
use crate::tensor_type::TensorType;
use crate::verify::MAX_RANK;

/// The most columns that are selected of a row of more than [`SMALL_ROW`]: each is a round of code.
pub const MAX_K: u64 = 128;

/// Of rows of so many columns, all may be selected: a `topk` of them sorts the row.
pub const SMALL_ROW: u64 = 256;

/// The widest row that `topk`, `topk_mask`, `argmax`, `top2_sum` and `cumsum` take: what the threads of a block keep in
/// registers. (Other reductions are halved first.)
pub const MAX_TOPK_WIDTH: u64 = 16_384;

/// The most columns of a row, in all segments, that `topk`, `topk_mask`, `argmax`, `top2_sum` and `cumsum` take: 32,768 columns
/// are one kernel, and more are as many kernels as it takes.
pub const MAX_SEGMENTED: u64 = 1 << 20;

/// The most of so many columns that are selected.
fn most_selected(width: u64) -> u64 {
    if width <= SMALL_ROW { width } else { MAX_K }
}

impl Cx<'_> {
    pub(super) fn argmax(&self) -> Inferred {
        self.count(1)?;
        self.narrow(self.keys()?)?;
        Ok(TensorType::new(DType::I32, self.with_inner(1)))
    }

    pub(super) fn cumsum(&self) -> Inferred {
        self.count(1)?;
        self.narrow(self.inner_not_empty()?)?;
        self.summable()?;
        Ok(self.operands[0].clone())
    }

    /// Rows of `f32` to rows of `f32`.
    pub(super) fn row_of_f32(&self) -> Inferred {
        self.count(1)?;
        self.inner_not_empty()?;
        self.f32(0)?;
        Ok(self.operands[0].clone())
    }

    pub(super) fn renorm(&self, denominator: Denominator) -> Inferred {
        let ty = self.row_of_f32()?;
        if let Denominator::PlusEpsilon(e) | Denominator::Clamp(e) = denominator {
            self.literal(e.dtype(), DType::F32, "epsilon")?;
        }
        Ok(ty)
    }

    pub(super) fn dot(&self) -> Inferred {
        self.count(2)?;
        self.f32(0)?;
        self.f32(1)?;
        self.inner_not_empty()?;
        if self.operands[0].shape != self.operands[1].shape {
            let message = format!("`dot` of {} and {}", self.text(0), self.text(1));
            return problem(Code::ShapeMismatch, message, "shapes must be equal; repeat dims by `broadcast`");
        }
        Ok(TensorType::new(DType::F32, self.with_inner(1)))
    }

    pub(super) fn topk(&self, k: u64) -> Inferred {
        self.selects(k)?;
        Ok(TensorType::new(DType::I32, self.with_inner(k)))
    }

    pub(super) fn topk_mask(&self, k: u64) -> Inferred {
        self.selects(k)?;
        Ok(TensorType::new(DType::Bool, self.operands[0].shape.clone()))
    }

    pub(super) fn group_score(&self, groups: u64, score: GroupScore) -> Inferred {
        self.count(1)?;
        self.f32(0)?;
        let columns = self.grouped("x", 0)?;
        self.even_groups(groups, columns)?;
        if score == GroupScore::TopTwoSum {
            self.narrow(columns / groups)?;
        }
        Ok(TensorType::new(DType::F32, self.with_inner(groups)))
    }

    pub(super) fn group_mask(&self, keep: u64) -> Inferred {
        self.count(2)?;
        self.f32(0)?;
        self.f32(1)?;
        let columns = self.grouped("x", 0)?;
        let groups = self.grouped("scores", 1)?;
        let leading = |i: usize| self.operands[i].shape.split_last().map(|(_, leading)| leading);
        if leading(0) != leading(1) {
            let message = format!("`group_mask` of {} by {}", self.text(0), self.text(1));
            return problem(Code::ShapeMismatch, message, "both have the same dims but for the inner one");
        }
        self.even_groups(groups, columns)?;
        self.narrow(groups)?;
        self.at_most("keep", keep, most_selected(groups), "groups")?;
        Ok(self.operands[0].clone())
    }

    pub(super) fn reduce(&self, op: ReduceOp, axis: usize) -> Inferred {
        self.count(1)?;
        let ty = &self.operands[0];
        let inner = axis + 1 == ty.shape.len();
        let Some(dim) = ty.shape.get(axis) else {
            let message = format!("axis {axis} of {}", self.text(0));
            return problem(Code::AxisOutOfRange, message, "axes count from 0");
        };
        if op == ReduceOp::TopTwoSum && !inner {
            let message = format!("`top2_sum` over axis {axis} of {}", self.text(0));
            let help = format!("it takes the inner axis, {}", ty.shape.len().saturating_sub(1));
            return problem(Code::AxisOutOfRange, message, help);
        }
        match dim {
            Dim::Sym(_) => {
                let message = format!("`{}` over the rows of {}", self.name(), self.text(0));
                return problem(Code::AxisOutOfRange, message, "the axis must be constant: rows are not reduced");
            }
            Dim::Const(0) => {
                let message = format!("`{}` over an empty axis of {}", self.name(), self.text(0));
                return problem(Code::ShapeMismatch, message, "it needs at least one element");
            }
            Dim::Const(_) => {}
        }
        if op == ReduceOp::TopTwoSum {
            self.f32(0)?;
            self.narrow(dim.as_const().unwrap_or(0))?;
        } else {
            self.summable()?
        }
        let mut shape = ty.shape.clone();
        shape[axis] = Dim::Const(1);
        Ok(TensorType::new(ty.dtype, shape))
    }

    pub(super) fn atomic_add(&self) -> Inferred {
        self.count(3)?;
        let (counts, indices, amounts) = (&self.operands[0], &self.operands[1], &self.operands[2]);
        if !DTypes::COUNTS.holds(counts.dtype) {
            return self.unsupported(counts.dtype, DTypes::COUNTS.many);
        }
        if counts.shape.len() != 1 || counts.shape[0].as_const().is_none_or(|n| n == 0) {
            return self.rank("counts", counts, "of rank 1, with a constant extent of at least 1");
        }
        self.index_dtype(indices, "an index")?;
        if amounts.dtype != counts.dtype {
            let message = format!("`atomic_add` of {} to {}", self.text(2), self.text(0));
            return problem(Code::DTypeMismatch, message, format!("`cast` the amounts to {}", counts.dtype));
        }
        if !amounts.shape.is_empty() && amounts.shape != indices.shape {
            let message = format!("`atomic_add` of {} at {}", self.text(2), self.text(1));
            return problem(Code::ShapeMismatch, message, "amounts have the indices' shape, or are a scalar");
        }
        Ok(counts.clone())
    }

    fn f32(&self, i: usize) -> Result<(), Problem> {
        match self.operands[i].dtype {
            DType::F32 => Ok(()),
            other => self.unsupported(other, "f32"),
        }
    }

    fn summable(&self) -> Result<(), Problem> {
        let dtype = self.operands[0].dtype;
        let summable = DTypes::INTEGERS_OR_F32;
        if summable.holds(dtype) { Ok(()) } else { self.unsupported(dtype, summable.many) }
    }

    /// Operand 0's dtype has an order for `topk`.
    fn keys(&self) -> Result<u64, Problem> {
        let dtype = self.operands[0].dtype;
        if !DTypes::KEYS.holds(dtype) {
            return self.unsupported(dtype, DTypes::KEYS.many);
        }
        self.inner_not_empty()
    }

    /// A selection of the k best columns.
    fn selects(&self, k: u64) -> Result<(), Problem> {
        self.count(1)?;
        let width = self.keys()?;
        self.narrow(width)?;
        self.at_most("k", k, most_selected(width), "columns")
    }

    /// Segments of so many columns of the last operand, which are done as whole ones.
    fn narrow(&self, width: u64) -> Result<(), Problem> {
        if width > MAX_TOPK_WIDTH {
            let message = format!("`{}` of rows of {width} columns", self.name());
            return problem(Code::CountOutOfRange, message, format!("rows have at most {MAX_TOPK_WIDTH} columns"));
        }
        let Some(operand) = self.operands.last() else { return Ok(()) };
        let columns = operand.shape.iter().filter_map(|d| d.as_const()).fold(1, u64::saturating_mul);
        if columns <= MAX_SEGMENTED {
            return Ok(());
        }
        self.row_is_too_wide(self.operands.len() - 1, columns, MAX_SEGMENTED)
    }

    /// Operand `i` has more columns of a row than one kernel takes.
    pub(super) fn row_is_too_wide(&self, i: usize, columns: u64, most: u64) -> Result<(), Problem> {
        let message = format!("`{}` of {}, which is {columns} columns of a row", self.name(), self.text(i));
        let help = if self.operands[i].row_symbol().is_none() {
            format!(
                "it takes {most} at most; a leading dim that is constant is part of the row: make it symbolic (`dim T`)"
            )
        } else {
            format!("it takes {most} at most, in all segments of a row")
        };
        problem(Code::CountOutOfRange, message, help)
    }

    fn at_most(&self, attribute: &str, given: u64, most: u64, what: &str) -> Result<(), Problem> {
        if (1..=most).contains(&given) {
            return Ok(());
        }
        let message = format!("`{}` of {} has `{attribute}` = {given}", self.name(), self.text(0));
        problem(Code::CountOutOfRange, message, format!("it takes 1 to {most} of the {what}"))
    }

    /// The inner dim of operand 0, constant and at least 1.
    fn inner_not_empty(&self) -> Result<u64, Problem> {
        match self.inner(0)? {
            0 => {
                let message = format!("`{}` over an empty inner dim of {}", self.name(), self.text(0));
                problem(Code::ShapeMismatch, message, "it needs at least one element")
            }
            n => Ok(n),
        }
    }

    /// The columns of an operand that is taken in groups: of a rank that leaves one for them.
    fn grouped(&self, name: &str, i: usize) -> Result<u64, Problem> {
        let ty = &self.operands[i];
        match ty.shape[..] {
            [.., Dim::Const(columns)] if columns > 0 && ty.shape.len() < MAX_RANK => Ok(columns),
            _ => {
                let wanted = format!("[…, E] of rank 1 to {}, with E constant and at least 1", MAX_RANK - 1);
                self.rank(name, ty, &wanted)
            }
        }
    }

    fn even_groups(&self, groups: u64, columns: u64) -> Result<(), Problem> {
        if groups > 0 && columns.is_multiple_of(groups) {
            return Ok(());
        }
        let message = format!("`{}` of {columns} columns in {groups} groups", self.name());
        problem(Code::UnevenGroups, message, "groups are of one width: their number divides that of the columns")
    }

    /// Operand 0's shape with another inner dim.
    fn with_inner(&self, extent: u64) -> Vec<Dim> {
        let mut shape = self.operands[0].shape.clone();
        if let Some(d) = shape.last_mut() {
            *d = Dim::Const(extent);
        }
        shape
    }
}
