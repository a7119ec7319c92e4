//! `routefuse tune`.

use super::bench::extents;
use crate::args::{CacheOptions, Tune};
use crate::failure::Failure;
use crate::table::terminal_width;
use crate::{kernel_cache, output, progress, remote, source};
use routefuse::cache::Trial;
use routefuse::diag::{Code, Diagnostic, visible};
use routefuse::engine::{KernelTuning, TuneOptions, TuneReport};
use routefuse::ir::shapes_text;
use std::io::Write;
use std::time::Duration;

pub fn run(a: &Tune, cache: &CacheOptions) -> Result<(), Failure> {
    let graph = source::graph(&a.graph)?;
    let given = extents(&graph, a.dim.as_ref())?;
    let options = TuneOptions::default().with(|o| {
        o.rows = given.unwrap_or_else(|| if graph.symbols.is_empty() { vec![1] } else { std::mem::take(&mut o.rows) });
        o.margin = a.margin / 100.0;
        o.samples = a.samples;
        o.limit = Duration::from_secs(a.limit);
        o.seed = a.seed;
        o.keep = !a.dry_run;
    });
    let engine = kernel_cache::engine(cache)?;
    if options.keep && engine.cache().disk().is_none() && !remote::writes(&engine) {
        let message = "there is no cache to keep the answer in";
        let help = "name its directory by --cache-dir or $ROUTEFUSE_CACHE_DIR, or add --dry-run";
        return Err(Diagnostic::new(Code::CacheTrouble, message).help(help).into());
    }
    if let Some(why) = engine.cache().disk().filter(|_| options.keep).and_then(|disk| disk.last_trouble()) {
        let help = "name another directory by --cache-dir, or add --dry-run";
        return Err(Diagnostic::new(Code::CacheTrouble, format!("the answer cannot be kept: {why}")).help(help).into());
    }
    let pool = rayon::ThreadPoolBuilder::new().build();
    let pool = pool.map_err(|e| Diagnostic::new(Code::Internal, format!("no threads can be started: {e}")))?;
    let report =
        progress::compiling(|bar| engine.tune(&graph, a.on.device.into(), &options, Some(&pool), &bar.report()))?;
    remote::settle(&engine);
    let mut out = output::stdout(a.json);
    if a.json {
        writeln!(out, "{}", report.json())?;
    } else {
        text(&report, &mut out)?;
    }
    let lost = |k: &&KernelTuning| k.kept.as_ref().is_some_and(|kept| !kept.on_disk && !kept.remote);
    if let Some(kernel) = report.tuned.iter().find(lost) {
        let why = engine.cache().disk().and_then(|disk| disk.last_trouble()).unwrap_or_default();
        let message = format!("the record of kernel `{}` was not kept: {why}", visible(&kernel.kernel));
        return Err(Diagnostic::new(Code::CacheTrouble, message).help("name another directory by --cache-dir").into());
    }
    Ok(())
}

fn text(report: &TuneReport, out: &mut impl Write) -> std::io::Result<()> {
    let TuneReport { graph, dim, device, card, driver, target, kernels, tuned, .. } = report;
    writeln!(out, "@{} on {device}, {}, {}, target {target}", visible(graph), visible(card), visible(driver))?;
    let s = if *kernels == 1 { "kernel" } else { "kernels" };
    if tuned.is_empty() {
        return writeln!(out, "nothing to choose: no lanes share a row in its {kernels} {s}");
    }
    writeln!(out, "{} of {kernels} {s} tuned; µs of one launch, the best of each column marked by *", tuned.len())?;
    for kernel in tuned {
        writeln!(out)?;
        table(kernel, dim, terminal_width(), out)?;
        writeln!(out, "\nbuilt in  {}", shapes_text(&kernel.built_in))?;
        let chosen = if kernel.is_built_in() { "the same".to_owned() } else { shapes_text(&kernel.tuning.shapes) };
        writeln!(out, "chosen    {chosen}")?;
        let kept = match (&kernel.kept, &kernel.file) {
            (None, _) => "nowhere".to_owned(),
            (_, Some(file)) => file.display().to_string(),
            (Some(kept), None) => if kept.remote { "in the remote cache" } else { "nowhere" }.to_owned(),
        };
        writeln!(out, "kept      {kept}")?;
    }
    Ok(())
}

/// A line for each shape, then the built-in choice and what was chosen; as many extents beside each other as the terminal takes.
fn table(kernel: &KernelTuning, dim: &str, width: Option<usize>, out: &mut impl Write) -> std::io::Result<()> {
    let tuning = &kernel.tuning;
    let heading = format!("{} by {}", visible(&kernel.kernel), visible(dim));
    let shapes = tuning.trials.iter().map(|t| t.shape.to_string());
    let names = shapes.chain([heading.clone()]).map(|name| name.chars().count()).max().unwrap_or(0);
    let beside = width.map_or(tuning.rows.len(), |w| w.saturating_sub(names) / 11).max(1);
    let best: Vec<u64> =
        (0..tuning.rows.len()).map(|at| tuning.trials.iter().map(|t| t.ns[at]).min().unwrap_or(0)).collect();
    let times = kernel.before_and_after();
    let all: Vec<usize> = (0..tuning.rows.len()).collect();
    for (i, some) in all.chunks(beside).enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        let mut line = |name: &str, cell: &dyn Fn(usize) -> String| {
            let cells: String = some.iter().map(|&at| format!(" {:>10}", cell(at))).collect();
            writeln!(out, "{}", format!("{name:<names$}{cells}").trim_end())
        };
        line(&heading, &|at| format!("{} ", tuning.rows[at]))?;
        for Trial { shape, ns } in &tuning.trials {
            let mark = |at: usize| if ns[at] == best[at] { '*' } else { ' ' };
            line(&shape.to_string(), &|at| format!("{:.2}{}", us(ns[at]), mark(at)))?;
        }
        line("built in", &|at| format!("{:.2} ", us(times[at].0)))?;
        line("chosen", &|at| format!("{:.2} ", us(times[at].1)))?;
    }
    Ok(())
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}
