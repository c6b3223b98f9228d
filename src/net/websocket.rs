//! SIP over WebSocket (RFC 7118): the handshake, one SIP message per WebSocket message, pings to see who is still there.

use super::Refusal;
use super::StreamEvent;
use super::connection::{Line, PEER_TIMEOUT};
use busyhour_model::Name;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

/// Bytes of one message; the stack has limits of its own below.
const MESSAGE_MAX: usize = 128 * 1024;
/// Bytes a connection keeps ready.
const BUFFER: usize = 4_096;
/// A peer is asked this often whether it is still there; without an answer by the next time it is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
/// The subprotocol (RFC 7118 section 4).
const SUBPROTOCOL: &str = "sip";

/// Serves a connection to its end, once the peer has asked for SIP.
pub(super) async fn serve<S>(line: &mut Line, stream: S, trunks: Vec<Name>) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let origins = line.manners.origins.clone();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let judge = |request: &Request, response: Response| judge(request, response, &origins);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let accepting = accept_hdr_async_with_config(stream, judge, Some(config));
    let socket = timeout(line.manners.patience, accepting).await.map_err(|_| Refusal::Slow)?.map_err(refusal)?;
    line.tell(StreamEvent::Opened(line.flow, trunks)).await;
    talk(line, socket).await;
    Ok(())
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Io(error) => Refusal::Io(error),
        error => Refusal::Web(error.to_string()),
    }
}

/// Whether a script may connect: it has to ask for SIP, and to be of a page of ours when that matters.
#[expect(clippy::result_large_err, reason = "the library's own type")]
fn judge(request: &Request, mut response: Response, origins: &[String]) -> Result<Response, ErrorResponse> {
    let said = |name| request.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
    let refuse = |status, why: &str| {
        let mut refused = ErrorResponse::new(Some(why.to_owned()));
        *refused.status_mut() = status;
        Err(refused)
    };
    let of_page = |origin: &str| origins.iter().any(|ours| ours.eq_ignore_ascii_case(origin));
    if !origins.is_empty() && !said(header::ORIGIN).any(of_page) {
        return refuse(StatusCode::FORBIDDEN, "this page may not connect");
    }
    let mut offered = said(header::SEC_WEBSOCKET_PROTOCOL).flat_map(|list| list.split(','));
    if !offered.any(|offered| offered.trim().eq_ignore_ascii_case(SUBPROTOCOL)) {
        return refuse(StatusCode::BAD_REQUEST, "the subprotocol here is `sip`");
    }
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(line: &mut Line, mut socket: WebSocketStream<S>) {
    let mut pings = interval(PING_EVERY);
    let mut heard = true;
    loop {
        let out = tokio::select! {
            came = socket.next() => {
                let bytes = match came {
                    Some(Ok(Message::Text(text))) => Bytes::from(text),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Bytes::new(),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                heard = true;
                if !bytes.is_empty() && line.events.send(StreamEvent::Bytes(line.flow, bytes)).await.is_err() {
                    return;
                }
                // The answer to a ping or to a wish to close waits to be sent.
                None
            }
            bytes = line.writes.recv() => match bytes {
                Some(bytes) => Some(message(bytes)),
                None => Some(Message::Close(None)),
            },
            _ = pings.tick() => {
                if !std::mem::replace(&mut heard, false) {
                    return;
                }
                Some(Message::Ping(Bytes::new()))
            }
        };
        let last = matches!(out, Some(Message::Close(_)));
        let sending = async {
            match out {
                Some(out) => socket.send(out).await,
                None => socket.flush().await,
            }
        };
        if last | !matches!(timeout(PEER_TIMEOUT, sending).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// SIP is text wherever it can be: scripts then need no decoder.
fn message(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}
