//! `/api/calls/c42/monitor?agent=1009&voice=whisper`: a supervisor's phone rings and hears the call.

use super::{Fault, call_id, done};
use crate::desk::Desk;
use axum::extract::{Path, Query, State};
use axum::routing::post;
use axum::{Json, Router};
use busyhour_model::{Name, Voice};
use busyhour_switch::Request;
use serde::Deserialize;
use serde_json::Value;

pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/calls/{id}/monitor", post(monitor).delete(unmonitor))
        .route("/api/calls/{id}/take-over", post(take_over))
}

/// `?agent=1009&voice=listen`; `whisper`: the agent hears the supervisor; `barge`: all do.
#[derive(Deserialize)]
struct Wanted {
    agent: Name,
    #[serde(default = "silent")]
    voice: Voice,
}

fn silent() -> Voice {
    Voice::Listen
}

async fn monitor(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(Wanted { agent, voice }): Query<Wanted>,
) -> Result<Json<Value>, Fault> {
    done(desk, Request::Monitor { call: call_id(&id)?, supervisor: agent, voice }).await
}

async fn unmonitor(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(Wanted { agent, .. }): Query<Wanted>,
) -> Result<Json<Value>, Fault> {
    done(desk, Request::Unmonitor { call: call_id(&id)?, supervisor: agent }).await
}

/// Who hears the call has it from now on, instead of its agent.
async fn take_over(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(Wanted { agent, .. }): Query<Wanted>,
) -> Result<Json<Value>, Fault> {
    done(desk, Request::TakeOver { call: call_id(&id)?, supervisor: agent }).await
}
