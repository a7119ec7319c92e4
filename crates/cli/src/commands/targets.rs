//! `routefuse targets`.

use crate::args::Json;
use crate::failure::Failure;
use crate::output;
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
    writeln!(out, "{:<14} {:<7} {:>4}  product", "target", "code", "warp")?;
    for t in Target::all() {
        let i = t.info();
        writeln!(out, "{:<14} {:<7} {:>4}  {}", i.name, kind(i.kind), i.warp, i.product)?;
    }
    Ok(())
}

fn kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Host => "object",
        TargetKind::Nvptx => "ptx",
        TargetKind::Amdgpu => "hsaco",
    }
}
