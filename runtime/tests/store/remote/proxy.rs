//! Stands before a server and does harm.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What becomes of the server's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The connection is taken, and nothing is said.
    Hangs,
    /// A byte every 20 ms.
    Drips,
    /// All of the head, half of the body, and the connection is closed.
    CutShort,
    /// One bit of the body's middle is another.
    Flips,
    /// Another answer than the server's: this status, this body.
    Answers(u16, &'static str),
    /// Not HTTP.
    Noise,
    /// The connection is closed at once.
    Closes,
}

/// A proxy; it ends with the process.
pub struct Proxy {
    pub at: SocketAddr,
    fault: Arc<Mutex<Fault>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn before(server: SocketAddr, fault: Fault) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (fault, heads) = (Arc::new(Mutex::new(fault)), Arc::new(Mutex::new(Vec::new())));
        let (now, seen) = (Arc::clone(&fault), Arc::clone(&heads));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (now, seen) = (Arc::clone(&now), Arc::clone(&seen));
                thread::spawn(move || pass(stream, server, &now, &seen));
            }
        });
        Proxy { at, fault, heads }
    }

    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// One request and its answer. What fails here fails for the client, which is what it is for.
fn pass(mut client: TcpStream, server: SocketAddr, fault: &Mutex<Fault>, seen: &Mutex<Vec<String>>) -> Option<()> {
    let (head, mut rest) = head(&mut client)?;
    seen.lock().unwrap().push(head.clone());
    let length = field(&head, "content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    while rest.len() < length {
        let mut more = [0; 4096];
        let n = client.read(&mut more).ok().filter(|n| *n > 0)?;
        rest.extend_from_slice(&more[..n]);
    }
    let fault = fault.lock().unwrap().clone();
    match fault {
        Fault::Hangs => {
            thread::sleep(Duration::from_secs(60));
            return None;
        }
        Fault::Closes => return None,
        Fault::Noise => return client.write_all(b"\x16\x03\x01what?\r\n\r\n").ok(),
        Fault::Answers(status, body) => {
            let length = body.len();
            let date = "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nETag: \"x\"";
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{date}\r\nConnection: close\r\n\r\n");
            return client.write_all(format!("{head}{body}").as_bytes()).ok();
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(server).ok()?;
    // Google's client writes an object's slashes so; its server knows.
    let request = head.replacen("\r\n", "\r\nConnection: close\r\n", 1).replace("%2F", "/");
    upstream.write_all(request.as_bytes()).ok()?;
    upstream.write_all(&rest).ok()?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let middle = body + (answer.len() - body) / 2;
    match fault {
        Fault::Drips => {
            for byte in answer {
                client.write_all(&[byte]).ok()?;
                thread::sleep(Duration::from_millis(200));
            }
            return None;
        }
        Fault::CutShort => answer.truncate(middle),
        // An answer without a body stays as it is.
        Fault::Flips if middle < answer.len() => answer[middle] ^= 4,
        _ => {}
    }
    client.write_all(&answer).ok()?;
    client.shutdown(Shutdown::Both).ok()
}

/// The head of a request, and what was read after it.
fn head(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).ok()?, rest));
        }
        let mut more = [0; 4096];
        let n = client.read(&mut more).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&more[..n]);
    }
}

/// A header's value.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let pairs = head.lines().filter_map(|l| l.split_once(':'));
    pairs.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).next()
}
