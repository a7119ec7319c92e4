//! The op table: one row an operation. Adding an op begins here.

use super::{BinaryOp, CompareOp, Op, ScalarOp, UnaryOp};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// The name in text, JSON and dumps.
    pub mnemonic: &'static str,
    /// Operands, in order, for the reference.
    pub operands: &'static str,
    /// Attributes, for the reference; those in brackets may be left out.
    pub attributes: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

const fn row(
    mnemonic: &'static str,
    operands: &'static str,
    attributes: &'static str,
    summary: &'static str,
) -> OpInfo {
    OpInfo { mnemonic, operands, attributes, summary }
}

/// Every operation but `input` (which is a declaration), in the order of the reference.
pub const OPS: &[OpInfo] = &[
    row("const", "", "dtype, value", "A scalar constant, shape []."),
    row("iota", "", "dtype, shape, axis", "The index along an axis, as an integer dtype (wraps)."),
    row("neg", "x", "", "-x; integers (wraps) and f32."),
    row("abs", "x", "", "|x|; signed integers (wraps) and f32."),
    row("not", "x", "", "Bitwise not; logical on bool."),
    row("sqrt", "x", "", "IEEE square root of f32."),
    row("exp", "x", "", "e to the x, f32, one fixed polynomial."),
    row("log", "x", "", "Natural logarithm, f32, one fixed polynomial."),
    row("sigmoid", "x", "", "1 / (1 + exp(-x)), f32."),
    row("softplus", "x", "", "log(1 + exp(x)), f32."),
    row("tanh", "x", "", "Hyperbolic tangent, f32."),
    row("is_nan", "x", "", "Whether a float of any dtype is a NaN; bool."),
    row("add", "a, b", "", "a + b; integers (wraps) and f32."),
    row("sub", "a, b", "", "a - b; integers (wraps) and f32."),
    row("mul", "a, b", "", "a * b; integers (wraps) and f32."),
    row("div", "a, b", "", "a / b; integers truncate, by 0 all ones; f32 is IEEE."),
    row("rem", "a, b", "", "The remainder of truncated integer division; by 0 it is a."),
    row("min", "a, b", "", "The smaller; a number before a NaN, -0.0 before 0.0."),
    row("max", "a, b", "", "The larger; a number before a NaN, -0.0 before 0.0."),
    row("and", "a, b", "", "Bitwise and; integers and bool."),
    row("or", "a, b", "", "Bitwise or; integers and bool."),
    row("xor", "a, b", "", "Bitwise exclusive or; integers and bool."),
    row("shl", "a, b", "", "Shift left; an amount of the width or more gives 0."),
    row("shr", "a, b", "", "Shift right: logical for unsigned, arithmetic for signed."),
    row("eq", "a, b", "", "a = b, to bool; false with a NaN."),
    row("ne", "a, b", "", "a != b, to bool; true with a NaN."),
    row("lt", "a, b", "", "a < b, to bool; false with a NaN."),
    row("le", "a, b", "", "a <= b, to bool; false with a NaN."),
    row("gt", "a, b", "", "a > b, to bool; false with a NaN."),
    row("ge", "a, b", "", "a >= b, to bool; false with a NaN."),
    row("fma", "a, b, c", "", "a * b + c with one rounding, f32."),
    row("select", "condition, a, b", "", "a where the bool condition holds, else b; bits kept."),
    row("cast", "x", "dtype", "Another dtype, by value; the rounding points of 16-bit floats are casts."),
    row("bitcast", "x", "dtype", "The same bits as another dtype of the same width."),
    row("philox", "seed, offset, position", "", "Philox4x32-10 random u32 from u64 seed, offset and position."),
    row("broadcast", "x", "shape", "Repeats dims of extent 1 and adds leading dims; aligned to the right."),
    row("reshape", "x", "shape", "The same elements in row-major order under another shape."),
    row("slice", "x", "start, stop", "Elements start..stop of the inner dim."),
    row("concat", "x0, x1, ...", "", "Operands joined along the inner dim."),
    row("gather", "table, i0[, i1]", "[out_of_range]", "table[i0] or table[i0, i1] with an out-of-range policy."),
    row("gather_row", "x, i", "[out_of_range]", "x[t, i[t, k]]: a gather within the row."),
    row("mask_rows", "x, n", "fill", "Rows t >= n replaced by fill; n is a device scalar."),
    row("pack", "ids, weights", "[form]", "(id << 16) | bf16 bits of the weight, as i32."),
    row("unpack_id", "packed", "", "The id of a packed word."),
    row("unpack_weight", "packed", "", "The bf16 weight of a packed word."),
    row("copy", "x", "", "x unchanged; the source of a guarded output."),
    row("reduce_sum", "x", "axis", "The sum over a constant axis, by one fixed tree; the axis becomes 1."),
    row("reduce_max", "x", "axis", "The largest over a constant axis, as `max` has it; the axis becomes 1."),
    row("reduce_min", "x", "axis", "The smallest over a constant axis, as `min` has it; the axis becomes 1."),
    row(
        "top2_sum",
        "x",
        "axis",
        "The sum of the two best of the inner axis, in the order of `topk`; the axis becomes 1.",
    ),
    row("argmax", "x", "", "The i32 column of the best of the inner dim, in the order of `topk`; the dim becomes 1."),
    row("cumsum", "x", "", "Running sums of the inner dim, by doubling."),
    row("softmax", "x", "", "exp(x - m) / sum(exp(x - m)) over the inner dim, m its maximum; f32."),
    row("log_softmax", "x", "", "(x - m) - log(sum(exp(x - m))) over the inner dim, m its maximum; f32."),
    row("dot", "a, b", "", "reduce_sum(a * b) over the inner dim, which becomes 1; f32."),
    row(
        "topk",
        "x",
        "k[, candidates, order]",
        "The i32 columns of the k best of the inner dim; -1 where candidates run out.",
    ),
    row("topk_mask", "x", "k[, candidates]", "Whether a column is among the k best of the inner dim; bool."),
    row(
        "group_score",
        "x",
        "groups, score",
        "[T, E] to [T, G]: the max or top2_sum of each of G groups of neighbours.",
    ),
    row("group_mask", "x, scores", "keep, masked", "x with the columns of all but the best groups masked."),
    row("renorm", "w", "denominator[, epsilon]", "w over its sum along the inner dim, guarded as the rule says; f32."),
    row(
        "atomic_add",
        "counts, indices, amounts",
        "",
        "counts[index] += amount, in place of the input counts; out of range adds nothing.",
    ),
];

