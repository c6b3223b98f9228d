//! `GET /api/calls/c42/sound`: a program hears a call that goes on, by WebSocket. Who does is written down.

use super::live::Peer;
use super::{Fault, Who, ask, call_id};
use crate::desk::Desk;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use busyhour_model::{CallId, ForkId};
use busyhour_switch::Request as Wish;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(super) fn routes() -> Router<Desk> {
    Router::new().route("/api/calls/{id}/sound", get(sound))
}

async fn sound(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(who): Query<Who>,
    peer: Peer,
    request: Request,
) -> Result<Response, Fault> {
    let (call, key) = (call_id(&id)?, handshake(request.headers())?);
    let upgrade = hyper::upgrade::on(request);
    let (fork, ear) = desk.forks.join();
    if let Err(fault) = ask(&desk, Wish::Attach { call, fork, by: who.at(peer).into() }).await {
        desk.forks.leave(fork);
        return Err(fault);
    }
    tokio::spawn(async move {
        // Who asks and then is gone heard nothing.
        if let Ok(upgraded) = upgrade.await {
            let socket = crate::forks::taken(upgraded).await;
            desk.forks.attend(socket, ear, call).await;
        }
        leave(&desk, call, fork).await;
    });
    let answer = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, key),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, answer).into_response())
}

/// The call may be over by now.
async fn leave(desk: &Desk, call: CallId, fork: ForkId) {
    desk.forks.leave(fork);
    let _ = desk.request(Wish::Detach { call, fork }).await;
}

/// What the answer to this handshake says (RFC 6455 section 4.2). Pages of others may not listen by the browser of who runs them.
fn handshake(headers: &HeaderMap) -> Result<HeaderValue, Fault> {
    let said = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let asks = said(header::UPGRADE).is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
    let key = said(header::SEC_WEBSOCKET_KEY).filter(|_| asks && said(header::SEC_WEBSOCKET_VERSION) == Some("13"));
    let origin = said(header::ORIGIN).map(|origin| origin.split_once("://").map(|(_, host)| host));
    if origin.is_some_and(|origin| origin.is_none() || origin != said(header::HOST)) {
        let help = "a page may listen only where it comes from";
        return Err(Fault::new(StatusCode::FORBIDDEN, "this page may not connect", help));
    }
    let accept = key.map(|key| derive_accept_key(key.as_bytes())).and_then(|key| HeaderValue::try_from(key).ok());
    accept.ok_or_else(|| {
        let help =
            "the sound of a call is heard by WebSocket (RFC 6455): ws://…/api/calls/c42/sound; see docs/forks.md";
        Fault::new(StatusCode::UPGRADE_REQUIRED, "this is no WebSocket handshake", help)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_handshake_of_no_other_page_is_answered() {
        let good = [
            ("host", "10.0.0.1:8080"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let answer = |headers: &[(&'static str, &'static str)]| {
            let header = |(name, value): &(&'static str, &'static str)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            handshake(&headers.iter().map(header).collect()).map_err(|fault| fault.status.as_u16())
        };
        // RFC 6455 section 1.3.
        assert_eq!(answer(&good).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for missing in 1..good.len() {
            let rest: Vec<_> = good.iter().copied().filter(|header| *header != good[missing]).collect();
            assert_eq!(answer(&rest), Err(426), "{}", good[missing].0);
        }
        for (origin, expected) in [
            ("http://10.0.0.1:8080", Ok(())),
            ("https://10.0.0.1:8080", Ok(())),
            ("http://evil.example", Err(403)),
            ("http://10.0.0.1", Err(403)),
            ("null", Err(403)),
        ] {
            assert_eq!(answer(&[&good[..], &[("origin", origin)]].concat()).map(drop), expected, "{origin}");
        }
    }
}
