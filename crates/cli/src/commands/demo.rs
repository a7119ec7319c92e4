//! `routefuse demo`.

use crate::args::Demo;
use crate::difference;
use crate::failure::Failure;
use crate::output;
use crate::progress;
use crate::router_check::RouterCheck;
use crate::source;
use crate::timing;
use crate::trace::Trace;
use routefuse::exec::HostExecution;
use routefuse::inspect::{Report, Traffic};
use routefuse::ir::interp;
use routefuse::{Engine, Graph, HostPlan, Options, Target, Tensor, Verified, chains};
use serde_json::{Value, json};
use std::io::Write;
use std::time::Instant;

/// The numbers of tokens that are timed.
const TOKENS: [u64; 3] = [1, 64, 2048];

/// One line of the table.
struct Row {
    chain: &'static str,
    report: Report,
    kernels: usize,
    compile_ms: f64,
    /// For each of [`TOKENS`].
    fused_us: Vec<f64>,
    unfused_us: Vec<f64>,
    /// Output elements that were compared.
    checked: usize,
}

pub fn run(a: &Demo) -> Result<(), Failure> {
    let trace = Trace::open(a.trace.as_deref(), 0)?;
    let engine = Engine::builder().build()?;
    let mut out = output::stdout(a.json);
    if !a.json {
        head(&mut out, &trace, a)?;
    }
    let router = chain_of("deepseek-v3", &[("post", "true")])?;
    // The five chains are those with a letter; the others have their files and tests.
    let is_chain = |name: &str| name.as_bytes().get(1) == Some(&b'_');
    let mut graphs = Vec::new();
    for (name, graph) in chains::examples().into_iter().filter(|chain| is_chain(chain.0)) {
        graphs.push((name, graph?));
    }
    graphs.push(("deepseek-v3 post", router.clone()));
    let (rows, layers) = progress::showing(|bar| {
        let mut rows = Vec::new();
        for (i, (name, graph)) in graphs.iter().enumerate() {
            bar.show(i, graphs.len() + 1, name);
            let row = measure(&engine, &trace, name, graph)?;
            if !a.json {
                bar.aside(|| line(&mut out, &row))?;
            }
            rows.push(row);
        }
        bar.show(graphs.len(), graphs.len() + 1, "the trace's own routing");
        let layers = [0, 1].map(|layer| RouterCheck::count(&engine, a.trace.as_deref(), layer, &router));
        Ok::<_, Failure>((rows, layers.into_iter().collect::<Result<Vec<RouterCheck>, Failure>>()?))
    })?;
    let checked: usize = rows.iter().map(|r| r.checked).sum();
    if a.json {
        let chains: Vec<Value> = rows.iter().map(machine).collect();
        let layers: Vec<Value> = layers.iter().map(RouterCheck::machine).collect();
        let json = json!({ "tokens": TOKENS, "elements_checked": checked, "chains": chains, "trace": layers });
        writeln!(out, "{json:#}")?;
    } else {
        writeln!(out, "\n{checked} output elements compared with the interpreter's: every bit agrees.")?;
        writeln!(out, "\nThe router of DeepSeek-V3, with everything behind it in the same launch, against")?;
        writeln!(out, "the trace's own routing:")?;
        for (layer, check) in layers.iter().enumerate() {
            writeln!(out, "layer {layer}: {check}")?;
        }
    }
    Ok(())
}

fn chain_of(model: &str, options: &[(&str, &str)]) -> Result<Verified<Graph>, Failure> {
    let options: Vec<(String, String)> = options.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    source::model(model, &options)
}

