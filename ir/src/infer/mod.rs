//! Shape and type inference: the one place that knows what an op gives. The dtypes that an op takes are in its row of the
//! [op table](crate::op::table); what is here of them is how a refusal reads.

mod bins;
mod row;

pub use bins::{MAX_BINS, MAX_ITEMS, MAX_RANKED};
pub use row::{MAX_K, MAX_SEGMENTED, MAX_TOPK_WIDTH, SMALL_ROW};

use crate::diag::Code;
use crate::dim::{Dim, shape_text};
use crate::dtype::DType;
use crate::literal::Literal;
use crate::op::info::{DTypes, Gives};
use crate::op::{Op, OutOfRange, ScalarOp};
use crate::tensor_type::TensorType;

/// Why an op does not accept its operands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Problem {
    /// The stable code.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

type Inferred = Result<TensorType, Problem>;

fn problem<T>(code: Code, message: impl Into<String>, help: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { code, message: message.into(), help: Some(help.into()) })
}

/// The type of the op's result. `symbols` are only for messages.
///
/// # Errors
/// The first rule of the op that its operands break. [`Op::Input`] has no inferred type and is reported as a defect.
pub fn infer(op: &Op, operands: &[TensorType], symbols: &[String]) -> Inferred {
    let cx = Cx { op, operands, symbols };
    match op {
        Op::Input(_) => problem(Code::Internal, "an input's type is declared, not inferred", "report this"),
        Op::Const(l) => cx.count(0).map(|()| TensorType::scalar(l.dtype())),
        Op::Scalar(s) => cx.scalar(*s),
        Op::Iota { dtype, shape, axis } => cx.iota(*dtype, shape, *axis),
        Op::Rows { dtype, shape } => cx.rows(*dtype, shape),
        Op::Broadcast { shape } => cx.broadcast(shape),
        Op::Reshape { shape } => cx.reshape(shape),
        Op::Slice { start, stop } => cx.slice(*start, *stop),
        Op::Concat => cx.concat(),
        Op::Gather { out_of_range } => cx.gather(*out_of_range),
        Op::GatherRow { out_of_range } => cx.gather_row(*out_of_range),
        Op::MaskRows { fill } => cx.mask_rows(*fill),
        Op::Pack { .. } => cx.pack(),
        Op::UnpackId => cx.unpack(DType::I32),
        Op::UnpackWeight => cx.unpack(DType::Bf16),
        Op::Copy => cx.count(1).map(|()| operands[0].clone()),
        Op::Reduce { op, axis } => cx.reduce(*op, *axis),
        Op::ArgMax { .. } => cx.argmax(),
        Op::CumSum => cx.cumsum(),
        Op::Softmax | Op::LogSoftmax => cx.row_of_f32(),
        Op::Renorm { denominator } => cx.renorm(*denominator),
        Op::Dot => cx.dot(),
        Op::TopK { k, .. } => cx.topk(*k),
        Op::TopKMask { k, .. } => cx.topk_mask(*k),
        Op::GroupScore { groups, score } => cx.group_score(*groups, *score),
        Op::GroupMask { keep, .. } => cx.group_mask(*keep),
        Op::AtomicAdd => cx.atomic_add(),
        Op::BinCount { bins } => cx.bin_count(*bins),
        Op::BinAny { bins } => cx.bin_any(*bins),
        Op::CountRows => cx.count_rows(),
        Op::BinStarts { align, empty, stride } => cx.bin_starts(*align, *empty, *stride),
        Op::BinRank { bins } => cx.bin_rank(*bins),
        Op::BinScatter { shape } => cx.bin_scatter(shape),
        Op::BinOf { step, shape } => cx.bin_of(*step, shape),
    }
}

struct Cx<'a> {
    op: &'a Op,
    operands: &'a [TensorType],
    symbols: &'a [String],
}

