//! `docs/reference/ir.md` says what the op table, the inference and the doc comments say, and the table says of dtypes what the
//! inference does. `make snapshots` writes the document anew.

use routefuse_ir::dim::{Dim, SymbolId};
use routefuse_ir::infer::infer;
use routefuse_ir::math::MAX_ULP;
use routefuse_ir::op::attribute::AttributeValue;
use routefuse_ir::op::info::OpInfo;
use routefuse_ir::op::table::OPS;
use routefuse_ir::op::{Candidates, GroupFill, GroupScore, Op, ReduceOp, ScalarOp, TopKOrder};
use routefuse_ir::{Code, DType, Literal, TensorType};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn docs_ir_is_what_the_sources_say() {
    let path = root().join("docs/reference/ir.md");
    let expected = reference();
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, &expected).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(found == expected, "docs/reference/ir.md is out of date (`make snapshots` writes it): {differs:?}");
}

/// Of each group of operands by itself, with the others of dtypes that the op takes.
#[test]
fn the_table_takes_the_dtypes_that_inference_takes() {
    for op in OPS.iter().filter(|op| op.mnemonic != "bitcast" && !op.operands.is_empty()) {
        let groups: Vec<usize> = op.operands.iter().map(|g| g.names.len()).collect();
        let taken = |dtypes: &[DType]| {
            let operands: Vec<DType> = dtypes.iter().zip(&groups).flat_map(|(d, count)| vec![*d; *count]).collect();
            given(op.mnemonic, &operands, (op.mnemonic == "cast").then_some(DType::F32)).is_some()
        };
        let holding: Vec<DType> =
            op.operands.iter().map(|g| DType::ALL.into_iter().find(|d| g.dtypes.holds(*d)).expect("a dtype")).collect();
        assert!(taken(&holding), "{} of {holding:?}", op.mnemonic);
        for (i, group) in op.operands.iter().enumerate() {
            for dtype in DType::ALL {
                let mut dtypes = holding.clone();
                dtypes[i] = dtype;
                // Amounts are of the counts' dtype.
                if op.mnemonic == "atomic_add" && i != 1 {
                    (dtypes[0], dtypes[2]) = (dtype, dtype);
                }
                // The fill is of the values' dtype.
                if op.mnemonic == "bin_scatter" && (i == 0 || i == 3) {
                    (dtypes[0], dtypes[3]) = (dtype, dtype);
                }
                let says = group.dtypes.holds(dtype);
                assert_eq!(taken(&dtypes), says, "{}: {:?} of {dtype}", op.mnemonic, group.names);
            }
        }
    }
}

fn reference() -> String {
    let mut s = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut s);
    s
}

