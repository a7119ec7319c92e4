//! The examples of error codes that a program in Rust gives: each function here is the example on the page of its code.
//!
//! A page shows what is between the braces of `rfNNNN`, and of `rfNNNN_mended` as its cure. Each is run. `make snapshots` writes
//! both, and the message, into `ir/src/diag/pages/`.

use routefuse::cache::Trust;
use routefuse::diag::{Code, ExampleKind, Page};
use routefuse::engine::Cancel;
use routefuse::exec::{Device, Workspace};
use routefuse::{
    Args, DType, Engine, Graph, HostPlan, Options, Plan, Target, TensorMut, TensorRef, Verified, models, text,
};
use std::path::Path;

type Outcome = Result<(), Box<dyn std::error::Error>>;
type Example = fn(&HostPlan, &Path) -> Outcome;

/// What the examples are about: inputs and outputs of two columns of i32.
fn graph() -> Verified<Graph> {
    text::parse_verified(
        "route 1\ngraph @g {\n  dim T\n  input %ids : i32[T, 2]\n  %y = neg %ids\n  output y = %y\n}\n",
    )
    .expect("a graph")
}

fn plan() -> HostPlan {
    let engine = Engine::builder().build().expect("an engine");
    let plan = engine.compile(&graph(), &Target::host(), &Options::default()).expect("a plan");
    let plan = HostPlan::new(plan).expect("a plan of the host");
    plan.prepare().expect("code");
    plan
}

fn rf0603(plan: &HostPlan, _: &Path) -> Outcome {
    // The graph says: input %ids : i32[T, 2]
    let (ids, mut y) = ([3_i64, 1], [0; 2]);
    let mut args = Args::new();
    args.input(TensorRef::new(&ids, &[1, 2])).output(TensorMut::new(&mut y, &[1, 2]));
    plan.launch(&args)?;
    Ok(())
}

fn rf0603_mended(plan: &HostPlan, _: &Path) -> Outcome {
    let (ids, mut y) = ([3_i32, 1], [0; 2]);
    let mut args = Args::new();
    args.input(TensorRef::new(&ids, &[1, 2])).output(TensorMut::new(&mut y, &[1, 2]));
    plan.launch(&args)?;
    Ok(())
}

fn rf0604(plan: &HostPlan, _: &Path) -> Outcome {
    // The graph says: input %ids : i32[T, 2]
    let (ids, mut y) = ([3, 1], [0; 2]);
    let mut args = Args::new();
    args.input(TensorRef::new(&ids, &[2])).output(TensorMut::new(&mut y, &[1, 2]));
    plan.launch(&args)?;
    Ok(())
}

fn rf0604_mended(plan: &HostPlan, _: &Path) -> Outcome {
    let (ids, mut y) = ([3, 1], [0; 2]);
    let mut args = Args::new();
    args.input(TensorRef::new(&ids, &[1, 2])).output(TensorMut::new(&mut y, &[1, 2]));
    plan.launch(&args)?;
    Ok(())
}

fn rf0607(plan: &HostPlan, _: &Path) -> Outcome {
    let (ids, mut y) = ([3, 1], [0; 2]);
    let mut args = Args::new();
    args.input(TensorRef::new(&ids[..1], &[1, 2])).output(TensorMut::new(&mut y, &[1, 2]));
    plan.launch(&args)?;
    Ok(())
}

fn rf0607_mended(plan: &HostPlan, _: &Path) -> Outcome {
    let (ids, mut y) = ([3, 1], [0; 2]);
    let mut args = Args::new();
    args.input(TensorRef::new(&ids, &[1, 2])).output(TensorMut::new(&mut y, &[1, 2]));
    plan.launch(&args)?;
    Ok(())
}

fn rf0608(plan: &HostPlan, _: &Path) -> Outcome {
    // The output begins at the second element of the input.
    let mut memory = [3, 1, 0];
    let begin = memory.as_mut_ptr().cast::<u8>();
    // SAFETY: both views lie within `memory`, which is used through them alone during the launch.
    let (ids, y) = unsafe {
        let ids = TensorRef::contiguous(begin, 8, DType::I32, &[1, 2]);
        (ids, TensorMut::contiguous(begin.add(4), 8, DType::I32, &[1, 2]))
    };
    plan.launch(Args::new().input(ids).output(y))?;
    Ok(())
}

