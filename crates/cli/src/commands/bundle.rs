//! `routefuse bundle`.

use crate::args::{Bundle as Command, BundleBuild, BundleFile, CacheOptions, Keygen};
use crate::atomic_file::{self, Over};
use crate::entry_text::{contents, list, machine};
use crate::failure::Failure;
use crate::remote;
use crate::signing;
use crate::source::{self, Source};
use crate::{bundle_file, gpu, kernel_cache, output, progress};
use routefuse::cache::{SigningKey, Trouble};
use routefuse::diag::{Code, Diagnostic, Diagnostics, visible};
use routefuse::inspect::processor_lacks;
use routefuse::models;
use routefuse::{Engine, Graph, Options, Target, Verified, text};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

pub fn run(a: &Command) -> Result<(), Failure> {
    match a {
        Command::Build(a) => build(a, &a.cache),
        Command::Inspect(a) => inspect(a, &signers(a)),
        Command::Verify(a) => verify(a, &signers(a)),
        Command::Keygen(a) => keygen(a),
    }
}

/// Whose signature is required of a bundle.
fn signers(a: &BundleFile) -> CacheOptions {
    CacheOptions { trust: a.trust.clone(), ..CacheOptions::default() }
}

fn keygen(a: &Keygen) -> Result<(), Failure> {
    let mut public = a.file.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    let failed = |e: Trouble| {
        Diagnostic::new(Code::CannotWrite, e.to_string()).help("name a file that is not there, in a folder that is")
    };
    for file in [&a.file, &public] {
        atomic_file::may_write(file, Over::Nothing).map_err(|d| d.help("take it away first, or name another key"))?;
    }
    let key = SigningKey::generate().map_err(failed)?;
    key.write_pair(&a.file).map_err(failed)?;
    let mut out = output::stdout(a.json);
    if a.json {
        let json = json!({ "signing_key": a.file, "public_key": public, "key": key.public().to_string() });
        return Ok(writeln!(out, "{json:#}")?);
    }
    writeln!(out, "signing key  {} (keep it secret)", a.file.display())?;
    writeln!(out, "public key   {}", public.display())?;
    Ok(writeln!(out, "             {}", key.public())?)
}

