//! Handles: numbers in the form of pointers, which are looked up and never followed.
//!
//! A handle is the index of a place in a table, the generation of that place, and the kind of the table. Freeing what a place holds
//! begins its next generation, so that a handle that was freed, whoever still has it, is known as such and refused: nothing of it
//! reads freed memory. No handle is aligned as an object would be, so that none is the address of one.
//!
//! Whoever uses a place holds its lock for reading, and whoever frees it for writing: freeing waits for the calls that use it. A look-up
//! takes no other lock and allocates nothing.

use routefuse::Error;
use routefuse::diag::{Code, Diagnostic};
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

/// What a handle is of. The numbers are part of every handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Error = 1,
    Text = 2,
    Engine = 3,
    Graph = 4,
    Plan = 5,
    Pool = 6,
}

impl Kind {
    const ALL: [Kind; 6] = [Kind::Error, Kind::Text, Kind::Engine, Kind::Graph, Kind::Plan, Kind::Pool];

    fn name(self) -> &'static str {
        match self {
            Kind::Error => "an error",
            Kind::Text => "a text",
            Kind::Engine => "an engine",
            Kind::Graph => "a graph",
            Kind::Plan => "a plan",
            Kind::Pool => "a pool",
        }
    }
}

/// Of a handle: bit 0 is set, bits 1 to 4 are the kind, bits 5 to 31 the index, and the others the generation.
const INDEX_BITS: u32 = 27;
const INDEX: u64 = (1 << INDEX_BITS) - 1;
/// Places of the first block of a table; each further block has twice as many as the one before.
const FIRST: u64 = 64;
const BLOCKS: usize = 21;
const _: () = assert!(size_of::<usize>() == 8, "a handle has 64 bits");
const _: () = assert!(FIRST * ((1 << BLOCKS) - 1) <= 1 << INDEX_BITS);

/// The things of one kind that are alive.
pub struct Table<T> {
    kind: Kind,
    blocks: [OnceLock<Box<[Place<T>]>>; BLOCKS],
    vacant: Mutex<Vacant>,
}

/// One place of a table.
type Place<T> = RwLock<Held<T>>;

struct Held<T> {
    generation: u32,
    object: Option<Arc<T>>,
}

/// The places that hold nothing.
struct Vacant {
    freed: Vec<u64>,
    /// The first that never held anything.
    fresh: u64,
}

/// A thing that is used: while it lives, the thing is not freed.
pub struct Used<'t, T>(RwLockReadGuard<'t, Held<T>>);

impl<T> Used<'_, T> {
    /// The thing, to be kept longer than its handle.
    pub fn shared(&self) -> Arc<T> {
        Arc::clone(self.object())
    }

    fn object(&self) -> &Arc<T> {
        self.0.object.as_ref().expect("a place that is used holds something")
    }
}

impl<T> Deref for Used<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.object()
    }
}

impl<T> Table<T> {
    /// A table without anything in it.
    pub const fn new(kind: Kind) -> Table<T> {
        let vacant = Vacant { freed: Vec::new(), fresh: 0 };
        Table { kind, blocks: [const { OnceLock::new() }; BLOCKS], vacant: Mutex::new(vacant) }
    }

    /// A handle of a new thing.
    ///
    /// # Errors
    /// `RF0901` past 134 million things at once.
    pub fn insert<H>(&self, object: T) -> Result<*mut H, Error> {
        let index = {
            let mut vacant = self.vacant.lock().unwrap_or_else(PoisonError::into_inner);
            match vacant.freed.pop() {
                Some(index) => index,
                None if block_of(vacant.fresh).0 < BLOCKS => {
                    vacant.fresh += 1;
                    vacant.fresh - 1
                }
                None => {
                    return Err(
                        Diagnostic::new(Code::Internal, format!("too many handles of {}", self.kind.name())).into()
                    );
                }
            }
        };
        let (block, at) = block_of(index);
        let places = self.blocks[block].get_or_init(|| {
            let empty = || RwLock::new(Held { generation: 1, object: None });
            (0..FIRST << block).map(|_| empty()).collect()
        });
        let mut held = places[at].write().unwrap_or_else(PoisonError::into_inner);
        held.object = Some(Arc::new(object));
        let handle = u64::from(held.generation) << 32 | index << 5 | (self.kind as u64) << 1 | 1;
        Ok(std::ptr::without_provenance_mut(handle as usize))
    }