fn write(s: &mut String) -> std::fmt::Result {
    let lib = source("ir/src/lib.rs");
    let layout = source("ir/src/layout.rs");
    let ops = source("ir/src/op/mod.rs");
    writeln!(s, "# IR reference\n")?;
    writeln!(
        s,
        "Made from the op table, the inference and the doc comments of `routefuse-ir`; a test holds it to them, and"
    )?;
    writeln!(s, "`make snapshots` writes it anew. The interpreter is the definition of what is said here in words.\n")?;
    writeln!(s, "## Shapes\n\n{}", section(&lib, "# Shapes"))?;
    writeln!(s, "## Dtypes\n\n| dtype | bytes | |\n|---|---|---|")?;
    for d in DType::ALL {
        let kind = match d {
            DType::Bool => "0 or 1",
            d if d.is_float() => "float",
            d if d.is_signed() => "signed integer",
            _ => "unsigned integer",
        };
        writeln!(s, "| `{d}` | {} | {kind} |", d.size())?;
    }
    writeln!(s, "\n## Meaning\n\n{}", section(&lib, "# Meaning"))?;
    writeln!(s, "## Operations\n")?;
    writeln!(
        s,
        "Attributes in brackets may be left out and are then as is written there. Where operands are named together,"
    )?;
    writeln!(
        s,
        "their dtypes are equal, and so are the shapes of elementwise operands, of which those of rank 0 serve every element.\n"
    )?;
    writeln!(s, "| op | operands | attributes | dtypes | |\n|---|---|---|---|---|")?;
    for op in OPS {
        let OpInfo { mnemonic, summary, .. } = op;
        let (operands, attributes) = (code(&op.operands_text()), code(&op.attributes_text()));
        writeln!(s, "| `{mnemonic}` | {operands} | {attributes} | {} | {} |", dtypes(op), escaped(summary))?;
    }
    writeln!(s, "\n## Accuracy\n")?;
    writeln!(
        s,
        "The largest error of a function over all 2³² arguments, in units of the last place of the exact result (ulp)."
    )?;
    writeln!(s, "Arithmetic, `sqrt`, the roundings and the casts are exact or rounded once.\n")?;
    writeln!(s, "| op | ulp |\n|---|---|")?;
    for (name, ulp) in MAX_ULP {
        writeln!(s, "| `{name}` | {ulp} |")?;
    }
    writeln!(
        s,
        "\n## Out of range\n\nWhat `gather` and `gather_row` do with an index outside its dim: `out_of_range = …`\n"
    )?;
    let words = ["pass", "fill(literal)", "clamp", "wrap", "trap"];
    variants(s, &ops, "OutOfRange", &words)?;
    writeln!(s, "\n## Forms of `pack`\n")?;
    variants(s, &ops, "PackForm", &["masked", "sign_extended"])?;
    writeln!(s, "\n## Layouts\n\nOf inputs and outputs, behind the type.\n")?;
    variants(s, &layout, "Layout", &["", "rows", "strided"])?;
    writeln!(s, "\n## Aliases\n\nOf outputs, behind the layout; the name is an input's.\n")?;
    variants(s, &layout, "Alias", &["", "in_place(name)", "donates(name)", "guarded(name)"])?;
    let row = source("ir/src/op/row.rs");
    writeln!(s, "\n## Row operations\n")?;
    writeln!(s, "The reductions:\n")?;
    variants(s, &row, "ReduceOp", &ReduceOp::ALL.map(|r| r.1))?;
    writeln!(s, "\nThe order in which `topk`, `topk_mask`, `argmax`, `top2_sum` and `group_mask` compare:")?;
    writeln!(s, "\n{}", section(&source("ir/src/math/order.rs"), "# Rank keys"))?;
    writeln!(s, "What `topk` and `topk_mask` may choose: `candidates = …`\n")?;
    variants(s, &row, "Candidates", &Candidates::ALL.iter().map(|c| c.1).collect::<Vec<_>>())?;
    writeln!(s, "\nWhere `topk`, `topk_mask` and `argmax` rank a NaN: `nan = …`, `last` if it is not written\n")?;
    variants(s, &row, "NanOrder", &["last", "first"])?;
    writeln!(s, "\nHow `topk` arranges what it chose: `order = …`\n")?;
    variants(s, &row, "TopKOrder", &TopKOrder::ALL.iter().map(|c| c.1).collect::<Vec<_>>())?;
    writeln!(s, "\nHow `group_score` scores: `score = …`\n")?;
    variants(s, &row, "GroupScore", &GroupScore::ALL.iter().map(|c| c.1).collect::<Vec<_>>())?;
    writeln!(s, "\nWhat `group_mask` does with columns of other groups: `masked = …`\n")?;
    variants(s, &row, "GroupFill", &GroupFill::ALL.iter().map(|c| c.1).collect::<Vec<_>>())?;
    writeln!(s, "\nWhat `renorm` divides by: `denominator = …`, with `epsilon = ε` where there is one\n")?;
    variants(s, &row, "Denominator", &["sum", "plus_epsilon", "clamp", "positive"])?;
    let text = source("ir/src/text/mod.rs");
    writeln!(s, "\n## Grammar of `.route`\n\n{}", section(&text, "# Grammar"))?;
    writeln!(s, "## Limits\n\n[Limits](limits.md) has every limit with its code.\n")?;
    writeln!(s, "## Diagnostics\n\n| code | |\n|---|---|")?;
    for code in Code::ALL {
        writeln!(s, "| `{code}` | {} |", escaped(code.summary()))?;
    }
    Ok(())
}

