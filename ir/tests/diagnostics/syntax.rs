//! Text that is no graph: `RF01xx`.

use super::Case;

pub const CASES: &[Case] = &[
    Case {
        about: "RF0101 unexpected characters, one report a line",
        source: r#"route 1
graph @g {
  dim T;
  input %ids : i32[T, 8]
  %y = copy %ids ! & $
  output out = %"y
  output b = %ids
}
"#,
        expected: r#"3:8 RF0101: unexpected character ';'
  help: names of other characters are quoted, as in `%"a-b"`
5:18 RF0101: unexpected character '!'
  help: names of other characters are quoted, as in `%"a-b"`
6:16 RF0101: a quoted name is not closed, or has an unknown escape
  help: escapes are \" \\ \n \r \t \u{…}"#,
    },
    Case {
        about: "RF0102 tokens out of place, one report a line",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  %y = add %ids %ids
  %z = add %y, ]
  inptu %w : i32[]
  outputs = %y
  input %v i32[]
  output out = %ids rows in_place(%ids)
  output b = %ids in_plcae(ids)
  %q = copy %ids : i32[T, 8] extra
  %u = gather %ids {out_of_range pass}
  output c = %z : i32[T, 8
}
"#,
        expected: r#"5:17 RF0102: expected `,`, `{`, `:` or the end of the line, found `%ids`
  help: as in `%y = gather %map, %ids {out_of_range = pass} : i32[T, 8]`
6:16 RF0102: expected an operand, found `]`
  help: values are written `%name`
7:3 RF0102: expected a statement, found `inptu`
  help: did you mean `input`?
8:3 RF0102: expected a statement, found `outputs`
  help: did you mean `output`?
9:12 RF0102: expected `:`, found `i32`
  help: as in `input %ids : i32[T, 8]`
10:35 RF0102: expected the input's name, without `%`, found `%ids`
  help: behind an output stand `rows` or `strided`, then `in_place(input)`, `donates(input)` or `guarded(input)`
11:19 RF0102: expected a layout or an alias, found `in_plcae`
  help: did you mean `in_place`?
12:30 RF0102: expected the end of the line, found `extra`
  help: every statement is a line of its own
13:34 RF0102: expected `=`, found `pass`
  help: attributes are `{name = value, …}`
14:27 RF0102: expected `]`, found the end of the line
  help: dims are separated by commas"#,
    },
    Case {
        about: "RF0102 the graph's frame",
        source: r#"route 1
graph g {
  input %x : i32[]
  output out = %x
"#,
        expected: r#"2:7 RF0102: expected the graph's name, found `g`
  help: write `graph @name {`, the statements on lines of their own, and `}`
5:1 RF0102: the graph is not closed
  help: end it with `}`"#,
    },
    Case {
        about: "RF0102 after the end",
        source: r#"route 1
graph @g {
  input %x : i32[]
  output out = %x
}
graph @h {
}
"#,
        expected: r#"6:1 RF0102: `graph` after the end of the graph
  help: a text holds one graph"#,
    },
    Case {
        about: "RF0102 no graph",
        source: r#"route 1
# nothing
"#,
        expected: r#"3:1 RF0102: the text has no graph
  help: write `graph @name {`, the statements on lines of their own, and `}`"#,
    },
    Case {
        about: "RF0103 numbers",
        source: r#"route 1
graph @g {
  input %x : i32[8x]
  input %z : f32[-1]
  %c = const {dtype = f32, value = 1.2.3}
  %i = iota {dtype = i32, shape = [4], axis = 0x}
  output out = %c
}
"#,
        expected: r#"3:18 RF0103: `8x` is no extent
  help: an extent is a non-negative integer
4:18 RF0103: `-1` is no extent
  help: an extent is a non-negative integer
5:36 RF0103: `1.2.3` is not a number
  help: a float is as in `2.5`, `1e-20`, `inf`, `-inf`, `nan`, or its bits as in `0x7fc00001`
6:47 RF0103: `0x` is not a number
  help: integers here are not negative and have no fraction"#,
    },
    Case {
        about: "RF0104 no header",
        source: r#"graph @g {
  input %x : i32[]
  output out = %y
}
"#,
        expected: r#"1:1 RF0104: the text begins with `graph`, not with `route 1`
  help: the first line that is no comment must be `route 1`
3:16 RF0202: the value `%y` is not defined
  help: did you mean `%x`?"#,
    },
    Case {
        about: "RF0104 another text",
        source: r#"{"format": "routefuse-graph"}
"#,
        expected: r#"1:1 RF0104: the text begins with `{`, not with `route 1`
  help: the first line that is no comment must be `route 1`"#,
    },
    Case {
        about: "RF0104 a later version",
        source: r#"# comment
route 2
module {}
"#,
        expected: r#"2:1 RF0104: the text is of version 2, which this build does not read
  help: the first line that is no comment must be `route 1`"#,
    },
    Case {
        about: "RF0104 nothing",
        source: r#""#,
        expected: r#"1:1 RF0104: the text is empty
  help: the first line that is no comment must be `route 1`"#,
    },
    Case {
        about: "RF0107 unknown ops",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  %y = gahter %ids, %ids
  %z = add3 %y, %y
  %w = softmaxx_with_bias %ids
  output out = %z
}
"#,
        expected: r#"5:8 RF0107: unknown op `gahter`
  help: did you mean `gather`?
