//! The server of `routefuse explore`: one page on this machine's loopback, and documents for what is written there.
//!
//! Everything is bounded: who may ask ([`guard`]), the length of a question, how many connections there are, how many texts are
//! worked on at a time, and for how long. A question whose asker is gone is given up: the browser ends one when a newer edit has
//! overtaken it.

mod answer;
pub mod examples;
mod guard;

use answer::Asked;
use guard::Guard;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use routefuse::Error;
use routefuse::engine::Cancel;
use routefuse::inspect::Layouts;
use routefuse_report::{drawing_json, explore_html, explore_policy, html, json};
use serde_json::{Value, json as object};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinError;
use tokio::time::error::Elapsed;

/// The longest question: a graph's text of a megabyte is far longer than any that is written by hand.
const MOST_BYTES: usize = 1 << 20;

/// Connections at a time; more are closed at once.
const CONNECTIONS: usize = 32;

/// For how long one question is worked on.
const MOST_TIME: Duration = Duration::from_secs(120);

/// For how long a connection may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// For how long the server waits for what is still worked on when it ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Threads that work on questions of one kind: one whose answer is awaited, and others whose askers are gone.
const THREADS: usize = 3;

/// A thread's stack: as large as that of the main thread, on which the other commands compile.
const STACK: usize = 8 << 20;

/// Ends a server, from another thread.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// The server ends as soon as it hears of it.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    state: Arc<State>,
}

struct State {
    guard: Guard,
    page: String,
    policy: HeaderValue,
    /// Who works on a graph, on its drawing, and on machine code: the first shall not wait for the others.
    graphs: Turns,
    drawings: Turns,
    compiles: Turns,
    /// Layouts that were made before: most edits leave them as they are.
    layouts: Arc<Layouts>,
}

/// One question of a kind is worked on at a time. The turn is the question's: one that is given up, because a newer edit has overtaken
/// it, lets go of it at once, while the thread that works on it goes on to where it asks whether it shall. There are [`THREADS`].
struct Turns {
    turn: Semaphore,
    threads: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns { turn: Semaphore::new(1), threads: Arc::new(Semaphore::new(THREADS)) }
    }
}

impl Server {
    /// Listens on the loopback; port 0 is any that is free. `settings` is what the page begins with.
    ///
    /// # Errors
    /// If the port is taken, or the system has no random bytes for a token.
    pub fn bind(port: u16, settings: &Value) -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let guard = Guard::new(listener.local_addr()?.port()).map_err(io::Error::other)?;
        let state = State {
            guard,
            page: explore_html(settings),
            policy: HeaderValue::try_from(explore_policy()).map_err(io::Error::other)?,
            graphs: Turns::default(),
            drawings: Turns::default(),
            compiles: Turns::default(),
            layouts: Arc::default(),
        };
        Ok(Server { listener, state: Arc::new(state) })
    }

    /// The page's address, with its token.
    pub fn address(&self) -> String {
        self.state.guard.address()
    }

    /// Answers until it is stopped.
    ///
    /// # Errors
    /// Those of the system.
    pub fn serve(self, stop: &Stop) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_stack_size(STACK).build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let connections = Arc::new(Semaphore::new(CONNECTIONS));
            loop {
                let stream = tokio::select! {
                    () = stop.0.notified() => return io::Result::Ok(()),
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => stream,
                        // One connection that failed, or no file handle left: others may do.
                        Err(_) => { tokio::time::sleep(Duration::from_millis(20)).await; continue }
                    },
                };
                let Ok(place) = connections.clone().try_acquire_owned() else { continue };
                let state = self.state.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| respond(&state, request));
                    let mut http = http1::Builder::new();
                    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
                    // Whoever breaks the connection off needs no answer.
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                    drop(place);
                });
            }
        })?;
        // What is still worked on is cancelled as its connections are dropped.
        runtime.shutdown_timeout(FAREWELL);
        Ok(())
    }
}

