//! `routefuse explore`.

use crate::args::Explore;
use crate::explore::{Server, Stop, examples};
use crate::failure::Failure;
use crate::source::{self, Source};
use crate::{interrupt, output};
use routefuse::diag::{Code, Diagnostic, visible};
use routefuse::{Target, text};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write;
use std::process::{Command, Stdio};

pub fn run(a: &Explore) -> Result<(), Failure> {
    let target = Target::named(&a.target)?;
    let (name, begin) = beginning(a)?;
    let targets: Vec<String> = Target::all().map(|t| t.name().to_owned()).collect();
    let settings = json!({
        "text": begin, "name": visible(&name), "target": target.name(), "targets": targets, "examples": examples::groups(),
    });
    let server = Server::bind(a.port, &settings).map_err(|e| {
        let message = format!("cannot listen on port {} of this machine: {e}", a.port);
        Diagnostic::new(Code::CannotRead, message)
            .help("another program may have it: `--port 0` takes one that is free")
    })?;
    let stop = Stop::default();
    end_on_signal(&stop)?;
    let address = server.address();
    let mut out = output::stdout(false);
    writeln!(out, "{address}")?;
    out.flush()?;
    drop(out);
    if !a.no_browser {
        open(&address);
    }
    Ok(server.serve(&stop)?)
}

/// The name and the text to begin with. What is wrong with a text, the page says.
fn beginning(a: &Explore) -> Result<(String, String), Failure> {
    if let Some(path) = &a.file {
        let source = Source::read(path)?;
        source.utf8()?;
        return Ok((source.name, source.text));
    }
    if let Some(name) = &a.model {
        let graph = source::model(name, &a.options)?;
        return Ok((format!("{name}.route"), text::print(&graph)));
    }
    let text = examples::named(examples::FIRST)?.unwrap_or_default();
    Ok((format!("{}.route", examples::FIRST), text))
}

/// The first Ctrl-C (or the first polite request to end) stops the server, the second ends the program.
fn end_on_signal(stop: &Stop) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = stop.clone();
    std::thread::spawn(move || {
        for (at, _) in signals.forever().enumerate() {
            if at > 0 {
                std::process::exit(i32::from(interrupt::EXIT_CODE));
            }
            stop.now();
        }
    });
    Ok(())
}

/// Opens the user's browser, where there is a desktop for it. Where that fails, the address stands on the terminal.
fn open(address: &str) {
    let desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|v| std::env::var_os(v).is_some_and(|v| !v.is_empty()));
    if desktop {
        let quiet = || Stdio::null();
        let _ = Command::new("xdg-open").arg(address).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    }
}
