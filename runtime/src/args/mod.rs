//! The arguments of one launch.

mod element;
mod view;
mod workspace;

pub use element::Element;
pub(crate) use view::{ABSENT, Location, View};
pub use view::{Device, TensorMut, TensorRef};
pub use workspace::{WORKSPACE_ALIGN, Workspace};

use smallvec::SmallVec;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// One argument, without its lifetime: so that [`Args`], which has destructors to run, ends its borrows with its last use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argument {
    name: Option<NonNull<str>>,
    start: NameStart,
    pub(crate) writable: bool,
    pub(crate) view: View,
}

/// A name's length and first bytes: all of most names, which are then compared without a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct NameStart {
    bytes: u128,
    length: usize,
}

impl NameStart {
    #[inline]
    pub(crate) fn of(name: &str) -> NameStart {
        let mut bytes = [0; 16];
        let most = name.len().min(16);
        bytes[..most].copy_from_slice(&name.as_bytes()[..most]);
        NameStart { bytes: u128::from_ne_bytes(bytes), length: name.len() }
    }

    /// Whether it is all of the name.
    pub(crate) fn is_whole(self) -> bool {
        self.length <= 16
    }
}

impl Argument {
    #[inline]
    pub(crate) fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Whether it has a name, and the name begins so and is as long.
    #[inline]
    pub(crate) fn is_called(&self, start: NameStart) -> bool {
        self.name.is_some() && self.start == start
    }
}

/// Arguments, by position or by name, in any mix: those without a name are taken in order of declaration.
///
/// After the outputs a graph with a trapping gather takes one more, the error word: a `u32` scalar, by the name
/// `error_word`.
///
/// An input in whose memory an output lies (`in_place`, `donates`) may be left out, by name, or in all positions at once:
/// it is then that output's view. Making arguments allocates only past 16 of them.
#[derive(Debug, Default)]
pub struct Args<'a> {
    arguments: SmallVec<[Argument; 16]>,
    life: PhantomData<&'a mut [u8]>,
    /// Not `Sync`: two threads launching with one `Args` would write the same memory.
    not_sync: PhantomData<std::cell::Cell<()>>,
}

impl<'a> Args<'a> {
    /// No arguments yet.
    #[inline]
    pub fn new() -> Args<'a> {
        Args::default()
    }

    /// The next input.
    #[inline]
    pub fn input(&mut self, tensor: TensorRef<'a>) -> &mut Args<'a> {
        self.push(tensor.view, None, false)
    }

    /// The next output; after the last one, the error word.
    #[inline]
    pub fn output(&mut self, tensor: TensorMut<'a>) -> &mut Args<'a> {
        self.push(tensor.view, None, true)
    }

    /// The input of this name.
    #[inline]
    pub fn named_input(&mut self, name: &'a str, tensor: TensorRef<'a>) -> &mut Args<'a> {
        self.push(tensor.view, Some(name), false)
    }

    /// The output of this name, or `error_word`.
    #[inline]
    pub fn named_output(&mut self, name: &'a str, tensor: TensorMut<'a>) -> &mut Args<'a> {
        self.push(tensor.view, Some(name), true)
    }

    /// Forgets every argument.
    #[inline]
    pub fn clear(&mut self) {
        self.arguments.clear();
    }

    #[inline]
    fn push(&mut self, view: View, name: Option<&'a str>, writable: bool) -> &mut Args<'a> {
        self.arguments.push(Argument {
            name: name.map(NonNull::from),
            start: name.map_or_else(NameStart::default, NameStart::of),
            writable,
            view,
        });
        self
    }

    #[inline]
    pub(crate) fn arguments(&self) -> &[Argument] {
        &self.arguments
    }

    /// The port's name; without one, an argument is the next input, or the next output if it is writable.
    #[inline]
    pub(crate) fn name(&self, argument: &Argument) -> Option<&'a str> {
        // SAFETY: every argument is of some `Args<'a>`, and its name was borrowed for 'a.
        argument.name.map(|name| unsafe { name.as_ref() })
    }
}
