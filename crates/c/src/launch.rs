//! Launches.

use crate::boundary::{self, bad_call, call, flags, reserved, size};
use crate::error::{routefuse_error, routefuse_status};
use crate::memory;
use crate::plan::{self, Place, routefuse_plan};
use crate::pool::{self, routefuse_pool};
use crate::tensor::{self, routefuse_argument};
use routefuse::diag::{Code, Diagnostic};
use routefuse::{Args, Error, HostPlan, cuda, hip};
use std::ffi::c_void;

/// Programmatic dependent launch, on GPUs that have it: the kernel may be set up while the one in front of it on the stream still
/// runs. Elsewhere this says nothing.
pub const ROUTEFUSE_DEPENDENT: u32 = 1;
/// The drivers are asked where each argument's memory is, and a launch whose arguments are elsewhere than they say is refused
/// (RF0611). It costs a call of the driver for each argument: for development.
pub const ROUTEFUSE_CHECK_MEMORY: u32 = 2;

/// How a launch runs. Zeros, but for `size`, are a launch on the calling thread, or on a GPU's default stream.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_launch {
    /// sizeof(routefuse_launch)
    pub size: usize,
    /// The stream, of the plan's device: a CUstream (which is a cudaStream_t) or a hipStream_t. Null for the default stream, and on
    /// the host.
    pub stream: *mut c_void,
    /// For plans of several kernels: memory of the plan's device, at an address that is a multiple of 64, that nobody else uses until
    /// the launch has run. Null for none.
    pub workspace: *mut c_void,
    /// How many bytes: at least those that `routefuse_plan_workspace` says.
    pub workspace_bytes: u64,
    /// On the host, threads that share the rows; null for the calling thread.
    pub pool: *const routefuse_pool,
    /// `ROUTEFUSE_DEPENDENT` and `ROUTEFUSE_CHECK_MEMORY`, or 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

const DEFAULT: routefuse_launch = routefuse_launch {
    size: size_of::<routefuse_launch>(),
    stream: std::ptr::null_mut(),
    workspace: std::ptr::null_mut(),
    workspace_bytes: 0,
    pool: std::ptr::null(),
    flags: 0,
    reserved: 0,
};

/// Launches a plan: checks every argument, then runs its kernels, on the host before the call returns, on a GPU when the stream comes
/// to them. A plan that is prepared compiles and loads nothing here, and up to 16 arguments, without a pool, nothing is allocated.
/// `launch` may be null for the defaults.
///
/// Arguments without a name are the inputs and the outputs in the order of the plan, each role by itself; the others are found by
/// name. An input in whose memory an output lies may be left out: it is then the output's view.
///
/// RF0601 to RF0614 for arguments that do not fit, before anything is written; RF0807 on a GPU if the plan is not prepared; RF0808 if
/// the driver refuses the launch.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_plan_launch(
    plan: *const routefuse_plan,
    launch: *const routefuse_launch,
    arguments: *const routefuse_argument,
    count: usize,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        let plan = plan::plan(plan)?;
        // SAFETY: the caller's promise.
        let launch = if launch.is_null() { &DEFAULT } else { unsafe { boundary::thing("launch", launch) }? };
        size::<routefuse_launch>("launch", launch.size)?;
        flags("launch.flags", launch.flags, ROUTEFUSE_DEPENDENT | ROUTEFUSE_CHECK_MEMORY)?;
        reserved("launch", launch.reserved)?;
        // SAFETY: the caller's promise.
        let arguments = unsafe { boundary::array("arguments", arguments, count) }?;
        let mut args = Args::new();
        // SAFETY: the caller's promise.
        unsafe { tensor::fill(&mut args, arguments, plan.description.names()) }?;
        if launch.flags & ROUTEFUSE_CHECK_MEMORY != 0 {
            memory::check(arguments, launch, &plan)?;
        }
        // SAFETY: the caller's promise.
        unsafe {
            match &plan.place {
                Place::Host(plan) => on_host(plan, launch, &args),
                Place::Cuda(plan) => on_cuda(plan, launch, &args),
                Place::Hip(plan) => on_hip(plan, launch, &args),
            }
        }
    })
}

/// # Safety
/// The workspace is what the header says.
#[inline]
unsafe fn on_host(plan: &HostPlan, launch: &routefuse_launch, args: &Args<'_>) -> Result<(), Error> {
    if !launch.stream.is_null() {
        return Err(no_stream(plan));
    }
    if launch.pool.is_null() && launch.workspace.is_null() {
        return Ok(plan.launch(args)?);
    }
    let bytes = usize::try_from(launch.workspace_bytes).unwrap_or(usize::MAX);
    let workspace = match launch.workspace.is_null() {
        true => &mut [],
        false if bytes > isize::MAX as usize => {
            let message = format!("`launch.workspace_bytes` is {bytes}, more than memory has");
            return Err(bad_call(message, "give the workspace's size"));
        }
        // SAFETY: the caller vouches for it.
        false => unsafe { std::slice::from_raw_parts_mut(launch.workspace.cast::<u8>(), bytes) },
    };
    Ok(match launch.pool.is_null() {
        true => plan.launch_with(args, workspace),
        false => plan.launch_on_with(&*pool::of_handle(launch.pool)?, args, workspace),
    }?)
}

/// # Safety
/// Stream and workspace are what the header says.
#[inline]
unsafe fn on_cuda(plan: &cuda::CudaPlan, launch: &routefuse_launch, args: &Args<'_>) -> Result<(), Error> {
    no_pool(launch)?;
    // SAFETY: the caller vouches for the stream and the workspace.
    let how = unsafe {
        let how = cuda::Launch::on_raw(launch.stream.cast());
        how.workspace(launch.workspace.expose_provenance() as u64, launch.workspace_bytes)
    };
    Ok(plan.launch(how.dependent(launch.flags & ROUTEFUSE_DEPENDENT != 0), args)?)
}

/// # Safety
/// Stream and workspace are what the header says.
#[inline]
unsafe fn on_hip(plan: &hip::HipPlan, launch: &routefuse_launch, args: &Args<'_>) -> Result<(), Error> {
    no_pool(launch)?;
    // SAFETY: the caller vouches for the stream and the workspace.
    let how = unsafe {
        let how = hip::Launch::on_raw(launch.stream.cast());
        how.workspace(launch.workspace.expose_provenance() as u64, launch.workspace_bytes)
    };
    Ok(plan.launch(how.dependent(launch.flags & ROUTEFUSE_DEPENDENT != 0), args)?)
}

#[cold]
fn no_stream(plan: &HostPlan) -> Error {
    let message = format!("the plan of `{}` runs on the host, and the launch has a stream", plan.plan().program().name);
    Diagnostic::new(Code::WrongDevice, message)
        .help("launch it without a stream, or compile for the stream's device")
        .into()
}

#[inline]
fn no_pool(launch: &routefuse_launch) -> Result<(), Error> {
    match launch.pool.is_null() {
        true => Ok(()),
        false => Err(Diagnostic::new(
            Code::WrongDevice,
            "the plan runs on a GPU, and the launch has a pool of the host's threads",
        )
        .help("launch it without a pool")
        .into()),
    }
}
