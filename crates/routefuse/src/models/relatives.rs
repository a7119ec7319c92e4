//! The nearest relatives of a model that has no preset.

use super::presets::PRESETS;
use routefuse_ir::text::did_you_mean;

/// Routers that no preset is, by a word of the model's name: the preset that comes nearest, and what it lacks.
const OTHERS: [(&str, &str, &str); 3] = [
    ("top-p", "qwen3-moe", "a router by the sum of its scores is a preset's option `top_p`"),
    ("switch", "llama-4", "Switch takes the softmax over all experts"),
    ("gshard", "mixtral", "GShard draws its second expert at random"),
];

/// What to take for a model of this name.
pub(super) fn of(name: &str) -> String {
    let given = name.to_lowercase();
    let names = || PRESETS.iter().map(|p| p.name);
    if let Some((_, nearest, lacks)) = OTHERS.iter().find(|o| given.contains(o.0)) {
        return format!(
            "{lacks}; the nearest preset is `{nearest}`, and a graph says the rest (docs/reference/routing.md)"
        );
    }
    if given.contains("moe++") {
        return "MoE++ is the preset `moe-plus-plus`".to_owned();
    }
    let words: Vec<&str> = words(&given).collect();
    let family: Vec<String> = PRESETS
        .iter()
        .filter(|p| {
            words.iter().any(|w| {
                self::words(&p.name.to_lowercase()).chain(self::words(&p.models.to_lowercase())).any(|o| o == *w)
            })
        })
        .map(|p| format!("`{}`", p.name))
        .take(6)
        .collect();
    did_you_mean(name, names(), || match family.as_slice() {
        [] => format!("the models are {}", names().collect::<Vec<_>>().join(", ")),
        near => format!("its nearest relatives are {}", near.join(", ")),
    })
}

/// The words of a name that tell a family: not those that stand in many.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphabetic())
        .filter(|w| w.len() > 2 && !["moe", "mini", "flash", "mixture", "experts"].contains(w))
}
