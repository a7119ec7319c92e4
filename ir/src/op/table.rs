//! The op table: one row an operation, from which its mnemonic, parser, printer, JSON, reference, dtypes, cost and facts
//! follow. Adding an op begins here; `declare.rs` beside it says how a row is read.

use super::attribute::{Attribute, AttributeError, AttributeValue, Given};
use super::info::{AttributeInfo, Cost, DTypes, Fact, Gives, OpInfo, Operands};
use super::row::Rule;
use super::{
    Candidates, Denominator, GroupFill, GroupScore, NanOrder, NanRule, Op, OutOfRange, PackForm, ReduceOp, ScalarOp,
    TopKOrder,
};
use crate::dim::Dim;
use crate::dtype::DType;
use crate::literal::Literal;

use Cost::{Each, EachOf, EachOfAxis, EachOperand};
use Fact::{Always, OfAll, OfFirst, OfRest, Unknown};
use Gives::{Is, Operand};

super::declare::ops! {
    unary {
        /// `-x`: integers (wraps) and `f32`.
        Neg "neg" (x: INTEGERS_OR_F32) -> Operand(0), cost Each(1), sign Unknown, nan Always,
            "-x; integers (wraps) and f32.";
        /// `|x|`: signed integers (wraps) and `f32`.
        Abs "abs" (x: SIGNED_OR_F32) -> Operand(0), cost Each(1), sign Always, nan Always,
            "|x|; signed integers (wraps) and f32.";
        /// Bitwise, or logical on bool.
        Not "not" (x: INTEGERS_OR_BOOL) -> Operand(0), cost Each(1), sign Unknown, nan Unknown,
            "Bitwise not; logical on bool.";
        /// IEEE square root, `f32`.
        Sqrt "sqrt" (x: F32) -> Operand(0), cost Each(8), sign OfAll, nan Always,
            "IEEE square root of f32.";
        /// eˣ, `f32`: [`crate::math::exp`].
        Exp "exp" (x: F32) -> Operand(0), cost Each(20), sign Always, nan Always,
            "e to the x, f32, one fixed polynomial.";
        /// Natural logarithm, `f32`: [`crate::math::log`].
        Log "log" (x: F32) -> Operand(0), cost Each(20), sign Unknown, nan Always,
            "Natural logarithm, f32, one fixed polynomial.";
        /// 2ˣ, `f32`: [`crate::math::exp2`].
        Exp2 "exp2" (x: F32) -> Operand(0), cost Each(20), sign Always, nan Always,
            "2 to the x, f32, one fixed polynomial; exact where x is an integer.";
        /// Logarithm to base 2, `f32`: [`crate::math::log2`].
        Log2 "log2" (x: F32) -> Operand(0), cost Each(20), sign Unknown, nan Always,
            "Logarithm to base 2, f32, one fixed polynomial; exact where x is a power of two.";
        /// 1 / √x, `f32`, rounded twice: [`crate::math::rsqrt`].
        // Of no −0.0, whose reciprocal is −∞.
        Rsqrt "rsqrt" (x: F32) -> Operand(0), cost Each(16), sign OfAll, nan Always,
            "1 / sqrt(x), f32: an IEEE square root, then an IEEE division; of -0.0 it is -inf.";
        /// 1 / (1 + e⁻ˣ), `f32`: [`crate::math::sigmoid`].
        Sigmoid "sigmoid" (x: F32) -> Operand(0), cost Each(20), sign Always, nan Always,
            "1 / (1 + exp(-x)), f32.";
        /// log(1 + eˣ), `f32`: [`crate::math::softplus`].
        Softplus "softplus" (x: F32) -> Operand(0), cost Each(20), sign Always, nan Always,
            "log(1 + exp(x)), f32.";
        /// Hyperbolic tangent, `f32`: [`crate::math::tanh`].
        Tanh "tanh" (x: F32) -> Operand(0), cost Each(20), sign Unknown, nan Always,
            "Hyperbolic tangent, f32.";
        /// The error function, `f32`: [`crate::math::erf`].
        Erf "erf" (x: F32) -> Operand(0), cost Each(32), sign OfAll, nan Always,
            "The error function 2/sqrt(pi) * integral of exp(-t^2) from 0 to x, f32, one fixed polynomial.";
        /// The largest integer that is not above x, `f32`: [`crate::math::floor`].
        Floor "floor" (x: F32) -> Operand(0), cost Each(8), sign OfAll, nan Always,
            "The largest integer that is not above x, f32; the sign of a zero is that of x.";
        /// The least integer that is not below x, `f32`: [`crate::math::ceil`].
        Ceil "ceil" (x: F32) -> Operand(0), cost Each(8), sign OfAll, nan Always,
            "The least integer that is not below x, f32; the sign of a zero is that of x.";
        /// The integer next to x, `f32`, of two the even one: [`crate::math::round`].
        Round "round" (x: F32) -> Operand(0), cost Each(6), sign OfAll, nan Always,
            "The integer next to x, f32; halfway between two, the even one. The sign of a zero is that of x.";
        /// x without its fraction, `f32`: [`crate::math::trunc`].
        Trunc "trunc" (x: F32) -> Operand(0), cost Each(8), sign OfAll, nan Always,
            "x without its fraction, f32; the sign of a zero is that of x.";
        /// Any float dtype to bool.
        IsNan "is_nan" (x: FLOATS) -> Is(DType::Bool), cost Each(1), sign Unknown, nan Unknown,
            "Whether a float of any dtype is a NaN; bool.";
    }
    binary {
        /// Integers (wraps) and `f32`.
        Add "add" (a, b: INTEGERS_OR_F32) -> Operand(0), cost Each(1), sign OfAll, nan Always,
            "a + b; integers (wraps) and f32.";
        /// Integers (wraps) and `f32`.
        Sub "sub" (a, b: INTEGERS_OR_F32) -> Operand(0), cost Each(1), sign Unknown, nan Always,
            "a - b; integers (wraps) and f32.";
        /// Integers (wraps) and `f32`.
        Mul "mul" (a, b: INTEGERS_OR_F32) -> Operand(0), cost Each(1), sign OfAll, nan Always,
            "a * b; integers (wraps) and f32.";
        /// Integers (truncates; by 0 all ones) and `f32`.
        Div "div" (a, b: INTEGERS_OR_F32) -> Operand(0), cost Each(8), sign OfAll, nan Always,
            "a / b; integers truncate, by 0 all ones; f32 is IEEE.";
        /// The remainder of the truncated division: of integers by 0 the dividend; of `f32` exact: [`crate::math::fmod`].
        Rem "rem" (a, b: INTEGERS_OR_F32) -> Operand(0), cost EachOf { integers: 8, floats: 170 }, sign OfFirst, nan Always,
            "The remainder of a truncated division, of the sign of a: of integers by 0 it is a; of f32 it is exact (C's `fmod`), by 0 a \
             NaN.";
        /// The quotient rounded down: of integers (wraps) by 0 all ones; of `f32` [`crate::math::div_floor`].
        DivFloor "div_floor" (a, b: INTEGERS_OR_F32) -> Operand(0), cost EachOf { integers: 12, floats: 210 }, sign OfAll, nan Always,
            "a / b rounded down: of integers (wraps) by 0 all ones; of f32 the quotient of what the exact remainder leaves (torch's \
             `floor_divide`), by 0 the IEEE one.";
        /// What is left of a by that quotient, with the sign of `b`: of integers by 0 the dividend; of `f32`
        /// [`crate::math::rem_floor`].
        RemFloor "rem_floor" (a, b: INTEGERS_OR_F32) -> Operand(0), cost EachOf { integers: 12, floats: 180 }, sign OfAll, nan Always,
            "The remainder of div_floor: 0, which as a float has the sign of a, or of the sign of b; of integers by 0 it is a; of f32 \
             (torch's `remainder`) by 0 a NaN.";
        /// Integers, bool and `f32`: −0 before +0, and of a NaN what the rule says.
        Min {nan: NanRule = NanRule::Number} "min" (a, b: COMPUTED) -> Operand(0), cost Each(1), sign OfAll, nan Always,
            "The smaller; -0.0 before 0.0. Of a number and a NaN, as `nan` says, the number or the NaN.";
        /// Integers, bool and `f32`: +0 before −0, and of a NaN what the rule says.
        // A number before a NaN: one side without a sign does not keep the other's out.
        Max {nan: NanRule = NanRule::Number} "max" (a, b: COMPUTED) -> Operand(0), cost Each(1), sign OfAll, nan Always,
            "The larger; -0.0 before 0.0. Of a number and a NaN, as `nan` says, the number or the NaN.";
        /// Integers and bool.
        And "and" (a, b: INTEGERS_OR_BOOL) -> Operand(0), cost Each(1), sign Unknown, nan Unknown,
            "Bitwise and; integers and bool.";
        /// Integers and bool.
        Or "or" (a, b: INTEGERS_OR_BOOL) -> Operand(0), cost Each(1), sign Unknown, nan Unknown,
            "Bitwise or; integers and bool.";
        /// Integers and bool.
        Xor "xor" (a, b: INTEGERS_OR_BOOL) -> Operand(0), cost Each(1), sign Unknown, nan Unknown,
            "Bitwise exclusive or; integers and bool.";
        /// Integers; the amount is unsigned, the width or more gives 0.
        Shl "shl" (a, b: INTEGERS) -> Operand(0), cost Each(1), sign Unknown, nan Unknown,
            "Shift left; an amount of the width or more gives 0.";
        /// Integers; logical for unsigned, arithmetic for signed; the width or more gives 0 or the sign.
        Shr "shr" (a, b: INTEGERS) -> Operand(0), cost Each(1), sign Unknown, nan Unknown,
            "Shift right: logical for unsigned, arithmetic for signed.";
    }
    compare {
        /// a = b.
        Eq "eq", "a = b, to bool; false with a NaN.";
        /// a ≠ b.
        Ne "ne", "a != b, to bool; true with a NaN.";
        /// a < b.
        Lt "lt", "a < b, to bool; false with a NaN.";
        /// a ≤ b.
        Le "le", "a <= b, to bool; false with a NaN.";
        /// a > b.
        Gt "gt", "a > b, to bool; false with a NaN.";
        /// a ≥ b.
        Ge "ge", "a >= b, to bool; false with a NaN.";
    }
    others {
        "fma" [Op::Scalar(ScalarOp::Fma)] (a, b, c: F32) {}
            -> Operand(0), cost Each(1), sign OfAll, nan Always,
            "a * b + c with one rounding, f32.";
        "select" [Op::Scalar(ScalarOp::Select)] (condition: CONDITION; a, b: ANY) {}
            -> Operand(1), cost Each(1), sign OfRest, nan OfRest,
            "a where the bool condition holds, else b; bits kept.";
        "cast" [Op::Scalar(ScalarOp::Cast(dtype))] (x: ANY) {dtype: DType}
            -> Is(*dtype), cost Each(if matches!(dtype, DType::F16 | DType::Bf16) { 4 } else { 1 }), sign OfAll, nan Always,
            "Another dtype, by value; the rounding points of 16-bit floats are casts.";
        "bitcast" [Op::Scalar(ScalarOp::Bitcast(dtype))] (x: ANY) {dtype: DType}
            -> Is(*dtype), cost Each(1), sign Unknown, nan Unknown,
            "The same bits as another dtype of the same width; bool is none.";
        // Ten rounds of two wide multiplications and some xors.
        "philox" [Op::Scalar(ScalarOp::Philox)] (seed, offset, position: U64) {}
            -> Is(DType::U32), cost Each(80), sign Unknown, nan Unknown,
            "Philox4x32-10 random u32 from u64 seed, offset and position.";

        "const" [Op::Const(value)] () {dtype: DType => value.dtype(), value: Literal}
            -> Is(value.dtype()), cost Each(0), sign OfAll, nan OfAll,
            "A scalar constant, shape [].";
        "iota" [Op::Iota { dtype, shape, axis }] () {dtype: DType, shape: Vec<Dim>, axis: usize}
            -> Is(*dtype), cost Each(1), sign Unknown, nan Unknown,
            "The index along an axis, as an integer dtype (wraps).";
        "rows" [Op::Rows { dtype, shape }] () {dtype: DType, shape: Vec<Dim>}
            -> Is(*dtype), cost Each(1), sign Unknown, nan Unknown,
            "The leading extent of this shape, as a scalar of an integer dtype (wraps): of `[T]` the number of rows.";
        "broadcast" [Op::Broadcast { shape }] (x: ANY) {shape: Vec<Dim>}
            -> Operand(0), cost Each(0), sign OfAll, nan OfAll,
            "Repeats dims of extent 1 and adds leading dims; aligned to the right.";
        "reshape" [Op::Reshape { shape }] (x: ANY) {shape: Vec<Dim>}
            -> Operand(0), cost Each(0), sign OfAll, nan OfAll,
            "The same elements in row-major order under another shape.";
        "slice" [Op::Slice { start, stop }] (x: ANY) {start: u64, stop: u64}
            -> Operand(0), cost Each(0), sign OfAll, nan OfAll,
            "Elements start..stop of the inner dim.";
        "concat" [Op::Concat] (x0: ANY [, x1, ...]) {}
            -> Operand(0), cost EachOperand, sign OfAll, nan OfAll,
            "Operands joined along the inner dim.";
        "gather" [Op::Gather { out_of_range }] (table: ANY; i0: INTEGERS [, i1])
            {out_of_range: OutOfRange = OutOfRange::Pass}
            -> Operand(0), cost Each(4), sign OfFirst, nan OfFirst,
            "table[i0] or table[i0, i1] with an out-of-range policy.";
        "gather_row" [Op::GatherRow { out_of_range }] (x: ANY; i: INTEGERS)
            {out_of_range: OutOfRange = OutOfRange::Pass}
            -> Operand(0), cost Each(4), sign OfFirst, nan OfFirst,
            "x[…, i[…, k]]: a gather within the row, the inner dim.";
        "mask_rows" [Op::MaskRows { fill }] (x: ANY; n: INTEGERS) {fill: Literal}
            -> Operand(0), cost Each(2), sign OfFirst, nan OfFirst,
            "Rows t >= n replaced by fill; n is a device scalar.";
        "pack" [Op::Pack { form }] (ids: INTEGERS; weights: WEIGHTS) {form: PackForm = PackForm::Masked}
            -> Is(DType::I32), cost Each(8), sign Unknown, nan Unknown,
            "(id << 16) | bf16 bits of the weight, as i32.";
        "unpack_id" [Op::UnpackId] (packed: I32) {}
            -> Is(DType::I32), cost Each(1), sign Unknown, nan Unknown,
            "The id of a packed word.";
        "unpack_weight" [Op::UnpackWeight] (packed: I32) {}
            -> Is(DType::Bf16), cost Each(1), sign Unknown, nan Unknown,
            "The bf16 weight of a packed word.";
        "copy" [Op::Copy] (x: ANY) {}
            -> Operand(0), cost Each(0), sign OfAll, nan OfAll,
            "x unchanged; the source of a guarded output.";

        // One column is itself, NaN and all; more are combined by arithmetic.
        "reduce_sum" [Op::Reduce { op: ReduceOp::Sum, axis }] (x: INTEGERS_OR_F32) {axis: usize}
            -> Operand(0), cost EachOfAxis(*axis), sign OfAll, nan OfAll,
            "The sum over a constant axis, by one fixed tree; the axis becomes 1.";
        "reduce_max" [Op::Reduce { op: ReduceOp::Max, axis }] (x: INTEGERS_OR_F32) {axis: usize}
            -> Operand(0), cost EachOfAxis(*axis), sign OfAll, nan OfAll,
            "The largest over a constant axis, as `max` has it; the axis becomes 1.";
        "reduce_min" [Op::Reduce { op: ReduceOp::Min, axis }] (x: INTEGERS_OR_F32) {axis: usize}
            -> Operand(0), cost EachOfAxis(*axis), sign OfAll, nan OfAll,
            "The smallest over a constant axis, as `min` has it; the axis becomes 1.";
        "top2_sum" [Op::Reduce { op: ReduceOp::TopTwoSum, axis }] (x: F32) {axis: usize}
            -> Operand(0), cost EachOfAxis(*axis), sign OfAll, nan Always,
            "The sum of the two best of the inner axis, in the order of `topk`; the axis becomes 1.";
        "argmax" [Op::ArgMax { nan }] (x: KEYS) {nan: NanOrder = NanOrder::Last}
            -> Is(DType::I32), cost Each(4), sign Unknown, nan Unknown,
            "The i32 column of the best of the inner dim, in the order of `topk`; the dim becomes 1.";
        "cumsum" [Op::CumSum] (x: INTEGERS_OR_F32) {}
            -> Operand(0), cost Each(4), sign OfAll, nan OfAll,
            "Running sums of the inner dim, by doubling.";
        // An exponential and a division.
        "softmax" [Op::Softmax] (x: F32) {}
            -> Operand(0), cost Each(30), sign Always, nan Always,
            "exp(x - m) / sum(exp(x - m)) over the inner dim, m its maximum; f32.";
        "log_softmax" [Op::LogSoftmax] (x: F32) {}
            -> Operand(0), cost Each(30), sign Unknown, nan Always,
            "(x - m) - log(sum(exp(x - m))) over the inner dim, m its maximum; f32.";
        "dot" [Op::Dot] (a, b: F32) {}
            -> Operand(0), cost Each(4), sign Unknown, nan Always,
            "reduce_sum(a * b) over the inner dim, which becomes 1; f32.";
        "topk" [Op::TopK { k, candidates, order, nan }] (x: KEYS)
            {k: u64, candidates: Candidates = Candidates::All, order: TopKOrder = TopKOrder::Value, nan: NanOrder = NanOrder::Last}
            -> Is(DType::I32), cost Each(4), sign Unknown, nan Unknown,
            "The i32 columns of the k best of the inner dim; -1 where candidates run out. A NaN is the least, with `nan = first` the \
             best.";
        "topk_mask" [Op::TopKMask { k, candidates, nan }] (x: KEYS)
            {k: u64, candidates: Candidates = Candidates::All, nan: NanOrder = NanOrder::Last}
            -> Is(DType::Bool), cost Each(4), sign Unknown, nan Unknown,
            "Whether a column is among the k best of the inner dim; bool.";
        "group_score" [Op::GroupScore { groups, score }] (x: F32) {groups: u64, score: GroupScore}
            -> Operand(0), cost Each(4), sign Unknown, nan if *score == GroupScore::TopTwoSum { Always } else { OfAll },
            "[T, E] to [T, G]: the max or top2_sum of each of G groups of neighbours.";
        "group_mask" [Op::GroupMask { keep, fill: masked }] (x: F32; scores: F32) {keep: u64, masked: GroupFill}
            -> Operand(0), cost Each(4), sign Unknown, nan if *masked == GroupFill::Multiply { Always } else { OfFirst },
            "x with the columns of all but the best groups masked.";
        "renorm" [Op::Renorm { denominator }] (w: F32)
            {denominator: Rule => denominator.rule(), epsilon: Option<Literal> = None => denominator.epsilon()}
            build { Ok(Op::Renorm { denominator: Denominator::of(denominator, epsilon)? }) }
            -> Operand(0), cost Each(10), sign Unknown, nan Always,
            "w over its sum along the inner dim, guarded as the rule says; f32. `plus_epsilon` and `clamp` have an \
             epsilon, 1e-20 unless it is given.";
        "atomic_add" [Op::AtomicAdd] (counts: COUNTS; indices: INTEGERS; amounts: COUNTS) {}
            -> Operand(0), cost Each(4), sign Unknown, nan Unknown,
            "counts[index] += amount, in place of the input counts; out of range adds nothing. Counts and amounts are of one \
             dtype.";

        // Across rows: what is behind one of them waits for all rows.
        "bin_count" [Op::BinCount { bins }] (ids: INTEGERS [, before]) {bins: u64}
            -> Is(DType::I32), cost Each(4), sign Unknown, nan Unknown,
            "How often each of `bins` bins is among the ids of all rows, i32[bins]; an id out of range is in none. Counts on from \
             `before`, where it is given.";
        "bin_any" [Op::BinAny { bins }] (ids: INTEGERS) {bins: u64}
            -> Is(DType::Bool), cost Each(4), sign Unknown, nan Unknown,
            "[T, K] to bool[T, bins]: whether a row has an id of the bin.";
        "count_rows" [Op::CountRows] (x: CONDITION) {}
            -> Is(DType::I32), cost Each(4), sign Unknown, nan Unknown,
            "bool[T, R] to i32[R]: in how many rows each column is true.";
        "bin_starts" [Op::BinStarts { align, empty, stride }] (counts: I32)
            {align: u64 = 1, empty: u64 = 0, stride: Option<u64> = None}
            -> Is(DType::I32), cost Each(8), sign Unknown, nan Unknown,
            "[E] to [E + 1]: where each bin of so many items begins, and where all end. A bin takes a multiple of `align` places, \
             with `empty = 1` at least one such; with `stride`, bin e begins at e * stride. Saturates at 2^31 - 1.";
        "bin_rank" [Op::BinRank { bins }] (ids: INTEGERS) {bins: u64}
            -> Is(DType::I32), cost Each(4), sign Unknown, nan Unknown,
            "How many items before this one, by row and then by column, have its id; -1 where the id is in no bin.";
        "bin_scatter" [Op::BinScatter { shape }] (values: ANY; ids: INTEGERS; starts: I32; fill: ANY [, before]) {shape: Vec<Dim>}
            -> Operand(0), cost Each(8), sign Unknown, nan Unknown,
            "Each value at starts[id] + its `bin_rank`, if that is below starts[id + 1]; elsewhere the fill, and from starts[E] on \
             the elements of `before`, where it is given. A value whose place is behind the shape is dropped, and nothing says \
             so: starts[E] places are enough.";
        "bin_of" [Op::BinOf { shape, step }] (starts: I32) {shape: Vec<Dim>, step: u64 = 1}
            -> Is(DType::I32), cost Each(32), sign Unknown, nan Unknown,
            "The bin in which place j * step is, for each j of the shape; -1 where it is in none.";
    }
}

