//! Operands that do not fit: `RF03xx`.

use super::Case;

pub const CASES: &[Case] = &[
    Case {
        about: "RF0301 dtypes differ",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  input %w : f32[T, 8]
  %y = add %ids, %w
  %z = neg %y
  %c = concat %ids, %w
  output out = %y
}
"#,
        expected: r#"6:3 RF0301: operands 0 and 1 of `add` are i32[T, 8] and f32[T, 8]
  in: %y = add %ids, %w
  help: their dtypes must be equal; `cast` one of them
8:3 RF0301: operands 0 and 1 of `concat` are i32[T, 8] and f32[T, 8]
  in: %c = concat %ids, %w
  help: their dtypes must be equal; `cast` one of them"#,
    },
    Case {
        about: "RF0302 shapes differ",
        source: r#"route 1
graph @g {
  dim T
  dim S
  input %ids : i32[T, 8]
  input %a : i32[S, 8]
  %y = add %ids, %a
  %z = broadcast %ids {shape = [T, 9]}
  %w = reshape %ids {shape = [T, 2, 3]}
  output out = %y
}
"#,
        expected: r#"7:3 RF0302: operands 0 and 1 of `add` have different shapes: i32[T, 8] and i32[S, 8]
  in: %y = add %ids, %a
  help: shapes must be equal; repeat dims by `broadcast`
8:3 RF0302: i32[T, 8] does not broadcast to [T, 9]
  in: %z = broadcast %ids {shape = [T, 9]}
  help: dims are aligned to the right, and each must be equal or 1 (`reshape` [T] to [T, 1] first)
9:3 RF0302: i32[T, 8] does not reshape to [T, 2, 3]
  in: %w = reshape %ids {shape = [T, 2, 3]}
  help: a symbolic leading dim stays, and the elements of a row must be as many"#,
    },
    Case {
        about: "RF0303 operand counts",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  %y = add %ids
  %z = gather %ids, %ids
  %w = concat
  %m = mask_rows {fill = -1}
  output out = %y
}
"#,
        expected: r#"5:3 RF0303: `add` takes 2 operands, not 1
  in: %y = add %ids
  help: its operands are: a, b
6:3 RF0303: `gather` takes 3 operands, not 2
  in: %z = gather %ids, %ids
  help: its operands are: table, i0[, i1]
7:3 RF0303: `concat` takes one or more operands, not 0
  in: %w = concat
  help: name its operands
