//! `docs/reference/limits.md` has the numbers of the constants that it names, the codes that there are, and every constant that is
//! a limit of a user's. Its table of dtypes is written from the op table.

use super::{files, read, root};
use routefuse_ir::Code;
use routefuse_ir::op::table::OPS;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const PAGE: &str = "docs/reference/limits.md";

/// The cells of the tables of limits: what, at most, code, constant.
fn rows() -> Vec<Vec<String>> {
    let page = read(PAGE);
    let tables = page.lines().filter(|l| l.starts_with("| ") && l.matches(" | ").count() == 3);
    let cells = |l: &str| l.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    tables.map(cells).filter(|row| row[0] != "what" && row.len() == 4).collect()
}

/// What a line has behind `const`, whoever may use the constant.
fn constant(line: &str) -> Option<&str> {
    let private = line.trim_start_matches("pub").trim_start_matches("(super)").trim_start_matches("(crate)");
    private.trim_start().strip_prefix("const ")
}

/// The expression that a source gives a constant, or a field of its defaults.
fn expression(source: &str, name: &str) -> Option<String> {
    source.lines().map(str::trim).find_map(|line| {
        match constant(line).and_then(|l| l.strip_prefix(name)?.strip_prefix(": ")) {
            Some(rest) => Some(rest.split_once(" = ")?.1.strip_suffix(';')?.to_owned()),
            // The declaration of the field itself ends in a type.
            None => {
                let value = line.strip_prefix(name)?.strip_prefix(": ")?.strip_suffix(',')?;
                (value.starts_with(|c: char| c.is_ascii_digit()) || value.starts_with("Duration"))
                    .then(|| value.to_owned())
            }
        }
    })
}

/// What such an expression says: a number, one shifted, the most of a type, or seconds.
fn value(expression: &str) -> Option<(u64, bool)> {
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    if let Some(seconds) = expression.strip_prefix("Duration::from_secs(").and_then(|e| e.strip_suffix(')')) {
        return Some((number(seconds)?, true));
    }
    if let Some((bits, _)) = expression.split_once("::MAX") {
        let bits = bits.strip_prefix(['u', 'i']).and_then(number)? - u64::from(bits.starts_with('i'));
        return Some(((1 << bits) - 1, false));
    }
    match expression.split_once("<<") {
        Some((n, bits)) => Some((number(n)? << number(bits)?, false)),
        None => Some((number(expression)?, false)),
    }
}

/// The ways in which the page may write it.
fn written((n, seconds): (u64, bool)) -> Vec<String> {
    if seconds {
        return vec![format!("{n} s")];
    }
    let mut digits = n.to_string();
    for at in (1..digits.len()).rev().filter(|at| (digits.len() - at) % 3 == 0).collect::<Vec<_>>() {
        digits.insert(at, ',');
    }
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.iter().find(|(bits, _)| n >> bits > 0 && n.trailing_zeros() >= *bits);
    let in_units = whole.map(|(bits, unit)| format!("{} {unit}", n >> bits));
    let power = n.is_power_of_two().then(|| format!("2^{}", n.trailing_zeros()));
    [Some(digits), in_units, power].into_iter().flatten().collect()
}

#[test]
fn numbers_are_written_for_readers() {
    assert_eq!(value("16_384"), Some((16_384, false)));
    assert_eq!(written(value("4 << 20").unwrap()), ["4,194,304", "4 MiB", "2^22"]);
    assert_eq!(written(value("100_000_000").unwrap()), ["100,000,000"]);
    assert_eq!(written(value("Duration::from_secs(30)").unwrap()), ["30 s"]);
    assert_eq!((value("u32::MAX as u64"), value("i32::MAX")), (Some((0xffff_ffff, false)), Some((0x7fff_ffff, false))));
    assert_eq!(expression("    max_bytes: u64,\n    max_bytes: 1 << 30,\n", "max_bytes"), Some("1 << 30".to_owned()));
}

#[test]
fn limits_are_those_of_the_constants() {
    let mut wrong = vec![];
    let mut compared = 0;
    for row in rows() {
        let (most, constant) = (&row[1], &row[3]);
        let named: Vec<&str> = constant.split('`').skip(1).step_by(2).collect();
        let &[name, file] = &named[..] else { continue };
        let found = expression(&read(file), name).and_then(|found| {
            // One that is another one of the page.
            let other = rows().into_iter().find(|row| row[3].starts_with(&format!("`{found}` of `")));
            let Some(other) = other else { return Some(found) };
            expression(&read(other[3].split('`').nth(3)?), &found)
        });
        let Some(expected) = found.as_deref().and_then(value) else {
            wrong.push(format!("{file} has no {name} that can be read"));
            continue;
        };
        compared += 1;
        if !written(expected).contains(most) {
            wrong.push(format!("{}: {most}, and {name} of {file} is {:?}", row[0], written(expected)));
        }
    }
    assert!(wrong.is_empty(), "{PAGE}:\n{}", wrong.join("\n"));
    assert!(compared > 40, "{compared} limits");
}

