//! `routefuse models`.

use crate::args::Models;
use crate::failure::Failure;
use crate::output;
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
    let width = PRESETS.iter().map(|p| p.name.len()).max().unwrap_or(0);
    writeln!(
        out,
        "{:<width$} {:>9} {:>3} {:>7} {:>2} {:>6}  {:<4} models",
        "name", "experts", "k", "groups", "S", "rsf", "row"
    )?;
    for p in PRESETS {
        let groups = p.route.groups.map_or("-".to_owned(), |g| format!("{}->{}", g.count, g.keep));
        let scale = p.scale.map_or("-".to_owned(), |s| s.to_string());
        writeln!(
            out,
            "{:<width$} {:>9} {:>3} {groups:>7} {:>2} {scale:>6}  {:<4} {}",
            p.name,
            experts(p),
            p.top_k,
            p.shared,
            p.row,
            p.models
        )?;
    }
    writeln!(
        out,
        "\n`routefuse models NAME` has a model's formula and options; docs/reference/routing.md says what they mean."
    )
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
    let like = p.like.map_or(String::new(), |like| format!("as `{like}`, with other sizes, factors or divisor\n"));
    let (name, models, formula, source) = (p.name, p.models, p.formula, p.source);
    writeln!(out, "{name}: {models}\n{like}{formula}\n{source}\n\noptions, as in --option eplb=static:")?;
    let width = p.options().map(|o| o.name.len()).max().unwrap_or(0);
    for o in p.options() {
        writeln!(out, "  {:<width$}  {}", o.name, o.values)?;
        writeln!(out, "  {:<width$}  {}", "", o.summary)?;
    }
    let (name, summary) =
        ("post", "the long chain: eplb=static padding=minus_one output=all and shared experts by token");
    writeln!(out, "  {name:<width$}  true\n  {:<width$}  {summary}", "")
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