/// Compiles a chain, checks it fused and unfused at every number of tokens, and times it.
fn measure(engine: &Engine, trace: &Trace, chain: &'static str, graph: &Verified<Graph>) -> Result<Row, Failure> {
    let plan = |fuse| -> Result<HostPlan, Failure> {
        let plan = HostPlan::new(engine.compile(graph, &Target::host(), &Options::default().fuse(fuse))?)?;
        plan.prepare()?;
        Ok(plan)
    };
    let start = Instant::now();
    let fused = plan(true)?;
    let compile_ms = start.elapsed().as_secs_f64() * 1e3;
    let unfused = plan(false)?;
    let report = engine.explain(graph, &Options::default())?;
    let kernels = fused.plan().kernels().len();
    let mut row = Row { chain, report, kernels, compile_ms, fused_us: vec![], unfused_us: vec![], checked: 0 };
    for tokens in TOKENS {
        let given = graph.dims_of_rows(tokens);
        let inputs = trace.inputs(graph, tokens)?;
        let want = interp::run(graph, &inputs, &given)?;
        let mut checked = |plan: &HostPlan| -> Result<HostExecution, Failure> {
            let mut execution = HostExecution::new(plan.clone(), &inputs, &given)?;
            execution.launch(1)?;
            if let Some(difference) = difference::first(&execution.outcome().outputs, &want.outputs) {
                return Err(Failure::Mismatch(format!("{chain} at {tokens} tokens: {difference}")));
            }
            row.checked += want.outputs.iter().map(Tensor::len).sum::<usize>();
            Ok(execution)
        };
        let (mut one, mut many) = (checked(&fused)?, checked(&unfused)?);
        let (f, u) = timing::launches_us(&mut one, &mut many)?;
        row.fused_us.push(f);
        row.unfused_us.push(u);
    }
    Ok(row)
}

fn head(out: &mut impl Write, trace: &Trace, a: &Demo) -> std::io::Result<()> {
    let from = a.trace.as_ref().map_or_else(|| "the included trace".to_owned(), |path| path.display().to_string());
    writeln!(out, "{} real tokens from {from}, on the host, one thread.", trace.tokens)?;
    writeln!(out, "Fused and unfused (a kernel an op), each output is compared with the")?;
    writeln!(out, "interpreter's, then timed.\n")?;
    writeln!(out, "Kernels and bytes of a token before and after, ms to compile; then by the number")?;
    writeln!(out, "of tokens: µs of a launch, and how many times as long it takes unfused.\n")?;
    let [a, b, c] = TOKENS;
    writeln!(out, "{:<20} {:>6} {:>10} {:>5} {a:>6} {b:>6} {c:>6} {a:>4} {b:>4} {c:>4}", "chain", "ops", "bytes", "ms")
}

fn line(out: &mut impl Write, r: &Row) -> std::io::Result<()> {
    let (before, after) = (token_bytes(&r.report.before.traffic), token_bytes(&r.report.after.traffic));
    let (kernels, bytes) = (format!("{}→{}", r.report.before.launches, r.kernels), format!("{before}→{after}"));
    write!(out, "{:<20} {kernels:>6} {bytes:>10} {:>5.0}", r.chain, r.compile_ms)?;
    let [a, b, c] = [0, 1, 2].map(|i| three_digits(r.fused_us[i]));
    write!(out, " {a:>6} {b:>6} {c:>6}")?;
    let [a, b, c] = [0, 1, 2].map(|i| r.unfused_us[i] / r.fused_us[i]).map(|times| match times {
        times if times < 9.95 => format!("{times:.1}"),
        times => format!("{times:.0}"),
    });
    writeln!(out, " {a:>4} {b:>4} {c:>4}")
}

/// A time with three digits or so: they do not agree in more from run to run.
fn three_digits(us: f64) -> String {
    match us {
        us if us < 10.0 => format!("{us:.2}"),
        us if us < 100.0 => format!("{us:.1}"),
        us => format!("{us:.0}"),
    }
}

/// Bytes from and to memory for one token; tables, which are read once a launch, are not in it.
fn token_bytes(traffic: &Traffic) -> u64 {
    traffic.read_per_row + traffic.written_per_row
}

fn machine(r: &Row) -> Value {
    json!({
        "chain": r.chain, "ops_before": r.report.before.launches, "kernels_after": r.kernels,
        "moved_before": r.report.before.traffic, "moved_after": r.report.after.traffic, "compile_ms": r.compile_ms,
        "fused_us": r.fused_us, "unfused_us": r.unfused_us, "elements_checked": r.checked,
    })
}
