//! `/api/calls/c42/parties`: who is in a call, and further ones who are to talk in it too.

use super::{Fault, call_id, done, rows};
use crate::desk::Desk;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use busyhour_model::{LegId, Name};
use busyhour_switch::{Destination, Reply, Request};
use serde::Deserialize;
use serde_json::Value;

pub(super) fn routes() -> Router<Desk> {
    Router::new().route("/api/calls/{id}/parties", get(list).post(add).delete(drop_one))
}

/// One of these.
#[derive(Deserialize)]
struct Wanted {
    agent: Option<Name>,
    number: Option<String>,
    call: Option<String>,
}

/// `?leg=l7`, as the list shows it.
#[derive(Deserialize)]
struct Dropped {
    leg: String,
}

async fn list(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Reply>, Fault> {
    rows(desk, Request::Parties { call: call_id(&id)? }).await
}

async fn add(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Fault> {
    let who = match wanted {
        Wanted { agent: Some(agent), number: None, call: None } => Destination::Agent(agent),
        Wanted { agent: None, number: Some(number), call: None } => Destination::Number(number),
        Wanted { agent: None, number: None, call: Some(call) } => Destination::Call(call_id(&call)?),
        _ => {
            let help = "agent=1002, number=13912345678, or call=c43: whom the same agent talks to there";
            return Err(Fault::new(StatusCode::BAD_REQUEST, "one party is to be added", help));
        }
    };
    done(desk, Request::AddParty { call: call_id(&id)?, who }).await
}

async fn drop_one(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(Dropped { leg }): Query<Dropped>,
) -> Result<Json<Value>, Fault> {
    let help = "a leg is like l7; a GET of the same address lists them";
    let wrong = |_| Fault::new(StatusCode::BAD_REQUEST, format!("`{leg}` is no leg"), help);
    let number = leg.strip_prefix('l').unwrap_or(&leg).parse().map_err(wrong)?;
    done(desk, Request::DropParty { call: call_id(&id)?, leg: LegId(number) }).await
}
