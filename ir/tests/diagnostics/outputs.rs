//! Outputs: `RF04xx`.

use super::Case;

pub const CASES: &[Case] = &[
    Case {
        about: "RF0401 no output",
        source: r#"route 1
graph @g {
  input %x : i32[]
}
"#,
        expected: r#"2:1 RF0401: the graph `@g` has no output
  help: end it with at least one `output name = %value`"#,
    },
    Case {
        about: "RF0402 aliases of another type",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  input %w : f32[T, 8]
  %y = cast %ids {dtype = f32}
  output out = %y in_place(ids)
  output b = %y rows donates(w)
}
"#,
        expected: r#"7:3 RF0402: output `out` is f32[T, 8] and cannot lie in input `ids`, which is i32[T, 8]
  help: an alias needs the same dtype and shape
8:3 RF0402: output `b` and input `w` share memory but not the layout
  help: declare both contiguous, both `rows`, or both `strided`"#,
    },
    Case {
        about: "RF0403 two outputs in one input",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  %y = neg %ids
  %z = not %ids
  output out = %y in_place(ids)
  output b = %z donates(ids)
}
"#,
        expected: r#"8:3 RF0403: outputs `out` and `b` both lie in input `ids`
  help: give one of them memory of its own"#,
    },
    Case {
        about: "RF0405 a guarded output that is no copy",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  %y = neg %ids
  output out = %y guarded(ids)
}
"#,
        expected: r#"6:3 RF0405: the guarded output `out` is not a `copy` of input `ids`
  help: store the result of `copy %ids`"#,
    },
    Case {
        about: "RF0406 counts that somebody else uses, or that are no output",
        source: r#"route 1
graph @g {
  dim T
  input %ids : i32[T, 8]
  input %a : i32[16]
  input %b : i32[16]
  input %c : i32[16]
  input %d : i32[16] rows
  %one = const {dtype = i32, value = 1}
  %a2 = atomic_add %a, %ids, %one
  %b2 = atomic_add %b, %ids, %one
  %b3 = neg %b
  %c2 = atomic_add %c, %ids, %one
  %c3 = neg %c2
  %d2 = atomic_add %d, %ids, %one
  output a_out = %a2
  output b_out = %b2 in_place(b)
  output b_other = %b3
  output c_out = %c2 in_place(c)
  output c_other = %c3
  output d_out = %d2 rows in_place(d)
}
"#,
        expected: r#"10:3 RF0406: `%a2` adds to `%a`, and so it must be the only one that uses it
  in: %a2 = atomic_add %a, %ids, %one
  help: declare `a` as an input that nothing else reads, and `%a2` as its `in_place` output
11:3 RF0406: `%b2` adds to `%b`, and so it must be the only one that uses it
  in: %b2 = atomic_add %b, %ids, %one
  help: declare `b` as an input that nothing else reads, and `%b2` as its `in_place` output
13:3 RF0406: `%c2` adds to `%c`, and so it must be the only one that uses it
  in: %c2 = atomic_add %c, %ids, %one
  help: declare `c` as an input that nothing else reads, and `%c2` as its `in_place` output
15:3 RF0406: `%d2` adds to `%d`, and so it must be the only one that uses it
  in: %d2 = atomic_add %d, %ids, %one
  help: declare `d` as an input that nothing else reads, and `%d2` as its `in_place` output"#,
    },
    Case {
        about: "RF0407 starts that are of no bins",
        source: r#"route 1
graph @g {
  dim T
  dim C
  input %ids : i32[T, 8]
  input %raw : i32[17]
  input %counts : i32[16]
  %starts = bin_starts %counts
  %zero = const {dtype = i32, value = 0}
  %far = add %starts, 1
  %a = bin_scatter %ids, %ids, %raw, %zero {shape = [C]}
  %b = bin_of %far {shape = [C]}
  %c = bin_of %starts {shape = [C]}
  output a = %a
  output b = %b
  output c = %c
}
"#,
        expected: r#"11:3 RF0407: `%a` lays out bins by `%raw`, which is no `bin_starts`
  in: %a = bin_scatter %ids, %ids, %raw, %zero
  help: give it the result of `bin_starts`: other starts could fall, and two items would have one place
12:3 RF0407: `%b` lays out bins by `%far`, which is no `bin_starts`
  in: %b = bin_of %far
  help: give it the result of `bin_starts`: other starts could fall, and two items would have one place"#,
    },
];
