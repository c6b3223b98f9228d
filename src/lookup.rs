//! HTTP for dialplans, on a thread of its own: look-ups go out here, and answers come back to the control loop.

use busyhour_ivr::{LookUp, LookUpAnswer};
use busyhour_model::CallId;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};

/// Requests under way at once; the next ones wait, within their time.
const AT_ONCE: usize = 64;
/// Requests not yet begun; the next is as good as unanswered.
const WAITING_MAX: usize = 1_000;
/// Bytes of an answer; a longer one is refused.
const ANSWER_MAX: usize = 64 * 1024;
/// An idle connection is kept so long.
const IDLE: Duration = Duration::from_secs(30);
/// Why there is no answer is told again only after so long.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// By which requests with a body `B` go out.
pub(crate) type Connections<B = Full<Bytes>> = Client<HttpsConnector<HttpConnector>, B>;

/// An answer, and to which look-up of which call.
pub type Answered = (CallId, u32, LookUpAnswer);

/// The control loop's side of it.
pub struct LookUps {
    asked: Sender<(CallId, LookUp)>,
    /// For answers given at once.
    told: UnboundedSender<Answered>,
    answers: UnboundedReceiver<Answered>,
}

impl LookUps {
    /// Starts the thread; it ends with the `LookUps`.
    ///
    /// # Errors
    /// No thread or no runtime can be made.
    pub fn start() -> io::Result<LookUps> {
        let (asked, asks) = channel(WAITING_MAX);
        let (told, answers) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let teller = told.clone();
        let run = move || runtime.block_on(serve(asks, teller));
        std::thread::Builder::new().name("lookup".into()).spawn(run)?;
        Ok(LookUps { asked, told, answers })
    }

    /// Sends a look-up out; never waits.
    pub fn ask(&self, call: CallId, lookup: LookUp) {
        let id = lookup.id;
        if self.asked.try_send((call, lookup)).is_err() {
            tracing::warn!(%call, "more than {WAITING_MAX} look-ups wait: this one is not made");
            let _ = self.told.send((call, id, LookUpAnswer::Unreachable));
        }
    }

    /// The next answer.
    pub async fn answer(&mut self) -> Answered {
        match self.answers.recv().await {
            Some(answered) => answered,
            None => std::future::pending().await,
        }
    }
}

async fn serve(mut asks: Receiver<(CallId, LookUp)>, told: UnboundedSender<Answered>) {
    let client: Connections = client();
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let troubles = Arc::new(Troubles::default());
    while let Some((call, lookup)) = asks.recv().await {
        let (client, slots, told) = (client.clone(), Arc::clone(&slots), told.clone());
        let troubles = Arc::clone(&troubles);
        tokio::spawn(async move {
            let within = async {
                // Held until the answer is there; it is never closed.
                let _slot = slots.acquire().await;
                get(&client, &lookup).await
            };
            let late = |_| Err("no answer in time".into());
            let answer = match tokio::time::timeout(lookup.timeout, within).await.unwrap_or_else(late) {
                Ok((status, body)) => lookup.answer(status, &body),
                Err(why) => {
                    troubles.tell(&lookup, &why);
                    LookUpAnswer::Unreachable
                }
            };
            let _ = told.send((call, lookup.id, answer));
        });
    }
}

/// Certificates are checked against those the system trusts.
pub(crate) fn client<B: Body<Data: Send> + Send>() -> Connections<B> {
    let connector = match HttpsConnectorBuilder::new().with_native_roots() {
        Ok(https) => https,
        Err(error) => {
            tracing::warn!("no trusted certificates are installed, look-ups by https will fail: {error}");
            let none = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
            HttpsConnectorBuilder::new().with_tls_config(none.with_no_client_auth())
        }
    };
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(AT_ONCE)
        .build(connector.https_or_http().enable_http1().build())
}

/// Troubles with other programs, and when they were told.
#[derive(Default)]
pub(crate) struct Troubles(Mutex<HashMap<String, Instant>>);

impl Troubles {
    fn tell(&self, lookup: &LookUp, why: &str) {
        // Of the address only the server: the rest may hold what a caller keyed in.
        let server = lookup.url.parse::<Uri>().ok().and_then(|url| url.authority().map(ToString::to_string));
        let trouble = format!("{}: {why}", server.unwrap_or_default());
        if self.is_new(&trouble, Instant::now()) {
            tracing::warn!("a look-up has no answer from {trouble}");
        }
    }

    /// Whether this was not told within the last minute.
    pub(crate) fn is_new(&self, trouble: &str, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now.duration_since(*at) < TOLD_AGAIN);
        let new = !told.contains_key(trouble);
        if new {
            told.insert(trouble.into(), now);
        }
        new
    }
}

