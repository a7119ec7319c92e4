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
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

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
    // It is there as long as the server is.
    let _way = if a.no_browser { None } else { open(&address) };
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
///
/// The address has the token, and every user of the machine may see the arguments of a program. So what is opened is a file that
/// leads there, which nobody else can read.
fn open(address: &str) -> Option<TempDir> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    set("DISPLAY").or_else(|| set("WAYLAND_DISPLAY"))?;
    let folder = set("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|f| f.is_dir()).unwrap_or_else(std::env::temp_dir);
    let (way, file) = way_to(address, &folder).ok()?;
    let quiet = || Stdio::null();
    let _ = Command::new("xdg-open").arg(file).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    Some(way)
}

/// A page that leads to an address, for this user alone.
fn way_to(address: &str, folder: &Path) -> std::io::Result<(TempDir, PathBuf)> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let way = builder.prefix("routefuse-explore-").tempdir_in(folder)?;
    let path = way.path().join("explore.html");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // The address is of digits, letters, dots and slashes.
    let page = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={address}\">\n<title>routefuse explore</title>\n\
         <a href=\"{address}\">routefuse explore</a>\n"
    );
    options.open(&path)?.write_all(page.as_bytes())?;
    Ok((way, path))
}