/// The row of this mnemonic.
pub fn lookup(mnemonic: &str) -> Option<&'static OpInfo> {
    OPS.iter().find(|o| o.mnemonic == mnemonic)
}

impl UnaryOp {
    /// Every one, with its mnemonic.
    pub const ALL: [(UnaryOp, &'static str); 10] = [
        (UnaryOp::Neg, "neg"),
        (UnaryOp::Abs, "abs"),
        (UnaryOp::Not, "not"),
        (UnaryOp::Sqrt, "sqrt"),
        (UnaryOp::Exp, "exp"),
        (UnaryOp::Log, "log"),
        (UnaryOp::Sigmoid, "sigmoid"),
        (UnaryOp::Softplus, "softplus"),
        (UnaryOp::Tanh, "tanh"),
        (UnaryOp::IsNan, "is_nan"),
    ];
}

impl BinaryOp {
    /// Every one, with its mnemonic.
    pub const ALL: [(BinaryOp, &'static str); 12] = [
        (BinaryOp::Add, "add"),
        (BinaryOp::Sub, "sub"),
        (BinaryOp::Mul, "mul"),
        (BinaryOp::Div, "div"),
        (BinaryOp::Rem, "rem"),
        (BinaryOp::Min, "min"),
        (BinaryOp::Max, "max"),
        (BinaryOp::And, "and"),
        (BinaryOp::Or, "or"),
        (BinaryOp::Xor, "xor"),
        (BinaryOp::Shl, "shl"),
        (BinaryOp::Shr, "shr"),
    ];
}

impl CompareOp {
    /// Every one, with its mnemonic.
    pub const ALL: [(CompareOp, &'static str); 6] = [
        (CompareOp::Eq, "eq"),
        (CompareOp::Ne, "ne"),
        (CompareOp::Lt, "lt"),
        (CompareOp::Le, "le"),
        (CompareOp::Gt, "gt"),
        (CompareOp::Ge, "ge"),
    ];
}

fn name_in<T: PartialEq>(all: &[(T, &'static str)], op: T) -> &'static str {
    all.iter().find(|(o, _)| *o == op).map_or("?", |(_, n)| n)
}

impl ScalarOp {
    /// The name in text, JSON and dumps.
    pub fn mnemonic(self) -> &'static str {
        match self {
            ScalarOp::Unary(op) => name_in(&UnaryOp::ALL, op),
            ScalarOp::Binary(op) => name_in(&BinaryOp::ALL, op),
            ScalarOp::Compare(op) => name_in(&CompareOp::ALL, op),
            ScalarOp::Fma => "fma",
            ScalarOp::Select => "select",
            ScalarOp::Cast(_) => "cast",
            ScalarOp::Bitcast(_) => "bitcast",
            ScalarOp::Philox => "philox",
        }
    }
}

impl Op {
    /// The name in text, JSON and dumps.
    pub fn mnemonic(&self) -> &'static str {
        match self {
            Op::Input(_) => "input",
            Op::Const(_) => "const",
            Op::Scalar(op) => op.mnemonic(),
            Op::Iota { .. } => "iota",
            Op::Broadcast { .. } => "broadcast",
            Op::Reshape { .. } => "reshape",
            Op::Slice { .. } => "slice",
            Op::Concat => "concat",
            Op::Gather { .. } => "gather",
            Op::GatherRow { .. } => "gather_row",
            Op::MaskRows { .. } => "mask_rows",
            Op::Pack { .. } => "pack",
            Op::UnpackId => "unpack_id",
            Op::UnpackWeight => "unpack_weight",
            Op::Copy => "copy",
            Op::Reduce { op, .. } => op.mnemonic(),
            Op::ArgMax => "argmax",
            Op::CumSum => "cumsum",
            Op::Softmax => "softmax",
            Op::LogSoftmax => "log_softmax",
            Op::Dot => "dot",
            Op::TopK { .. } => "topk",
            Op::TopKMask { .. } => "topk_mask",
            Op::GroupScore { .. } => "group_score",
            Op::GroupMask { .. } => "group_mask",
            Op::Renorm { .. } => "renorm",
            Op::AtomicAdd => "atomic_add",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_scalar_op_has_a_row_and_rows_are_distinct() {
        let names: HashSet<&str> = OPS.iter().map(|o| o.mnemonic).collect();
        assert_eq!(names.len(), OPS.len());
        let scalar = UnaryOp::ALL.iter().map(|x| x.1).chain(BinaryOp::ALL.iter().map(|x| x.1));
        for n in scalar.chain(CompareOp::ALL.iter().map(|x| x.1)) {
            assert!(names.contains(n), "{n} has no row");
        }
    }
}
