//! The HTTP side: health, metrics and the API of `busyhour calls | agents | queues | ctl | reload`.

mod dialplans;
mod forks;
mod live;
mod monitors;
mod parties;
mod provision;
mod recordings;
mod trace;
mod trunks;
mod voicemail;

use crate::config::Kind;
use crate::desk::{Desk, Reloaded};
use crate::explain::{self, Explained};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use busyhour_ledger::{CallRecord, Counts, Language};
use busyhour_model::{CallId, Name, Time};
use busyhour_switch::{Denied, Destination, QueueRow, Reply, Request, Towards, TrunkRow};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A control loop that takes longer to answer is not ready.
const READY_WITHIN: Duration = Duration::from_secs(1);
/// Seconds by which after-call work is extended at once.
const EXTENSION_MAX: u32 = 3_600;
/// Records of an answer when nobody says how many.
const LIMIT: u32 = 50;
/// The KPI figures of `/api/queues` cover so long a time.
const RECENT: Duration = Duration::from_secs(24 * 3600);

/// Serves until told to stop, or until `stop` is dropped.
pub fn serve(listener: TcpListener, desk: Desk, stop: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let service = router(desk).into_make_service_with_connect_info::<SocketAddr>();
            tokio::select! {
                served = async { axum::serve(listener, service).await } => served,
                _ = stop => Ok(()),
            }
        })
    });
    if let Err(e) = outcome {
        tracing::error!("HTTP has ended: {e}; calls go on");
    }
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/api/status", get(status))
        .route("/api/calls", get(calls))
        .route("/api/calls/active", get(async |State(desk)| rows(desk, Request::Calls).await))
        .route("/api/calls/{id}/hangup", post(hang_up))
        .route("/api/calls/{id}/place", get(place))
        .route("/api/calls/{id}/explain", get(explain))
        .route("/api/explain/agent/{agent}", get(standing))
        .route("/api/calls/{id}/transfer", post(transfer))
        .route("/api/agents", get(async |State(desk)| rows(desk, Request::Agents).await))
        .route("/api/agents/{agent}/ready", post(agent_ready))
        .route("/api/agents/{agent}/not-ready", post(agent_not_ready))
        .route("/api/agents/{agent}/extend-wrap-up", post(agent_extend_wrap_up))
        .route("/api/agents/{agent}/sign-out", post(agent_sign_out))
        .route("/api/agents/{agent}/unregister", post(agent_unregister))
        .route("/api/agents/{agent}/resync", post(agent_resync))
        .route("/api/queues", get(queues))
        .route("/api/trunks", get(async |State(desk)| rows(desk, Request::Trunks).await))
        .route("/api/bans", get(async |State(desk)| rows(desk, Request::Bans).await))
        .route("/api/bans/{address}", axum::routing::delete(unban))
        .route("/api/reload", post(reload))
        .merge(provision::routes())
        .merge(dialplans::routes())
        .merge(live::routes())
        .merge(trunks::routes())
        .merge(trace::routes())
        .merge(voicemail::routes())
        .merge(monitors::routes())
        .merge(forks::routes())
        .merge(parties::routes())
        .merge(recordings::routes())
        .fallback(async || {
            Fault::new(StatusCode::NOT_FOUND, "there is nothing at this address", "see README.md, HTTP API")
        })
        .with_state(desk)
}

/// An error as everybody here gets it: `{"error": …, "help": …}`.
struct Fault {
    status: StatusCode,
    error: String,
    help: String,
}

impl Fault {
    fn new(status: StatusCode, error: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { status, error: error.into(), help: help.into() }
    }