fn rf0608_mended(plan: &HostPlan, _: &Path) -> Outcome {
    let mut memory = [3, 1, 0, 0];
    let (ids, y) = memory.split_at_mut(2);
    plan.launch(Args::new().input(TensorRef::new(ids, &[1, 2])).output(TensorMut::new(y, &[1, 2])))?;
    Ok(())
}

fn rf0609(plan: &HostPlan, _: &Path) -> Outcome {
    // The input begins one byte behind an element.
    let (memory, mut y) = ([3, 1, 0], [0; 2]);
    // SAFETY: the view lies within `memory`, and any bytes are an i32.
    let ids = unsafe { TensorRef::contiguous(memory.as_ptr().cast::<u8>().add(1), 8, DType::I32, &[1, 2]) };
    plan.launch(Args::new().input(ids).output(TensorMut::new(&mut y, &[1, 2])))?;
    Ok(())
}

fn rf0609_mended(plan: &HostPlan, _: &Path) -> Outcome {
    let (memory, mut y) = ([3, 1, 0], [0; 2]);
    let ids = TensorRef::new(&memory[1..], &[1, 2]);
    plan.launch(Args::new().input(ids).output(TensorMut::new(&mut y, &[1, 2])))?;
    Ok(())
}

fn rf0611(plan: &HostPlan, _: &Path) -> Outcome {
    // The caller says that the memory is a GPU's, and the plan is one of the host.
    let (ids, mut y) = ([3, 1], [0; 2]);
    let mut args = Args::new();
    args.input(TensorRef::new(&ids, &[1, 2]).on(Device::Cuda(0))).output(TensorMut::new(&mut y, &[1, 2]));
    plan.launch(&args)?;
    Ok(())
}

fn rf0611_mended(plan: &HostPlan, _: &Path) -> Outcome {
    let (ids, mut y) = ([3, 1], [0; 2]);
    let mut args = Args::new();
    args.input(TensorRef::new(&ids, &[1, 2])).output(TensorMut::new(&mut y, &[1, 2]));
    plan.launch(&args)?;
    Ok(())
}

fn rf0612(_: &HostPlan, _: &Path) -> Outcome {
    let graph = text::parse_verified(
        "route 1
graph @g {
  dim T
  input %x : i32[T, 2]
  %y = neg %x
  output y = %y in_place(x)
}",
    )?;
    let engine = Engine::builder().build()?;
    let plan = HostPlan::new(engine.compile(&graph, &Target::host(), &Options::default())?)?;
    plan.prepare()?;
    let (x, mut y) = ([3, 1], [0; 2]);
    plan.launch(Args::new().input(TensorRef::new(&x, &[1, 2])).output(TensorMut::new(&mut y, &[1, 2])))?;
    Ok(())
}

fn rf0612_mended(_: &HostPlan, _: &Path) -> Outcome {
    let graph = text::parse_verified(
        "route 1
graph @g {
  dim T
  input %x : i32[T, 2]
  %y = neg %x
  output y = %y in_place(x)
}",
    )?;
    let engine = Engine::builder().build()?;
    let plan = HostPlan::new(engine.compile(&graph, &Target::host(), &Options::default())?)?;
    plan.prepare()?;
    // The input is what the memory holds before the launch.
    let mut memory = [3, 1];
    plan.launch(Args::new().named_output("y", TensorMut::new(&mut memory, &[1, 2])))?;
    Ok(())
}

fn rf0613(_: &HostPlan, _: &Path) -> Outcome {
    let graph = text::parse_verified(
        "route 1
graph @g {
  dim T
  input %x : i32[T, 2]
  %z = neg %x
  %y = not %z
  output y = %y
}",
    )?;
    // Without fusion there are two kernels, and memory between them.
    let engine = Engine::builder().build()?;
    let plan = HostPlan::new(engine.compile(&graph, &Target::host(), &Options::unfused())?)?;
    plan.prepare()?;
    let (x, mut y) = ([3, 1], [0; 2]);
    plan.launch(Args::new().input(TensorRef::new(&x, &[1, 2])).output(TensorMut::new(&mut y, &[1, 2])))?;
    Ok(())
}

