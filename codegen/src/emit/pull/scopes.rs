//! What was emitted already and is visible at the insertion point.
//!
//! A region of MLIR sees what the regions around it emitted and nothing that one beside it did. So scopes are nested levels,
//! and every map of the emitter remembers of each entry at which level it was made. To leave a level costs nothing: its
//! number is never used again, and its entries are dropped when they are next met.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

/// The levels of one kernel, shared by all its maps.
#[derive(Debug)]
pub(in crate::emit) struct Scopes {
    /// Those that are open, ascending, the innermost last; 0 is the function's own.
    open: RefCell<Vec<u32>>,
    /// The next one's number.
    next: Cell<u32>,
}

impl Scopes {
    /// One level, which is never left.
    pub fn new() -> Rc<Scopes> {
        Rc::new(Scopes { open: RefCell::new(vec![0]), next: Cell::new(1) })
    }

    /// Runs `body`, which emits into a region of its own: what it emits is not visible after it.
    pub fn scoped<R>(&self, body: impl FnOnce() -> R) -> R {
        let level = self.next.get();
        self.next.set(level + 1);
        self.open.borrow_mut().push(level);
        let result = body();
        self.open.borrow_mut().pop();
        result
    }

    fn innermost(&self) -> u32 {
        self.open.borrow().last().copied().unwrap_or(0)
    }

    fn is_open(&self, level: u32) -> bool {
        self.open.borrow().binary_search(&level).is_ok()
    }
}

/// A map whose entries end with the level at which they were made.
#[derive(Debug)]
pub(in crate::emit) struct ScopedMap<K, V> {
    scopes: Rc<Scopes>,
    /// By key, what was entered at which level, levels ascending.
    entered: RefCell<HashMap<K, Vec<(u32, V)>>>,
}

impl<K: Eq + Hash, V: Clone> ScopedMap<K, V> {
    /// An empty map.
    pub fn new(scopes: &Rc<Scopes>) -> ScopedMap<K, V> {
        ScopedMap { scopes: Rc::clone(scopes), entered: RefCell::default() }
    }

    /// What is visible under this key.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut entered = self.entered.borrow_mut();
        let values = entered.get_mut(key)?;
        while values.pop_if(|(level, _)| !self.scopes.is_open(*level)).is_some() {}
        values.last().map(|(_, value)| value.clone())
    }

    /// Enters a value at the innermost level, where it hides any other of this key.
    pub fn insert(&self, key: K, value: V) {
        let level = self.scopes.innermost();
        let mut entered = self.entered.borrow_mut();
        let values = entered.entry(key).or_default();
        // Of levels that were left, and of this one, whose value is replaced.
        while values.pop_if(|(of, _)| *of == level || !self.scopes.is_open(*of)).is_some() {}
        values.push((level, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scope_enters_ends_with_it() {
        let scopes = Scopes::new();
        let map: ScopedMap<&str, u32> = ScopedMap::new(&scopes);
        map.insert("outer", 1);
        scopes.scoped(|| {
            map.insert("outer", 2);
            map.insert("inner", 3);
            scopes.scoped(|| assert_eq!((map.get(&"outer"), map.get(&"inner")), (Some(2), Some(3))));
        });
        assert_eq!((map.get(&"outer"), map.get(&"inner")), (Some(1), None));
        // A scope beside it has another number.
        scopes.scoped(|| assert_eq!((map.get(&"outer"), map.get(&"inner")), (Some(1), None)));
    }
}
