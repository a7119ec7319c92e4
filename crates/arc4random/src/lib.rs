//! `arc4random`, for LLVM.
//!
//! glibc has it from 2.36 on. LLVM calls it for names of temporary files, and nothing else that is linked asks for so new a
//! glibc. A library that [defines](crate::define) it loads where glibc is 2.34.

/// Defines `arc4random` in the crate that calls this, once: seen by what is linked into its library, and by no other library.
///
/// It is a macro because a symbol is hidden by the crate that defines it.
#[macro_export]
macro_rules! define {
    () => {
        // Seen by what is linked here alone: no other library takes it for its libc's.
        ::std::arch::global_asm!(".hidden arc4random");

        /// 32 random bits of the operating system's.
        ///
        /// # Safety
        /// The one definition of this name in the library; of libc's it has the arguments and the result.
        #[unsafe(no_mangle)]
        extern "C" fn arc4random() -> u32 {
            $crate::bits()
        }
    };
}

/// 32 random bits of the operating system's.
pub fn bits() -> u32 {
    // Where the system has none, the time tells processes apart: names of files are all that hangs on it.
    getrandom::u32().unwrap_or_else(|_| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |d| d.subsec_nanos()) ^ std::process::id().rotate_left(16)
    })
}
