//! `/api/dialplans`: those in force, their versions, and the way back.

use super::{Fault, Who, answer_reloaded};
use crate::desk::Desk;
use crate::desk::dialplans::{InForce, NoWayBack};
use crate::versions::Version;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use busyhour_model::Name;
use serde::Deserialize;
use serde_json::json;

pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/dialplans", get(async |State(desk): State<Desk>| Json::<Vec<InForce>>(desk.dialplans())))
        .route("/api/dialplans/{name}", get(text))
        .route("/api/dialplans/{name}/versions", get(versions))
        .route("/api/dialplans/{name}/rollback", post(roll_back))
}

impl From<NoWayBack> for Fault {
    fn from(refused: NoWayBack) -> Fault {
        let status = match refused {
            NoWayBack::UnknownPlan(_) | NoWayBack::UnknownVersion(..) => StatusCode::NOT_FOUND,
            NoWayBack::NothingElse(_) | NoWayBack::NotKept | NoWayBack::BuiltIn(_) => StatusCode::CONFLICT,
            NoWayBack::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Fault::new(status, refused.to_string(), refused.help())
    }
}

/// `?version=3`
#[derive(Deserialize)]
struct Which {
    version: Option<u32>,
}

async fn text(
    State(desk): State<Desk>,
    Path(name): Path<Name>,
    Query(which): Query<Which>,
) -> Result<Json<serde_json::Value>, Fault> {
    let source = desk.dialplan_text(&name, which.version)?;
    Ok(Json(json!({ "name": name, "file": source.file, "text": source.text })))
}

async fn versions(State(desk): State<Desk>, Path(name): Path<Name>) -> Result<Json<Vec<Version>>, Fault> {
    Ok(Json(desk.versions_of(&name)?))
}

async fn roll_back(
    State(desk): State<Desk>,
    Path(name): Path<Name>,
    Query(Which { version }): Query<Which>,
    Query(Who { who }): Query<Who>,
) -> Result<Response, Fault> {
    let (version, reloaded) = desk.roll_back(&name, version, &who).await?;
    Ok(answer_reloaded(&reloaded, Some(version)))
}
