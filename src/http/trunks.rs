//! `/api/trunks/NAME/drain`: a trunk taken out of use while its calls go on.

use super::live::Peer;
use super::{Fault, Who, done};
use crate::desk::Desk;
use axum::extract::{Path, Query, State};
use axum::routing::post;
use axum::{Json, Router};
use busyhour_switch::Request;
use serde_json::Value;

pub(super) fn routes() -> Router<Desk> {
    let drain = post(async |state, path, who, peer| order(true, state, path, who, peer).await);
    let undrain = post(async |state, path, who, peer| order(false, state, path, who, peer).await);
    Router::new().route("/api/trunks/{trunk}/drain", drain).route("/api/trunks/{trunk}/undrain", undrain)
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
