//! The JSON form, as programs see it.

use routefuse_ir::{Alias, Code, DType, GraphBuilder, Layout, Literal, Op, json, text};

const WRITTEN: &str = r#"{
  "format": "routefuse-graph",
  "version": 1,
  "name": "remap_mask",
  "dims": [
    "T"
  ],
  "inputs": [
    {
      "name": "ids",
      "dtype": "i32",
      "shape": [
        "T",
        8
      ],
      "layout": "rows"
    },
    {
      "name": "n",
      "dtype": "i32",
      "shape": [],
      "layout": "contiguous"
    }
  ],
  "nodes": [
    {
      "name": "masked",
      "op": "mask_rows",
      "operands": [
        "ids",
        "n"
      ],
      "attributes": {
        "fill": -1
      },
      "type": {
        "dtype": "i32",
        "shape": [
          "T",
          8
        ]
      }
    }
  ],
  "outputs": [
    {
      "name": "out",
      "value": "masked",
      "type": {
        "dtype": "i32",
        "shape": [
          "T",
          8
        ]
      },
      "layout": "rows",
      "alias": {
        "in_place": "ids"
      }
    }
  ]
}"#;

#[test]
fn a_graph_is_written_so() {
    let mut b = GraphBuilder::new("remap_mask");
    let t = b.symbol("T");
    let ids = b.input_with_layout("ids", DType::I32, [t.into(), 8.into()], Layout::Rows);
    let n = b.input("n", DType::I32, []);
    let masked = b.mask_rows(ids, n, Literal::i32(-1));
    b.name(masked, "masked");
    b.output_with("out", masked, Layout::Rows, Alias::InPlace(0));
    let graph = b.finish().expect("valid");
    assert_eq!(json::to_string(&graph), WRITTEN);
    assert!(json::from_str_verified(WRITTEN).expect("valid").same_as(&graph));
}

/// A graph of one constant, stored.
fn constant(value: Literal) -> routefuse_ir::Graph {
    let mut b = GraphBuilder::new("c");
    let c = b.constant(value);
    b.output("out", c);
    b.into_graph()
}

#[test]
fn literals_are_json_where_json_has_them() {
    let cases = [
        (Literal::from_bits(DType::U64, u64::MAX), "18446744073709551615"),
        (Literal::i64(i64::MIN), "-9223372036854775808"),
        (Literal::from_bits(DType::I8, 0x80), "-128"),
        (Literal::bool(true), "true"),
        (Literal::f32(0.1), "0.1"),
        (Literal::f32(-0.0), "-0.0"),
        (Literal::f32(f32::MAX), "3.4028235e+38"),
        (Literal::f32(f32::from_bits(1)), "1e-45"),
        (Literal::from_bits(DType::F16, 1), "5.960464477539063e-8"),
        (Literal::f32(f32::NEG_INFINITY), "\"-inf\""),
        (Literal::from_bits(DType::Bf16, 0x7fc0), "\"nan\""),
        (Literal::from_bits(DType::F16, 0xfe01), "\"0xfe01\""),
        (Literal::f32(f32::from_bits(0x7f80_0001)), "\"0x7f800001\""),
    ];
    for (literal, expected) in cases {
        let graph = constant(literal);
        let written = json::to_string(&graph);
        assert!(written.contains(&format!("\"value\": {expected}\n")), "{literal}: {written}");
        assert!(json::from_str(&written).expect("valid").same_as(&graph), "{written}");
    }
}

#[test]
fn numbers_may_be_strings_and_defaults_left_out() {
    let source = r#"{"format": "routefuse-graph", "version": 1, "name": "c", "dims": [], "inputs": [],
        "nodes": [{"name": "c", "op": "const", "attributes": {"dtype": "f32", "value": "1.0000000596046447753906250000001"}},
                  {"name": "i", "op": "iota", "attributes": {"dtype": "i32", "shape": [4], "axis": 0}}],
        "outputs": [{"name": "out", "value": "c"}, {"name": "b", "value": "i", "layout": "rows"}]}"#;
    let graph = json::from_str_verified(source).expect("valid");
    let value = graph.nodes().find_map(|n| if let Op::Const(l) = &n.op { Some(l.bits()) } else { None });
    assert_eq!(value, Some(0x3f80_0001), "rounded once, from the string");
    assert_eq!(graph.outputs[1].layout, Layout::Rows);
}

