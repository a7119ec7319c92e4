//! Who may ask: the page that this server gave, and nobody else.
//!
//! A server on the loopback can be reached by every program and every user of the machine, and by every page in the user's browser.
//! Three things keep them out. The address has a random token, which only the user was told. The `Host` must be the loopback's:
//! a foreign name that resolves to it (DNS rebinding) is refused. And what asks for work must say an `Origin` that is this
//! server's: a browser says truthfully which page asks.

use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use hyper::{Method, Uri};

/// What a request must have.
#[derive(Debug)]
pub struct Guard {
    token: String,
    hosts: [String; 2],
}

/// Bytes of a token.
const TOKEN: usize = 16;

impl Guard {
    /// Of a server on this port, with a new token.
    ///
    /// # Errors
    /// If the system has no random bytes to give.
    pub fn new(port: u16) -> Result<Guard, getrandom::Error> {
        let mut bytes = [0; TOKEN];
        getrandom::fill(&mut bytes)?;
        Ok(Guard::of(port, bytes.iter().map(|b| format!("{b:02x}")).collect()))
    }

    fn of(port: u16, token: String) -> Guard {
        Guard { token, hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")] }
    }

    /// The page's address.
    pub fn address(&self) -> String {
        format!("http://{}/{}/", self.hosts[0], self.token)
    }

    /// What is asked for, behind the token; `None` if this request has no business here.
    pub fn asked<'u>(&self, method: &Method, uri: &'u Uri, headers: &HeaderMap) -> Option<&'u str> {
        let one = |name| {
            let mut all = headers.get_all(name).iter();
            all.next().filter(|_| all.next().is_none()).and_then(|v: &HeaderValue| v.to_str().ok())
        };
        let host = one(HOST)?;
        if !self.hosts.iter().any(|h| h.eq_ignore_ascii_case(host)) {
            return None;
        }
        if method == Method::POST {
            let origin = one(ORIGIN)?.strip_prefix("http://")?;
            if !self.hosts.iter().any(|h| h == origin) {
                return None;
            }
        }
        let (token, what) = uri.path().strip_prefix('/')?.split_once('/')?;
        same(token, &self.token).then_some(what)
    }
}

/// Whether two texts are equal, in a time that does not say where they first differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differing, (x, y)| differing | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, path: &str, headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Guard::of(8000, "secret".to_owned()).asked(method, &path.parse().unwrap(), &map).map(str::to_owned)
    }

    #[test]
    fn the_page_may_ask() {
        let host = ("host", "127.0.0.1:8000");
        assert_eq!(asked(&Method::GET, "/secret/", &[host]).as_deref(), Some(""));
        assert_eq!(asked(&Method::GET, "/secret/", &[("host", "localhost:8000")]).as_deref(), Some(""));
        let own = ("origin", "http://127.0.0.1:8000");
        assert_eq!(asked(&Method::POST, "/secret/code", &[host, own]).as_deref(), Some("code"));
    }

    #[test]
    fn strangers_may_not() {
        let host = ("host", "127.0.0.1:8000");
        for path in ["/", "/secret", "/secreT/", "/secret2/", "//secret/", "/x/secret/", "/?secret"] {
            assert_eq!(asked(&Method::GET, path, &[host]), None, "{path}");
        }
        for name in
            ["evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "127.0.0.1.evil.example:8000", "[::1]:8000", ""]
        {
            assert_eq!(asked(&Method::GET, "/secret/", &[("host", name)]), None, "{name}");
        }
        assert_eq!(asked(&Method::GET, "/secret/", &[]), None);
        // Two hosts are none: whoever reads the first would trust another than who reads the last.
        assert_eq!(asked(&Method::GET, "/secret/", &[host, ("host", "evil.example")]), None);
        assert_eq!(asked(&Method::POST, "/secret/code", &[host]), None);
        for origin in [
            "null",
            "http://evil.example",
            "http://127.0.0.1:8001",
            "https://127.0.0.1:8000",
            "http://127.0.0.1:8000.evil.example",
        ] {
            assert_eq!(asked(&Method::POST, "/secret/code", &[host, ("origin", origin)]), None, "{origin}");
        }
    }

    #[test]
    fn tokens_are_new_each_time() {
        let (a, b) = (Guard::new(1).unwrap(), Guard::new(1).unwrap());
        assert!(a.token != b.token && a.token.len() == 2 * TOKEN);
    }
}
