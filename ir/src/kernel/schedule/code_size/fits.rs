//! What is said of a kernel that is too large.

use super::{CodeSize, MOST_DEPTH, MOST_INSTRUCTIONS, MOST_STORED, depths};
use crate::diag::{Code, Diagnostic};
use crate::kernel::schedule::Scheduled;

/// How far a kernel that is too large is counted: its size is told, and a message shall not take long.
const COUNTED: u64 = 40 * MOST_INSTRUCTIONS;

impl Scheduled {
    /// Checks that no variant of the kernel is too large to compile in bounded time.
    ///
    /// # Errors
    /// `RF0815`, with the kernel's size and the value that makes most of it.
    pub fn check_code_size(&self) -> Result<(), Diagnostic> {
        let (name, target) = (&self.kernel.name, self.target.name());
        let refuse = |what: String| {
            let message = format!("kernel `{name}` for `{target}` would take too long to compile: {what}");
            Diagnostic::new(Code::KernelTooLarge, message)
        };
        for variant in self.variants().iter().filter(|v| !v.aligned && !v.narrow) {
            if !CodeSize::up_to(MOST_INSTRUCTIONS, self, *variant).is_too_large() {
                continue;
            }
            let size = CodeSize::up_to(COUNTED, self, *variant);
            if size.instructions() <= MOST_INSTRUCTIONS {
                let message = format!(
                    "{} bytes are read before any is stored, and the most are {MOST_STORED}",
                    size.stored_at_once()
                );
                return Err(refuse(message).help("give it fewer outputs of equally many columns"));
            }
            let (count, more) =
                (size.instructions(), if size.instructions() > COUNTED { "more than" } else { "about" });
            let of_value = size.largest().map_or_else(String::new, |(id, n)| {
                let name = &self.kernel.value(id).name;
                let name = if name.is_empty() { format!("v{}", id.0) } else { format!("%{name}") };
                format!("; {n} of them are for {name}")
            });
            let message =
                format!("{more} {} instructions, and the most are {MOST_INSTRUCTIONS}{of_value}", count.min(COUNTED));
            return Err(refuse(message).help(
                "what can be cut into more kernels is; this is too much in one operation: give it fewer columns, a smaller \
                 `k`, or fewer operands",
            ));
        }
        let deepest = depths(&self.kernel, &[]).into_iter().max().unwrap_or(0);
        if deepest > MOST_DEPTH {
            let message = format!("{deepest} values lie one behind the other, and the most are {MOST_DEPTH}");
            return Err(
                refuse(message).help("this is a defect in routefuse, which cuts such kernels; please report the graph")
            );
        }
        Ok(())
    }
}
