//! The memory of several tensors at once, each storage locked for as long as it is used.
//!
//! candle's tensors share storages behind locks. Reading needs candle's read guard; writing needs an in-place op, which candle runs
//! under the write lock. So a launch that writes into tensors runs inside such an op, or inside several, one within the other.

use crate::view::Region;
use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor};
use smallvec::SmallVec;
use std::cell::RefCell;

/// A tensor whose memory is needed.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'t> {
    pub(crate) tensor: &'t Tensor,
    pub(crate) written: bool,
}

/// One for each wanted tensor.
type Regions = SmallVec<[Region; 8]>;

/// What is done with them.
type Then<'d> = &'d mut dyn FnMut(&[Region]) -> Result<()>;

/// A storage, by its address, and the tensor through which it is locked.
struct Locked<'t> {
    key: usize,
    by: Wanted<'t>,
}

/// What is left to lock, and what is done then.
struct Descent<'d, 't> {
    rest: &'d [Locked<'t>],
    keys: &'d [usize],
    regions: &'d RefCell<Regions>,
    then: &'d RefCell<Then<'d>>,
}

/// Runs `then` with the memory of each tensor, in order, while all their storages are locked: to be written if one of the tensors in a
/// storage is.
///
/// # Errors
/// Those of `then`; candle's, for a tensor that is written and has elements in one place.
pub(crate) fn hold(wanted: &[Wanted<'_>], then: &mut dyn FnMut(&[Region]) -> Result<()>) -> Result<()> {
    let keys: SmallVec<[usize; 8]> = wanted.iter().map(|w| key(w.tensor)).collect();
    // A storage is locked once, and all threads lock in one order, which is candle's own: that of addresses.
    let mut order: SmallVec<[Locked<'_>; 8]> = SmallVec::new();
    for (by, key) in wanted.iter().zip(&keys) {
        match order.iter_mut().find(|l| l.key == *key) {
            Some(locked) if by.written => locked.by = *by,
            Some(_) => {}
            None => order.push(Locked { key: *key, by: *by }),
        }
    }
    order.sort_unstable_by_key(|l| l.key);
    let regions = RefCell::new(SmallVec::from_elem(Region::NONE, wanted.len()));
    Descent { rest: &order, keys: &keys, regions: &regions, then: &RefCell::new(then) }.go()
}

/// Where a tensor's storage is: the same for all tensors that share it.
fn key(tensor: &Tensor) -> usize {
    let (storage, _) = tensor.storage_and_layout();
    std::ptr::from_ref::<Storage>(&storage).addr()
}

impl Descent<'_, '_> {
    fn go(&self) -> Result<()> {
        let Some((first, _)) = self.rest.split_first() else {
            return (self.then.borrow_mut())(&self.regions.borrow());
        };
        if first.by.written {
            return first.by.tensor.inplace_op1(self);
        }
        let (storage, _) = first.by.tensor.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => self.deeper(Region::of_cpu(storage)),
            #[cfg(feature = "cuda")]
            Storage::Cuda(storage) => {
                let (region, _reads) = crate::cuda::region(storage);
                self.deeper(region)
            }
            // A router refuses tensors of other devices before it asks for their memory.
            _ => candle_core::bail!("routefuse runs nothing on this device"),
        }
    }

    /// With the memory of the first storage that was left.
    fn deeper(&self, region: Region) -> Result<()> {
        let Some((first, rest)) = self.rest.split_first() else { return Ok(()) };
        for (at, key) in self.keys.iter().enumerate() {
            if *key == first.key {
                self.regions.borrow_mut()[at] = region;
            }
        }
        Descent { rest, ..*self }.go()
    }
}

impl InplaceOp1 for Descent<'_, '_> {
    fn name(&self) -> &'static str {
        "routefuse"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> Result<()> {
        self.deeper(Region::of_cpu_mut(storage))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut candle_core::CudaStorage, _: &Layout) -> Result<()> {
        let (region, _writes) = crate::cuda::region_mut(storage);
        self.deeper(region)
    }
}
