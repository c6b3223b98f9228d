//! `/api/trunks/NAME/drain`: a trunk taken out of use while its calls go on; `/api/trunks/stats`: how its calls fared.

use super::live::Peer;
use super::{Fault, Who, done};
use crate::desk::Desk;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use busyhour_ledger::TrafficRow;
use busyhour_switch::Request;
use serde_json::Value;

pub(super) fn routes() -> Router<Desk> {
    let drain = post(async |state, path, who, peer| order(true, state, path, who, peer).await);
    let undrain = post(async |state, path, who, peer| order(false, state, path, who, peer).await);
    let routes = Router::new().route("/api/trunks/{trunk}/drain", drain).route("/api/trunks/{trunk}/undrain", undrain);
    routes.route("/api/trunks/stats", get(stats))
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
