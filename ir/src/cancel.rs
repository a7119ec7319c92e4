//! Compiling that somebody may end.

use crate::diag::{Code, Diagnostic};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle that ends compiling: what compiles looks at it between passes, kernels, variants and the phases of each, and gives
/// up with the error `RF0816`. Clones are one handle; any thread may hold one.
///
/// ```
/// use routefuse_ir::cancel::Cancel;
///
/// let cancel = Cancel::default();
/// let elsewhere = cancel.clone();
/// assert!(cancel.check().is_ok());
/// elsewhere.cancel();
/// assert_eq!(cancel.check().unwrap_err().to_string(), "RF0816: compiling was cancelled");
/// cancel.reset();
/// assert!(cancel.check().is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends what compiles, and what will, until [`Cancel::reset`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// From here on, compiling goes on.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// To be asked where compiling may end.
    ///
    /// # Errors
    /// `RF0816` if it was cancelled.
    pub fn check(&self) -> Result<(), Diagnostic> {
        match self.is_cancelled() {
            true => Err(Diagnostic::new(Code::Cancelled, "compiling was cancelled")),
            false => Ok(()),
        }
    }
}
