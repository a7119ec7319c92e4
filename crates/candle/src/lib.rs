//! routefuse in [candle](https://docs.rs/candle-core): what stands between an MoE router's logits and the expert GEMMs, as one
//! launch on candle's tensors.
//!
//! A [`Router`] is a compiled graph on one of candle's devices. It reads candle's memory where it lies, on the CPU and on NVIDIA's
//! GPUs, and gives tensors of candle's own allocator. On a GPU it launches on the stream of the device, and nothing is copied to
//! the host.
//!
//! ```
//! # #[cfg(feature = "compiler")]
//! # fn main() -> candle_core::Result<()> {
//! use candle_core::{DType, Device, Tensor};
//! use routefuse_candle::Router;
//!
//! let device = Device::Cpu;
//! let router = Router::new("qwen3-moe", &device)?; // or a graph: see `IntoGraph`
//! let logits = Tensor::randn(0f32, 1., (5, 128), &device)?.to_dtype(DType::BF16)?;
//! let [ids, weights] = &router.forward(&[&logits])?[..] else { panic!("a preset gives ids and weights") };
//! assert_eq!((ids.dims(), ids.dtype()), (&[5, 8][..], DType::U32));
//! assert_eq!((weights.dims(), weights.dtype()), (&[5, 8][..], DType::F32));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compiler"))]
//! # fn main() {}
//! ```
//!
//! # Ids
//! candle's ids are `u32`, and graphs have `i32`. A router takes the one for the other, bit for bit, and gives `u32`
//! ([`Router::gives_i32`] changes that). An id of −1 (a masked token, an expert elsewhere) is `u32::MAX` in candle. That is the number
//! for which candle's own `gather`, `index_select`, `scatter_add` and `index_add` do nothing, or take 0.
//!
//! | dtype of a graph | dtypes of candle that are taken | dtype that is given |
//! |---|---|---|
//! | `i32`, `u32` | `U32`, `I32` | `U32`; `I32` for an `i32` if [asked for](Router::gives_i32) |
//! | `bool` | `U8`: true where it is not 0 | `U8`: 0 or 1 |
//! | `u8`, `i16`, `i64`, `f16`, `bf16`, `f32` | the same | the same |
//! | `i8`, `u16`, `u64` | none: candle lacks them | none |
//!
//! # Strides
//! A tensor is taken with its offset and its strides where the graph's input has a layout that allows them (`rows`, `strided`). Any
//! other tensor is made contiguous first, which copies it on its device, as candle's own ops do. What is written in place is never
//! copied: a layout that does not fit is an error.
//!
//! # Gradients
//! Results have no gradient, as those of `apply_op1_no_bwd`.
//!
//! # Errors
//! They are candle's errors, which carry routefuse's: [`diagnostics`] finds code, message and help in one.

#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod dtype;
mod error;
mod hold;
mod op;
mod router;
mod routers;
mod view;

pub use error::diagnostics;
pub use routefuse;
#[cfg(feature = "compiler")]
pub use routefuse::models::IntoGraph;
pub use router::Router;
pub use routers::Routers;

#[cfg(all(doctest, feature = "compiler"))]
#[doc = include_str!("../../../docs/guides/candle.md")]
mod guide {}
#[cfg(all(doctest, feature = "compiler"))]
#[doc = include_str!("../../../docs/guides/mistralrs.md")]
mod mistralrs {}
