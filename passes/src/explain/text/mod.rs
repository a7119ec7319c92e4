//! The report for people.

mod grid;
mod markdown;
mod page;
mod schedule;

use super::{Cost, DimTraffic, GatherReport, KernelReport, ParamReport, PassSummary, Report, Traffic};
use page::Page;
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::visible::visible;
use std::fmt;

/// `1 launch`, `2 launches`.
fn count(n: usize, thing: &str, things: &str) -> String {
    format!("{n} {}", if n == 1 { thing } else { things })
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traffic { read_per_row, written_per_row, read_once, written_once } = self;
        let mut parts = Vec::new();
        if read_per_row + written_per_row > 0 {
            parts.push(format!("{read_per_row} B read and {written_per_row} B written a row"));
        }
        if *read_once > 0 {
            parts.push(format!("{read_once} B read once"));
        }
        if *written_once > 0 {
            parts.push(format!("{written_once} B written once"));
        }
        write!(f, "{}", if parts.is_empty() { "no memory".to_owned() } else { parts.join(", ") })
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { launches, traffic, by_dim } = self;
        write!(f, "{}, ", count(*launches, "launch", "launches"))?;
        if by_dim.is_empty() {
            return write!(f, "{traffic}");
        }
        let of_dim = |t: &DimTraffic| {
            format!("{} B read and {} B written a row of {}", t.read_per_row, t.written_per_row, visible(&t.dim))
        };
        let mut parts: Vec<String> = by_dim.iter().map(of_dim).collect();
        let once = Traffic { read_per_row: 0, written_per_row: 0, ..*traffic };
        if once != Traffic::default() {
            parts.push(once.to_string());
        }
        write!(f, "{}", parts.join(", "))
    }
}

impl fmt::Display for ParamReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", visible(&self.name), self.ty)?;
        if self.table {
            write!(f, " (table)")?;
        }
        match &self.aliases {
            Some(input) => write!(f, " (in {}'s memory)", visible(input)),
            None => Ok(()),
        }
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// Targets by name, without a list of the whole table: `every host`, `every GPU`, `every NVIDIA GPU`, or neighbours of the table as
/// `first … last`.
fn targets(names: &[String]) -> String {
    let named = |t: &Target| names.iter().any(|name| name == t.name());
    let kinds = [
        (TargetKind::Host, "every host"),
        (TargetKind::Nvptx, "every NVIDIA GPU"),
        (TargetKind::Amdgpu, "every AMD GPU"),
    ];
    for (kind, all) in kinds {
        let of_kind: Vec<Target> = Target::all().filter(|t| t.kind() == kind).collect();
        if of_kind.len() == names.len() && of_kind.iter().all(named) {
            return all.to_owned();
        }
    }
    let gpus = || Target::all().filter(|t| t.kind() != TargetKind::Host);
    if gpus().all(|t| named(&t)) && names.len() == gpus().count() {
        return "every GPU".to_owned();
    }
    let table: Vec<Target> = Target::all().collect();
    let runs = table.chunk_by(|a, b| named(a) == named(b)).filter(|run| named(&run[0]));
    let texts = runs.map(|run| match run {
        [first, _, .., last] => format!("{first} … {last}"),
        few => list(few),
    });
    texts.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for GatherReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GatherReport { gather, table, out_of_range, proved, why } = self;
        let verdict = if *proved { "proved in range".to_owned() } else { format!("checked, {out_of_range}") };
        let why = why.join("; ");
        write!(f, "%{} from %{}: {verdict} ({})", visible(gather), visible(table), visible(&why))
    }
}

impl fmt::Display for PassSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PassSummary { name, runs, changes, ops_removed } = self;
        write!(f, "{name} changed the graph in {changes} of {}", count(*runs, "run", "runs"))?;
        match ops_removed {
            0 => Ok(()),
            n if *n < 0 => write!(f, ", {} more", count(n.unsigned_abs() as usize, "operation", "operations")),
            n => write!(f, ", {} fewer", count(n.unsigned_abs() as usize, "operation", "operations")),
        }
    }
}

impl Report {
    /// The report for a terminal of this many columns: first what a reader wants to know, then each kernel, then how kernels
    /// meet lanes, then proofs.
    pub fn to_text(&self, width: usize) -> String {
        let Report { graph, before, after, kernels, joined, apart, simplified, cuts, gathers, passes } = self;
        let mut page = Page::new(width);
        page.line(&format!("graph @{}: {}", visible(graph), count(kernels.len(), "kernel", "kernels")));
        page.item("before", &before.to_string());
        page.item("after", &after.to_string());
        if cuts.is_empty() {
            if kernels.len() == 1 {
                page.item("why", "one kernel does all of it");
            }
        } else {
            page.heading("not one kernel, because");
            cuts.iter().for_each(|c| page.point(&visible(&c.to_string())));
        }
        if !joined.is_empty() {
            page.heading("on a GPU, phases of one launch");
        }
        for of in joined {
            page.point(&of.to_string());
            of.phases.iter().for_each(|p| page.point(&p.to_string()));
            of.memory().iter().for_each(|m| page.point(m));
        }
        if !apart.is_empty() {
            page.heading("on a GPU, launches of their own");
            apart.iter().for_each(|a| page.point(&a.to_string()));
        }
        for k in kernels {
            kernel(&mut page, k);
        }
        for k in kernels {
            schedule::all(&mut page, k);
        }
        if !simplified.is_empty() {
            let names: Vec<String> = simplified.iter().map(|s| format!("%{}", visible(s))).collect();
            page.gap();
            page.paragraph(0, 2, &format!("simplified away: {}", names.join(", ")));
        }
        if !gathers.is_empty() {
            page.heading("gathers");
            gathers.iter().for_each(|g| page.point(&g.to_string()));
        }
        page.heading("passes");
        passes.iter().for_each(|p| page.point(&p.to_string()));
        for k in kernels {
            page.heading(&format!("signature of kernel @{}", visible(&k.name)));
            k.signature.lines().for_each(|l| page.line(&format!("  {l}")));
        }
        page.text
    }
}

/// What a kernel is made of and moves.
fn kernel(page: &mut Page, k: &KernelReport) {
    let rows = k.rows.as_ref().map_or_else(|| "one row".to_owned(), |r| format!("a loop over {}", visible(r)));
    page.heading(&format!("kernel @{}: {rows}, {}", visible(&k.name), count(k.ops.len(), "operation", "operations")));
    page.item("holds", &holds(k));
    page.item("reads", &list(&k.reads));
    page.item("writes", &list(&k.writes));
    page.item("moves", &k.traffic.to_string());
}

/// The user's operations in a kernel.
fn holds(k: &KernelReport) -> String {
    let ops: Vec<String> = k.ops.iter().map(|o| format!("%{}", visible(o))).collect();
    list(&ops)
}

impl fmt::Display for Report {
    /// For a terminal of 80 columns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(80))
    }
}