/// What lies at the bottom of an error: what wraps it only says that a request failed.
pub(crate) fn cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// Status and body, or why there is no answer.
async fn get(client: &Connections, lookup: &LookUp) -> Result<(u16, Bytes), String> {
    let builder = lookup
        .headers
        .iter()
        .fold(Request::builder().uri(&lookup.url), |builder, (name, value)| builder.header(&**name, value));
    let request = match &lookup.body {
        Some(json) => builder.method("POST").header("content-type", "application/json").body(json.clone().into()),
        None => builder.body(Full::default()),
    };
    // What cannot be asked is the address or a header, and its error might quote them.
    let request = request.map_err(|_| "it cannot be asked so")?;
    let response = client.request(request).await.map_err(|error| cause(&error))?;
    let status = response.status().as_u16();
    match Limited::new(response.into_body(), ANSWER_MAX).collect().await {
        Ok(body) => Ok((status, body.to_bytes())),
        // Cut off or too long: what there is makes no JSON.
        Err(_) => Ok((status, Bytes::new())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_ivr::{Caller, Dialplan, Input, Names, Session, Step};
    use busyhour_model::{Number, Time};
    use std::fmt::Write as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// What a dialplan with these lines asks for.
    fn asked(lines: &str) -> LookUp {
        let source = format!(
            "name = \"p\"\nstart = \"a\"\n[node.a]\n{lines}\nset = {{ level = \"$.level\" }}\nthen = \"b\"\nfailed = \"b\"\n\
             [node.b]\nbranch = [{{ \"$level\" = \"gold\", goto = \"c\" }}]\nelse = \"c\"\n[node.c]\nhangup = true\n"
        );
        let plan = Dialplan::parse("p.toml", &source, &Names::default()).unwrap().plan;
        let number = Number::parse("13800138000");
        let caller = Caller { from: number.clone(), to: number, origin: "t".into(), tier: None };
        let mut session = Session::new(Time::ZERO, &plan, caller);
        session.handle(Time::ZERO, &plan, Input::Start);
        std::iter::from_fn(|| session.poll_step())
            .find_map(|step| if let Step::LookUp(asked) = step { Some(asked) } else { None })
            .unwrap()
    }

    /// A server that answers one request with these bytes, or not at all; the request it saw.
    async fn server(answer: Option<String>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let size = stream.read(&mut request).await.unwrap();
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap_or_default(),
                None => std::future::pending().await,
            }
            String::from_utf8_lossy(&request[..size]).into_owned()
        });
        (address, served)
    }

    fn response(status: &str, body: &str) -> Option<String> {
        let mut text = String::new();
        write!(text, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).unwrap();
        Some(text)
    }

    fn gold() -> LookUpAnswer {
        LookUpAnswer::Found([("level".into(), "gold".into())].into())
    }

    #[tokio::test]
    async fn a_request_goes_out_and_its_answer_comes_back() {
        let mut lookups = LookUps::start().unwrap();
        let (address, served) = server(response("200 OK", r#"{"level":"gold"}"#)).await;
        let lines = format!("lookup = \"{address}/c/{{$caller}}\"\nheaders = {{ X-Key = \"k\" }}\nbody = {{ n = 1 }}");
        lookups.ask(CallId(7), asked(&lines));
        assert_eq!(lookups.answer().await, (CallId(7), 1, gold()));
        let request = served.await.unwrap();
        assert!(request.starts_with("POST /c/13800138000 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("x-key: k\r\n") && request.ends_with("\r\n\r\n{\"n\":1}"), "{request}");
    }

    #[tokio::test]
    async fn whatever_a_server_does_there_is_an_answer() {
        let long = format!("{{\"level\":\"{}\"}}", "x".repeat(ANSWER_MAX));
        let table = [
            (response("200 OK", &long), LookUpAnswer::Refused),
            (response("200 OK", "[1,"), LookUpAnswer::Refused),
            (response("302 Found", ""), LookUpAnswer::Refused),
            (response("404 Not Found", ""), LookUpAnswer::NotFound),
            (response("500 Oops", ""), LookUpAnswer::Unreachable),
            (Some("SIP/2.0 200 OK\r\n\r\n".into()), LookUpAnswer::Unreachable),
            (None, LookUpAnswer::Unreachable),
        ];
        let mut lookups = LookUps::start().unwrap();
        for (answer, expected) in table {
            let (address, _served) = server(answer.clone()).await;
            lookups.ask(CallId(1), asked(&format!("lookup = \"{address}/\"\ntimeout = \"500ms\"")));
            assert_eq!(lookups.answer().await.2, expected, "{answer:?}");
        }
        lookups.ask(CallId(1), asked("lookup = \"http://127.0.0.1:1/\""));
        assert_eq!(lookups.answer().await.2, LookUpAnswer::Unreachable, "nobody listens");
    }

    #[tokio::test]
    async fn why_there_is_no_answer_is_told_without_the_address() {
        let table = [
            (response("200 OK", "{}"), "https", "corrupt message"),
            (Some("SIP/2.0 200 OK\r\n\r\n".into()), "http", "invalid HTTP version parsed"),
        ];
        for (answer, scheme, expected) in table {
            let (address, _served) = server(answer).await;
            let address = address.replace("http", scheme);
            let why = get(&client(), &asked(&format!("lookup = \"{address}/secret?pin=secret\""))).await.unwrap_err();
            assert!(why.contains(expected) && !why.contains("secret"), "{why}");
        }
        let troubles = Troubles::default();
        let began = Instant::now();
        assert!(troubles.is_new("a: refused", began) && troubles.is_new("b: refused", began));
        assert!(!troubles.is_new("a: refused", began + TOLD_AGAIN / 2), "once a minute");
        assert!(troubles.is_new("a: refused", began + TOLD_AGAIN));
    }

    #[tokio::test]
    async fn more_look_ups_than_may_wait_are_answered_at_once() {
        let (asked_of, _never_taken) = channel(1);
        let (told, answers) = unbounded_channel();
        let mut lookups = LookUps { asked: asked_of, told, answers };
        let lookup = asked("lookup = \"http://127.0.0.1:1/\"");
        lookups.ask(CallId(1), lookup.clone());
        lookups.ask(CallId(2), lookup);
        assert_eq!(lookups.answer().await, (CallId(2), 1, LookUpAnswer::Unreachable));
    }
}