    /// What a handle is of.
    ///
    /// # Errors
    /// `RF1101` if it is null, was freed, is of another kind, or never was a handle.
    #[inline]
    pub fn get<H>(&self, handle: *const H) -> Result<Used<'_, T>, Error> {
        let (place, generation) = self.place(handle.addr() as u64)?;
        let held = place.read().unwrap_or_else(PoisonError::into_inner);
        if held.generation != generation || held.object.is_none() {
            return Err(self.freed(generation, held.generation));
        }
        Ok(Used(held))
    }

    /// Takes a thing away from its handle, which is freed, once nobody uses it. Null is nothing to free.
    ///
    /// # Errors
    /// `RF1101` if it was freed before, is of another kind, or never was a handle.
    pub fn remove<H>(&self, handle: *const H) -> Result<Option<Arc<T>>, Error> {
        if handle.is_null() {
            return Ok(None);
        }
        let (place, generation) = self.place(handle.addr() as u64)?;
        let object = {
            let mut held = place.write().unwrap_or_else(PoisonError::into_inner);
            if held.generation != generation || held.object.is_none() {
                return Err(self.freed(generation, held.generation));
            }
            held.generation = held.generation.wrapping_add(1);
            held.object.take()
        };
        // A place whose generations are used up stays empty: no old handle becomes a new one.
        if generation != u32::MAX {
            let index = handle.addr() as u64 >> 5 & INDEX;
            self.vacant.lock().unwrap_or_else(PoisonError::into_inner).freed.push(index);
        }
        Ok(object)
    }

    /// The place that a handle names, and its generation.
    #[inline]
    fn place(&self, handle: u64) -> Result<(&Place<T>, u32), Error> {
        let (block, at) = block_of(handle >> 5 & INDEX);
        if handle & 0x1f != (self.kind as u64) << 1 | 1 {
            return Err(self.foreign(handle));
        }
        match self.blocks.get(block).and_then(OnceLock::get) {
            Some(places) => Ok((&places[at], (handle >> 32) as u32)),
            None => Err(self.foreign(handle)),
        }
    }

    #[cold]
    fn foreign(&self, handle: u64) -> Error {
        let name = self.kind.name();
        let help = format!("give {name} that one of the library's functions has made and that was not freed");
        let other = Kind::ALL.iter().find(|k| handle & 0x1f == (**k as u64) << 1 | 1 && **k != self.kind);
        let message = match other {
            _ if handle == 0 => format!("the handle of {name} is null"),
            Some(other) => format!("the handle is of {}, where {name} is wanted", other.name()),
            None => format!("{handle:#x} is no handle of {name}"),
        };
        Diagnostic::new(Code::BadHandle, message).help(help).into()
    }

    #[cold]
    fn freed(&self, generation: u32, now: u32) -> Error {
        let name = self.kind.name();
        let message = if generation < now || now == 0 {
            format!("the handle of {name} was freed")
        } else {
            format!("this is no handle of {name} that was ever made")
        };
        Diagnostic::new(Code::BadHandle, message).help("use a handle before it is freed, and free it once").into()
    }
}

/// In which block of a table the place of an index is, and where there.
#[inline]
fn block_of(index: u64) -> (usize, usize) {
    let from_first = index + FIRST;
    let block = from_first.ilog2() - FIRST.ilog2();
    (block as usize, (from_first - (FIRST << block)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    type Handle = *mut u8;

    fn said<T>(result: Result<T, Error>) -> String {
        result.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn places_of_a_block_are_in_order() {
        let mut expected = (0..4).flat_map(|block| (0..(FIRST << block) as usize).map(move |at| (block, at)));
        assert!((0..900).all(|i| Some(block_of(i)) == expected.next()));
        assert_eq!(block_of(INDEX).0, BLOCKS);
    }

    #[test]
    fn a_freed_handle_is_refused_whatever_its_place_holds_since() {
        let table = Table::new(Kind::Plan);
        let first: Handle = table.insert("first").unwrap();
        assert_eq!(*table.get(first).unwrap(), "first");
        assert_eq!(table.remove(first).unwrap().as_deref(), Some(&"first"));
        let second: Handle = table.insert("second").unwrap();
        assert_eq!((second.addr() ^ first.addr()) as u32, 0, "the place is taken again");
        let freed = "RF1101: the handle of a plan was freed\n  help: use a handle before it is freed, and free it once";
        assert_eq!(said(table.get(first)), freed);
        assert_eq!(said(table.remove(first)), freed);
        assert_eq!(*table.get(second).unwrap(), "second");
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        let (table, other) = (Table::new(Kind::Plan), Table::new(Kind::Graph));
        let graph: Handle = other.insert(()).unwrap();
        let plan: Handle = table.insert(()).unwrap();
        assert!(
            said(table.get(std::ptr::null::<u8>()))
                .starts_with("RF1101: the handle of a plan is null\n  help: give a plan")
        );
        assert!(said(table.get(graph)).starts_with("RF1101: the handle is of a graph, where a plan is wanted\n"));
        let object = 5u64;
        assert!(said(table.get(&raw const object)).ends_with("was not freed"));
        assert!(said(table.get(std::ptr::without_provenance::<u8>(plan.addr() + (1 << 40)))).contains("was ever made"));
        assert!(
            said(table.get(std::ptr::without_provenance::<u8>(plan.addr() | 1 << 28)))
                .contains("is no handle of a plan")
        );
        assert!(said(table.get(std::ptr::without_provenance::<u8>(usize::MAX))).contains("is no handle of a plan"));
        assert_eq!(table.remove(std::ptr::null::<u8>()).unwrap(), None);
    }

    #[test]
    fn handles_are_distinct_and_stay_where_they_are() {
        let table = Table::new(Kind::Text);
        let handles: Vec<Handle> = (0..1000).map(|i| table.insert(i).unwrap()).collect();
        assert_eq!(handles.iter().collect::<HashSet<_>>().len(), 1000);
        assert!(handles.iter().enumerate().all(|(i, h)| *table.get(*h).unwrap() == i));
        assert!(handles.iter().all(|h| h.addr() % 2 == 1), "no handle is the address of an object");
    }

    #[test]
    fn freeing_waits_for_who_uses_it() {
        struct Counted<'c>(&'c AtomicUsize);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let dropped = AtomicUsize::new(0);
        let table = Table::new(Kind::Engine);
        let rounds = 200;
        for _ in 0..rounds {
            let handle = table.insert(Counted(&dropped)).unwrap();
            let before = dropped.load(Ordering::SeqCst);
            let address = {
                let h: Handle = handle;
                h.addr()
            };
            let (table, before) = (&table, &before);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(move || {
                        while let Ok(used) = table.get(std::ptr::without_provenance::<u8>(address)) {
                            assert_eq!(
                                used.object().0.load(Ordering::SeqCst),
                                *before,
                                "it is not freed while it is used"
                            );
                        }
                    });
                }
                scope.spawn(move || drop(table.remove(std::ptr::without_provenance::<u8>(address)).unwrap()));
            });
        }
        assert_eq!(dropped.load(Ordering::SeqCst), rounds);
    }
}
