//! What follows from a kernel's values: facts that passes and code generation need, each computed in one place.
//!
//! All go through the values once. They rely on operands coming before users, as [`Kernel::verify`](super::Kernel::verify)
//! demands; a result is a vector with an entry for each value. Facts about scalar operations are not declared here but with
//! the operations, in [`crate::op::table`].

mod affine;
mod any_equal;
mod cost;
mod counts_alone;
mod items;
mod moved_bin;
mod near_quotient;
mod ordered;
mod places;
mod reached;
mod score_table;
mod search;
mod sign;
mod softmax_choice;
mod sparse;
mod traps;
mod users;

pub use affine::sums_fit_a_word;
pub use any_equal::{AnyEqual, any_equal};
pub use cost::{cost, cost_with_operands};
pub use counts_alone::{MOST_COLUMNS_OF_A_THREAD, counts_alone};
pub use items::{Items, items};
pub use moved_bin::{MovedBin, moved_bin};
pub use near_quotient::{is_near_quotient, quotients_of_chosen};
pub use ordered::{Ordered, ordered, sixteen_bits};
pub use places::starts_of_places;
pub use reached::{reached, reached_from};
pub use score_table::{ENTRIES as TABLE_ENTRIES, ScoreTable, Window, score_table};
pub use search::{Search, search};
pub use sign::{is_arithmetic, is_not_above_0, no_negative_zero};
pub use softmax_choice::{Groups, SoftmaxChoice, softmax_choice};
pub use sparse::{is_flat_over_empty, is_sparse, sums_inputs};
pub use traps::may_trap;
pub use users::{User, users};