    fn stopped() -> Fault {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the switch has stopped",
            "start `busyhour serve` again and see its log",
        )
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error, "help": self.help }))).into_response()
    }
}

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Fault {
        let error = denied.to_string();
        let (status, help) = match denied {
            Denied::UnknownAccount(_) => (StatusCode::NOT_FOUND, "see [[agent]] and [[phone]] of the configuration"),
            Denied::UnknownAgent(_) => (StatusCode::NOT_FOUND, "`busyhour agents` lists them all"),
            Denied::UnknownCall(_) => (StatusCode::NOT_FOUND, "`busyhour ctl calls` lists those going on"),
            Denied::UnknownTrunk(_) => (StatusCode::NOT_FOUND, "`busyhour trunks list` lists them all"),
            Denied::NoNumber(_) => (StatusCode::BAD_REQUEST, "write it as an agent would dial it, like 02112345678"),
            Denied::TooMany => (StatusCode::CONFLICT, "`busyhour ctl calls` lists them; try again when one is over"),
            Denied::UnknownQueue(_) => (StatusCode::NOT_FOUND, "`busyhour queues` lists them all"),
            Denied::UnknownMessage(_) => (StatusCode::NOT_FOUND, "`busyhour voicemail list` lists them all"),
            Denied::NotBanned(_) => (StatusCode::NOT_FOUND, "`busyhour ctl bans` lists who is"),
            Denied::NotWaiting(_) => (StatusCode::CONFLICT, "`busyhour explain CALL` tells what became of it"),
            Denied::NotTalking(_) => (StatusCode::CONFLICT, "`busyhour ctl calls` shows what each is doing"),
            Denied::NotMonitored(_) => (StatusCode::CONFLICT, "`busyhour ctl calls` shows who takes part"),
            Denied::Conference(_) => (StatusCode::CONFLICT, "`busyhour ctl parties CALL` shows who is in it"),
            Denied::NotReached(_) => (StatusCode::CONFLICT, "`busyhour agents` and `busyhour ctl trunks` show why"),
            Denied::NoParty { .. } => (StatusCode::NOT_FOUND, "`busyhour ctl parties CALL` shows who is in it"),
            Denied::NotRecorded(_) => (StatusCode::CONFLICT, "see [recording]; `busyhour ctl calls` shows which are"),
            Denied::UnknownNode { .. } => (StatusCode::NOT_FOUND, "see the dialplan; `busyhour calls` shows the nodes"),
            Denied::NoSlot => (StatusCode::CONFLICT, "set `codes.park_slots` to more of them"),
            Denied::NoWay(_) => (StatusCode::NOT_FOUND, "write a number as it is dialled, or the name of a queue"),
            Denied::CalledTooOften(_) => (StatusCode::CONFLICT, "see `server.outside_limits`; others still may"),
            Denied::NoPhone(_) => (StatusCode::CONFLICT, "register the phone first"),
            Denied::WrongState { .. } => (StatusCode::CONFLICT, "`busyhour agents` shows what each is doing"),
        };
        Fault::new(status, error, help)
    }
}

async fn ask(desk: &Desk, request: Request) -> Result<Reply, Fault> {
    Ok(desk.request(request).await.ok_or_else(Fault::stopped)??)
}

async fn rows(desk: Desk, request: Request) -> Result<Json<Reply>, Fault> {
    ask(&desk, request).await.map(Json)
}

async fn done(desk: Desk, request: Request) -> Result<Json<serde_json::Value>, Fault> {
    ask(&desk, request).await?;
    Ok(Json(json!({ "done": true })))
}

async fn unban(State(desk): State<Desk>, Path(address): Path<String>) -> Result<Json<serde_json::Value>, Fault> {
    let help = "an address is like 203.0.113.9 or 2001:db8::1; `busyhour ctl bans` lists who is banned";
    let wrong = |_| Fault::new(StatusCode::BAD_REQUEST, format!("`{address}` is no IP address"), help);
    done(desk, Request::Unban { address: address.parse().map_err(wrong)? }).await
}

async fn metrics(State(desk): State<Desk>) -> Result<Response, Fault> {
    let page = desk.metrics_page().await.ok_or_else(Fault::stopped)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response())
}

fn troubles(rows: &[TrunkRow]) -> String {
    let line = |row: &TrunkRow| row.trouble.map(|trouble| format!("trunk {}: {trouble}\n", row.trunk));
    rows.iter().filter_map(line).collect()
}

/// Whether calls are taken; and what is wrong with trunks, which no restart would mend.
async fn ready(State(desk): State<Desk>) -> Result<String, Fault> {
    if desk.is_draining() {
        let help = "it takes no more calls and ends when the last one does";
        return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", help));
    }
    match timeout(READY_WITHIN, ask(&desk, Request::Trunks)).await {
        Ok(Ok(Reply::Trunks(rows))) => Ok(format!("ready\n{}", troubles(&rows))),
        Ok(Ok(_)) => Err(Fault::stopped()),
        Ok(Err(fault)) => Err(fault),
        Err(_) => {
            let help = "the control loop is overloaded or stuck; see the log";
            Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "the switch does not answer", help))
        }
    }
}

