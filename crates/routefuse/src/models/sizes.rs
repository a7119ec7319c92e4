//! A preset's sizes under some options.

use super::options::{ModelOptions, ScaleWhen, SharedForm};
use super::preset::{Groups, Pick, Preset, Renorm};

/// A preset's sizes under some options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// E.
    pub experts: u64,
    /// Columns of the logits: E, the constant experts, the zero experts and those that give nothing.
    pub logits: u64,
    /// Constant experts, whose ids follow those of the routed ones.
    pub constants: u64,
    /// Zero experts, whose ids follow those of the constant ones.
    pub zero_experts: u64,
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
    /// Rows of the table of hash routing.
    pub vocabulary: u64,
}

impl Sizes {
    /// Those of the preset, but for what the options override.
    pub fn of(preset: &Preset, options: &ModelOptions) -> Sizes {
        let experts = options.experts.unwrap_or(preset.experts[0]);
        let groups = preset.route.groups.map(|g| Groups {
            count: options.groups.unwrap_or(g.count),
            keep: options.keep.unwrap_or(g.keep),
            score: g.score,
        });
        let zero_experts = options.zero_experts.unwrap_or(preset.identity);
        let shared = options.shared_experts.unwrap_or(preset.shared);
        let balanced = if options.balance_shared { shared } else { 0 };
        let vocabulary = match preset.route.pick {
            Pick::Hash { vocabulary } => vocabulary,
            Pick::TopK => 0,
        };
        Sizes {
            experts,
            logits: experts.saturating_add(zero_experts).saturating_add(preset.constants + preset.discards),
            constants: preset.constants,
            zero_experts,
            top_k: options.top_k.unwrap_or(preset.top_k),
            shared,
            physical: options.physical.unwrap_or(experts.saturating_add(balanced)),
            groups,
            scale: options.scale.or(preset.scale).unwrap_or(1.0),
            vocabulary: options.vocabulary.unwrap_or(vocabulary),
        }
    }

    /// Logical experts that a load balancer maps: E, and S where the shared ones go through it.
    pub fn logical(&self, options: &ModelOptions) -> u64 {
        if options.balance_shared { self.experts.saturating_add(self.shared) } else { self.experts }
    }

    /// The first id of the experts that give nothing, one past all others.
    pub fn first_discard(&self) -> u64 {
        self.experts.saturating_add(self.constants).saturating_add(self.zero_experts)
    }

    /// One past all ids of experts: the sentinel of P13.
    pub fn ids_end(&self, options: &ModelOptions) -> u64 {
        match options.expert_parallel {
            Some(ep) => {
                let shared = (self.physical / ep.experts_per_rank.max(1)).saturating_mul(self.shared);
                shared.saturating_add(self.physical)
            }
            None if options.balance_shared => self.physical,
            None => self.physical.saturating_add(self.shared),
        }
    }

    /// The weight of a constant shared expert: that of a routed row's sum. The caller multiplies by rsf later what does not carry
    /// it yet.
    pub fn shared_weight(&self, preset: &Preset, options: &ModelOptions) -> f32 {
        let usual = if carries_scale(preset, options) { 1.0 } else { 1.0 / self.scale };
        options.shared_weight.unwrap_or(usual)
    }
}

/// The rule of renormalising in force.
pub(super) fn renorm_rule(preset: &Preset, options: &ModelOptions) -> Renorm {
    options.renorm.unwrap_or(preset.route.renorm)
}

/// The routed weights are multiplied by rsf in the graph.
pub(super) fn carries_scale(preset: &Preset, options: &ModelOptions) -> bool {
    match options.scale_when {
        ScaleWhen::Always => true,
        ScaleWhen::Renormalising => renorm_rule(preset, options) != Renorm::None,
        ScaleWhen::Never => false,
    }
}

/// Shared experts have expert slots.
pub(super) fn appends_shared(options: &ModelOptions) -> bool {
    options.shared != SharedForm::None
}
