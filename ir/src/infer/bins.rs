//! Inference of operations on bins.

use super::row::MAX_TOPK_WIDTH;
use super::{Cx, Inferred, Problem, problem};
use crate::diag::Code;
use crate::dim::{Dim, const_product, shape_text};
use crate::dtype::DType;
use crate::tensor_type::TensorType;

/// The most bins there may be: their counts are one row of a kernel, and rows are no wider.
pub const MAX_BINS: u64 = 16_384;

const _: () = assert!(MAX_BINS <= MAX_TOPK_WIDTH);

/// The most items of an operation on bins, and the most places: counts, ranks and starts are `i32`.
pub const MAX_ITEMS: u64 = 2_147_483_647;

/// The most columns of a row of ids that are ranked, by `bin_rank` or `bin_scatter`: they are compared in one kernel. A leading dim
/// that is constant is part of the row.
pub const MAX_RANKED: u64 = 262_144;

impl Cx<'_> {
    pub(super) fn bin_count(&self, bins: u64) -> Inferred {
        self.count_or_more(1, 2)?;
        self.ids(0, 1..=2)?;
        self.bins(bins)?;
        let counts = TensorType::new(DType::I32, [Dim::Const(bins)]);
        self.before(1, &counts)?;
        Ok(counts)
    }

    pub(super) fn bin_any(&self, bins: u64) -> Inferred {
        self.count(1)?;
        self.ids(0, 2..=2)?;
        self.bins(bins)?;
        Ok(TensorType::new(DType::Bool, [self.operands[0].shape[0], Dim::Const(bins)]))
    }

    pub(super) fn count_rows(&self) -> Inferred {
        self.count(1)?;
        let x = &self.operands[0];
        if x.dtype != DType::Bool {
            return self.unsupported(x.dtype, "bool");
        }
        let [_, Dim::Const(columns)] = x.shape[..] else { return self.rank("x", x, "[T, R] with R constant") };
        self.bins(columns)?;
        self.items(0)?;
        Ok(TensorType::new(DType::I32, [Dim::Const(columns)]))
    }

    pub(super) fn bin_starts(&self, align: u64, empty: u64, stride: Option<u64>) -> Inferred {
        self.count(1)?;
        let counts = &self.operands[0];
        if counts.dtype != DType::I32 {
            return self.unsupported(counts.dtype, "i32");
        }
        let [Dim::Const(bins)] = counts.shape[..] else {
            return self.rank("counts", counts, "of rank 1, with a constant extent");
        };
        self.bins(bins)?;
        self.within("align", align, 1, MAX_ITEMS)?;
        self.within("empty", empty, 0, 1)?;
        if let Some(stride) = stride {
            self.within("stride", stride, 0, MAX_ITEMS)?;
            if align != 1 || empty != 0 {
                let message = format!("`bin_starts` has `stride` = {stride} and counts that are aligned");
                let help = "with `stride`, bins begin where it says: leave out `align` and `empty`";
                return problem(Code::CountOutOfRange, message, help);
            }
        }
        Ok(TensorType::new(DType::I32, [Dim::Const(bins + 1)]))
    }

    pub(super) fn bin_rank(&self, bins: u64) -> Inferred {
        self.count(1)?;
        self.ranked(0)?;
        self.bins(bins)?;
        Ok(TensorType::new(DType::I32, self.operands[0].shape.clone()))
    }

    pub(super) fn bin_scatter(&self, shape: &[Dim]) -> Inferred {
        self.count_or_more(4, 5)?;
        let (values, ids, fill) = (&self.operands[0], &self.operands[1], &self.operands[3]);
        self.ranked(1)?;
        self.starts(2)?;
        self.places(shape)?;
        if !values.shape.is_empty() && values.shape != ids.shape {
            let message = format!("`bin_scatter` of {} by ids of {}", self.text(0), self.text(1));
            return problem(Code::ShapeMismatch, message, "values have the ids' shape, or are a scalar");
        }
        if fill.dtype != values.dtype {
            let message = format!("`bin_scatter` of {} with a fill of {}", self.text(0), self.text(3));
            return problem(Code::DTypeMismatch, message, format!("`cast` the fill to {}", values.dtype));
        }
        let places = TensorType::new(values.dtype, shape);
        if !fill.shape.is_empty() && fill.shape != places.shape {
            let message = format!("`bin_scatter` to [{}] with a fill of {}", self.shape_text(shape), self.text(3));
            return problem(Code::ShapeMismatch, message, "the fill is a scalar, or has the shape of the result");
        }
        self.before(4, &places)?;
        Ok(places)
    }

    pub(super) fn bin_of(&self, step: u64, shape: &[Dim]) -> Inferred {
        self.count(1)?;
        self.starts(0)?;
        self.within("step", step, 1, MAX_ITEMS)?;
        self.places(shape)?;
        Ok(TensorType::new(DType::I32, shape))
    }

    fn shape_text(&self, shape: &[Dim]) -> String {
        shape_text(shape, self.symbols)
    }

    fn count_or_more(&self, least: usize, most: usize) -> Result<(), Problem> {
        if self.operands.len() == most { Ok(()) } else { self.count(least) }
    }

    /// Integers of one of these ranks, at least one in each row.
    fn ids(&self, i: usize, ranks: std::ops::RangeInclusive<usize>) -> Result<(), Problem> {
        let ids = &self.operands[i];
        self.index_dtype(ids, "an id")?;
        if !ranks.contains(&ids.shape.len()) || ids.row_elements().is_none_or(|n| n == 0) {
            let expected =
                if *ranks.start() == 1 { "[T] or [T, K] with K at least 1" } else { "[T, K] with K at least 1" };
            return self.rank("ids", ids, expected);
        }
        self.items(i)
    }

    /// Ids of so few columns of a row that they can be ranked.
    fn ranked(&self, i: usize) -> Result<(), Problem> {
        self.ids(i, 1..=2)?;
        let columns = self.operands[i].row_elements().unwrap_or(u64::MAX);
        if columns > MAX_RANKED { self.row_is_too_wide(i, columns, MAX_RANKED) } else { Ok(()) }
    }

    /// So many of a row that their number fits where it is known.
    fn items(&self, i: usize) -> Result<(), Problem> {
        let shape = &self.operands[i].shape;
        let known = const_product(shape).or_else(|| const_product(shape.get(1..).unwrap_or(&[])));
        if known.is_some_and(|n| n <= MAX_ITEMS) {
            return Ok(());
        }
        let message = format!("`{}` of {}", self.name(), self.text(i));
        problem(Code::CountOutOfRange, message, format!("it takes {MAX_ITEMS} items at most: ranks are i32"))
    }

    fn bins(&self, bins: u64) -> Result<(), Problem> {
        if (1..=MAX_BINS).contains(&bins) {
            return Ok(());
        }
        let message = format!("`{}` of {} has {bins} bins", self.name(), self.text(0));
        problem(Code::CountOutOfRange, message, format!("it takes 1 to {MAX_BINS} bins"))
    }

    fn within(&self, attribute: &str, value: u64, least: u64, most: u64) -> Result<(), Problem> {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        let message = format!("`{}` has `{attribute}` = {value}", self.name());
        problem(Code::CountOutOfRange, message, format!("it is {least} to {most}"))
    }

    /// Where bins begin, and where they end.
    fn starts(&self, i: usize) -> Result<(), Problem> {
        let starts = &self.operands[i];
        match starts.shape[..] {
            [Dim::Const(2..)] if starts.dtype == DType::I32 => Ok(()),
            _ => self.rank("starts", starts, "the i32[E + 1] that `bin_starts` gives"),
        }
    }

    /// The shape of what bins are laid out in.
    fn places(&self, shape: &[Dim]) -> Result<(), Problem> {
        let expected = match shape {
            [Dim::Const(0)] => "a constant extent is at least 1".to_owned(),
            [Dim::Const(n)] if *n > MAX_ITEMS => format!("it has {MAX_ITEMS} places at most: positions are i32"),
            [_] => return Ok(()),
            _ => "it has one dim, as in `[C]`".to_owned(),
        };
        let message = format!("`{}` gives the shape [{}]", self.name(), self.shape_text(shape));
        problem(Code::ShapeMismatch, message, expected)
    }

    /// An operand that may be left out is of this type.
    fn before(&self, i: usize, ty: &TensorType) -> Result<(), Problem> {
        match self.operands.get(i) {
            Some(before) if before != ty => {
                let message = format!("`before` of `{}` is {}", self.name(), self.text(i));
                problem(Code::ShapeMismatch, message, format!("it must be {}, as the result is", ty.text(self.symbols)))
            }
            _ => Ok(()),
        }
    }
}