6:8 RF0107: unknown op `add3`
  help: did you mean `add`?
7:8 RF0107: unknown op `softmaxx_with_bias`
  help: the ops are neg, abs, not, sqrt, exp, log, exp2, log2, rsqrt, sigmoid, softplus, tanh, erf, floor, ceil, round, trunc, is_nan, add, sub, mul, div, rem, div_floor, rem_floor, min, max, and, or, xor, shl, shr, eq, ne, lt, le, gt, ge, fma, select, cast, bitcast, philox, const, iota, rows, broadcast, reshape, slice, concat, gather, gather_row, mask_rows, pack, unpack_id, unpack_weight, copy, reduce_sum, reduce_max, reduce_min, top2_sum, argmax, cumsum, softmax, log_softmax, dot, topk, topk_mask, group_score, group_mask, renorm, atomic_add, bin_count, bin_any, count_rows, bin_starts, bin_rank, bin_scatter, bin_of"#,
    },
    Case {
        about: "RF0108 unknown attributes",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  %y = slice %ids {start = 0, stpo = 4}
  %z = copy %ids {form = masked}
  %w = pack %ids, %ids {out_of_range = pass}
  output out = %y
}
"#,
        expected: r#"5:31 RF0108: `slice` has no attribute `stpo`
  help: did you mean `stop`?
6:19 RF0108: `copy` has no attribute `form`
  help: it takes none
7:25 RF0108: `pack` has no attribute `out_of_range`
  help: it takes form"#,
    },
    Case {
        about: "RF0109 missing attributes",
        source: r#"route 1
graph @g {
  input %x : f32[8]
  %y = cast %x
  %z = slice %x {start = 1}
  %c = const {dtype = i32}
  %d = const {value = 1}
  output out = %y
}
"#,
        expected: r#"4:8 RF0109: `cast` needs the attribute `dtype`
  help: its attributes are dtype
5:8 RF0109: `slice` needs the attribute `stop`
  help: its attributes are start, stop
6:8 RF0109: `const` needs the attribute `value`
  help: its attributes are dtype, value
7:8 RF0109: `const` needs the attribute `dtype`
  help: its attributes are dtype, value"#,
    },
    Case {
        about: "RF0110 attributes of another kind",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  input %n : i32[]
  %a = gather_row %ids, %ids {out_of_range = ignore}
  %b = mask_rows %ids, %n {fill = 2.5}
  %c = const {dtype = f32, value = true}
  %d = slice %ids {start = -1, stop = T}
  %e = broadcast %n {shape = 8}
  %f = const {dtype = bool, value = 1}
  %g = min %ids, %ids {nan = maybe}
  output out = %ids
}
"#,
        expected: r#"6:46 RF0110: attribute `out_of_range` of `gather_row` cannot be `ignore`
  help: it takes `pass`, `clamp`, `wrap`, `trap` or `fill(value)`
7:35 RF0110: attribute `fill` of `mask_rows` takes an integer of i32 here, not `2.5`
  help: i32 is -2147483648 to 2147483647
8:36 RF0110: attribute `value` of `const` takes a number of f32 here, not `true`
  help: a float is as in `2.5`, `1e-20`, `inf`, `-inf`, `nan`, or its bits as in `0x7fc00001`
9:28 RF0110: attribute `start` of `slice` cannot be `-1`
  help: integers here are not negative and have no fraction
9:39 RF0110: attribute `stop` of `slice` cannot be `T`
  help: it takes a non-negative integer
10:30 RF0110: attribute `shape` of `broadcast` cannot be `8`
  help: it takes a shape such as `[T, 8]`
11:37 RF0110: attribute `value` of `const` takes `true` or `false` here, not `1`
  help: a bool is `true` or `false`
12:30 RF0110: attribute `nan` of `min` cannot be `maybe`
  help: it takes `number` or `propagate`"#,
    },
    Case {
        about: "RF0111 unknown dtypes",
        source: r#"route 1
graph @g {
  input %x : fp32[8]
  input %y : bf61[8]
  %z = cast %y {dtype = int}
  output out = %y
}
"#,
        expected: r#"3:14 RF0111: unknown dtype `fp32`
  help: did you mean `f32`?
4:14 RF0111: unknown dtype `bf61`
  help: did you mean `bf16`?
5:25 RF0111: unknown dtype `int`
  help: the dtypes are bool, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16 or f32"#,
    },
    Case {
        about: "RF0113 an attribute twice",
        source: r#"route 1
graph @g {
  input %x : f32[8]
  %y = slice %x {start = 0, stop = 4, start = 1}
  output out = %y
}
"#,
        expected: r#"4:39 RF0113: the attribute `start` is given twice
  help: leave one of them out"#,
    },
];
