//! What engines do differently.

/// Whose layout. Below, n is T × K, c the items of each bin, and N the places of all blocks: Σ ⌈c / B⌉ × B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlignEngine {
    /// vLLM's `moe_align_block_size` (P17): `sorted_token_ids i32[C]`, the items by expert, n elsewhere to the end; `expert_ids
    /// i32[J]`, the expert of each block, −1 behind the last; `num_tokens_post_pad i32[1]`, N.
    Vllm,
    /// sglang's (P17): as vLLM's, but that ids of −1 have the first blocks, whose expert is −1; `num_tokens_post_pad i32[2]` is N
    /// and how many blocks these are. Ids that are neither are in none.
    Sglang,
    /// aiter's `moe_sorting` (P18): `sorted_ids i32[C]`, words `k << 24 | t`, `K << 24 | T` elsewhere; `sorted_weights f32[C]`, 0
    /// elsewhere; `sorted_expert_ids i32[J]`, as this rank numbers them, −1 behind the last; `num_valid_ids i32[2]`, N and T.
    /// When asked: `local_topk_ids i32[T, K]`, `m_indices i32[C]` (t, elsewhere T), `reverse_sorted i32[T, K]`. Tokens from 2²⁴ on
    /// do not fit the words.
    Aiter,
    /// TensorRT-LLM's and FlashInfer's routing (P19): `expanded_to_permuted i32[T, K]`, −1 where the expert is not local;
    /// `permuted_to_token i32[C]`, −1 elsewhere; `total_padded i32[1]`, N; `cta_to_expert i32[J]` and `cta_to_limit i32[J]`, −1
    /// behind the last; `live_ctas i32[1]`. When asked: `permuted_to_expanded i32[C]`, `tokens_per_expert i32[E]`.
    Trtllm,
    /// DeepGEMM's contiguous layout: `m_indices i32[M]`, the expert of each place, −1 in padding; `psum i32[E]`, where each
    /// expert's items end; `src2dst i32[T, K]`, the place of each item, or −1.
    DeepgemmContiguous,
    /// DeepGEMM's masked layout, as sglang fills it: `masked_m i32[E]`, c; `src2dst i32[T, K]`, `e × M + rank`, or −1, where M is
    /// (⌊T / B⌋ + 1) × B, or the capacity; items above it are dropped.
    DeepgemmMasked,
    /// DeepEP's `get_dispatch_layout`: `num_tokens_per_rank i32[R]`, a token once a rank; `num_tokens_per_rdma_rank i32[R / 8]` of
    /// more than 8 ranks; `num_tokens_per_expert i32[E]`; `is_token_in_rank bool[T, R]`.
    Deepep,
    /// vLLM's `moe_permute`, without padding: `permuted_to_item i32[C]`, −1 behind the items; `item_to_permuted i32[T, K]`;
    /// `expert_first_token_offset i64[L + 1]` of the L local experts. Items of other experts come last, by id, and those of no
    /// expert after them.
    VllmPermute,
    /// GShard's capacity: `position i32[T, K]` of each item among those of its expert, first choices of all rows before second
    /// ones, −1 from the capacity on; `destination i32[T, K]`, `e × capacity + position`, or −1; `expert_counts i32[E]`, of what
    /// was dropped too.
    Gshard,
}

impl AlignEngine {
    /// All of them.
    pub const ALL: [AlignEngine; 9] = [
        AlignEngine::Vllm,
        AlignEngine::Sglang,
        AlignEngine::Aiter,
        AlignEngine::Trtllm,
        AlignEngine::DeepgemmContiguous,
        AlignEngine::DeepgemmMasked,
        AlignEngine::Deepep,
        AlignEngine::VllmPermute,
        AlignEngine::Gshard,
    ];

    /// Its name as an option.
    pub fn name(self) -> &'static str {
        match self {
            AlignEngine::Vllm => "vllm",
            AlignEngine::Sglang => "sglang",
            AlignEngine::Aiter => "aiter",
            AlignEngine::Trtllm => "trtllm",
            AlignEngine::DeepgemmContiguous => "deepgemm_contiguous",
            AlignEngine::DeepgemmMasked => "deepgemm_masked",
            AlignEngine::Deepep => "deepep",
            AlignEngine::VllmPermute => "vllm_permute",
            AlignEngine::Gshard => "gshard",
        }
    }

    /// The places of a block that it usually has; nothing where there are no blocks.
    pub fn block(self) -> Option<u64> {
        match self {
            AlignEngine::Vllm | AlignEngine::Sglang => Some(64),
            AlignEngine::Aiter => Some(32),
            AlignEngine::Trtllm => Some(8),
            AlignEngine::DeepgemmContiguous => Some(128),
            AlignEngine::DeepgemmMasked => Some(256),
            AlignEngine::Deepep | AlignEngine::VllmPermute | AlignEngine::Gshard => None,
        }
    }

    /// Some experts can be laid out alone.
    pub(super) fn has_local(self) -> bool {
        !matches!(self, AlignEngine::Deepep | AlignEngine::Gshard)
    }

    /// It leaves places behind the last block unwritten.
    pub(super) fn leaves_tail(self) -> bool {
        matches!(self, AlignEngine::Sglang | AlignEngine::Aiter | AlignEngine::Trtllm)
    }

    /// It has outputs that it makes when asked.
    pub(super) fn has_optional(self) -> bool {
        matches!(self, AlignEngine::Aiter | AlignEngine::Trtllm)
    }
}

/// Which experts a rank lays out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalExperts {
    /// All of them.
    All,
    /// From `first` to before `end`, every 2^`stride_log2`th of them; the first is 0 in the outputs.
    Window {
        /// The first.
        first: u64,
        /// One past the last.
        end: u64,
        /// The logarithm of how far apart they are.
        stride_log2: u32,
    },
    /// Those that an input `expert_map i32[E]` gives a number of 0 to E − 1; the others are −1 there. aiter's is `expert_mask
    /// i32[E]`, 0 for the others, and numbers them itself.
    Map,
    /// All are laid out, and an input `expert_map i32[E]` then says the number of each block's: vLLM's way unless it is told to
    /// ignore the others.
    MapOfBlocks,
}

/// What an expert's id does that is twice in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Duplicates {
    /// It is two items.
    Each,
    /// Its first slot is an item, and the others are in no bin.
    Once,
}

/// What is behind the last block of the sorted outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tail {
    /// What padding is.
    Fill,
    /// What was there: the output lies in an input, which is called as the output with `_buffer` behind it. Where engines leave
    /// it unwritten.
    Keep,
}
