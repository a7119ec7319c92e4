//! What follows from a kernel's values: facts that passes and code generation need, each computed in one place.
//!
//! All go through the values once. They rely on operands coming before users, as [`Kernel::verify`](super::Kernel::verify)
//! demands; a result is a vector with an entry for each value. Facts about scalar operations are not declared here but with
//! the operations, in [`crate::op::table`].

mod cost;
mod ordered;
mod reached;
mod sign;
mod softmax_choice;
mod traps;
mod users;

pub use cost::{cost, cost_with_operands};
pub use ordered::{Ordered, ordered};
pub use reached::{reached, reached_from};
pub use sign::{is_arithmetic, is_not_above_0, no_negative_zero};
pub use softmax_choice::{Groups, SoftmaxChoice, softmax_choice};
pub use traps::may_trap;
pub use users::{User, users};