/// A new limit has a place on the page, or is one of those that no user meets.
#[test]
fn every_limit_is_on_the_page() {
    // What bounds a number of steps, a layout or a line of a report, and refuses nothing.
    let inner = [
        "ir/src/interp/row.rs MAX",
        "crates/cli/src/commands/compile.rs MOST",
        "crates/cli/src/gpu_bench.rs MOST_ROWS_FOR_HOST",
        "crates/report/src/code/trips.rs MOST",
        "crates/report/src/difference.rs MOST_LINES",
        "crates/routefuse/src/picture/layouts.rs MOST",
        "crates/routefuse/src/picture/label.rs LONGEST",
        "ir/src/text/findings.rs MAX",
        "runtime/src/cache/disk/uses.rs MOST",
        "runtime/src/cache/remote/patience.rs LONGEST",
    ];
    let on_page: BTreeSet<String> = rows()
        .iter()
        .filter_map(|row| match row[3].split('`').skip(1).step_by(2).collect::<Vec<_>>()[..] {
            [name, file] => Some(format!("{file} {name}")),
            _ => None,
        })
        .collect();
    let rooms = [
        "crates/c/src",
        "ir/src/infer",
        "ir/src/text",
        "ir/src/interp",
        "runtime/src/cache",
        "crates/cli/src",
        "crates/report/src",
        "crates/routefuse/src/exec",
        "crates/routefuse/src/models",
        "crates/routefuse/src/picture",
        "codegen/src/export",
    ];
    let (mut missing, mut seen) = (vec![], BTreeSet::new());
    for file in rooms.iter().flat_map(|room| files(room, "rs")).filter(|file| !file.contains("/tests/")) {
        for line in read(&file).lines().filter_map(|line| constant(line.trim())) {
            let name = line.split(':').next().unwrap_or_default();
            let limits = ["MAX", "MOST", "LARGEST", "LONGEST"].iter().any(|begin| name.starts_with(begin));
            let here = format!("{file} {name}");
            if limits && !on_page.contains(&here) && !inner.contains(&here.as_str()) {
                missing.push(here);
            } else {
                seen.insert(here);
            }
        }
    }
    assert!(inner.iter().all(|inner| seen.contains(*inner)), "a constant in the list of this test is gone");
    assert!(missing.is_empty(), "{PAGE} does not say what is refused by\n{}", missing.join("\n"));
}

#[test]
fn the_codes_of_limits_are_codes() {
    for row in rows() {
        for code in row[2].split("[RF").skip(1).map(|rest| format!("RF{}", rest.split(']').next().unwrap_or_default()))
        {
            assert!(Code::from_text(&code).is_some(), "{PAGE}: {code} of {}", row[0]);
            assert!(row[2].contains(&format!("(errors.md#{})", code.to_lowercase())), "{PAGE}: {}", row[2]);
        }
    }
}

/// Which ops take which dtypes: one row for each set of dtypes.
fn dtypes() -> String {
    let mut sets: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for op in OPS {
        for group in op.operands {
            let which = match op.operands {
                [_] => String::new(),
                _ => format!(" ({})", group.names.join(", ")),
            };
            sets.entry(group.dtypes.many).or_default().push(format!("`{}`{which}", op.mnemonic));
        }
    }
    let mut text = "| dtypes | operands of |\n|---|---|\n".to_owned();
    for (dtypes, ops) in sets {
        writeln!(text, "| {dtypes} | {} |", ops.join(", ")).unwrap();
    }
    text
}

#[test]
fn dtypes_are_those_of_the_op_table() {
    let page = read(PAGE);
    let head = "<!-- dtypes: a test writes this table from the op table -->\n";
    let (before, rest) = page.split_once(head).expect("where the table begins");
    let (_, after) = rest.split_once("<!-- end -->").expect("where the table ends");
    let expected = format!("{before}{head}{}<!-- end -->{after}", dtypes());
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(root().join(PAGE), &expected).unwrap();
    }
    assert!(read(PAGE) == expected, "{PAGE} is out of date (`make snapshots` writes its table of dtypes)");
}
