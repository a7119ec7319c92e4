//! Ids as one rank of several sees them: expert parallelism, and what the rank owns.

use super::options::{ModelOptions, Owned};
use super::sizes::Sizes;
use crate::chains::{dispatch, rows};
use routefuse_ir::op::{BinaryOp, CompareOp};
use routefuse_ir::{DType, Dim, GraphBuilder, NodeId};

/// Which rank it is.
#[derive(Clone, Copy)]
pub(super) enum Rank {
    /// Known when the graph is built.
    Constant(u64),
    /// The input `rank i32[]` of a launch, so that all ranks have one kernel.
    Input(NodeId),
}

impl Rank {
    /// Declares the input, if the options ask for one; nothing if no rank is needed.
    pub fn input(b: &mut GraphBuilder, o: &ModelOptions) -> Option<Rank> {
        let by_owner = matches!(o.owned, Some(Owned::OfRank(_)));
        match o.expert_parallel {
            Some(ep) => Some(ep.rank.map_or_else(|| Rank::Input(b.input("rank", DType::I32, [])), Rank::Constant)),
            None if by_owner => Some(Rank::Input(b.input("rank", DType::I32, []))),
            None => None,
        }
    }
}

/// Routed physical ids with the shared experts of each rank behind its own, and the sentinel for what this rank does not own.
pub(super) fn ids(b: &mut GraphBuilder, sizes: &Sizes, o: &ModelOptions, rank: Option<Rank>, ids: NodeId) -> NodeId {
    let mine = o.owned.map(|owned| owns(b, owned, rank, ids));
    let moved = match o.expert_parallel {
        Some(ep) => dispatch::expert_parallel_ids(b, ids, ep.experts_per_rank, sizes.shared),
        None => ids,
    };
    let Some(mine) = mine else { return moved };
    let sentinel = b.int(DType::I32, i128::from(sizes.ids_end(o)));
    b.select(mine, moved, sentinel)
}

/// `bool`: the rank has this physical expert.
fn owns(b: &mut GraphBuilder, owned: Owned, rank: Option<Rank>, ids: NodeId) -> NodeId {
    let (first, end) = match (owned, rank) {
        (Owned::Range(first, end), _) => (first, end),
        (Owned::OfRank(n), Some(Rank::Constant(rank))) => (rank.saturating_mul(n), (rank + 1).saturating_mul(n)),
        (Owned::OfRank(n), Some(Rank::Input(rank))) => {
            // −1 divides to 0, or to −1 where a rank has one expert.
            let (zero, n) = (b.int(DType::I32, 0), b.int(DType::I32, i128::from(n)));
            let expert = b.compare(CompareOp::Ge, ids, zero);
            let owner = b.binary(BinaryOp::Div, ids, n);
            let same = b.compare(CompareOp::Eq, owner, rank);
            return b.binary(BinaryOp::And, expert, same);
        }
        // `Rank::input` has one wherever a rank owns a share.
        (Owned::OfRank(n), None) => (0, n),
    };
    let (first, end) = (b.int(DType::I32, i128::from(first)), b.int(DType::I32, i128::from(end)));
    let (above, below) = (b.compare(CompareOp::Ge, ids, first), b.compare(CompareOp::Lt, ids, end));
    b.binary(BinaryOp::And, above, below)
}

/// The ids of the shared experts behind the routed slots, `i32[T, S]`; `none` for a rank that there is not.
pub(super) fn shared_ids(
    b: &mut GraphBuilder,
    sizes: &Sizes,
    o: &ModelOptions,
    rank: Option<Rank>,
    t: Dim,
    none: i128,
) -> NodeId {
    let (Some(ep), Some(rank)) = (o.expert_parallel, rank) else {
        return rows::consecutive_ids(b, DType::I32, t, sizes.shared, sizes.physical);
    };
    let per_rank = ep.experts_per_rank.saturating_add(sizes.shared);
    match rank {
        Rank::Constant(rank) => {
            let first = rank.saturating_mul(per_rank).saturating_add(ep.experts_per_rank);
            rows::consecutive_ids(b, DType::I32, t, sizes.shared, first)
        }
        Rank::Input(rank) => {
            let ids = rows::consecutive_ids(b, DType::I32, t, sizes.shared, ep.experts_per_rank);
            let per_rank = b.int(DType::I32, i128::from(per_rank));
            let start = b.mul(rank, per_rank);
            let ids = b.add(ids, start);
            let (zero, ranks) =
                (b.int(DType::I32, 0), b.int(DType::I32, i128::from(sizes.physical / ep.experts_per_rank)));
            let (above, below) = (b.compare(CompareOp::Ge, rank, zero), b.compare(CompareOp::Lt, rank, ranks));
            let known = b.binary(BinaryOp::And, above, below);
            let none = b.int(DType::I32, none);
            b.select(known, ids, none)
        }
    }
}
