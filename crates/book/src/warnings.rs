//! What mdBook warns of: it says so by `tracing`, and goes on.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Warnings and errors that were said while something ran.
#[derive(Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Runs `f` and keeps what it warns of on this thread.
    pub fn during<T>(&self, f: impl FnOnce() -> T) -> T {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(self.clone()), f)
    }

    /// Each warning as one text.
    pub fn said(&self) -> Vec<String> {
        self.0.lock().map(|said| said.clone()).unwrap_or_default()
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > Level::WARN {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        if let Ok(mut said) = self.0.lock() {
            said.push(text.0);
        }
    }
}

/// The fields of an event behind one another.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        // Writing to a String does not fail.
        let _ = written;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_are_kept_and_nothing_else() {
        let warnings = Warnings::default();
        warnings.during(|| {
            tracing::info!("read");
            tracing::warn!(page = 3, "odd");
            tracing::error!("broken");
        });
        tracing::warn!("said outside");
        assert_eq!(warnings.said(), ["odd page=3", "broken"]);
    }
}