8:8 RF0303: `mask_rows` has no operand that says of which dtype `fill` is
  help: its operands are: x, n"#,
    },
    Case {
        about: "RF0304 dtypes that an op does not take",
        source: r#"route 1
graph @g {
  input %h : bf16[8]
  input %m : f32[8]
  %y = add %h, %h
  %z = shl %m, %m
  %g = gather %m, %m
  %b = bitcast %m {dtype = i64}
  %i = const {dtype = i32, value = 1}
  %l = log2 %i
  %f = floor %h
  %d = div_floor %h, %h
  output out = %y
}
"#,
        expected: r#"5:3 RF0304: `add` does not take bf16 here
  in: %y = add %h, %h
  help: cast to f32, compute, and cast back: the rounding points of 16-bit floats are explicit
6:3 RF0304: `shl` does not take f32 here
  in: %z = shl %m, %m
  help: it needs integers; `cast` the operand
7:3 RF0304: an index of `gather` is an integer, not f32
  in: %g = gather %m, %m
  help: `cast` it to i32 or i64
8:3 RF0304: `bitcast` from f32 to i64
  in: %b = bitcast %m {dtype = i64}
  help: both must be of one width, and neither bool
10:3 RF0304: `log2` does not take i32 here
  in: %l = log2 %i
  help: it needs f32; `cast` the operand
11:3 RF0304: `floor` does not take bf16 here
  in: %f = floor %h
  help: cast to f32, compute, and cast back: the rounding points of 16-bit floats are explicit
12:3 RF0304: `div_floor` does not take bf16 here
  in: %d = div_floor %h, %h
  help: cast to f32, compute, and cast back: the rounding points of 16-bit floats are explicit"#,
    },
    Case {
        about: "what `rows` counts",
        source: r#"route 1
graph @g {
  dim T
  input %x : f32[T, 8]
  %a = rows {dtype = f32, shape = [T]}
  %b = rows {dtype = i32, shape = []}
  %c = rows {dtype = i32, shape = [8, T]}
  %d = topk %x {k = 2, nan = middle}
  output out = %a
}
"#,
        expected: r#"5:3 RF0304: `rows` does not take f32 here
  in: %a = rows {dtype = f32, shape = [T]}
  help: it needs an integer dtype; `cast` the operand
6:3 RF0308: `rows` of a shape without dims
  in: %b = rows {dtype = i32, shape = []}
  help: give a dim to count, as `[T]`
7:3 RF0307: only the leading dim may be symbolic
  in: %c = rows
  help: make the inner dims constants, or move the rows to the front
8:30 RF0110: attribute `nan` of `topk` cannot be `middle`
  help: it takes `last` or `first`"#,
    },
    Case {
        about: "RF0305 literals out of range",
        source: r#"route 1
graph @g {
  input %x : i8[8]
  %a = const {dtype = u8, value = -1}
  %b = const {dtype = f16, value = 65520}
  %c = const {dtype = f32, value = 1e39}
  %d = gather %x, %x {out_of_range = fill(128)}
  %e = const {dtype = bf16, value = 0x1ffff}
  %f = slice %x {start = 0, stop = 18446744073709551616}
  output out = %x
}
"#,
        expected: r#"4:35 RF0305: `-1` does not fit u8
  help: u8 is 0 to 255
5:36 RF0305: `65520` does not fit f16
  help: the largest f16 is 65504.0, infinity is `inf`, and bits have 4 digits
6:36 RF0305: `1e39` does not fit f32
  help: the largest f32 is 3.4028235e38, infinity is `inf`, and bits have 8 digits
7:38 RF0305: `128` does not fit i8
  help: i8 is -128 to 127
8:37 RF0305: `0x1ffff` does not fit bf16
  help: the largest bf16 is 3.3895313892515355e38, infinity is `inf`, and bits have 4 digits
9:36 RF0305: `18446744073709551616` does not fit 64 bits
  help: u64 is 0 to 18446744073709551615"#,
    },
    Case {
        about: "RF0306 extents overflow",
        source: r#"route 1
graph @g {
  input %x : i8[4294967296, 4294967296]
  input %y : f32[99999999999999999999]
  dim T
  input %z : f32[T, 4611686018427387904]
  output out = %z
}
"#,
        expected: r#"3:3 RF0306: the bytes of one row do not fit 63 bits
  in: input %x : i8[4294967296, 4294967296]
  help: the constant dims are too large
4:18 RF0306: the extent 99999999999999999999 does not fit 64 bits
  help: an extent is at most 2^63 - 1
6:3 RF0306: the bytes of one row do not fit 63 bits
  in: input %z : f32[T, 4611686018427387904]
  help: the constant dims are too large"#,
    },
    Case {
        about: "RF0307 a symbol that does not lead",
        source: r#"route 1
graph @g {
  dim T
  input %x : i32[8, T]
  input %n : i32[]
  %y = broadcast %n {shape = [8, T]}
  %z = neg %y
  output out = %z
}
"#,
        expected: r#"4:3 RF0307: only the leading dim may be symbolic
  in: input %x : i32[8, T]
  help: make the inner dims constants, or move the rows to the front
6:3 RF0307: only the leading dim may be symbolic
  in: %y = broadcast %n {shape = [8, T]}
  help: make the inner dims constants, or move the rows to the front"#,
    },
    Case {
        about: "RF0308 ranks",
        source: r#"route 1
graph @g {
  dim T
  input %x : i32[1, 1, 1, 1, 1, 1, 1]
  input %n : i32[]
  input %i : i32[8]
  input %m : i32[] rows
  %y = gather %n, %i
  %z = mask_rows %i, %n {fill = 0}
  %w = slice %n {start = 0, stop = 1}
  output out = %i
  output m = %m rows
}
"#,
        expected: r#"4:3 RF0308: a tensor of rank 7 (the highest is 6)
  in: input %x : i32[1, 1, 1, 1, 1, 1, 1]
  help: merge dims by `reshape`
7:3 RF0308: the input `m` is a scalar and has no rows to stride over
  help: leave out `rows`
8:3 RF0308: `table` of `gather` is i32[]
  in: %y = gather %n, %i
  help: it must be of rank 1 or 2
9:3 RF0308: `mask_rows` needs rows to mask, but `x` is i32[8]
  in: %z = mask_rows %i, %n {fill = 0}
  help: the leading dim must be symbolic
10:3 RF0308: `operand 0` of `slice` is i32[]
  in: %w = slice %n {start = 0, stop = 1}
  help: it must be of a constant inner dim
12:3 RF0201: `m` is the name of an input and of an output
  help: arguments are bound by name; an output in the input's memory has an alias, as in `in_place(x)`
12:3 RF0308: the output `m` is a scalar and has no rows to stride over
  help: leave out `rows`"#,
    },
    Case {
        about: "RF0309 slices out of bounds",
        source: r#"route 1
graph @g {
  input %x : i32[8]
  %y = slice %x {start = 4, stop = 9}
  %z = slice %x {start = 4, stop = 4}
  output out = %y
}
"#,
        expected: r#"4:3 RF0309: `slice` takes 4..9 of an inner dim of 8
  in: %y = slice %x {start = 4, stop = 9}
  help: 0 <= start < stop <= 8
5:3 RF0309: `slice` takes 4..4 of an inner dim of 8
  in: %z = slice %x {start = 4, stop = 4}
  help: 0 <= start < stop <= 8"#,
    },
    Case {
        about: "RF0310 declared types",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  %y = neg %ids : i64[T, 8]
  %z = copy %y : i64[T, 8]
  output out = %z : i64[T, 9]
  output b = %z
}
"#,
        expected: r#"5:3 RF0310: `%y` is declared as i64[T, 8] but `neg` gives i32[T, 8]
  in: %y = neg %ids
  help: write `: i32[T, 8]`, or leave the type out
