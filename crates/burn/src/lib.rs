//! routefuse in [burn](https://docs.rs/burn): what stands between an MoE router's logits and the expert GEMMs, as one launch on
//! burn's tensors.
//!
//! A [`Router`] is a compiled graph on the host. It reads the memory of tensors on burn's CPU backend, [Flex](burn_flex), where it
//! lies, and gives tensors of that backend.
//!
//! ```
//! # #[cfg(feature = "compiler")]
//! # fn main() -> Result<(), routefuse_burn::Error> {
//! use burn_tensor::{Device, Distribution, FloatDType, Int, Tensor};
//! use routefuse_burn::{Argument, Router, tensor};
//!
//! let router = Router::new("qwen3-moe")?; // or a graph: see `IntoGraph`
//! let logits = Tensor::<2>::random([5, 128], Distribution::Default, &Device::flex()).cast(FloatDType::BF16);
//! let [ids, weights] = router.forward([Argument::of(logits)?])?.try_into().expect("a preset gives ids and weights");
//! let (ids, weights): (Tensor<2, Int>, Tensor<2>) = (tensor(ids)?, tensor(weights)?);
//! assert_eq!((ids.dims(), weights.dims()), ([5, 8], [5, 8]));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compiler"))]
//! # fn main() {}
//! ```
//!
//! # Other backends
//! burn 0.22 has one CPU backend that is not deprecated, Flex. A tensor of any other one (CubeCL's on CUDA, ROCm, Metal, Vulkan and the
//! CPU, ndarray, LibTorch) comes by [`Argument::copied`], which waits for its device and copies it to the host. The result is on Flex;
//! `to_device` copies it back. That is right for a look, and wrong for serving: on a GPU use routefuse through its own streams and
//! memory.
//!
//! # Dtypes and strides
//! Integers, floats and bools are what they are in the graph: an id is an `i32`, and −1 is −1. burn has no scalars: a graph's is a
//! tensor of one element. A tensor whose strides the graph's
//! input does not allow (`rows` and `strided` inputs allow some, no input allows a flip) is made contiguous first.
//!
//! # In place
//! [`Router::forward`] takes its arguments, as burn's own ops do. What a graph writes in place is written in the argument's memory if
//! the argument is the last handle of it, and else in a copy.
//!
//! # Gradients
//! There are none: a tensor that is tracked by burn's autodiff is refused.

mod argument;
mod dtype;
mod memory;
mod router;

pub use argument::{Argument, tensor};
#[cfg(feature = "compiler")]
pub use routefuse::models::IntoGraph;
pub use routefuse::{self, Error};
pub use router::Router;

#[cfg(all(doctest, feature = "compiler"))]
#[doc = include_str!("../../../docs/guides/burn.md")]
mod guide {}