fn build(a: &BundleBuild, cache: &CacheOptions) -> Result<(), Failure> {
    // Before anything is compiled.
    signing::key(cache)?;
    let over = Over::forced(a.force, bundle_file::FORMER);
    atomic_file::may_write(&a.out, over)?;
    let targets = a.target.iter().map(|t| Target::named(t)).collect::<Result<Vec<_>, _>>()?;
    let mut graphs: Vec<(String, Verified<Graph>)> = Vec::new();
    for file in &a.files {
        let graph = Source::read(file)?.graph()?;
        graphs.push((graph.name.clone(), graph));
    }
    let all = a.model.iter().any(|m| m == "all");
    let named: Vec<&str> = if all { models::names().collect() } else { a.model.iter().map(String::as_str).collect() };
    for name in named {
        graphs.push((name.to_owned(), source::model(name, &[])?));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(a.jobs.unwrap_or(0)).build().map_err(|e| {
        Diagnostic::new(Code::CannotWrite, format!("cannot start {} threads: {e}", a.jobs.unwrap_or(0)))
    })?;
    let engine = kernel_cache::engine_to_sign(cache)?;
    let options = Options::default();
    let mut bundle = progress::compiling(|bar| engine.bundle(&graphs, &targets, &options, Some(&pool), &bar.report()))?;
    if let Some(ordinal) = a.machine_code {
        gpu::machine_code(&engine, &graphs, &Options::default(), ordinal, &pool, &mut bundle)?;
    }
    remote::settle(&engine);
    let bytes = signing::finish(&bundle, cache)?;
    atomic_file::write(&a.out, &bytes, over)?;
    let mut out = output::stdout(a.json);
    if a.json {
        let compiled = engine.counters().compiles;
        let json = json!({
            "bundle": a.out, "graphs": graphs.len(), "kernels": bundle.len() - bundle.tunings(), "tunings": bundle.tunings(),
            "bytes": bytes.len(), "compiled": compiled,
        });
        return Ok(writeln!(out, "{json:#}")?);
    }
    let (graphs, contents) = (graphs.len(), contents(bundle.len(), bundle.tunings()));
    Ok(writeln!(out, "{} ({graphs} graphs, {contents}, {} bytes)", a.out.display(), bytes.len())?)
}

fn inspect(a: &BundleFile, options: &CacheOptions) -> Result<(), Failure> {
    let bundle = bundle_file::read(&a.file, options)?;
    let entries = bundle.entries().filter_map(|e| e.1.ok());
    let mut out = output::stdout(a.json);
    if a.json {
        let graphs: Vec<_> = bundle
            .graphs()
            .iter()
            .map(|g| json!({ "name": g.name, "targets": g.targets, "fused": g.fused, "text": g.text }))
            .collect();
        let (kernels, tunings): (Vec<_>, Vec<_>) = entries.partition(|e| e.artifact().is_some());
        let [kernels, tunings] = [kernels, tunings].map(|list| list.iter().map(machine).collect::<Vec<_>>());
        let json = json!({
            "bytes": bundle.size(), "compiler": bundle.compiler(), "processor": bundle.processor(),
            "processor_lacks": bundle.lacking(), "signer": bundle.signer().map(|k| k.to_string()), "graphs": graphs, "kernels": kernels, "tunings": tunings,
        });
        return Ok(writeln!(out, "{json:#}")?);
    }
    writeln!(out, "{}", bundle_file::whose(&bundle))?;
    writeln!(out, "bytes      {}", bundle.size())?;
    writeln!(out, "compiler   {}", visible(bundle.compiler()))?;
    let mut words = bundle.processor().split(' ');
    let (triple, name) = (visible(words.next().unwrap_or_default()), visible(words.next().unwrap_or_default()));
    match bundle.lacking() {
        [] => writeln!(out, "processor  {name}, {triple}; its host code runs here")?,
        lacking => writeln!(out, "processor  {name}, {triple}; this machine's lacks {}", visible(&lacking.join(", ")))?,
    }
    for target in Target::all().filter(|t| t.is_named_host() && bundle.graphs().iter().any(|g| g.is_for(*t))) {
        match processor_lacks(target).as_slice() {
            [] => writeln!(out, "host       {target}; its code runs here")?,
            lacking => writeln!(out, "host       {target}; this machine's processor lacks {}", lacking.join(", "))?,
        }
    }
    for g in bundle.graphs() {
        writeln!(out, "graph      {} for {}", visible(&g.name), visible(&g.targets.join(", ")))?;
    }
    writeln!(out)?;
    let entries: Vec<_> = entries.collect();
    Ok(list(entries.iter(), &mut out)?)
}

fn verify(a: &BundleFile, options: &CacheOptions) -> Result<(), Failure> {
    let bundle = bundle_file::read(&a.file, options)?;
    let bad = |message: String| Diagnostic::new(Code::BadBundle, message);
    let mut wrong: Vec<Diagnostic> = bundle
        .entries()
        .filter_map(|(key, entry)| Some(bad(format!("entry {key} of the bundle: {}", entry.err()?))))
        .collect();
    let (mut kernels, graphs) = (0, bundle.graphs().to_vec());
    // Nothing of it is run: plans are made, and not prepared.
    let engine = Engine::from_bundle(&a.file, &bundle_file::trust(options)?)?;
    for g in &graphs {
        if let Err(e) = text::parse_verified(&g.text) {
            wrong.push(bad(format!("the bundle's graph `{}`: {e}", g.name)));
        }
        for target in &g.targets {
            let plan = match engine.bundled_plan(&g.name, &Target::named(target)?) {
                Ok(plan) => plan,
                Err(e) => {
                    wrong.extend(e.into_diagnostics());
                    continue;
                }
            };
            for k in engine.keys_of(&plan)? {
                kernels += 1;
                let found = bundle.entry(k.key.key()).and_then(Result::ok).is_some_and(|e| e.text == k.key.text());
                if !found {
                    let what = format!("kernel `{}` {} for `{target}`", k.kernel, k.variant);
                    wrong.push(
                        bad(format!("the bundle's graph `{}` lacks its {what}", g.name))
                            .help("it was built by another version; build it anew with `routefuse bundle build`"),
                    );
                }
            }
        }
    }
    let mut out = output::stdout(a.json);
    let signer = bundle.signer().map(|key| key.to_string());
    if a.json {
        let list: Vec<&str> = wrong.iter().map(|d| d.message.as_str()).collect();
        writeln!(
            out,
            "{:#}",
            json!({ "kernels": bundle.len() - bundle.tunings(), "tunings": bundle.tunings(), "graphs": graphs.len(), "signer": signer, "wrong": list })
        )?;
    } else if wrong.is_empty() {
        let all = contents(bundle.len(), bundle.tunings());
        writeln!(out, "{}", bundle_file::whose(&bundle))?;
        writeln!(
            out,
            "{all}, no byte changed since the bundle was made; {} graphs have all of their {kernels}",
            graphs.len()
        )?;
    }
    Ok(Diagnostics::from(wrong).into_result(())?)
}