fn rf0613_mended(_: &HostPlan, _: &Path) -> Outcome {
    let graph = text::parse_verified(
        "route 1
graph @g {
  dim T
  input %x : i32[T, 2]
  %z = neg %x
  %y = not %z
  output y = %y
}",
    )?;
    let engine = Engine::builder().build()?;
    let plan = HostPlan::new(engine.compile(&graph, &Target::host(), &Options::unfused())?)?;
    plan.prepare()?;
    let (x, mut y) = ([3, 1], [0; 2]);
    let mut args = Args::new();
    args.input(TensorRef::new(&x, &[1, 2])).output(TensorMut::new(&mut y, &[1, 2]));
    let mut workspace = Workspace::new(plan.plan().workspace_size(&[1])? as usize);
    plan.launch_with(&args, &mut workspace)?;
    Ok(())
}

fn rf0805(_: &HostPlan, _: &Path) -> Outcome {
    let (graph, target) = (graph(), Target::host());
    let engine = Engine::builder().build()?;
    let program = engine.compile(&graph, &target, &Options::default())?.program().clone();
    let mut artifacts = engine.artifacts(&graph, &target, &Options::default())?;
    artifacts[0].code.truncate(200);
    // SAFETY: the code is the engine's own, cut short; what is cut short is refused.
    let plan = unsafe { Plan::from_artifacts(program, target, artifacts)? };
    HostPlan::new(plan)?.prepare()?;
    Ok(())
}

fn rf0805_mended(_: &HostPlan, _: &Path) -> Outcome {
    let (graph, target) = (graph(), Target::host());
    let engine = Engine::builder().build()?;
    let program = engine.compile(&graph, &target, &Options::default())?.program().clone();
    let artifacts = engine.artifacts(&graph, &target, &Options::default())?;
    // SAFETY: the code is the engine's own.
    let plan = unsafe { Plan::from_artifacts(program, target, artifacts)? };
    HostPlan::new(plan)?.prepare()?;
    Ok(())
}

fn rf0806(_: &HostPlan, _: &Path) -> Outcome {
    let engine = Engine::builder().build()?;
    let plan = engine.compile(&graph(), &Target::named("sm_90")?, &Options::default())?;
    HostPlan::new(plan)?.prepare()?;
    Ok(())
}

fn rf0806_mended(_: &HostPlan, _: &Path) -> Outcome {
    let engine = Engine::builder().build()?;
    let plan = engine.compile(&graph(), &Target::host(), &Options::default())?;
    HostPlan::new(plan)?.prepare()?;
    Ok(())
}

fn rf0810(_: &HostPlan, _: &Path) -> Outcome {
    let engine = Engine::builder().build()?;
    let plan = engine.compile(&graph(), &Target::host(), &Options::default())?;
    let _sealed = engine.sealed();
    plan.prepare()?;
    Ok(())
}

fn rf0810_mended(_: &HostPlan, _: &Path) -> Outcome {
    let engine = Engine::builder().build()?;
    let plan = engine.compile(&graph(), &Target::host(), &Options::default())?;
    plan.prepare()?;
    let sealed = engine.sealed();
    plan.prepare()?;
    sealed.check()?;
    Ok(())
}

fn rf0812(_: &HostPlan, folder: &Path) -> Outcome {
    let maker = Engine::builder().build()?;
    let graphs = [("g".to_owned(), graph())];
    let bundle = maker.bundle(&graphs, &[Target::host()], &Options::default(), None, &|_| ())?;
    let path = folder.join("model.rfb");
    std::fs::write(&path, bundle.finish())?;
    let engine = Engine::from_bundle(&path, &Trust::anyone())?;
    engine.plan_for("g", &Target::named("sm_90")?)?;
    Ok(())
}

fn rf0812_mended(_: &HostPlan, folder: &Path) -> Outcome {
    let maker = Engine::builder().build()?;
    let graphs = [("g".to_owned(), graph())];
    let targets = [Target::host(), Target::named("sm_90")?];
    let bundle = maker.bundle(&graphs, &targets, &Options::default(), None, &|_| ())?;
    let path = folder.join("model.rfb");
    std::fs::write(&path, bundle.finish())?;
    let engine = Engine::from_bundle(&path, &Trust::anyone())?;
    engine.plan_for("g", &Target::named("sm_90")?)?;
    Ok(())
}

fn rf0816(_: &HostPlan, _: &Path) -> Outcome {
    let cancel = Cancel::default();
    let engine = Engine::builder().cancel(&cancel).build()?;
    // Ctrl-C does so in the program, and any thread may in a program of yours.
    cancel.cancel();
    engine.compile(&graph(), &Target::host(), &Options::default())?;
    Ok(())
}

