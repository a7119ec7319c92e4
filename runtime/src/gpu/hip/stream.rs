//! Streams, graphs of captured launches, and events, for who has none: programs without another library on HIP.

use super::device::Hip;
use super::driver::{Context, PER_THREAD, RawStream};
use super::library::{Entered, Runtime, Status};
use super::{Gpu, Launch};
use crate::args::Device;
use routefuse_ir::Diagnostic;
use std::ffi::{c_int, c_uint, c_void};

/// `hipStreamNonBlocking`: the stream waits for nothing on the null stream.
const NON_BLOCKING: c_uint = 1;
/// `hipStreamCaptureModeThreadLocal`.
const THREAD_LOCAL: c_uint = 1;

/// A stream of a device, whose number is known: of its own, or a borrowed one.
#[derive(Debug)]
pub struct Stream {
    pub(super) raw: RawStream,
    pub(super) ordinal: u32,
    pub(super) runtime: &'static Runtime,
    is_own: bool,
}

// SAFETY: a handle of the runtime's, which any thread may use.
unsafe impl Send for Stream {}
// SAFETY: as above; the runtime orders the calls.
unsafe impl Sync for Stream {}

impl Stream {
    /// A new stream on this GPU.
    ///
    /// # Errors
    /// `RF0808` if the runtime refuses it.
    pub fn new(gpu: &Gpu) -> Result<Stream, Diagnostic> {
        let Hip { runtime, ordinal, .. } = *gpu.driver();
        let _entered = runtime.enter(ordinal, "a stream")?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the pointer is to a live handle.
        let made = unsafe { (runtime.hipStreamCreateWithFlags)(&raw mut raw, NON_BLOCKING) };
        made.result().map_err(|e| runtime.failed("hipStreamCreateWithFlags", e, &gpu.device().to_string()))?;
        Ok(Stream { raw, ordinal, runtime, is_own: true })
    }

    /// A stream of another library's, such as PyTorch's. Its device is asked for here, once, so that every launch compares it
    /// with the plan's.
    ///
    /// # Errors
    /// `RF0809` without a HIP runtime; `RF0808` if the runtime does not know the stream.
    ///
    /// # Safety
    /// It is a stream of the runtime that this process has loaded, and lives as long as what is given back.
    pub unsafe fn borrowed(raw: RawStream) -> Result<Stream, Diagnostic> {
        let (runtime, _) = Runtime::installed()?;
        let mut ordinal: c_int = 0;
        // SAFETY: the caller vouches for the stream; the pointer is to a live integer.
        let asked = unsafe { (runtime.hipStreamGetDevice)(raw, &raw mut ordinal) };
        asked.result().map_err(|e| runtime.failed("hipStreamGetDevice", e, "a stream"))?;
        Ok(Stream { raw, ordinal: u32::try_from(ordinal).unwrap_or(0), runtime, is_own: false })
    }

    /// The stream, as HIP has it.
    pub fn raw(&self) -> RawStream {
        self.raw
    }

    /// Its device.
    pub fn device(&self) -> Device {
        Device::Hip(self.ordinal)
    }

    /// Waits until everything that it was given has run.
    ///
    /// # Errors
    /// `RF0808` if something of that failed.
    pub fn synchronize(&self) -> Result<(), Diagnostic> {
        let _entered = self.enter()?;
        // SAFETY: the stream lives.
        let waited = unsafe { (self.runtime.hipStreamSynchronize)(self.raw) };
        waited.result().map_err(|e| self.failed("hipStreamSynchronize", e))
    }

    /// What `body` gives the stream, as a graph; none of it runs here.
    ///
    /// # Errors
    /// Those of `body`; `RF0808` if the runtime refuses the capture.
    pub fn capture(&self, body: impl FnOnce() -> Result<(), Diagnostic>) -> Result<Graph, Diagnostic> {
        let runtime = self.runtime;
        let _entered = runtime.enter(self.ordinal, "a capture")?;
        // SAFETY: the stream lives.
        let begun = unsafe { (runtime.hipStreamBeginCapture)(self.raw, THREAD_LOCAL) };
        begun.result().map_err(|e| self.failed("hipStreamBeginCapture", e))?;
        let given = body();
        let (mut graph, mut exec, none) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the stream lives and is being captured; the pointer is to a live handle.
        let ended = unsafe { (runtime.hipStreamEndCapture)(self.raw, &raw mut graph) };
        let right = given.and_then(|()| ended.result().map_err(|e| self.failed("hipStreamEndCapture", e)));
        if let Err(e) = right {
            if !graph.is_null() {
                // SAFETY: made above, and nobody else has it.
                if let Err(e) = unsafe { (runtime.hipGraphDestroy)(graph) }.result() {
                    runtime.log("hipGraphDestroy", e, "a capture that failed");
                }
            }
            return Err(e);
        }
        // SAFETY: a live graph; the pointer is to a live handle; no log is asked for.
        let made = unsafe { (runtime.hipGraphInstantiate)(&raw mut exec, graph, none, std::ptr::null_mut(), 0) };
        // SAFETY: made above, and what was instantiated does not need it.
        let freed = unsafe { (runtime.hipGraphDestroy)(graph) };
        made.result().map_err(|e| self.failed("hipGraphInstantiate", e))?;
        let graph = Graph { exec, runtime };
        freed.result().map_err(|e| self.failed("hipGraphDestroy", e))?;
        Ok(graph)
    }

