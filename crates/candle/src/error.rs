//! routefuse's errors within candle's.

use candle_core::Error;
use routefuse::diag::Diagnostic;

/// A candle error that carries one of routefuse's. `about` says whose it is, as in "router `deepseek_v3`".
#[cold]
pub(crate) fn failed(error: impl Into<routefuse::Error>, about: &str) -> Error {
    Error::WrappedContext { wrapped: Box::new(error.into()), context: format!("in {about}") }.bt()
}

/// What routefuse says in an error of candle's: each with its code, a message that names the thing, and what would be right. Empty
/// for an error that is not routefuse's.
///
/// ```
/// # #[cfg(feature = "compiler")]
/// # fn main() -> candle_core::Result<()> {
/// use candle_core::{Device, Tensor};
/// use routefuse_candle::{Router, diagnostics};
///
/// let router = Router::new("qwen3-moe", &Device::Cpu)?;
/// let error = router.forward(&[&Tensor::zeros((5, 64), candle_core::DType::BF16, &Device::Cpu)?]).unwrap_err();
/// assert_eq!(diagnostics(&error)[0].code.as_str(), "RF0605"); // 64 columns, where the model has 128 experts
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "compiler"))]
/// # fn main() {}
/// ```
pub fn diagnostics(error: &Error) -> &[Diagnostic] {
    match error {
        Error::WrappedContext { wrapped, .. } => {
            wrapped.downcast_ref::<routefuse::Error>().map_or(&[], routefuse::Error::diagnostics)
        }
        Error::Context { inner, .. } | Error::WithPath { inner, .. } | Error::WithBacktrace { inner, .. } => {
            diagnostics(inner)
        }
        _ => &[],
    }
}