7:3 RF0310: output `out` is declared as i64[T, 9] but `%z` is i64[T, 8]
  help: write `: i64[T, 8]`, or leave the type out"#,
    },
    Case {
        about: "RF0311 an axis out of range",
        source: r#"route 1
graph @g {
  %y = iota {dtype = i32, shape = [8], axis = 1}
  output out = %y
}
"#,
        expected: r#"3:3 RF0311: axis 1 of a shape of rank 1
  in: %y = iota {dtype = i32, shape = [8], axis = 1}
  help: axes count from 0"#,
    },
    Case {
        about: "RF0312 more columns than there are",
        source: r#"route 1
graph @g {
  dim T
  input %x : f32[T, 8]
  input %wide : f32[T, 20000]
  input %z : f32[T, 257]
  input %s : f32[T, 4]
  %a = topk %x {k = 9}
  %b = topk %z {k = 129}
  %c = topk_mask %x {k = 0}
  %d = topk %wide {k = 8}
  %e = group_mask %x, %s {keep = 5, masked = zero}
  %f = cumsum %wide
  %g = top2_sum %wide {axis = 1}
  output out = %a
}
"#,
        expected: r#"8:3 RF0312: `topk` of f32[T, 8] has `k` = 9
  in: %a = topk %x {k = 9}
  help: it takes 1 to 8 of the columns
9:3 RF0312: `topk` of f32[T, 257] has `k` = 129
  in: %b = topk %z {k = 129}
  help: it takes 1 to 128 of the columns
10:3 RF0312: `topk_mask` of f32[T, 8] has `k` = 0
  in: %c = topk_mask %x {k = 0}
  help: it takes 1 to 8 of the columns
11:3 RF0312: `topk` of rows of 20000 columns
  in: %d = topk %wide {k = 8}
  help: rows have at most 16384 columns
12:3 RF0312: `group_mask` of f32[T, 8] has `keep` = 5
  in: %e = group_mask %x, %s {keep = 5, masked = zero}
  help: it takes 1 to 4 of the groups
13:3 RF0312: `cumsum` of rows of 20000 columns
  in: %f = cumsum %wide
  help: rows have at most 16384 columns
14:3 RF0312: `top2_sum` of rows of 20000 columns
  in: %g = top2_sum %wide {axis = 1}
  help: rows have at most 16384 columns"#,
    },
    Case {
        about: "RF0313 uneven groups",
        source: r#"route 1
graph @g {
  dim T
  input %x : f32[T, 8]
  input %s : f32[T, 3]
  %a = group_score %x {groups = 3, score = max}
  %b = group_score %x {groups = 0, score = top2_sum}
  %c = group_mask %x, %s {keep = 1, masked = neg_inf}
  output out = %a
}
"#,
        expected: r#"6:3 RF0313: `group_score` of 8 columns in 3 groups
  in: %a = group_score %x {groups = 3, score = max}
  help: groups are of one width: their number divides that of the columns
7:3 RF0313: `group_score` of 8 columns in 0 groups
  in: %b = group_score %x {groups = 0, score = top2_sum}
  help: groups are of one width: their number divides that of the columns
8:3 RF0313: `group_mask` of 8 columns in 3 groups
  in: %c = group_mask %x, %s {keep = 1, masked = neg_inf}
  help: groups are of one width: their number divides that of the columns"#,
    },
    Case {
        about: "RF0302, RF0304, RF0308 and RF0311 of operations on rows",
        source: r#"route 1
graph @g {
  dim T
  input %x : f32[T, 8]
  input %y : f32[T, 9]
  input %h : bf16[T, 8]
  input %q : i64[T, 8]
  input %c : bool[T, 8]
  input %none : f32[T, 0]
  input %cube : f32[T, 1, 1, 1, 2, 8]
  input %counts : i32[16]
  input %f : f32[16]
  %a = dot %x, %y
  %b = reduce_sum %h {axis = 1}
  %d = topk %c {k = 2}
  %e = topk %q {k = 2}
  %g = softmax %none
  %i = reduce_max %x {axis = 0}
  %j = reduce_max %x {axis = 2}
  %k = top2_sum %cube {axis = 4}
  %l = group_score %cube {groups = 2, score = max}
  %m = renorm %q {denominator = sum}
  %n = atomic_add %f, %q, %f
  %o = atomic_add %counts, %x, %counts
  %p = atomic_add %counts, %q, %q
  output out = %a
}
"#,
        expected: r#"13:3 RF0302: `dot` of f32[T, 8] and f32[T, 9]
  in: %a = dot %x, %y
  help: shapes must be equal; repeat dims by `broadcast`
14:3 RF0304: `reduce_sum` does not take bf16 here
  in: %b = reduce_sum %h {axis = 1}
  help: cast to f32, compute, and cast back: the rounding points of 16-bit floats are explicit
15:3 RF0304: `topk` does not take bool here
  in: %d = topk %c {k = 2}
  help: it needs floats, or integers of up to 32 bits; `cast` the operand
16:3 RF0304: `topk` does not take i64 here
  in: %e = topk %q {k = 2}
  help: it needs floats, or integers of up to 32 bits; `cast` the operand
17:3 RF0302: `softmax` over an empty inner dim of f32[T, 0]
  in: %g = softmax %none
  help: it needs at least one element
18:3 RF0311: `reduce_max` over the rows of f32[T, 8]
  in: %i = reduce_max %x {axis = 0}
  help: the axis must be constant: rows are not reduced
19:3 RF0311: axis 2 of f32[T, 8]
  in: %j = reduce_max %x {axis = 2}
  help: axes count from 0
20:3 RF0311: `top2_sum` over axis 4 of f32[T, 1, 1, 1, 2, 8]
  in: %k = top2_sum %cube {axis = 4}
  help: it takes the inner axis, 5
21:3 RF0308: `x` of `group_score` is f32[T, 1, 1, 1, 2, 8]
  in: %l = group_score %cube {groups = 2, score = max}
  help: it must be […, E] of rank 1 to 5, with E constant and at least 1
22:3 RF0304: `renorm` does not take i64 here
  in: %m = renorm %q {denominator = sum}
  help: it needs f32; `cast` the operand
23:3 RF0304: `atomic_add` does not take f32 here
  in: %n = atomic_add %f, %q, %f
  help: it needs counts of i32, u32, i64 or u64; `cast` the operand
24:3 RF0304: an index of `atomic_add` is an integer, not f32
  in: %o = atomic_add %counts, %x, %counts
  help: `cast` it to i32 or i64
25:3 RF0301: `atomic_add` of i64[T, 8] to i32[16]
  in: %p = atomic_add %counts, %q, %q
  help: `cast` the amounts to i32"#,
    },
    Case {
        about: "bins: operands that do not fit",
        source: r#"route 1
graph @g {
  dim T
  dim C
  input %x : f32[T, 8]
  input %ids : i32[T, 8]
  input %flat : i32[T]
  input %wide : i32[T, 8, 2]
  input %w : f32[T, 4]
  input %counts : i32[16]
  input %long : i64[16]
  input %old : i32[C]
  %a = bin_count %x {bins = 16}
  %b = bin_count %ids {bins = 0}
  %c = bin_count %ids {bins = 16385}
  %d = bin_count %wide {bins = 4}
  %e = bin_count %ids, %long {bins = 16}
  %f = bin_any %flat {bins = 4}
  %g = count_rows %ids
  %h = bin_starts %long
  %i = bin_starts %ids
  %j = bin_starts %counts {align = 0}
  %k = bin_starts %counts {empty = 2}
  %l = bin_starts %counts {align = 4, stride = 8}
  %m = bin_starts %counts
  %half = const {dtype = f32, value = 0.5}
  %zero = const {dtype = i32, value = 0}
  %n = bin_scatter %w, %ids, %m, %half {shape = [C]}
  %o = bin_scatter %ids, %ids, %m, %half {shape = [C]}
  %p = bin_scatter %ids, %ids, %m, %counts {shape = [C]}
  %q = bin_scatter %ids, %ids, %m, %zero {shape = [C, 2]}
  %r = bin_scatter %ids, %ids, %m, %zero, %counts {shape = [C]}
  %s = bin_of %ids {shape = [C]}
  %t = bin_of %m {shape = [C], step = 0}
  %u = bin_rank %x {bins = 4}
  input %many : i32[32769, 8]
  input %wider : i32[T, 262145]
  %v = bin_rank %many {bins = 4}
  %w2 = bin_scatter %zero, %wider, %m, %zero {shape = [C]}
  output out = %old
}
"#,
        expected: r#"13:3 RF0304: an id of `bin_count` is an integer, not f32
  in: %a = bin_count %x {bins = 16}
  help: `cast` it to i32 or i64
14:3 RF0312: `bin_count` of i32[T, 8] has 0 bins
  in: %b = bin_count %ids {bins = 0}
  help: it takes 1 to 16384 bins
15:3 RF0312: `bin_count` of i32[T, 8] has 16385 bins
  in: %c = bin_count %ids {bins = 16385}
  help: it takes 1 to 16384 bins
16:3 RF0308: `ids` of `bin_count` is i32[T, 8, 2]
  in: %d = bin_count %wide {bins = 4}
  help: it must be [T] or [T, K] with K at least 1
17:3 RF0302: `before` of `bin_count` is i64[16]
  in: %e = bin_count %ids, %long {bins = 16}
  help: it must be i32[16], as the result is
18:3 RF0308: `ids` of `bin_any` is i32[T]
  in: %f = bin_any %flat {bins = 4}
  help: it must be [T, K] with K at least 1
19:3 RF0304: `count_rows` does not take i32 here
  in: %g = count_rows %ids
  help: it needs bool; `cast` the operand
20:3 RF0304: `bin_starts` does not take i64 here
  in: %h = bin_starts %long
  help: it needs i32; `cast` the operand
21:3 RF0308: `counts` of `bin_starts` is i32[T, 8]
  in: %i = bin_starts %ids
  help: it must be of rank 1, with a constant extent
22:3 RF0312: `bin_starts` has `align` = 0
  in: %j = bin_starts %counts {align = 0}
  help: it is 1 to 2147483647
23:3 RF0312: `bin_starts` has `empty` = 2
  in: %k = bin_starts %counts {empty = 2}
  help: it is 0 to 1
24:3 RF0312: `bin_starts` has `stride` = 8 and counts that are aligned
  in: %l = bin_starts %counts {align = 4, stride = 8}
  help: with `stride`, bins begin where it says: leave out `align` and `empty`
28:3 RF0302: `bin_scatter` of f32[T, 4] by ids of i32[T, 8]
  in: %n = bin_scatter %w, %ids, %m, %half {shape = [C]}
  help: values have the ids' shape, or are a scalar
29:3 RF0301: `bin_scatter` of i32[T, 8] with a fill of f32[]
  in: %o = bin_scatter %ids, %ids, %m, %half {shape = [C]}
  help: `cast` the fill to i32
30:3 RF0302: `bin_scatter` to [C] with a fill of i32[16]
  in: %p = bin_scatter %ids, %ids, %m, %counts {shape = [C]}
  help: the fill is a scalar, or has the shape of the result
31:3 RF0302: `bin_scatter` gives the shape [C, 2]
  in: %q = bin_scatter %ids, %ids, %m, %zero {shape = [C, 2]}
  help: it has one dim, as in `[C]`
32:3 RF0302: `before` of `bin_scatter` is i32[16]
  in: %r = bin_scatter %ids, %ids, %m, %zero, %counts {shape = [C]}
  help: it must be i32[C], as the result is
33:3 RF0308: `starts` of `bin_of` is i32[T, 8]
  in: %s = bin_of %ids {shape = [C]}
  help: it must be the i32[E + 1] that `bin_starts` gives
34:3 RF0312: `bin_of` has `step` = 0
  in: %t = bin_of %m {shape = [C], step = 0}
  help: it is 1 to 2147483647
35:3 RF0304: an id of `bin_rank` is an integer, not f32
  in: %u = bin_rank %x {bins = 4}
  help: `cast` it to i32 or i64
38:3 RF0312: `bin_rank` of i32[32769, 8], which is 262152 columns of a row
  in: %v = bin_rank %many {bins = 4}
  help: it takes 262144 at most; a leading dim that is constant is part of the row: make it symbolic (`dim T`)
39:3 RF0312: `bin_scatter` of i32[T, 262145], which is 262145 columns of a row
  in: %w2 = bin_scatter %zero, %wider, %m, %zero {shape = [C]}
  help: it takes 262144 at most, in all segments of a row"#,
    },
];