    /// For a call on the stream: the null stream and its like are those of whichever device is current.
    pub(super) fn enter(&self) -> Result<Option<Entered>, Diagnostic> {
        (self.raw.addr() <= PER_THREAD).then(|| self.runtime.enter(self.ordinal, "a stream")).transpose()
    }

    #[cold]
    pub(super) fn failed(&self, call: &str, e: Status) -> Diagnostic {
        self.runtime.failed(call, e, &format!("a stream of {}", self.device()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_own {
            // SAFETY: made by `new`, destroyed once; the runtime lets finish what it was given.
            if let Err(e) = unsafe { (self.runtime.hipStreamDestroy)(self.raw) }.result() {
                self.runtime.log("hipStreamDestroy", e, "a stream");
            }
        }
    }
}

/// Captured launches, to be replayed.
#[derive(Debug)]
pub struct Graph {
    exec: *mut c_void,
    runtime: &'static Runtime,
}

// SAFETY: a handle of the runtime's, which any thread may use.
unsafe impl Send for Graph {}

impl Graph {
    /// Replays it on a stream.
    ///
    /// # Errors
    /// `RF0808` if the runtime refuses it.
    ///
    /// # Safety
    /// Plans and memory of the captured launches are alive until the stream has run the replay, and the memory is used as at
    /// a launch.
    pub unsafe fn launch(&self, stream: &Stream) -> Result<(), Diagnostic> {
        let _entered = stream.enter()?;
        // SAFETY: graph and stream live.
        let launched = unsafe { (self.runtime.hipGraphLaunch)(self.exec, stream.raw) };
        launched.result().map_err(|e| stream.failed("hipGraphLaunch", e))
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: made by `capture`, destroyed once.
        if let Err(e) = unsafe { (self.runtime.hipGraphExecDestroy)(self.exec) }.result() {
            self.runtime.log("hipGraphExecDestroy", e, "a graph");
        }
    }
}

/// A moment of a stream's time.
#[derive(Debug)]
pub struct Event {
    event: *mut c_void,
    runtime: &'static Runtime,
}

impl Event {
    /// The moment when the stream has run all that it was given.
    ///
    /// # Errors
    /// `RF0808` if the runtime refuses it.
    pub fn on(stream: &Stream) -> Result<Event, Diagnostic> {
        let runtime = stream.runtime;
        let _entered = runtime.enter(stream.ordinal, "an event")?;
        let mut event = std::ptr::null_mut();
        // SAFETY: the pointer is to a live handle.
        let made = unsafe { (runtime.hipEventCreate)(&raw mut event) };
        made.result().map_err(|e| stream.failed("hipEventCreate", e))?;
        let event = Event { event, runtime };
        // SAFETY: event and stream live.
        let recorded = unsafe { (runtime.hipEventRecord)(event.event, stream.raw) };
        recorded.result().map_err(|e| stream.failed("hipEventRecord", e))?;
        Ok(event)
    }

    /// Milliseconds from this moment to a later one, which is waited for.
    ///
    /// # Errors
    /// `RF0808` if something failed before it.
    pub fn milliseconds_to(&self, later: &Event) -> Result<f32, Diagnostic> {
        let mut ms = 0.0;
        // SAFETY: both live and are recorded; the pointer is to a live number.
        let waited = unsafe { (self.runtime.hipEventSynchronize)(later.event) };
        waited.result().map_err(|e| self.runtime.failed("hipEventSynchronize", e, "an event"))?;
        // SAFETY: as above.
        let asked = unsafe { (self.runtime.hipEventElapsedTime)(&raw mut ms, self.event, later.event) };
        asked.result().map_err(|e| self.runtime.failed("hipEventElapsedTime", e, "an event"))?;
        Ok(ms)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: made by `on`, destroyed once.
        if let Err(e) = unsafe { (self.runtime.hipEventDestroy)(self.event) }.result() {
            self.runtime.log("hipEventDestroy", e, "an event");
        }
    }
}

impl<'s> Launch<'s> {
    /// On this stream; a launch compares its device with the plan's.
    #[inline]
    pub fn on(stream: &'s Stream) -> Launch<'s> {
        // SAFETY: the stream is borrowed for 's.
        unsafe { Launch::on_stream(stream.raw, Some(Context(stream.ordinal))) }
    }

    /// On a stream of another library's, without asking for its device; the null stream is that of the plan's device.
    ///
    /// # Safety
    /// It is a live stream of the plan's device for `'s`.
    #[inline]
    pub unsafe fn on_raw(stream: RawStream) -> Launch<'s> {
        // SAFETY: the caller vouches that the stream lives for 's, on the plan's device.
        unsafe { Launch::on_stream(stream, None) }
    }
}

impl<'s> From<&'s Stream> for Launch<'s> {
    #[inline]
    fn from(stream: &'s Stream) -> Launch<'s> {
        Launch::on(stream)
    }
}
