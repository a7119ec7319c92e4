//! The report for people.

use super::{Cost, DimTraffic, GatherReport, KernelReport, ParamReport, PassSummary, Report, Traffic};
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

/// Targets by name, without a list of the whole table: `every GPU`, or neighbours of the table as `first … last`.
fn targets(names: &[String]) -> String {
    let named = |t: &Target| names.iter().any(|name| name == t.name());
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

impl fmt::Display for KernelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KernelReport { name, rows, ops, reads, writes, traffic, schedules, signature } = self;
        let rows = rows.as_ref().map_or_else(|| "one row".to_owned(), |r| format!("a loop over {}", visible(r)));
        writeln!(f, "kernel @{}: {rows}, {}", visible(name), count(ops.len(), "operation", "operations"))?;
        let ops: Vec<String> = ops.iter().map(|o| format!("%{}", visible(o))).collect();
        writeln!(f, "  holds    {}", list(&ops))?;
        writeln!(f, "  reads    {}", list(reads))?;
        writeln!(f, "  writes   {}", list(writes))?;
        writeln!(f, "  moves    {traffic}")?;
        for s in schedules {
            let targets = targets(&s.targets);
            writeln!(f, "  schedule {targets}: {}; variants {}", s.schedule, s.variants.join(", "))?;
            s.why.iter().try_for_each(|w| writeln!(f, "    {}", visible(w)))?;
        }
        writeln!(f, "  signature")?;
        signature.lines().try_for_each(|l| writeln!(f, "    {l}"))
    }
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { graph, before, after, kernels, simplified, cuts, gathers, passes } = self;
        writeln!(f, "graph @{}: {}", visible(graph), count(kernels.len(), "kernel", "kernels"))?;
        writeln!(f, "  before   {before}")?;
        writeln!(f, "  after    {after}")?;
        for k in kernels {
            write!(f, "{k}")?;
        }
        if !simplified.is_empty() {
            let names: Vec<String> = simplified.iter().map(|s| format!("%{}", visible(s))).collect();
            writeln!(f, "simplified away: {}", names.join(", "))?;
        }
        if !cuts.is_empty() {
            writeln!(f, "not one kernel, because")?;
            cuts.iter().try_for_each(|c| writeln!(f, "  {}", visible(&c.to_string())))?;
        }
        if !gathers.is_empty() {
            writeln!(f, "gathers")?;
            gathers.iter().try_for_each(|g| writeln!(f, "  {g}"))?;
        }
        writeln!(f, "passes")?;
        passes.iter().try_for_each(|p| writeln!(f, "  {p}"))
    }
}
