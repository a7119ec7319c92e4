//! `routefuse targets`.

use crate::args::Json;
use crate::failure::Failure;
use crate::output;
use crate::table::{Side, Table, terminal_width};
use routefuse::Target;
use routefuse::ir::TargetKind;
use std::io::Write;

pub fn run(a: &Json) -> Result<(), Failure> {
    let mut out = output::stdout(a.json);
    if a.json {
        let list: Vec<_> = Target::all()
            .map(|t| {
                let i = t.info();
                serde_json::json!({
                    "name": i.name, "kind": kind(i.kind), "product": i.product, "warp": i.warp, "max_threads": i.max_threads,
                })
            })
            .collect();
        writeln!(out, "{:#}", serde_json::json!(list))?;
        return Ok(());
    }
    let mut table =
        Table::new(&[("target", Side::Left), ("code", Side::Left), ("warp", Side::Right), ("product", Side::Left)]);
    for t in Target::all() {
        let i = t.info();
        table.row([i.name.to_owned(), kind(i.kind).to_owned(), i.warp.to_string(), i.product.to_owned()]);
    }
    Ok(table.write(&mut out, terminal_width())?)
}

fn kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Host => "object",
        TargetKind::Nvptx => "ptx",
        TargetKind::Amdgpu => "hsaco",
    }
}