fn errors(source: &str) -> String {
    json::from_str_verified(source).map(|g| text::print(&g)).expect_err(source).to_string()
}

#[test]
fn json_of_another_form_says_where() {
    const HELP: &str = "\n  help: the fields are those of format \"routefuse-graph\", version 1";
    let start = "{\"format\": \"routefuse-graph\", \"version\": 1";
    let cases = [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{\n", "EOF while parsing an object at line 2 column 0"),
        ("[1]", "invalid type: integer `1`, expected a string at line 1 column 2"),
        ("{\"version\": 1}", "missing field `format` at line 1 column 14"),
        (
            &format!("{start},\n \"name\": \"g\", \"dims\": [], \"inptus\": []}}"),
            "unknown field `inptus`, expected one of `format`, `version`, `name`, `dims`, `inputs`, `nodes`, `outputs` at \
             line 2 column 34",
        ),
        (
            &format!(
                "{start},\n \"name\": \"g\", \"dims\": [], \"inputs\": [{{\"name\": \"x\", \"layout\": \"row\"}}]}}"
            ),
            "unknown variant `row`, expected one of `contiguous`, `rows`, `strided` at line 2 column 66",
        ),
        (
            &format!("{start},\n \"name\": \"g\", \"dims\": [], \"inputs\": [{{\"name\": \"x\", \"shape\": [-1]}}]}}"),
            "invalid type: integer `-1`, expected a dim: a non-negative integer or the name of a declared dim at line 2 \
             column 63",
        ),
    ];
    for (source, expected) in cases {
        assert_eq!(errors(source), format!("RF0106: {expected}{HELP}"), "{source}");
    }
    let help = "\n  help: this build reads format \"routefuse-graph\", version 1";
    let later = start.replace(": 1", ": 2") + ", \"unheard_of\": 0}";
    let expected = format!("RF0106: the JSON text is of format \"routefuse-graph\", version 2{help}");
    assert_eq!(errors(&later), expected);
    let errors = json::from_str("{\n  \"format\": 7}").expect_err("no string");
    assert_eq!(errors[0].span.map(|s| s.start), Some(14), "at the 7");
    assert_eq!(errors[0].code, Code::BadJson);
}

#[test]
fn other_errors_are_those_of_text_with_the_statement() {
    let source = r#"{"format": "routefuse-graph", "version": 1, "name": "g", "dims": ["T"],
        "inputs": [{"name": "x", "dtype": "i32", "shape": ["S", 8]}, {"name": "n", "dtype": "int", "shape": []},
                   {"name": "y", "dtype": "i32", "shape": ["T", 8]}],
        "nodes": [{"name": "a", "op": "gahter", "operands": ["y", "y"]},
                  {"name": "b", "op": "slice", "operands": ["y"], "attributes": {"start": 0, "start": 1, "stop": 9}},
                  {"name": "c", "op": "add", "operands": ["y", "d"]},
                  {"name": "d", "op": "add", "operands": ["y", "c"]},
                  {"name": "e", "op": "gather", "operands": ["y", "y", "y"], "attributes": {"out_of_range": {"fill": 2.5}}}],
        "outputs": [{"name": "out", "value": "y", "alias": {"donates": "yy"}}]}"#;
    let expected = r#"RF0203: the dim `S` is not declared
  in: input %x : i32[S, 8]
  help: declare it by `dim S` above
RF0111: unknown dtype `int`
  in: input %n : int[]
  help: the dtypes are bool, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16 or f32
RF0107: unknown op `gahter`
  in: %a = gahter %y, %y
  help: did you mean `gather`?
RF0113: the attribute `start` is given twice
  in: %b = slice %y {start = 0, start = 1, stop = 9}
  help: leave one of them out
RF0110: attribute `out_of_range` of `gather` takes an integer of i32 here, not `2.5`
  in: %e = gather %y, %y, %y {out_of_range = fill(2.5)}
  help: i32 is -2147483648 to 2147483647
RF0205: `donates` names `yy`, which is no input
  in: output out = %y donates(yy)
  help: only a declared input has memory to share
RF0204: these values depend on themselves: %c, %d
  in: %c = add %y, %d
  help: an operation may only use values that are defined before it"#;
    assert_eq!(errors(source), expected);
}
