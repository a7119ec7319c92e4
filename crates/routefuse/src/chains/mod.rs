//! The chains that engines run between the router's top-k and the expert GEMMs, as graphs.
//!
//! Each chain is a struct of options whose `graph` method builds and verifies it; the defaults are DeepSeek-V3's
//! sizes (E = 256, K = 8, one shared expert, scale 2.5). `T`, the tokens, is symbolic in all of them. The files under
//! `examples/` are these graphs as text.

pub(crate) mod align;
mod append;
pub(crate) mod balance;
mod combine;
pub(crate) mod dispatch;
mod gate;
mod load;
mod pack;
mod post;
mod record;
pub(crate) mod remap;
mod rope;
pub(crate) mod rows;

pub use align::{Align, AlignEngine, Duplicates, LocalExperts, Tail};
pub use append::{AppendShared, SharedExpertSlotWeight, SharedInGate, SharedWeight};
pub use balance::{EplbProportional, Histogram, Waterfill};
pub use combine::Combine;
pub use dispatch::{AppendExpertParallel, Convert, ExpertParallel, WriteWider, ZeroExperts};
pub use gate::{CopyBack, HeadGate};
pub use load::LoadStatistics;
pub use pack::{Pack, Unpack};
pub use post::PostChain;
pub use record::Recorder;
pub use remap::{EplbHashed, EplbRemap, Mapping, Padding};
pub use rope::{Pairing, Rope};

use routefuse_ir::{Diagnostics, Graph, Verified};

/// What every chain's `graph` returns: the verified graph, or what is wrong with the options.
pub type ChainResult = Result<Verified<Graph>, Diagnostics>;

/// Every chain that is one kernel, with its default options and the name of its file under `examples/`, in the order of the
/// documentation. [`Align`], [`LoadStatistics`] and a [`Waterfill`] that counts cross rows.
pub fn examples() -> Vec<(&'static str, ChainResult)> {
    let f32 = routefuse_ir::DType::F32;
    vec![
        ("a_remap_static", EplbRemap::default().graph()),
        ("a_remap_dynamic", EplbRemap { mapping: Mapping::Dynamic { replicas: 4 }, ..EplbRemap::default() }.graph()),
        ("b_append_shared", AppendShared::default().graph()),
        ("b_append_constant", AppendShared { weight: SharedWeight::Constant(1.0), ..AppendShared::default() }.graph()),
        (
            "b_append_gated",
            AppendShared { weight: SharedWeight::SigmoidGate { scale: 1.0 }, ..AppendShared::default() }.graph(),
        ),
        ("c_pack", Pack::default().graph()),
        ("c_pack_sign_extended", Pack { form: routefuse_ir::op::PackForm::SignExtended, ..Pack::default() }.graph()),
        ("c_unpack", Unpack::default().graph()),
        ("d_head_gate", HeadGate::default().graph()),
        ("d_head_gate_f32", HeadGate { gate_dtype: f32, ..HeadGate::default() }.graph()),
        ("d_copy_back", CopyBack::default().graph()),
        ("e_post_chain", PostChain::default().graph()),
        ("eplb_hashed", EplbHashed::default().graph()),
        ("eplb_hashed_load", EplbHashed { load: Some(256), ..EplbHashed::default() }.graph()),
        ("eplb_proportional", EplbProportional::default().graph()),
        ("recorder", Recorder::default().graph()),
        ("waterfill", Waterfill::default().graph()),
        ("expert_parallel", ExpertParallel::default().graph()),
        ("append_expert_parallel", AppendExpertParallel::default().graph()),
        ("shared_in_gate", SharedInGate::default().graph()),
        ("write_wider", WriteWider::default().graph()),
        ("zero_experts", ZeroExperts::default().graph()),
        ("convert", Convert::default().graph()),
        ("combine", Combine { hidden: 64, ..Combine::default() }.graph()),
        ("rope_neox", Rope { positions: 512, ..Rope::default() }.graph()),
        ("rope_interleaved", Rope { positions: 512, pairing: Pairing::Interleaved, ..Rope::default() }.graph()),
    ]
}