async fn status(State(desk): State<Desk>) -> Result<Json<serde_json::Value>, Fault> {
    let state = desk.state().await.ok_or_else(Fault::stopped)?;
    let (control, media) = desk.cpu();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "draining": desk.is_draining(),
        "changed": { "agents": desk.changed(Kind::Agent), "queues": desk.changed(Kind::Queue) },
        "vitals": state.vitals,
        "cpu_seconds": { "control": control.as_secs_f64(), "media": media.as_secs_f64() },
    })))
}

/// `?limit=50&since=MICROSECONDS`, the latter since the Unix epoch.
#[derive(Deserialize)]
struct CallsQuery {
    limit: Option<u32>,
    since: Option<Time>,
}

async fn calls(State(desk): State<Desk>, Query(query): Query<CallsQuery>) -> Result<Json<Vec<CallRecord>>, Fault> {
    let records = desk.store().calls(query.limit.unwrap_or(LIMIT), query.since.unwrap_or_default()).await;
    let unreadable = |e| Fault::new(StatusCode::SERVICE_UNAVAILABLE, e, "calls go on; the journal has their facts");
    Ok(Json(records.map_err(unreadable)?.iter().map(CallRecord::masked).collect()))
}

/// A queue now, and its counts of the last 24 hours.
#[derive(Serialize)]
struct QueueFigures {
    #[serde(flatten)]
    now: QueueRow,
    last_24h: Counts,
    answer_rate: String,
    service_level_20s: String,
    abandonment_rate: String,
    invitation_rate: String,
    participation_rate: String,
    satisfaction: String,
}

async fn queues(State(desk): State<Desk>) -> Result<Json<Vec<QueueFigures>>, Fault> {
    let Reply::Queues(rows) = ask(&desk, Request::Queues).await? else { return Ok(Json(Vec::new())) };
    let now = desk.state().await.ok_or_else(Fault::stopped)?.now;
    let ledger = desk.recorder().ledger();
    let figures = rows.into_iter().map(|row| {
        let counts = ledger.counts(&row.queue, now - RECENT, now + RECENT);
        QueueFigures {
            answer_rate: counts.answer_rate().to_string(),
            service_level_20s: counts.service_level(20).unwrap_or_default().to_string(),
            abandonment_rate: counts.abandonment_rate().to_string(),
            invitation_rate: counts.invitation_rate().to_string(),
            participation_rate: counts.participation_rate().to_string(),
            satisfaction: counts.satisfaction().to_string(),
            last_24h: counts,
            now: row,
        }
    });
    Ok(Json(figures.collect()))
}

