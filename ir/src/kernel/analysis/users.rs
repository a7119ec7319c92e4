//! Who asks for a value.

use crate::kernel::{Kernel, Store, ValueId};

/// Something that asks for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum User {
    /// A store.
    Store,
    /// Another value.
    Value(ValueId),
}

/// Of every value, all that ask for it: stores, then values from the last to the first, once for each operand that it is.
/// A value on which no store depends asks for nothing, so what only such values name has no user.
pub fn users(kernel: &Kernel) -> Vec<Vec<User>> {
    let mut users: Vec<Vec<User>> = vec![vec![]; kernel.values.len()];
    for id in kernel.stores.iter().flat_map(Store::operands) {
        users[id.0 as usize].push(User::Store);
    }
    for (id, value) in kernel.values().rev() {
        if !users[id.0 as usize].is_empty() {
            for operand in value.kind.operands() {
                users[operand.0 as usize].push(User::Value(id));
            }
        }
    }
    users
}