/// The row of this mnemonic.
pub fn lookup(mnemonic: &str) -> Option<&'static OpInfo> {
    OPS.iter().find(|o| o.mnemonic == mnemonic)
}

impl Op {
    /// The row of the op table; `None` of an input.
    pub fn info(&self) -> Option<&'static OpInfo> {
        lookup(self.mnemonic())
    }
}

impl ScalarOp {
    /// The name in text, JSON and dumps.
    pub fn mnemonic(self) -> &'static str {
        Op::Scalar(self).mnemonic()
    }

    /// What an element of the result, which is of this dtype, costs: see [`Op::cost`].
    pub fn cost(self, dtype: DType) -> u64 {
        match Op::Scalar(self).cost() {
            Cost::Each(n) => n,
            Cost::EachOf { integers, floats } => {
                if dtype.is_float() {
                    floats
                } else {
                    integers
                }
            }
            // Of one element, neither a list of operands nor an axis is a part.
            Cost::EachOperand | Cost::EachOfAxis(_) => 1,
        }
    }

    /// The attributes that are not as they are by default, as a kernel's text has them: ` nan=propagate`.
    pub fn choices_text(self) -> String {
        let op = Op::Scalar(self);
        let defaults = op.info().map_or(&[][..], |row| row.attributes);
        let is_default = |name: &str, value: &AttributeValue| {
            let row = defaults.iter().find(|a| a.name == name);
            row.and_then(|a| a.default).is_some_and(|default| default().as_ref() == Some(value))
        };
        let chosen = op.attributes().into_iter().filter(|(name, value)| !is_default(name, value));
        chosen.map(|(name, value)| format!(" {name}={value}")).collect()
    }

    /// When no float result is below 0.0 or −0.0: see [`Op::sign`].
    pub fn sign(self) -> Fact {
        Op::Scalar(self).sign()
    }

    /// When a NaN is the canonical one: see [`Op::nan`].
    pub fn nan(self) -> Fact {
        Op::Scalar(self).nan()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn rows_are_distinct_and_defaults_come_last() {
        let names: HashSet<&str> = OPS.iter().map(|o| o.mnemonic).collect();
        assert_eq!(names.len(), OPS.len());
        for op in OPS {
            let optional = op.attributes.iter().skip_while(|a| a.default.is_none());
            assert!(optional.into_iter().all(|a| a.default.is_some()), "{}: {}", op.mnemonic, op.attributes_text());
        }
    }

    #[test]
    fn rows_list_what_may_be_left_out_with_its_default() {
        let text = |name: &str| lookup(name).map(|o| (o.operands_text(), o.attributes_text()));
        let expected = |operands: &str, attributes: &str| Some((operands.to_owned(), attributes.to_owned()));
        assert_eq!(text("topk"), expected("x", "k[, candidates = all, order = value, nan]"));
        assert_eq!(text("gather"), expected("table, i0[, i1]", "[out_of_range = pass]"));
        assert_eq!(text("concat"), expected("x0[, x1, …]", ""));
        assert_eq!(text("renorm"), expected("w", "denominator[, epsilon]"));
        assert_eq!(text("const"), expected("", "dtype, value"));
        assert_eq!(text("min"), expected("a, b", "[nan = number]"));
        assert_eq!(ScalarOp::Binary(BinaryOp::Max(NanRule::Number)).choices_text(), "");
        assert_eq!(ScalarOp::Binary(BinaryOp::Max(NanRule::Propagate)).choices_text(), " nan=propagate");
    }
}
