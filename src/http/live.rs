//! `/api/agents/1001` and `/api/queues/enquiry`: shown, changed, added and removed while calls run.

use super::{Fault, Who, ask};
use crate::config::{Amend, Kind, Refused};
use crate::desk::Desk;
use crate::desk::live::NotAmended;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use busyhour_model::Diagnostic;
use busyhour_switch::{Reply, Request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use toml::Table;

pub(super) fn routes() -> Router<Desk> {
    let agent = get(async |state, path| show(Kind::Agent, state, path).await)
        .patch(async |state, path, who, peer, body| change(Kind::Agent, state, path, who, peer, body).await)
        .post(add)
        .delete(remove);
    let queue = get(async |state, path| show(Kind::Queue, state, path).await)
        .patch(async |state, path, who, peer, body| change(Kind::Queue, state, path, who, peer, body).await);
    Router::new().route("/api/agents/{agent}", agent).route("/api/queues/{queue}", queue)
}

type Keys = Result<Json<Value>, JsonRejection>;

pub(super) type Peer = ConnectInfo<SocketAddr>;

impl Who {
    /// Who says so, and from where it came.
    pub(super) fn at(&self, ConnectInfo(peer): Peer) -> String {
        format!("{} at {peer}", self.who)
    }
}

async fn show(kind: Kind, State(desk): State<Desk>, Path(name): Path<String>) -> Result<Json<Value>, Fault> {
    let missing = || {
        let help = format!("`busyhour {}s` lists them all", kind.word());
        Fault::new(StatusCode::NOT_FOUND, format!("no {} is called `{name}`", kind.word()), help)
    };
    let shown = desk.shown(kind, &name).ok_or_else(missing)?;
    Ok(Json(
        json!({ "now": shown.now, "changed": shown.changed, "kept": shown.kept, "state": state(&desk, kind, &name).await? }),
    ))
}

/// What it is doing, as in the list of all.
async fn state(desk: &Desk, kind: Kind, name: &str) -> Result<Value, Fault> {
    let all = if kind == Kind::Agent { Request::Agents } else { Request::Queues };
    Ok(match ask(desk, all).await? {
        Reply::Agents(rows) => json!(rows.iter().find(|row| *row.agent == *name)),
        Reply::Queues(rows) => json!(rows.iter().find(|row| *row.queue == *name)),
        _ => Value::Null,
    })
}

async fn change(
    kind: Kind,
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Query(who): Query<Who>,
    peer: Peer,
    body: Keys,
) -> Result<Json<Value>, Fault> {
    amend(&desk, kind, &name, &Amend::Set(keys(body)?), &who.at(peer)).await
}

async fn add(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Query(who): Query<Who>,
    peer: Peer,
    body: Keys,
) -> Result<Json<Value>, Fault> {
    amend(&desk, Kind::Agent, &name, &Amend::Add(keys(body)?), &who.at(peer)).await
}

async fn remove(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Query(who): Query<Who>,
    peer: Peer,
) -> Result<Json<Value>, Fault> {
    amend(&desk, Kind::Agent, &name, &Amend::Remove, &who.at(peer)).await
}

fn keys(body: Keys) -> Result<Table, Fault> {
    let help =
        "send keys of the configuration as a JSON object: {\"skills\": {\"card\": 3}}; \"none\" or null clears one";
    let wrong = |message: String| Fault::new(StatusCode::BAD_REQUEST, message, help);
    let Json(mut keys) = body.map_err(|e| wrong(e.body_text()))?;
    none_for_null(&mut keys);
    serde_json::from_value(keys).map_err(|e| wrong(format!("these are no keys and values: {e}")))
}

fn none_for_null(value: &mut Value) {
    match value {
        Value::Null => *value = "none".into(),
        Value::Object(fields) => fields.values_mut().for_each(none_for_null),
        Value::Array(items) => items.iter_mut().for_each(none_for_null),
        _ => {}
    }
}

async fn amend(desk: &Desk, kind: Kind, name: &str, amend: &Amend, by: &str) -> Result<Json<Value>, Fault> {
    let warnings = desk.amend(kind, name, amend, by).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_none_however_deep_it_stands() {
        let mut keys = json!({ "need": null, "skills": { "card": null, "vip": 3 }, "overflow": [null, "line", 1] });
        none_for_null(&mut keys);
        let expected =
            json!({ "need": "none", "skills": { "card": "none", "vip": 3 }, "overflow": ["none", "line", 1] });
        assert_eq!(keys, expected);
    }
}
