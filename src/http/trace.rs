//! `/api/calls/c42/trace`: the messages of a call as text, picture, JSON or capture.

use super::{Fault, call_id};
use crate::desk::Desk;
use crate::table::moment;
use crate::trace::{Found, Ladder, Missing, pcap, svg};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use busyhour_model::{CallId, Name};
use serde::Deserialize;
use std::sync::PoisonError;

pub(super) fn routes() -> Router<Desk> {
    Router::new().route("/api/calls/{id}/trace", get(trace))
}

/// `?format=text|svg|pcap|json&full=true&unmasked=true`
#[derive(Deserialize)]
struct TraceQuery {
    #[serde(default)]
    format: Format,
    #[serde(default)]
    full: bool,
    #[serde(default)]
    unmasked: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Text,
    Svg,
    Pcap,
}

async fn trace(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(query): Query<TraceQuery>,
) -> Result<Response, Fault> {
    let found = find(&desk, call_id(&id)?).await?.veiled(query.unmasked, &secrets(&desk));
    let typed = |kind: &'static str, body: Vec<u8>| ([(header::CONTENT_TYPE, kind)], body).into_response();
    let ladder = || Ladder::new(&found, query.full);
    Ok(match query.format {
        Format::Json => Json(ladder()).into_response(),
        Format::Text => typed("text/plain; charset=utf-8", ladder().text().into()),
        Format::Svg => typed("image/svg+xml", svg(&ladder()).into()),
        Format::Pcap => typed("application/vnd.tcpdump.pcap", pcap(found.messages.iter().map(|(_, seen)| seen))),
    })
}

fn secrets(desk: &Desk) -> Vec<Name> {
    let site = desk.site.lock().unwrap_or_else(PoisonError::into_inner);
    site.secrets().collect()
}

async fn find(desk: &Desk, call: CallId) -> Result<Found, Fault> {
    let off = || {
        let help = "set `trace` in [server] to so many bytes and start it again";
        Fault::new(StatusCode::CONFLICT, "messages are not kept", help)
    };
    let traces = desk.traces.as_ref().filter(|traces| traces.keeps()).ok_or_else(off)?;
    let busy = || Fault::new(StatusCode::SERVICE_UNAVAILABLE, "the trace does not answer", "try again");
    traces.find(call).await.ok_or_else(busy)?.map_err(|missing| match missing {
        Missing::Unknown => {
            let help = "`busyhour ctl calls` lists those going on, `busyhour calls` those that ended";
            Fault::new(StatusCode::NOT_FOUND, format!("no call {call} has arrived since the start"), help)
        }
        Missing::Aged(oldest) => {
            let since =
                oldest.map_or("nothing is kept yet".into(), |at| format!("what is kept begins at {}", moment(at)));
            let help = format!("{since}; `trace` in [server] says how many bytes are kept");
            Fault::new(StatusCode::GONE, format!("the messages of {call} have aged out"), help)
        }
    })
}
