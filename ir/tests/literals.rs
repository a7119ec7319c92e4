//! Literals as operands: what they stand for, that nothing is lost, and what is said where they cannot stand.

use routefuse_ir::text;

/// A graph of these lines over `w : f32[T, 4]`, `ids : i32[T, 4]`, `valid : bool[T, 4]` and `counts : i32[8]`.
fn source(lines: &str, output: &str) -> String {
    format!(
        "route 1\ngraph @g {{\n  dim T\n  input %w : f32[T, 4]\n  input %ids : i32[T, 4]\n  input %valid : bool[T, 4]\n  \
         input %counts : i32[8]\n  {lines}\n  output {output}\n}}\n"
    )
}

#[test]
fn f16_a_literal_is_a_constant_of_the_dtype_beside_it() {
    let short = source(
        "%half = mul %w, 0.5\n  %one = sub 1, %half\n  %far = max %one, -inf\n  %live = select %valid, %ids, -1\n  \
         %same = eq %live, 3\n  %sum = atomic_add %counts, %live, 1\n  output same = %same\n  output out = %far",
        "sum = %sum in_place(counts)",
    );
    let long = source(
        "%half.1 = const {dtype = f32, value = 0.5}\n  %half = mul %w, %half.1\n  %one.0 = const {dtype = f32, value = 1.0}\n  \
         %one = sub %one.0, %half\n  %far.1 = const {dtype = f32, value = -inf}\n  %far = max %one, %far.1\n  \
         %live.2 = const {dtype = i32, value = -1}\n  %live = select %valid, %ids, %live.2\n  \
         %same.1 = const {dtype = i32, value = 3}\n  %same = eq %live, %same.1\n  \
         %sum.2 = const {dtype = i32, value = 1}\n  %sum = atomic_add %counts, %live, %sum.2\n  output same = %same\n  \
         output out = %far",
        "sum = %sum in_place(counts)",
    );
    let [short_graph, long_graph] = [&short, &long].map(|s| text::parse_verified(s).unwrap_or_else(|d| panic!("{d}")));
    assert!(short_graph.same_as(&long_graph), "{}", text::print(&short_graph));
    // The printer writes constants, the formatter what was written.
    let printed = text::print(&short_graph);
    assert!(text::parse_verified(&printed).is_ok_and(|again| again.same_as(&short_graph)), "{printed}");
    let formatted = text::format(&short).unwrap_or_else(|d| panic!("{d}"));
    assert!(formatted.contains("%half = mul %w, 0.5") && formatted.contains("select %valid, %ids, -1"), "{formatted}");
    assert_eq!(text::format(&formatted), Ok(formatted.clone()));
}

#[test]
fn a_constants_name_is_nobody_elses() {
    let graph = source("%half.1 = mul %w, 2\n  %half = mul %half.1, 0.5", "out = %half");
    let printed = text::print(&text::parse_verified(&graph).unwrap_or_else(|d| panic!("{d}")));
    assert!(printed.contains("%half.1_ = const"), "{printed}");
    assert!(printed.contains("%half.1.1 = const"), "{printed}");
}

#[test]
fn where_a_literal_cannot_stand_the_reason_is_said() {
    let said = |line: &str| text::parse_verified(&source(line, "out = %y")).map(|_| ()).unwrap_err().to_string();
    let cases = [
        (
            "%y = gather %counts, 3",
            "nothing says of which dtype the operand `3` of `gather` is",
            "%c = const {dtype = i32",
        ),
        ("%y = add 1, 2", "nothing says of which dtype the operand `1` of `add` is", "const"),
        ("%y = select true, %ids, %ids", "nothing says of which dtype the operand `true` of `select` is", "const"),
        ("%y = mul %ids, 2.5", "`2.5`", "i32 is -2147483648 to 2147483647"),
        ("%y = mul %ids, 99999999999", "`99999999999` does not fit i32", "i32 is"),
        ("%y = and %valid, 2", "`2`", "a bool is `true` or `false`"),
    ];
    for (line, message, help) in cases {
        let text = said(line);
        assert!(text.contains(message) && text.contains(help), "{line}: {text}");
        assert_eq!(text.matches("RF0").count(), if line.contains("add 1") { 2 } else { 1 }, "{text}");
    }
}
