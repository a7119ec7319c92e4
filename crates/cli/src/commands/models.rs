//! `routefuse models`.

use crate::args::Models;
use crate::failure::Failure;
use crate::output;
use crate::table::{Side, Table, terminal_width};
use crate::word_wrap::wrapped;
use routefuse::models::{PRESETS, Preset, named};
use serde_json::{Value, json};
use std::io::Write;

pub fn run(a: &Models) -> Result<(), Failure> {
    let mut out = output::stdout(a.json);
    match &a.name {
        Some(name) => one(&mut out, named(name)?, a.json)?,
        None if a.json => writeln!(out, "{:#}", PRESETS.iter().map(machine).collect::<Value>())?,
        None => all(&mut out)?,
    }
    Ok(())
}

fn all(out: &mut impl Write) -> std::io::Result<()> {
    let columns = [
        ("name", Side::Left),
        ("experts", Side::Right),
        ("k", Side::Right),
        ("groups", Side::Right),
        ("S", Side::Right),
        ("rsf", Side::Right),
        ("row", Side::Left),
        ("models", Side::Left),
    ];
    let mut table = Table::new(&columns);
    for p in PRESETS {
        let groups = p.route.groups.map_or("-".to_owned(), |g| format!("{}->{}", g.count, g.keep));
        let scale = p.scale.map_or("-".to_owned(), |s| s.to_string());
        let (name, row, models) = (p.name.to_owned(), p.row.to_owned(), p.models.to_owned());
        table.row([name, experts(p), p.top_k.to_string(), groups, p.shared.to_string(), scale, row, models]);
    }
    table.write(out, terminal_width())?;
    writeln!(out, "\n`routefuse models NAME` has a model's formula and options;")?;
    writeln!(out, "docs/reference/routing.md says what they mean.")
}

fn experts(p: &Preset) -> String {
    let list = p.experts.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let further = p.constants + p.identity + p.discards;
    if further > 0 { format!("{list}+{further}") } else { list }
}

fn one(out: &mut impl Write, p: &Preset, as_json: bool) -> std::io::Result<()> {
    if as_json {
        return writeln!(out, "{:#}", machine(p));
    }
    let like = p.like.map_or(String::new(), |like| format!("as `{like}`, with other sizes, factors or divisor"));
    let paragraphs = [format!("{}: {}", p.name, p.models), like, p.formula.to_owned(), p.source.to_owned()];
    for paragraph in paragraphs.iter().filter(|p| !p.is_empty()) {
        writeln!(out, "{}", lines(paragraph, 0))?;
    }
    writeln!(out, "\noptions, as in --option eplb=static:")?;
    let width = p.options().map(|o| o.name.len()).max().unwrap_or(0);
    let post = "the long chain: eplb=static padding=minus_one output=all and shared experts by token";
    let options = p.options().map(|o| (o.name, o.values, o.summary)).chain([("post", "true", post)]);
    for (name, values, summary) in options {
        writeln!(out, "  {name:<width$}  {}", lines(values, width + 4))?;
        writeln!(out, "  {:<width$}  {}", "", lines(summary, width + 4))?;
    }
    Ok(())
}

/// A paragraph that begins behind so many columns, in lines that fit the terminal.
fn lines(paragraph: &str, indent: usize) -> String {
    // Values are alternatives of one word: `none|static|dynamic`.
    let Some(width) = terminal_width().filter(|width| indent + paragraph.chars().count() > *width) else {
        return paragraph.to_owned();
    };
    let separated = paragraph.replace('|', "| ");
    let words: Vec<&str> = separated.split_whitespace().collect();
    let lines = wrapped(&words, width.saturating_sub(indent).max(16));
    lines.join(&format!("\n{}", " ".repeat(indent))).replace("| ", "|")
}

fn machine(p: &Preset) -> Value {
    let options: Vec<Value> =
        p.options().map(|o| json!({ "name": o.name, "values": o.values, "summary": o.summary })).collect();
    json!({
        "name": p.name, "models": p.models, "experts": p.experts, "k": p.top_k,
        "groups": p.route.groups.map(|g| g.count), "keep": p.route.groups.map(|g| g.keep),
        "shared": p.shared, "identity": p.identity, "constants": p.constants, "discards": p.discards,
        "scale": p.scale, "row": p.row, "formula": p.formula,
        "source": p.source, "like": p.like, "options": options,
    })
}