async fn place(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<Reply>, Fault> {
    rows(desk, Request::Place { call: call_id(&id)? }).await
}

async fn hang_up(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<serde_json::Value>, Fault> {
    done(desk, Request::HangUp { call: call_id(&id)? }).await
}

/// `c42` or `42`.
fn call_id(id: &str) -> Result<CallId, Fault> {
    let number = id.strip_prefix('c').unwrap_or(id).parse();
    let help = "a call looks like c42; `busyhour ctl calls` lists those going on, `busyhour calls` those that ended";
    number.map(CallId).map_err(|_| Fault::new(StatusCode::BAD_REQUEST, format!("`{id}` names no call"), help))
}

/// `?arrived=2026-11-22 09:32&language=zh`, the former the beginning of the time `busyhour calls` shows.
#[derive(Deserialize)]
struct ExplainQuery {
    arrived: Option<String>,
    #[serde(default)]
    language: Language,
}

async fn explain(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(query): Query<ExplainQuery>,
) -> Result<Json<Explained>, Fault> {
    let call = call_id(&id)?;
    let found = explain::find(&desk, call, query.arrived.as_deref(), query.language).await;
    let unreadable = |e| Fault::new(StatusCode::SERVICE_UNAVAILABLE, e, "calls go on; the journal has their facts");
    found.map_err(unreadable)?.map(Json).map_err(|none| Fault::new(StatusCode::NOT_FOUND, none.error, none.help))
}

/// `?queue=enquiry` or `?call=c42`
#[derive(Deserialize)]
struct StandingQuery {
    queue: Option<Name>,
    call: Option<String>,
}

async fn standing(
    State(desk): State<Desk>,
    Path(agent): Path<Name>,
    Query(query): Query<StandingQuery>,
) -> Result<Json<Reply>, Fault> {
    let towards = match (query.queue, query.call) {
        (Some(queue), None) => Towards::Queue(queue),
        (None, Some(call)) => Towards::Call(call_id(&call)?),
        _ => {
            let help = "add `?queue=NAME` or `?call=c42`";
            return Err(Fault::new(StatusCode::BAD_REQUEST, "towards which queue or call?", help));
        }
    };
    rows(desk, Request::Standing { agent, towards }).await
}

/// `?queue=complaint`, `?node=main`, `?agent=1002`, `?number=13800138000` or `?call=c43`
#[derive(Deserialize)]
struct TransferQuery {
    queue: Option<Name>,
    node: Option<Name>,
    agent: Option<Name>,
    number: Option<String>,
    call: Option<String>,
    park: Option<bool>,
}

async fn transfer(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(query): Query<TransferQuery>,
) -> Result<Json<serde_json::Value>, Fault> {
    let TransferQuery { queue, node, agent, number, call, park } = query;
    let call = call.map(|call| call_id(&call)).transpose()?;
    let said = [
        queue.map(Destination::Queue),
        node.map(Destination::Node),
        agent.map(Destination::Agent),
        number.map(Destination::Number),
        call.map(Destination::Call),
        park.filter(|park| *park).map(|_| Destination::Slot),
    ];
    let mut said = said.into_iter().flatten();
    let (Some(to), None) = (said.next(), said.next()) else {
        let help = "say one of ?queue=NAME, ?node=NAME, ?agent=NUMBER, ?number=NUMBER, ?call=ANOTHER, ?park=true";
        return Err(Fault::new(StatusCode::BAD_REQUEST, "a caller is sent to one place", help));
    };
    done(desk, Request::Transfer { call: call_id(&id)?, to }).await
}

async fn agent_ready(State(desk): State<Desk>, Path(agent): Path<Name>) -> Result<Json<serde_json::Value>, Fault> {
    done(desk, Request::Ready { agent }).await
}

/// `?reason=lunch&force=true`
#[derive(Deserialize)]
struct NotReadyQuery {
    reason: Option<Name>,
    #[serde(default)]
    force: bool,
}

async fn agent_not_ready(
    State(desk): State<Desk>,
    Path(agent): Path<Name>,
    Query(query): Query<NotReadyQuery>,
) -> Result<Json<serde_json::Value>, Fault> {
    let reason = query.reason.unwrap_or_else(|| "other".into());
    done(desk, Request::NotReady { agent, reason, force: query.force }).await
}

/// `?seconds=30`
#[derive(Deserialize)]
struct ExtendQuery {
    seconds: u32,
}

async fn agent_extend_wrap_up(
    State(desk): State<Desk>,
    Path(agent): Path<Name>,
    Query(ExtendQuery { seconds }): Query<ExtendQuery>,
) -> Result<Json<serde_json::Value>, Fault> {
    if !(1..=EXTENSION_MAX).contains(&seconds) {
        let help = format!("say a number from 1 to {EXTENSION_MAX}");
        return Err(Fault::new(StatusCode::BAD_REQUEST, format!("wrap-up is not extended by {seconds} seconds"), help));
    }
    done(desk, Request::ExtendWrapUp { agent, by: Duration::from_secs(seconds.into()) }).await
}

async fn agent_sign_out(State(desk): State<Desk>, Path(agent): Path<Name>) -> Result<Json<serde_json::Value>, Fault> {
    done(desk, Request::SignOut { agent }).await
}

async fn agent_unregister(
    State(desk): State<Desk>,
    Path(account): Path<Name>,
) -> Result<Json<serde_json::Value>, Fault> {
    done(desk, Request::Unregister { account }).await
}

async fn agent_resync(State(desk): State<Desk>, Path(account): Path<Name>) -> Result<Json<serde_json::Value>, Fault> {
    done(desk, Request::Resync { account }).await
}

/// `?who=alice`
#[derive(Deserialize)]
struct Who {
    #[serde(default = "somebody")]
    who: String,
}

fn somebody() -> String {
    "somebody".into()
}

async fn reload(State(desk): State<Desk>, Query(Who { who }): Query<Who>) -> Response {
    answer_reloaded(&desk.reload(&who).await, None)
}

fn answer_reloaded(reloaded: &Reloaded, version: Option<u32>) -> Response {
    let status = if reloaded.ok { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let answer = json!({ "ok": reloaded.ok, "diagnostics": reloaded.diagnostics, "version": version });
    (status, Json(answer)).into_response()
}
