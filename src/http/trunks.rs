//! `/api/trunks/NAME/drain`: a trunk taken out of use while its calls go on; `…/call`: tried; `/api/trunks/stats`: how its calls fared.

use super::live::Peer;
use super::{Fault, Who, call_id, done, rows};
use crate::desk::Desk;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use busyhour_ledger::TrafficRow;
use busyhour_switch::{Reply, Request};
use serde::Deserialize;
use serde_json::Value;

pub(super) fn routes() -> Router<Desk> {
    let drain = post(async |state, path, who, peer| order(true, state, path, who, peer).await);
    let undrain = post(async |state, path, who, peer| order(false, state, path, who, peer).await);
    let routes = Router::new().route("/api/trunks/{trunk}/drain", drain).route("/api/trunks/{trunk}/undrain", undrain);
    let routes =
        routes.route("/api/trunks/{trunk}/call", post(call)).route("/api/trunks/{trunk}/call/{id}", get(trial));
    routes.route("/api/trunks/stats", get(stats))
}

#[derive(Deserialize)]
struct Wanted {
    number: String,
}

async fn call(
    State(desk): State<Desk>,
    Path(trunk): Path<String>,
    Query(Wanted { number }): Query<Wanted>,
    Query(who): Query<Who>,
    peer: Peer,
) -> Result<Json<Reply>, Fault> {
    let by = who.at(peer).into();
    rows(desk, Request::TryTrunk { trunk: trunk.into(), number, by }).await
}

async fn trial(State(desk): State<Desk>, Path((_, id)): Path<(String, String)>) -> Result<Json<Reply>, Fault> {
    rows(desk, Request::Trial { call: call_id(&id)? }).await
}

async fn stats(State(desk): State<Desk>) -> Json<Vec<TrafficRow>> {
    let ledger = desk.recorder().ledger();
    Json(ledger.trunks().map(|(trunk, direction, counts)| TrafficRow::new(trunk, direction, counts)).collect())
}

async fn order(
    drained: bool,
    State(desk): State<Desk>,
    Path(trunk): Path<String>,
    Query(who): Query<Who>,
    peer: Peer,
) -> Result<Json<Value>, Fault> {
    let by = who.at(peer).into();
    done(desk, Request::DrainTrunk { trunk: trunk.into(), drained, by }).await
}
