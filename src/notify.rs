//! Webhooks: facts for somebody else's server, posted by a thread of its own, tried again, given up in the end.

use crate::lookup::{Connections, client};
use busyhour_model::Message;
use http_body_util::Full;
use hyper::Request;
use prometheus::{IntCounter, IntCounterVec};
use serde_json::json;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Posts waiting; further ones are given up at once.
const WAITING_MAX: usize = 1_000;
/// Waits before the second try and those after it; then it is given up.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15), Duration::from_secs(60)];
/// An answer after so long is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to the thread; one without an address posts nothing.
#[derive(Clone)]
pub struct Notifier {
    posts: Option<Sender<String>>,
    counts: IntCounterVec,
}

impl Notifier {
    /// Starts the thread when there is somebody to tell. `counts` is by outcome: `sent`, `retried`, `lost`.
    ///
    /// # Errors
    /// No thread or no runtime can be made.
    pub fn start(url: Option<String>, counts: IntCounterVec) -> io::Result<Notifier> {
        Notifier::pausing(url, counts, &PAUSES)
    }

    fn pausing(url: Option<String>, counts: IntCounterVec, pauses: &'static [Duration]) -> io::Result<Notifier> {
        let Some(url) = url else { return Ok(Notifier { posts: None, counts }) };
        let (posts, waiting) = channel(WAITING_MAX);
        let counted = counts.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || runtime.block_on(run(&url, waiting, &counted, pauses));
        std::thread::Builder::new().name("notify".into()).spawn(run)?;
        Ok(Notifier { posts: Some(posts), counts })
    }

    /// Tells of a message; never waits.
    pub fn message_left(&self, message: &Message) {
        let Some(posts) = &self.posts else { return };
        let body = json!({ "event": "message_left", "message": message }).to_string();
        if posts.try_send(body).is_err() {
            self.count("lost").inc();
        }
    }

    fn count(&self, outcome: &str) -> IntCounter {
        self.counts.with_label_values(&[outcome])
    }
}

async fn run(url: &str, mut waiting: Receiver<String>, counts: &IntCounterVec, pauses: &[Duration]) {
    let client = client();
    while let Some(body) = waiting.recv().await {
        let mut pauses = pauses.iter();
        let outcome = loop {
            let Err(why) = post(&client, url, &body).await else { break "sent" };
            let Some(pause) = pauses.next() else {
                tracing::warn!("a message was not told to the webhook of [voicemail]: {why}");
                break "lost";
            };
            counts.with_label_values(&["retried"]).inc();
            tokio::time::sleep(*pause).await;
        };
        counts.with_label_values(&[outcome]).inc();
    }
}

/// The answer must be a 2xx.
async fn post(client: &Connections, url: &str, body: &str) -> Result<(), String> {
    let request = Request::post(url).header("content-type", "application/json");
    let request = request.body(Full::from(body.to_string())).map_err(|e| e.to_string())?;
    match tokio::time::timeout(PATIENCE, client.request(request)).await {
        Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
        Ok(Ok(answer)) => Err(format!("the server answered {}", answer.status())),
        Ok(Err(e)) => Err(std::error::Error::source(&e).map_or_else(|| e.to_string(), |source| source.to_string())),
        Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_model::{CallId, Mailbox, TapeId, Time};
    use prometheus::Opts;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn message() -> Message {
        let mailbox = Mailbox::Queue("enquiry".into());
        let (call, from, left) = (CallId(7), "13800138000".into(), Time::from_secs(9));
        Message { tape: TapeId(1), mailbox, call, from, left, ms: 5000, file: "x.wav".into(), heard: false }
    }

    fn counts() -> IntCounterVec {
        IntCounterVec::new(Opts::new("n", "x"), &["outcome"]).unwrap()
    }

    #[test]
    fn a_server_that_fails_first_is_told_in_the_end_and_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?key=1", listener.local_addr().unwrap());
        let counts = counts();
        let notifier = Notifier::pausing(Some(url), counts.clone(), &[Duration::ZERO; 4]).unwrap();
        notifier.message_left(&message());
        let mut asked = String::new();
        for status in ["503 Busy", "204 No Content"] {
            let (mut stream, _) = listener.accept().unwrap();
            asked.clear();
            let mut buffer = [0; 4096];
            while !asked.contains("}}") {
                let read = stream.read(&mut buffer).unwrap();
                asked.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
        assert!(asked.starts_with("POST /hook?key=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("content-type: application/json\r\n"));
        assert!(asked.contains(r#""mailbox":{"queue":"enquiry"}"#), "{asked}");
        while counts.with_label_values(&["sent"]).get() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(counts.with_label_values(&["retried"]).get(), 1);
    }

    #[test]
    fn nobody_there_is_given_up_and_no_address_is_nobody() {
        let counts = counts();
        let url = "http://127.0.0.1:1/".to_string();
        let notifier = Notifier::pausing(Some(url), counts.clone(), &[Duration::ZERO; 2]).unwrap();
        notifier.message_left(&message());
        while counts.with_label_values(&["lost"]).get() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(counts.with_label_values(&["retried"]).get(), 2);
        Notifier::start(None, counts).unwrap().message_left(&message());
    }
}
