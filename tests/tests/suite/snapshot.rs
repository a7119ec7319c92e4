//! Snapshots, compared one and all before a test fails.

use insta::{Settings, assert_snapshot};
use routefuse_tests::corpus::root;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Compares many snapshots and fails at the end, so that one run shows all that changed.
pub struct Snapshots {
    settings: Settings,
    compared: usize,
    changed: Vec<String>,
}

impl Snapshots {
    /// In this folder under `tests/snapshots`.
    pub fn new(folder: &str) -> Snapshots {
        let mut settings = Settings::new();
        settings.set_snapshot_path(root().join("tests/snapshots").join(folder));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        Snapshots { settings, compared: 0, changed: vec![] }
    }

    /// Compares the text with the snapshot of this name.
    pub fn compare(&mut self, name: &str, text: &str) {
        self.compared += 1;
        let same = catch_unwind(AssertUnwindSafe(|| self.settings.bind(|| assert_snapshot!(name, text))));
        if same.is_err() {
            self.changed.push(name.to_owned());
        }
    }

    /// # Panics
    /// With the names of those that changed, or if nothing was compared.
    pub fn finish(self) {
        assert!(self.compared > 0, "no snapshot was compared");
        assert!(self.changed.is_empty(), "changed (`make snapshots`): {}", self.changed.join(", "));
        println!("{} snapshots", self.compared);
    }
}
