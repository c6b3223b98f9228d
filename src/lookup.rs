//! HTTP for dialplans, on a thread of its own: look-ups go out here, and answers come back to the control loop.

use busyhour_ivr::{LookUp, LookUpAnswer};
use busyhour_model::CallId;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::sync::Semaphore;

/// Requests under way at once; the next ones wait, within their time.
const AT_ONCE: usize = 64;
/// Requests not yet begun; the next is as good as unanswered.
const WAITING_MAX: usize = 1_000;
/// Bytes of an answer; a longer one is refused.
const ANSWER_MAX: usize = 64 * 1024;
/// An idle connection is kept so long.
const IDLE: Duration = Duration::from_secs(30);

type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

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
    let client = client();
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    while let Some((call, lookup)) = asks.recv().await {
        let (client, slots, told) = (client.clone(), Arc::clone(&slots), told.clone());
        tokio::spawn(async move {
            let within = async {
                // Held until the answer is there; it is never closed.
                let _slot = slots.acquire().await;
                get(&client, &lookup).await
            };
            let answer = match tokio::time::timeout(lookup.timeout, within).await {
                Ok(Some((status, body))) => lookup.answer(status, &body),
                Ok(None) | Err(_) => LookUpAnswer::Unreachable,
            };
            let _ = told.send((call, lookup.id, answer));
        });
    }
}

/// Certificates are checked against those the system trusts.
fn client() -> Connections {
    let https = HttpsConnectorBuilder::new();
    let https = match https.clone().with_native_roots() {
        Ok(https) => https,
        Err(error) => {
            tracing::warn!("no trusted certificates are installed, look-ups by https will fail: {error}");
            https.with_tls_config(without_roots())
        }
    };
    let connector = https.https_or_http().enable_http1().build();
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(AT_ONCE)
        .build(connector)
}

/// Status and body; `None` when there is no answer. Errors are not logged: they may quote the address.
async fn get(client: &Connections, lookup: &LookUp) -> Option<(u16, Bytes)> {
    let builder = lookup.headers.iter().fold(Request::builder().uri(&lookup.url), |builder, (name, value)| {
        builder.header(&**name, value)
    });
    let request = match &lookup.body {
        Some(json) => builder.method("POST").header("content-type", "application/json").body(json.clone().into()),
        None => builder.body(Full::default()),
    };
    let response = client.request(request.ok()?).await.ok()?;
    let status = response.status().as_u16();
    match Limited::new(response.into_body(), ANSWER_MAX).collect().await {
        Ok(body) => Some((status, body.to_bytes())),
        // Cut off or too long: what there is makes no JSON.
        Err(_) => Some((status, Bytes::new())),
    }
}