/// An answer's status, kind and text.
type Answer = (StatusCode, &'static str, String);

/// How long an answer took, for who looks at it in the browser's tools; `None` if it needed no work.
type Took = Option<Duration>;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

async fn respond(state: &State, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let ((status, kind, text), took) = answer(state, request).await;
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let fixed = HeaderValue::from_static;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, fixed(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, state.policy.clone());
    headers.insert(header::CACHE_CONTROL, fixed("no-store"));
    headers.insert(header::REFERRER_POLICY, fixed("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    if let Some(timing) = took.map(|took| server_timing(took, state.layouts.made())) {
        headers.insert("server-timing", timing);
    }
    headers.insert("cross-origin-resource-policy", fixed("same-origin"));
    headers.insert("cross-origin-opener-policy", fixed("same-origin"));
    Ok(response)
}

/// How long an answer took, and how many drawings this server has laid out so far: a form that browsers show.
fn server_timing(took: Duration, layouts: usize) -> HeaderValue {
    let text = format!("work;dur={:.1}, layouts;desc=\"{layouts}\"", took.as_secs_f64() * 1e3);
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

async fn answer(state: &State, request: Request<Incoming>) -> (Answer, Took) {
    let (what, asked) = match question(state, request).await {
        Ok(question) => question,
        Err(answer) => return (answer, None),
    };
    let layouts = state.layouts.clone();
    match what {
        What::Document => work(&state.graphs, move |c| Ok((JSON, json(&asked.document(&layouts, c)?)))).await,
        What::Drawing => work(&state.drawings, move |c| Ok((JSON, drawing_json(&asked.drawing(&layouts, c)?)))).await,
        What::Code => work(&state.compiles, move |c| Ok((JSON, json(&asked.with_code(&layouts, c)?)))).await,
        What::Report => work(&state.compiles, move |c| Ok((HTML, html(&asked.report(c)?)?))).await,
    }
}

/// What is asked of a text.
enum What {
    Document,
    Drawing,
    Code,
    Report,
}

/// What is asked for, and of which text; or the answer, where it needs no work.
async fn question(state: &State, request: Request<Incoming>) -> Result<(What, Asked), Answer> {
    let (head, body) = request.into_parts();
    let Some(what) = state.guard.asked(&head.method, &head.uri, &head.headers) else {
        let text = "This page has the address, with its token, that `routefuse explore` printed.\n";
        return Err((StatusCode::FORBIDDEN, TEXT, text.to_owned()));
    };
    match (&head.method, what) {
        (&Method::GET, "") => return Err((StatusCode::OK, HTML, state.page.clone())),
        (&Method::POST, "document" | "drawing" | "code" | "report" | "example") => {}
        (_, "" | "document" | "drawing" | "code" | "report" | "example") => {
            return Err(refused(StatusCode::METHOD_NOT_ALLOWED, "another method is asked for"));
        }
        _ => return Err(refused(StatusCode::NOT_FOUND, "there is nothing here")),
    }
    if head.headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != JSON) {
        return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a question is JSON"));
    }
    let read = tokio::time::timeout(PATIENCE, Limited::new(body, MOST_BYTES).collect()).await;
    let bytes = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(e)) if e.is::<LengthLimitError>() => {
            return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, &format!("a question has at most {MOST_BYTES} bytes")));
        }
        Ok(Err(_)) => return Err(refused(StatusCode::BAD_REQUEST, "the question ended early")),
        Err(_) => return Err(refused(StatusCode::REQUEST_TIMEOUT, "the question took too long to arrive")),
    };
    let what = match what {
        "example" => return Err(example(&bytes)),
        "document" => What::Document,
        "drawing" => What::Drawing,
        "code" => What::Code,
        _ => What::Report,
    };
    match serde_json::from_slice(&bytes) {
        Ok(asked) => Ok((what, asked)),
        Err(e) => Err(refused(StatusCode::BAD_REQUEST, &format!("the question is none: {e}"))),
    }
}

/// Cancels what is worked on when the question is dropped, because its asker is gone or its time is over.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Works on a question on a thread of its own, after those that came before it.
async fn work(turns: &Turns, make: impl FnOnce(&Cancel) -> Made + Send + 'static) -> (Answer, Took) {
    let guard = CancelOnDrop(Cancel::default());
    let cancel = guard.0.clone();
    let working = async {
        // The semaphores are never closed.
        let _turn = turns.turn.acquire().await.ok();
        let thread = turns.threads.clone().acquire_owned().await.ok();
        tokio::task::spawn_blocking(move || {
            let begin = Instant::now();
            let made = make(&cancel);
            drop(thread);
            (made, begin.elapsed())
        })
        .await
    };
    let mut took = None;
    let done = tokio::time::timeout(MOST_TIME, working).await.map(|done| {
        done.map(|(made, time)| {
            took = Some(time);
            made
        })
    });
    (answer_of(done), took)
}

/// The kind and the text of an answer, or what is wrong with what was asked.
type Made = Result<(&'static str, String), Error>;

/// The answer of what was made, or of why it was not.
fn answer_of(done: Result<Result<Made, JoinError>, Elapsed>) -> Answer {
    match done {
        Ok(Ok(Ok((kind, text)))) => (StatusCode::OK, kind, text),
        Ok(Ok(Err(e))) if answer::is_cancelled(&e) => refused(StatusCode::SERVICE_UNAVAILABLE, "the server ends"),
        Ok(Ok(Err(e))) => (StatusCode::UNPROCESSABLE_ENTITY, JSON, answer::wrong(e.diagnostics()).to_string()),
        Ok(Err(_)) => refused(StatusCode::INTERNAL_SERVER_ERROR, "a defect in routefuse: its terminal says more"),
        Err(_) => {
            refused(StatusCode::SERVICE_UNAVAILABLE, &format!("this took longer than {} seconds", MOST_TIME.as_secs()))
        }
    }
}

fn example(question: &[u8]) -> Answer {
    let asked: Result<Value, _> = serde_json::from_slice(question);
    let name = asked.ok().and_then(|v| v["name"].as_str().map(str::to_owned)).unwrap_or_default();
    match examples::named(&name) {
        Ok(Some(text)) => (StatusCode::OK, JSON, object!({ "text": text }).to_string()),
        Ok(None) => refused(StatusCode::NOT_FOUND, "there is no such example"),
        Err(e) => (StatusCode::UNPROCESSABLE_ENTITY, JSON, answer::wrong(&e).to_string()),
    }
}

fn refused(status: StatusCode, why: &str) -> Answer {
    (status, JSON, object!({ "error": why }).to_string())
}
