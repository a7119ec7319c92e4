//! What AMD code costs, by the emulator's counts and its model of one wave: routers and chains, few rows and many. None of it is
//! a time.

use crate::amd::{NO_EMULATOR, REQUIRED, compile};
use crate::models::routers;
use crate::snapshot::Snapshots;
use routefuse::{Graph, Verified, inspect, models};
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::interp;
use routefuse_tests::corpus::examples;
use routefuse_tests::emulator::{Counts, Emulator, Run};
use routefuse_tests::logits::{Kind, router_inputs};
use routefuse_tests::skips::skip;
use std::fmt::Write;

/// Routers that are compared with other implementations, by their files.
const ROUTERS: [&str; 6] = ["deepseek-v3", "deepseek-v3-post", "kimi-k2", "minimax-m2.5", "gpt-oss", "qwen3.5-397b"];

/// Chains behind a router.
const CHAINS: [&str; 4] = ["b_append_shared", "b_append_constant", "d_head_gate", "e_post_chain"];

/// Rows for which a serving engine launches when it decodes for one user, and when it reads a long prompt.
const ROWS: [u64; 2] = [1, 4096];

/// Rows that stand for any number of them in a router's shape for many: whole blocks of it.
const ENOUGH: u64 = 128;

/// One launch of code that is compiled for `rows` rows: over so many, or a few of them that do the same each.
fn counted(emulator: &mut Emulator, g: &Verified<Graph>, target: &str, rows: u64, is_router: bool) -> (Counts, u64) {
    let compiled = compile(g, target);
    assert_eq!(compiled.kernels().len(), 1, "{} is one kernel", g.name);
    let kernel = &compiled.kernels()[0];
    let shape = kernel.schedule.shape_for(rows);
    let variant = kernel.variants().iter().position(|v| v.shape == shape).expect("every shape has variants");
    let launched = if is_router { rows.min(ENOUGH) } else { rows };
    let extents = vec![launched; g.symbols.len()];
    let tensors =
        if is_router { router_inputs(g, launched, Kind::Normal, rows) } else { inputs(g, &extents, Rule::Ids, rows) };
    let given: Vec<(&str, u64)> = g.symbols.iter().map(String::as_str).zip(extents.iter().copied()).collect();
    let expected = interp::run(g, &tensors, &given).unwrap_or_else(|e| panic!("{}: {e}", g.name));
    let artifacts = compiled.of_variant(variant);
    let mut rng = Choices::seeded(rows);
    let (program, outputs) = (compiled.program(), &expected.outputs);
    let run = Run { program, artifacts: &artifacts, extents: &extents, inputs: &tensors, outputs, blocks: None };
    let counts = emulator.count(run, &mut rng);
    let counts = counts.unwrap_or_else(|e| panic!("{} on {target}: {e}", g.name));
    (counts[0], launched)
}

/// The table of one target.
fn table(target: &str) {
    let graphs: Vec<(&str, Verified<Graph>)> = ROUTERS
        .iter()
        .map(|file| {
            let example = models::examples().into_iter().find(|e| e.file == *file).expect("an example");
            (*file, example.graph().unwrap_or_else(|e| panic!("{file}: {e}")))
        })
        .chain(CHAINS.iter().map(|name| {
            let case = examples().into_iter().find(|c| c.name == *name).expect("an example");
            (*name, case.graph())
        }))
        .collect();
    let launches = graphs.len() * ROWS.len();
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, launches as u64, REQUIRED) };
    let mut table = format!(
        "{:<18} {:>5} {:>12} {:>7} {:>5} {:>7} {:>6} {:>10} {:>6}\n",
        "", "rows", "instructions", "memory", "LDS", "cycles", "waves", "registers", "bytes"
    );
    let _ = writeln!(
        table,
        "{:<18} {:>5} {:>12} {:>7} {:>5} {:>7} {:>6} {:>10} {:>6}",
        "", "", "a row", "trips", "trips", "", "a unit", "of a lane", "of LDS"
    );
    let mut spills = vec![];
    for (i, (name, graph)) in graphs.iter().enumerate() {
        for rows in ROWS {
            let (c, launched) = counted(&mut emulator, graph, target, rows, i < ROUTERS.len());
            let tenths = c.instructions * 10 / launched;
            let _ = writeln!(
                table,
                "{name:<18} {rows:>5} {:>10}.{} {:>7} {:>5} {:>7} {:>6} {:>10} {:>6}",
                tenths / 10,
                tenths % 10,
                c.memory_trips,
                c.lds_trips,
                c.cycles,
                c.waves,
                c.registers,
                c.lds
            );
            if c.spills > 0 {
                spills.push(format!("{name} for {rows} rows"));
            }
        }
    }
    assert!(spills.is_empty(), "spills: {}\n{table}", spills.join(", "));
    let mut snapshots = Snapshots::new("counts");
    snapshots.compare(target, &table);
    snapshots.finish();
}

/// The most trips to LDS that one row of a router waits for, one after the other.
const MOST_LDS_TRIPS: u64 = 6;

/// One row of every preset: it waits a few times for LDS, and exchanges words between lanes by way of it only where a target has
/// no other way to lanes so far apart.
fn one_row(target: &str) {
    let examples: Vec<_> = models::examples().into_iter().take(routers() + 1).collect();
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, examples.len() as u64, REQUIRED) };
    let mut wrong = vec![];
    for example in examples {
        let graph = example.graph().unwrap_or_else(|e| panic!("{}: {e}", example.file));
        let (counts, _) = counted(&mut emulator, &graph, target, 1, true);
        if counts.lds_trips > MOST_LDS_TRIPS {
            wrong.push(format!("{} waits for {} trips to LDS", example.file, counts.lds_trips));
        }
        let compiled = compile(&graph, target);
        let kernel = &compiled.kernels()[0];
        let code = inspect::code(kernel, kernel.variants()[0]).unwrap_or_else(|e| panic!("{}: {e}", example.file));
        for line in code.asm.lines().filter(|line| line.contains("ds_swizzle") && !line.contains("SWAP,16")) {
            wrong.push(format!("{}: {}", example.file, line.trim()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_row_on_gfx942() {
    one_row("gfx942");
}

#[test]
fn one_row_on_gfx950() {
    one_row("gfx950");
}

#[test]
fn one_row_on_gfx1100() {
    one_row("gfx1100");
}

#[test]
fn one_row_on_gfx1200() {
    one_row("gfx1200");
}

#[test]
fn counts_on_gfx942() {
    table("gfx942");
}

#[test]
fn counts_on_gfx950() {
    table("gfx950");
}

#[test]
fn counts_on_gfx1100() {
    table("gfx1100");
}

#[test]
fn counts_on_gfx1200() {
    table("gfx1200");
}
