//! The options of the layout of all rows' items.

use super::option_info::{OptionInfo, any, choice, number, option, store};
use crate::chains::{AlignEngine, Duplicates, LocalExperts, Tail};

pub(super) const ALIGN_OPTIONS: &[OptionInfo] = &[
    option!(
        "align",
        "none|vllm|sglang|aiter|trtllm|deepgemm_contiguous|deepgemm_masked|deepep|vllm_permute|gshard",
        "the items of all rows by expert, as the engine lays them out (P17 to P19)",
        any,
        align,
        |o, v| store(
            &mut o.align,
            if v == "none" { Some(None) } else { AlignEngine::ALL.into_iter().find(|e| e.name() == v).map(Some) }
        )
    ),
    option!(
        "align_block",
        "B",
        "places of a block, if not as many as the engine usually has",
        any,
        align_block,
        |o, v| { number(&mut o.align_block, v) }
    ),
    option!(
        "align_experts",
        "all|map|map_of_blocks|FIRST:END",
        "the experts of this rank: those that an input gives a number, or from FIRST to before END",
        any,
        align_experts,
        |o, v| store(&mut o.align_experts, experts(v))
    ),
    option!(
        "align_duplicates",
        "each|once",
        "whether an id that is twice in a row is two items",
        any,
        align_duplicates,
        |o, v| store(&mut o.align_duplicates, choice(v, &[("each", Duplicates::Each), ("once", Duplicates::Once)]))
    ),
    option!("align_ranks", "R", "ranks of DeepEP's layout (8)", any, align_ranks, |o, v| store(
        &mut o.align_ranks,
        v.parse().ok()
    )),
    option!(
        "align_capacity",
        "N",
        "places of each expert, of layouts in which all have as many; what is above is dropped",
        any,
        align_capacity,
        |o, v| number(&mut o.align_capacity, v)
    ),
    option!(
        "align_tail",
        "fill|keep",
        "behind the last block: padding, or what was in the buffer, which is an input then",
        any,
        align_tail,
        |o, v| store(&mut o.align_tail, choice(v, &[("fill", Tail::Fill), ("keep", Tail::Keep)]))
    ),
    option!("align_optional", "false|true", "outputs that the engine makes when asked", any, align_optional, |o, v| {
        store(&mut o.align_optional, v.parse().ok())
    }),
];

/// `all`, `map`, `map_of_blocks`, `32:64`.
fn experts(text: &str) -> Option<LocalExperts> {
    match text {
        "all" => Some(LocalExperts::All),
        "map" => Some(LocalExperts::Map),
        "map_of_blocks" => Some(LocalExperts::MapOfBlocks),
        _ => {
            let (first, end) = text.split_once(':')?;
            Some(LocalExperts::Window { first: first.parse().ok()?, end: end.parse().ok()?, stride_log2: 0 })
        }
    }
}
