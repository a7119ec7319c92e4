//! Threads that share launches on the host.

use crate::boundary::{Out, bad_call, call};
use crate::error::{routefuse_error, routefuse_status};
use crate::handle::{Kind, Table, Used};
use rayon::{ThreadPool, ThreadPoolBuilder};
use routefuse::Error;
use std::ptr;

/// Threads that share the rows of launches on the host. Free it with `routefuse_pool_free`.
pub struct routefuse_pool {
    _opaque: [u8; 0],
}

static POOLS: Table<ThreadPool> = Table::new(Kind::Pool);

/// More threads than any machine runs.
const MOST: u32 = 4096;

/// So many threads; none for fewer than two.
///
/// # Errors
/// `RF1102` for more than 4096, or if the system gives none.
pub(crate) fn of_threads(threads: u32) -> Result<Option<ThreadPool>, Error> {
    if threads < 2 {
        return Ok(None);
    }
    if threads > MOST {
        return Err(bad_call(format!("`threads` is {threads}"), format!("give at most {MOST} threads")));
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads as usize).thread_name(|i| format!("routefuse-{i}")).build();
    pool.map(Some).map_err(|e| bad_call(format!("the system gives no {threads} threads: {e}"), "give fewer"))
}

/// The pool of a handle.
#[inline]
pub(crate) fn of_handle(pool: *const routefuse_pool) -> Result<Used<'static, ThreadPool>, Error> {
    POOLS.get(pool)
}

/// A pool of so many threads, 2 to 4096.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_pool_create(
    threads: u32,
    pool: *mut *mut routefuse_pool,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("pool", pool) }?;
        let made = of_threads(threads)?;
        let made = made.ok_or_else(|| bad_call(format!("`threads` is {threads}"), "a pool has 2 threads or more"))?;
        out.write(POOLS.insert(made)?);
        Ok(())
    })
}

/// Ends the threads of a pool, once no launch uses it. Null is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_pool_free(pool: *mut routefuse_pool) -> routefuse_status {
    call(ptr::null_mut(), || POOLS.remove(pool).map(drop))
}