fn rf0816_mended(_: &HostPlan, _: &Path) -> Outcome {
    let cancel = Cancel::default();
    let engine = Engine::builder().cancel(&cancel).build()?;
    cancel.cancel();
    cancel.reset();
    engine.compile(&graph(), &Target::host(), &Options::default())?;
    Ok(())
}

fn rf1001(_: &HostPlan, _: &Path) -> Outcome {
    models::named("deepseek-v33")?;
    Ok(())
}

fn rf1001_mended(_: &HostPlan, _: &Path) -> Outcome {
    models::named("deepseek-v3")?;
    Ok(())
}

const EXAMPLES: &[(Code, Example, Example)] = &[
    (Code::ArgumentDType, rf0603, rf0603_mended),
    (Code::ArgumentRank, rf0604, rf0604_mended),
    (Code::BufferTooSmall, rf0607, rf0607_mended),
    (Code::PartialOverlap, rf0608, rf0608_mended),
    (Code::Misaligned, rf0609, rf0609_mended),
    (Code::WrongDevice, rf0611, rf0611_mended),
    (Code::NotInPlace, rf0612, rf0612_mended),
    (Code::WorkspaceTooSmall, rf0613, rf0613_mended),
    (Code::CannotLoad, rf0805, rf0805_mended),
    (Code::TargetNotHere, rf0806, rf0806_mended),
    (Code::Sealed, rf0810, rf0810_mended),
    (Code::NotInBundle, rf0812, rf0812_mended),
    (Code::Cancelled, rf0816, rf0816_mended),
    (Code::UnknownModel, rf1001, rf1001_mended),
];

/// What a function of this file has between its braces, but for the `Ok(())` at its end.
fn body(name: &str) -> String {
    let source = include_str!("error_pages.rs");
    let (_, behind) = source.split_once(&format!("\nfn {name}(")).unwrap_or_else(|| panic!("no function {name}"));
    let (_, inside) = behind.split_once("{\n").expect("a body");
    let (inside, _) = inside.split_once("    Ok(())\n}\n").expect("its end");
    let lines = inside.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// A message without what differs from run to run: addresses.
fn settled(message: &str) -> String {
    let mut parts = message.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += "0x…";
        out += part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    out
}

/// The page of a code with these parts in the place of what it has.
fn page(text: &str, example: &str, message: &str, mended: &str) -> String {
    let (meaning, _) = text.split_once("\n\n## Example\n\n").expect("an example");
    let (_, cure) = text.split_once("\n\n## Cure\n\n").expect("a cure");
    let cure = cure.split("\n\n```").next().unwrap_or_default().trim_end();
    let block = |text: &str| format!("```rust,ignore\n{text}\n```");
    format!(
        "{meaning}\n\n## Example\n\n{}\n\n## Message\n\n```text\n{message}\n```\n\n## Cure\n\n{cure}\n\n{}\n",
        block(example),
        block(mended)
    )
}

#[test]
fn programs_give_their_codes_and_mended_ones_do_not() {
    let plan = plan();
    let folder = tempfile::tempdir().expect("a folder");
    let mut wrong = vec![];
    for (code, example, mended) in EXAMPLES {
        let name = code.as_str().to_lowercase();
        let said = match example(&plan, folder.path()) {
            Err(error) => settled(&error.to_string()),
            Ok(()) => panic!("{code}: the example ends well"),
        };
        assert!(said.starts_with(&format!("{code}: ")), "{code}: the example says {said}");
        if let Err(error) = mended(&plan, folder.path()) {
            panic!("{code}: what is mended says {error}");
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../ir/src/diag/pages/{code}.md"));
        let found = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let expected = page(&found, &body(&name), &said, &body(&format!("{name}_mended")));
        if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
            std::fs::write(&path, &expected).expect("written");
        } else if found != expected {
            wrong.push(format!("{code}: the page (`make snapshots` writes it) is not\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let listed: Vec<Code> = EXAMPLES.iter().map(|(code, ..)| *code).collect();
    let programs = |code: &Code| Page::of(*code).example.kind == ExampleKind::Rust;
    let shown: Vec<Code> = Code::ALL.iter().copied().filter(programs).collect();
    // Pages are compiled in: what was just written is there in the next run.
    assert!(shown == listed || std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always"), "{shown:?}");
}