impl Cx<'_> {
    fn name(&self) -> &'static str {
        self.op.mnemonic()
    }

    fn text(&self, i: usize) -> String {
        self.operands[i].text(self.symbols)
    }

    fn count(&self, n: usize) -> Result<(), Problem> {
        if self.operands.len() == n {
            return Ok(());
        }
        let message = format!("`{}` takes {n} operands, not {}", self.name(), self.operands.len());
        let operands = self.op.info().map_or("none".to_owned(), |row| row.operands_text());
        problem(Code::WrongOperandCount, message, format!("its operands are: {operands}"))
    }

    fn unsupported<T>(&self, dtype: DType, expected: &str) -> Result<T, Problem> {
        let help = if matches!(dtype, DType::F16 | DType::Bf16) {
            "cast to f32, compute, and cast back: the rounding points of 16-bit floats are explicit".to_owned()
        } else {
            format!("it needs {expected}; `cast` the operand")
        };
        problem(Code::UnsupportedDType, format!("`{}` does not take {dtype} here", self.name()), help)
    }

    fn rank<T>(&self, operand: &str, ty: &TensorType, expected: &str) -> Result<T, Problem> {
        let message = format!("`{operand}` of `{}` is {}", self.name(), ty.text(self.symbols));
        problem(Code::RankMismatch, message, format!("it must be {expected}"))
    }

    fn literal(&self, got: DType, want: DType, attribute: &str) -> Result<(), Problem> {
        if got == want {
            return Ok(());
        }
        let message = format!("`{attribute}` of `{}` is of dtype {got}, its operand of {want}", self.name());
        problem(Code::DTypeMismatch, message, format!("give a literal of {want}"))
    }

    fn index_dtype(&self, ty: &TensorType, what: &str) -> Result<(), Problem> {
        if ty.dtype.is_int() {
            return Ok(());
        }
        let message = format!("{what} of `{}` is an integer, not {}", self.name(), ty.dtype);
        problem(Code::UnsupportedDType, message, "`cast` it to i32 or i64")
    }

    /// The shape of elementwise operands: all equal by identity, rank 0 fits everything.
    fn same_shape(&self) -> Result<Vec<Dim>, Problem> {
        let Some(first) = self.operands.iter().position(|t| !t.shape.is_empty()) else {
            return Ok(vec![]);
        };
        for (i, t) in self.operands.iter().enumerate() {
            if !t.shape.is_empty() && t.shape != self.operands[first].shape {
                let message = format!(
                    "operands {first} and {i} of `{}` have different shapes: {} and {}",
                    self.name(),
                    self.text(first),
                    self.text(i)
                );
                return problem(Code::ShapeMismatch, message, "shapes must be equal; repeat dims by `broadcast`");
            }
        }
        Ok(self.operands[first].shape.clone())
    }

    /// The dtype of the operands `from` and after it, `count` of them.
    fn same_dtype(&self, from: usize, count: usize) -> Result<DType, Problem> {
        let first = self.operands[from].dtype;
        match self.operands[from..from + count].iter().position(|t| t.dtype != first) {
            None => Ok(first),
            Some(i) => {
                let (a, b) = (self.text(from), self.text(from + i));
                let message = format!("operands {from} and {} of `{}` are {a} and {b}", from + i, self.name());
                problem(Code::DTypeMismatch, message, "their dtypes must be equal; `cast` one of them")
            }
        }
    }

    /// An op on single elements: its operands' dtypes are those of its row, and their shapes are equal.
    fn scalar(&self, op: ScalarOp) -> Inferred {
        self.count(op.arity())?;
        let mut from = 0;
        for group in self.op.info().map_or(&[][..], |row| row.operands) {
            let count = group.names.len();
            let dtype = self.same_dtype(from, count)?;
            if !group.dtypes.holds(dtype) {
                return self.unsupported(dtype, if count == 1 { group.dtypes.one } else { group.dtypes.many });
            }
            from += count;
        }
        if let ScalarOp::Bitcast(to) = op {
            let first = self.operands[0].dtype;
            if first == DType::Bool || to == DType::Bool || first.size() != to.size() {
                let message = format!("`bitcast` from {first} to {to}");
                return problem(Code::UnsupportedDType, message, "both must be of one width, and neither bool");
            }
        }
        let dtype = match self.op.gives() {
            Some(Gives::Is(dtype)) => dtype,
            Some(Gives::Operand(i)) => self.operands[i].dtype,
            None => return problem(Code::Internal, "a scalar op gives nothing", "report this"),
        };
        Ok(TensorType::new(dtype, self.same_shape()?))
    }

    fn iota(&self, dtype: DType, shape: &[Dim], axis: usize) -> Inferred {
        self.count(0)?;
        if !dtype.is_int() {
            return self.unsupported(dtype, "an integer dtype");
        }
        if axis >= shape.len() {
            let message = format!("axis {axis} of a shape of rank {}", shape.len());
            return problem(Code::AxisOutOfRange, message, "axes count from 0");
        }
        Ok(TensorType::new(dtype, shape))
    }

    fn rows(&self, dtype: DType, shape: &[Dim]) -> Inferred {
        self.count(0)?;
        if !dtype.is_int() {
            return self.unsupported(dtype, "an integer dtype");
        }
        if shape.is_empty() {
            return problem(Code::RankMismatch, "`rows` of a shape without dims", "give a dim to count, as `[T]`");
        }
        Ok(TensorType::scalar(dtype))
    }

    fn broadcast(&self, shape: &[Dim]) -> Inferred {
        self.count(1)?;
        let from = &self.operands[0];
        let fits = from.shape.len() <= shape.len()
            && from.shape.iter().rev().zip(shape.iter().rev()).all(|(a, b)| a == b || *a == Dim::Const(1));
        if !fits {
            let message = format!("{} does not broadcast to [{}]", self.text(0), shape_text(shape, self.symbols));
            let help = "dims are aligned to the right, and each must be equal or 1 (`reshape` [T] to [T, 1] first)";
            return problem(Code::ShapeMismatch, message, help);
        }
        Ok(TensorType::new(from.dtype, shape))
    }

    fn reshape(&self, shape: &[Dim]) -> Inferred {
        self.count(1)?;
        let from = &self.operands[0];
        let to = TensorType::new(from.dtype, shape);
        let fits = from.row_symbol() == to.row_symbol()
            && shape.iter().skip(1).all(|d| d.as_const().is_some())
            && from.row_elements().is_some()
            && from.row_elements() == to.row_elements();
        if !fits {
            let message = format!("{} does not reshape to [{}]", self.text(0), shape_text(shape, self.symbols));
            let help = "a symbolic leading dim stays, and the elements of a row must be as many";
            return problem(Code::ShapeMismatch, message, help);
        }
        Ok(to)
    }

    /// The inner dim, which slices and concats need to be constant.
    fn inner(&self, i: usize) -> Result<u64, Problem> {
        let inner = self.operands[i].shape.last().and_then(|d| d.as_const());
        inner.map_or_else(|| self.rank(&format!("operand {i}"), &self.operands[i], "of a constant inner dim"), Ok)
    }

    fn slice(&self, start: u64, stop: u64) -> Inferred {
        self.count(1)?;
        let inner = self.inner(0)?;
        if start >= stop || stop > inner {
            let message = format!("`slice` takes {start}..{stop} of an inner dim of {inner}");
            return problem(Code::SliceOutOfBounds, message, format!("0 <= start < stop <= {inner}"));
        }
        let mut ty = self.operands[0].clone();
        if let Some(d) = ty.shape.last_mut() {
            *d = Dim::Const(stop - start);
        }
        Ok(ty)
    }

    fn concat(&self) -> Inferred {
        if self.operands.is_empty() {
            return problem(Code::WrongOperandCount, "`concat` takes one or more operands, not 0", "name its operands");
        }
        let dtype = self.same_dtype(0, self.operands.len())?;
        let mut total = 0u64;
        for i in 0..self.operands.len() {
            let outer = |t: &TensorType| t.shape[..t.shape.len() - 1].to_vec();
            let inner = self.inner(i)?;
            if self.operands[i].shape.len() != self.operands[0].shape.len()
                || outer(&self.operands[i]) != outer(&self.operands[0])
            {
                let message = format!("operands 0 and {i} of `concat` are {} and {}", self.text(0), self.text(i));
                return problem(Code::ShapeMismatch, message, "all dims but the inner one must be equal");
            }
            total = match total.checked_add(inner) {
                Some(n) => n,
                None => {
                    return problem(Code::ExtentOverflow, "the inner dim overflows", "concatenate less");
                }
            };
        }
        let mut shape = self.operands[0].shape.clone();
        if let Some(d) = shape.last_mut() {
            *d = Dim::Const(total);
        }
        Ok(TensorType::new(dtype, shape))
    }

    fn fill(&self, policy: OutOfRange) -> Result<(), Problem> {
        match policy {
            OutOfRange::Fill(l) => self.literal(l.dtype(), self.operands[0].dtype, "fill"),
            _ => Ok(()),
        }
    }

    fn gather(&self, policy: OutOfRange) -> Inferred {
        let Some(table) = self.operands.first() else {
            let message = "`gather` takes 2 or 3 operands, not 0";
            return problem(Code::WrongOperandCount, message, "its operands are: table, i0[, i1]");
        };
        let rank = table.shape.len();
        if !(1..=2).contains(&rank) {
            return self.rank("table", table, "of rank 1 or 2");
        }
        self.count(1 + rank)?;
        for index in &self.operands[1..] {
            self.index_dtype(index, "an index")?;
        }
        if table.shape.contains(&Dim::Const(0)) {
            return problem(Code::ShapeMismatch, "the table of `gather` is empty", "it needs at least one element");
        }
        self.fill(policy)?;
        let indices = Cx { operands: &self.operands[1..], ..*self };
        Ok(TensorType::new(table.dtype, indices.same_shape()?))
    }

    fn gather_row(&self, policy: OutOfRange) -> Inferred {
        self.count(2)?;
        let (x, i) = (&self.operands[0], &self.operands[1]);
        self.index_dtype(i, "an index")?;
        if x.shape.last().and_then(|d| d.as_const()).is_none_or(|n| n == 0) {
            return self.rank("x", x, "[…, E] with E constant and at least 1");
        }
        let leading = |ty: &TensorType| ty.shape.split_last().map(|(_, leading)| leading.to_vec());
        if leading(i) != leading(x) {
            let message = format!("`gather_row` takes {} at {}", self.text(0), self.text(1));
            return problem(Code::ShapeMismatch, message, "both must have the same dims but for the inner one");
        }
        self.fill(policy)?;
        Ok(TensorType::new(x.dtype, i.shape.clone()))
    }

    fn mask_rows(&self, fill: Literal) -> Inferred {
        self.count(2)?;
        self.index_dtype(&self.operands[1], "the number of valid rows")?;
        if !self.operands[1].shape.is_empty() {
            return self.rank("n", &self.operands[1], "a scalar, shape []");
        }
        if self.operands[0].row_symbol().is_none() {
            let message = format!("`mask_rows` needs rows to mask, but `x` is {}", self.text(0));
            return problem(Code::RankMismatch, message, "the leading dim must be symbolic");
        }
        self.literal(fill.dtype(), self.operands[0].dtype, "fill")?;
        Ok(self.operands[0].clone())
    }

    fn pack(&self) -> Inferred {
        self.count(2)?;
        self.index_dtype(&self.operands[0], "an id")?;
        if !DTypes::WEIGHTS.holds(self.operands[1].dtype) {
            return self.unsupported(self.operands[1].dtype, DTypes::WEIGHTS.one);
        }
        Ok(TensorType::new(DType::I32, self.same_shape()?))
    }

    fn unpack(&self, to: DType) -> Inferred {
        self.count(1)?;
        if self.operands[0].dtype != DType::I32 {
            return self.unsupported(self.operands[0].dtype, "a packed word of i32");
        }
        Ok(TensorType::new(to, self.operands[0].shape.clone()))
    }
}
