//! Warnings, and with `-v` more, on standard error: what caches and the rest of the library say through `tracing`.

use crate::args::Verbosity;
use routefuse::diag::{visible, visible_lines};
use std::fmt::{Debug, Write};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Says warnings, or what the options say, or else what `$RUST_LOG` says.
pub fn start(verbosity: &Verbosity) {
    let ours = |level| Targets::new().with_default(LevelFilter::WARN).with_target("routefuse", level);
    let variable = std::env::var("RUST_LOG").ok().filter(|v| !v.is_empty());
    let mut unknown = None;
    let filter = match (verbosity.quiet, verbosity.verbose, &variable) {
        (true, ..) => Targets::new().with_default(LevelFilter::ERROR),
        (_, 1, _) => ours(LevelFilter::DEBUG),
        (_, 2.., _) => ours(LevelFilter::TRACE).with_default(LevelFilter::DEBUG),
        (_, 0, Some(text)) => text.parse().unwrap_or_else(|e| {
            unknown = Some(format!("$RUST_LOG is `{text}`, which is no list of targets and levels: {e}"));
            ours(LevelFilter::WARN)
        }),
        (_, 0, None) => ours(LevelFilter::WARN),
    };
    let subscriber = tracing_subscriber::registry().with(Lines.with_filter(filter));
    // There is no other before this one.
    let _ = tracing::subscriber::set_global_default(subscriber);
    if let Some(unknown) = unknown {
        tracing::warn!("{unknown}");
    }
}

/// One event, one line: `warning: what happened: what is wrong (key=…)`.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            _ => "trace",
        };
        let fields = if said.fields.is_empty() { String::new() } else { format!(" ({})", said.fields.trim_end()) };
        eprintln!("{level}: {}{}{}", visible_lines(&said.message), said.trouble, fields);
    }
}

#[derive(Default)]
struct Said {
    message: String,
    trouble: String,
    fields: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "trouble" => write!(self.trouble, ": {}", visible(&format!("{value:?}"))),
            name => write!(self.fields, "{name}={} ", visible(&format!("{value:?}"))),
        };
    }
}