fn source(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The front page's section of this heading, up to the next heading or, in a section of text, its example.
fn section(source: &str, heading: &str) -> String {
    let doc = source.lines().map_while(|l| l.strip_prefix("//!")).map(|l| l.strip_prefix(' ').unwrap_or(l));
    let mut lines = vec![];
    let mut fences = 0;
    for line in doc.skip_while(|l| *l != heading).skip(1) {
        if fences % 2 == 0 && (line.starts_with("# ") || line == "```") {
            break;
        }
        fences += usize::from(line.starts_with("```"));
        lines.push(unlinked(line));
    }
    assert!(!lines.is_empty(), "no section {heading}");
    while lines.last().is_some_and(|l| l.is_empty()) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

/// Without rustdoc's links: ``[`Tensor`](path)`` and ``[`Tensor`]`` become `` `Tensor` ``.
fn unlinked(line: &str) -> String {
    let mut out = line.to_owned();
    while let Some(start) = out.find("[`") {
        let Some(end) = out[start..].find("`]").map(|e| start + e + 2) else { break };
        let name = out[start + 1..end - 1].to_owned();
        let after = match out[end..].strip_prefix('(').and_then(|rest| rest.find(')')) {
            Some(close) => end + close + 2,
            None => end,
        };
        out.replace_range(start..after, &name);
    }
    out
}

/// A table of an enum's variants: the word of each in text and its doc comment.
fn variants(s: &mut String, source: &str, name: &str, words: &[&str]) -> std::fmt::Result {
    let start = source.find(&format!("pub enum {name} {{")).unwrap_or_else(|| panic!("no enum {name}"));
    let mut doc = String::new();
    let mut docs = vec![];
    for line in source[start..].lines().skip(1).take_while(|l| *l != "}").map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            doc += text;
        } else if line.starts_with(char::is_uppercase) {
            docs.push(std::mem::take(&mut doc));
        }
    }
    assert_eq!(docs.len(), words.len(), "{name} has other variants than its words");
    writeln!(s, "| | |\n|---|---|")?;
    for (word, doc) in words.iter().zip(docs) {
        let doc = doc.split(" In text: ").next().unwrap_or_default();
        writeln!(
            s,
            "| {} | {} |",
            if word.is_empty() { "nothing".to_owned() } else { code(word) },
            escaped(&unlinked(doc.trim()))
        )?;
    }
    Ok(())
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Which dtypes an op takes and gives, found by asking inference.
fn dtypes(op: &OpInfo) -> String {
    let mnemonic = op.mnemonic;
    let answers = |make: &dyn Fn(DType) -> Option<DType>| -> Vec<(DType, DType)> {
        DType::ALL.into_iter().filter_map(|d| make(d).map(|r| (d, r))).collect()
    };
    let names: Vec<&str> = op.operands.iter().flat_map(|g| g.names.iter().copied()).collect();
    let result = |answers: &[(DType, DType)]| {
        let same = answers.iter().all(|(d, r)| d == r);
        let results: BTreeSet<DType> = answers.iter().map(|a| a.1).collect();
        if same { String::new() } else { format!(" → {}", set(&results)) }
    };
    let of = |what: &str, answers: &[(DType, DType)]| {
        assert!(!answers.is_empty(), "{mnemonic} takes no dtype as {what}");
        format!("{what}: {}", set(&answers.iter().map(|a| a.0).collect()))
    };
    match mnemonic {
        "const" => "any".to_owned(),
        "iota" | "rows" => set(&answers(&|d| given(mnemonic, &[], Some(d))).iter().map(|a| a.0).collect()),
        "cast" | "bitcast" => {
            let rule = if mnemonic == "cast" { "any to any" } else { "any but bool, of one width" };
            for (from, to) in DType::ALL.into_iter().flat_map(|f| DType::ALL.map(|t| (f, t))) {
                let width = from.size() == to.size() && from != DType::Bool && to != DType::Bool;
                let taken = given(mnemonic, &[from], Some(to)) == Some(to);
                assert_eq!(taken, mnemonic == "cast" || width, "{mnemonic} {from} to {to}");
            }
            rule.to_owned()
        }
        "select" => {
            let values = answers(&|d| given(mnemonic, &[DType::Bool, d, d], None));
            let condition = answers(&|d| given(mnemonic, &[d, DType::I32, DType::I32], None));
            format!("{}, {}{}", of("condition", &condition), of("a, b", &values), result(&values))
        }
        "gather" | "gather_row" => {
            let tables = answers(&|d| given(mnemonic, &[d, DType::I32], None));
            let indices = answers(&|d| given(mnemonic, &[DType::F32, d], None));
            format!("{}, {}{}", of(names[0], &tables), of("indices", &indices), result(&tables))
        }
        "mask_rows" => {
            let values = answers(&|d| given(mnemonic, &[d, DType::I32], None));
            let n = answers(&|d| given(mnemonic, &[DType::F32, d], None));
            format!("{}, {}{}", of("x", &values), of("n", &n), result(&values))
        }
        "pack" => {
            let ids = answers(&|d| given(mnemonic, &[d, DType::F32], None));
            let weights = answers(&|d| given(mnemonic, &[DType::I32, d], None));
            format!("{}, {}{}", of("ids", &ids), of("weights", &weights), result(&ids))
        }
        "atomic_add" => {
            let counts = answers(&|d| given(mnemonic, &[d, DType::I32, d], None));
            let indices = answers(&|d| given(mnemonic, &[DType::I32, d, DType::I32], None));
            format!("{}, {}{}", of("counts, amounts", &counts), of("indices", &indices), result(&counts))
        }
        "bin_scatter" => {
            let values = answers(&|d| given(mnemonic, &[d, DType::I32, DType::I32, d], None));
            let ids = answers(&|d| given(mnemonic, &[DType::F32, d, DType::I32, DType::F32], None));
            format!("{}, {}, starts: i32{}", of("values, fill", &values), of("ids", &ids), result(&values))
        }
        _ => {
            let all = answers(&|d| given(mnemonic, &vec![d; names.len()], None));
            let taken = of("", &all);
            format!("{}{}", taken.trim_start_matches(": "), result(&all))
        }
    }
}

/// The dtype of the op's result on operands of these dtypes, if it takes them.
fn given(mnemonic: &str, operands: &[DType], dtype: Option<DType>) -> Option<DType> {
    let t = Dim::Sym(SymbolId(0));
    let first = operands.first().copied().unwrap_or(DType::I32);
    let mut attributes: Vec<(String, AttributeValue)> = vec![];
    let mut add = |name: &str, value| attributes.push((name.to_owned(), value));
    let mut shapes = vec![vec![t, Dim::Const(4)]; operands.len()];
    match mnemonic {
        "iota" => {
            add("shape", AttributeValue::Shape(vec![t, Dim::Const(4)]));
            add("axis", AttributeValue::Integer(1));
        }
        "broadcast" | "rows" => add("shape", AttributeValue::Shape(vec![t, Dim::Const(4)])),
        "reshape" => add("shape", AttributeValue::Shape(vec![t, Dim::Const(2), Dim::Const(2)])),
        "slice" => {
            add("start", AttributeValue::Integer(0));
            add("stop", AttributeValue::Integer(2));
        }
        "gather" | "atomic_add" => shapes[0] = vec![Dim::Const(4)],
        "bin_count" | "bin_any" | "bin_rank" => add("bins", AttributeValue::Integer(4)),
        "bin_starts" => shapes[0] = vec![Dim::Const(4)],
        "bin_of" => {
            add("shape", AttributeValue::Shape(vec![t]));
            shapes[0] = vec![Dim::Const(4)];
        }
        "bin_scatter" => {
            add("shape", AttributeValue::Shape(vec![t]));
            (shapes[2], shapes[3]) = (vec![Dim::Const(4)], vec![]);
        }
        "reduce_sum" | "reduce_max" | "reduce_min" | "top2_sum" => add("axis", AttributeValue::Integer(1)),
        "topk" | "topk_mask" => add("k", AttributeValue::Integer(2)),
        "group_score" => {
            add("groups", AttributeValue::Integer(2));
            add("score", AttributeValue::Word("max".to_owned()));
        }
        "group_mask" => {
            add("keep", AttributeValue::Integer(1));
            add("masked", AttributeValue::Word("zero".to_owned()));
            shapes[1] = vec![t, Dim::Const(2)];
        }
        "renorm" => add("denominator", AttributeValue::Word("sum".to_owned())),
        "mask_rows" => {
            add("fill", AttributeValue::Literal(Literal::zero(first)));
            shapes[1] = vec![];
        }
        _ => {}
    }
    if let Some(d) = dtype {
        add("dtype", AttributeValue::Word(d.name().to_owned()));
    }
    let op = Op::from_attributes(mnemonic, &attributes).unwrap_or_else(|e| panic!("{mnemonic}: {e}"));
    if let Op::Scalar(op) = &op {
        assert_eq!(ScalarOp::arity(*op), operands.len(), "{mnemonic}");
    }
    let types: Vec<TensorType> = operands.iter().zip(shapes).map(|(d, s)| TensorType::new(*d, s)).collect();
    infer(&op, &types, &["T".to_owned()]).ok().map(|ty| ty.dtype)
}

/// A set of dtypes in words.
fn set(dtypes: &BTreeSet<DType>) -> String {
    let is = |f: &dyn Fn(DType) -> bool| DType::ALL.into_iter().filter(|d| f(*d)).collect::<BTreeSet<_>>();
    let groups: [(&str, BTreeSet<DType>); 4] = [
        ("any", is(&|_| true)),
        ("integers", is(&|d| d.is_int())),
        ("signed integers", is(&|d| d.is_signed())),
        ("floats", is(&|d| d.is_float())),
    ];
    let mut left = dtypes.clone();
    let mut words = vec![];
    for (name, group) in groups {
        if group.is_subset(&left) {
            left = &left - &group;
            words.push(name.to_owned());
        }
    }
    words.extend(left.iter().map(|d| format!("`{d}`")));
    words.join(", ")
}
