//! `/api/agents/1001` and `/api/queues/enquiry`: shown, changed, added and removed while calls run.

use super::Fault;
use crate::config::{Amend, Kind, Refused};
use crate::desk::Desk;
use crate::desk::live::{NotAmended, Shown};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use busyhour_model::Diagnostic;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Table;

pub(super) fn routes() -> Router<Desk> {
    let agent = get(async |state, path| show(Kind::Agent, state, path))
        .patch(async |state, path, query, body| change(Kind::Agent, state, path, query, body).await)
        .post(add)
        .delete(remove);
    let queue = get(async |state, path| show(Kind::Queue, state, path))
        .patch(async |state, path, query, body| change(Kind::Queue, state, path, query, body).await);
    Router::new().route("/api/agents/{agent}", agent).route("/api/queues/{queue}", queue)
}

type Keys = Result<Json<Table>, JsonRejection>;

/// `?who=alice`
#[derive(Deserialize)]
struct Who {
    who: Option<String>,
}

fn show(kind: Kind, State(desk): State<Desk>, Path(name): Path<String>) -> Result<Json<Shown>, Fault> {
    let missing = || {
        let help = format!("`busyhour {}s` lists them all", kind.word());
        Fault::new(StatusCode::NOT_FOUND, format!("no {} is called `{name}`", kind.word()), help)
    };
    desk.shown(kind, &name).map(Json).ok_or_else(missing)
}

async fn change(
    kind: Kind,
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Query(who): Query<Who>,
    body: Keys,
) -> Result<Json<Value>, Fault> {
    amend(&desk, kind, &name, &Amend::Set(keys(body)?), who).await
}

async fn add(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Query(who): Query<Who>,
    body: Keys,
) -> Result<Json<Value>, Fault> {
    amend(&desk, Kind::Agent, &name, &Amend::Add(keys(body)?), who).await
}

async fn remove(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Query(who): Query<Who>,
) -> Result<Json<Value>, Fault> {
    amend(&desk, Kind::Agent, &name, &Amend::Remove, who).await
}

fn keys(body: Keys) -> Result<Table, Fault> {
    let help = "send keys of the configuration as a JSON object: {\"skills\": {\"card\": 3}}; \"none\" clears one";
    body.map(|Json(keys)| keys).map_err(|e| Fault::new(StatusCode::BAD_REQUEST, e.body_text(), help))
}

async fn amend(desk: &Desk, kind: Kind, name: &str, amend: &Amend, Who { who }: Who) -> Result<Json<Value>, Fault> {
    let warnings = desk.amend(kind, name, amend, who.as_deref().unwrap_or("api")).await?;
    let warnings: Vec<String> = warnings.iter().map(Diagnostic::to_string).collect();
    Ok(Json(json!({ "done": true, "warnings": warnings, "now": desk.shown(kind, name) })))
}

impl From<NotAmended> for Fault {
    fn from(refused: NotAmended) -> Fault {
        let one = |status, found: Diagnostic| Fault::new(status, found.message, found.help.unwrap_or_default());
        match refused {
            NotAmended::Refused(Refused::Unknown(found)) => one(StatusCode::NOT_FOUND, found),
            NotAmended::Refused(Refused::Known(found)) => one(StatusCode::CONFLICT, found),
            NotAmended::Refused(Refused::Wrong(found)) => {
                let all: Vec<String> = found.iter().map(Diagnostic::to_string).collect();
                Fault::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    all.join("\n"),
                    "nothing was changed; keys and values are those of busyhour.toml",
                )
            }
            NotAmended::NotKept(e) => {
                let help = "nothing was changed; see the rights and the space of `server.data`";
                Fault::new(StatusCode::INTERNAL_SERVER_ERROR, format!("it could not be kept: {e}"), help)
            }
            NotAmended::Denied(denied) => denied.into(),
            NotAmended::Stopped => Fault::stopped(),
        }
    }
}
