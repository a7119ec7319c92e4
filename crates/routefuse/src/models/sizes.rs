//! A preset's sizes under some options.

use super::options::ModelOptions;
use super::preset::{Groups, Preset};
use routefuse_ir::{Code, Diagnostic, Diagnostics};

/// A preset's sizes under some options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// E.
    pub experts: u64,
    /// Columns of the logits: E and the zero experts.
    pub logits: u64,
    /// K.
    pub top_k: u64,
    /// S.
    pub shared: u64,
    /// Physical experts P; shared ids follow them.
    pub physical: u64,
    /// G and how many are kept.
    pub groups: Option<Groups>,
    /// rsf.
    pub scale: f32,
}

impl Sizes {
    /// Those of the preset, but for what the options override.
    ///
    /// # Errors
    /// `RF1003` for sizes that no dtype of an id holds.
    pub fn of(preset: &Preset, options: &ModelOptions) -> Result<Sizes, Diagnostics> {
        let experts = options.experts.unwrap_or(preset.experts[0]);
        let groups = preset.route.groups.map(|g| Groups {
            count: options.groups.unwrap_or(g.count),
            keep: options.keep.unwrap_or(g.keep),
            score: g.score,
        });
        let sizes = Sizes {
            experts,
            logits: experts.saturating_add(preset.identity),
            top_k: options.top_k.unwrap_or(preset.top_k),
            shared: options.shared_experts.unwrap_or(preset.shared),
            physical: options.physical.unwrap_or(experts),
            groups,
            scale: options.scale.or(preset.scale).unwrap_or(1.0),
        };
        check(&sizes)?;
        Ok(sizes)
    }
}

/// Sizes that no dtype of an id holds.
fn check(sizes: &Sizes) -> Result<(), Diagnostics> {
    let named = [
        ("experts", sizes.logits),
        ("k", sizes.top_k),
        ("shared_experts", sizes.shared),
        ("physical", sizes.physical),
        ("groups", sizes.groups.map_or(1, |g| g.count)),
    ];
    const MOST: u64 = 1 << 24;
    let wrong =
        named.iter().filter(|(name, n)| *n > MOST || (*n == 0 && *name != "shared_experts")).map(|(name, n)| {
            Diagnostic::new(Code::BadOptionValue, format!("`{name}` is {n}")).help(format!("it takes 1 to {MOST}"))
        });
    wrong.collect::<Diagnostics>().into_result(())
}
