//! A few requests to a running `busyhour serve`: HTTP/1.1, one connection each.

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The server has so long for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of one answer.
const ANSWER_MAX: u64 = 256 << 20;

/// Why there is no answer to show.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL cannot be used.
    #[error("`{0}` is no address of a server; write it like http://127.0.0.1:9595")]
    Url(String),
    /// Nobody is there.
    #[error("nothing answers at {url}: is `busyhour serve` running? ({cause})")]
    Unreachable {
        /// Where.
        url: String,
        /// The system's words.
        cause: std::io::Error,
    },
    /// What is there does not speak our API.
    #[error("what answers at {0} is not busyhour")]
    Stranger(String),
    /// It refused.
    #[error("{error}\n  help: {help}")]
    Refused {
        /// Why.
        error: String,
        /// What to do.
        help: String,
    },
}

/// A server by its URL.
#[derive(Clone, Debug)]
pub struct Server(pub String);

impl Server {
    /// GET, as `T`.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        serde_json::from_value(self.send("GET", path, &Value::Null)?).map_err(|_| ClientError::Stranger(self.0.clone()))
    }

    /// Any method, with JSON unless it is null; the answer to what was done.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, ClientError> {
        match self.exchange(method, path, body)? {
            (200..300, answer) => Ok(answer),
            (status, answer) => Err(refused(status, &answer)),
        }
    }

    /// Status and JSON of an answer that names no error.
    pub fn exchange(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value), ClientError> {
        let stranger = || ClientError::Stranger(self.0.clone());
        let sent = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.talk(method, path, &sent)?;
        let (status, body) = split(&answer).ok_or_else(stranger)?;
        let answer: Value = serde_json::from_slice(body).map_err(|_| stranger())?;
        if answer["error"].is_string() { Err(refused(status, &answer)) } else { Ok((status, answer)) }
    }

    /// GET, as it comes: sound.
    pub fn bytes(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let answer = self.talk("GET", path, "")?;
        match split(&answer).ok_or_else(|| ClientError::Stranger(self.0.clone()))? {
            (200, body) => Ok(body.into()),
            (status, body) => Err(refused(status, &serde_json::from_slice(body).unwrap_or_default())),
        }
    }

    fn talk(&self, method: &str, path: &str, body: &str) -> Result<Vec<u8>, ClientError> {
        let unusable = || ClientError::Url(self.0.clone());
        let host = self.0.strip_prefix("http://").ok_or_else(unusable)?.trim_end_matches('/');
        let with_port = if host.contains(':') { host.to_string() } else { format!("{host}:80") };
        let address = with_port.to_socket_addrs().ok().and_then(|mut a| a.next()).ok_or_else(unusable)?;
        let exchange = || -> std::io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )?;
            let mut answer = Vec::new();
            stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
            Ok(answer)
        };
        exchange().map_err(|cause| ClientError::Unreachable { url: self.0.clone(), cause })
    }
}

fn refused(status: u16, body: &Value) -> ClientError {
    let word = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_string);
    let error = word("error").unwrap_or_else(|| format!("the server answered {status}"));
    ClientError::Refused { error, help: word("help").unwrap_or_else(|| "see the log of the server".into()) }
}

/// Status and body.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let status = std::str::from_utf8(&answer[..end]).ok()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, &answer[end + 4..]))
}

/// A path segment or query value as it may stand in a URL (RFC 3986 section 2.1).
pub fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
