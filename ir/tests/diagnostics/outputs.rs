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
];
