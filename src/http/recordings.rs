//! Conversations' recordings over HTTP: searched, sampled, played, held, retained, removed; and paused while they run.

use super::live::Peer;
use super::{Fault, LIMIT, Who, call_id, done};
use crate::desk::Desk;
use crate::digest::digest;
use crate::store::{Done, Draw, Kept, KeptState, ROWS_MAX, Search, Stratum};
use crate::tapes::Format;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use busyhour_model::{Deed, Handled, Name, TapeId, Time, What};
use busyhour_switch::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What to do when the store does not answer.
const ELSEWHERE: &str = "calls go on; try again in a moment";

pub(super) fn routes() -> Router<Desk> {
    let pause = post(async |state, path, who, peer| roll(true, state, path, who, peer).await);
    let resume = post(async |state, path, who, peer| roll(false, state, path, who, peer).await);
    Router::new()
        .route("/api/recordings", get(list))
        .route("/api/recordings/sample", get(sampled))
        .route("/api/recordings/{tape}", get(one).delete(remove))
        .route("/api/recordings/{tape}/audio", get(audio))
        .route("/api/recordings/{tape}/hold", post(hold).delete(release))
        .route("/api/recordings/{tape}/retention", post(retain))
        .route("/api/calls/{id}/recording/pause", pause)
        .route("/api/calls/{id}/recording/resume", resume)
}

/// `?agent=1001&queue=enquiry&number=…&call=c42&retention=complaint&held=true&since=…&until=…&longer_ms=…&limit=50`
#[derive(Deserialize)]
struct Asked {
    call: Option<String>,
    agent: Option<Name>,
    queue: Option<Name>,
    number: Option<Name>,
    retention: Option<Name>,
    held: Option<bool>,
    since: Option<u64>,
    until: Option<u64>,
    longer_ms: Option<u64>,
    limit: Option<u32>,
    /// Of a sample: how many, drawn by which seed, evenly by `agent` or `queue`.
    count: Option<usize>,
    seed: Option<u64>,
    by: Option<Stratum>,
}

impl Asked {
    fn search(&self) -> Result<Search, Fault> {
        Ok(Search {
            call: self.call.as_deref().map(call_id).transpose()?,
            agent: self.agent.clone(),
            queue: self.queue.clone(),
            number: self.number.clone(),
            retention: self.retention.clone(),
            held: self.held,
            since: self.since.map(Time::from_micros),
            until: self.until.map(Time::from_micros),
            longer_ms: self.longer_ms,
        })
    }
}

async fn list(State(desk): State<Desk>, Query(asked): Query<Asked>) -> Result<Json<Vec<Kept>>, Fault> {
    rows(desk.store().recordings(asked.search()?, asked.limit.unwrap_or(LIMIT)).await)
}

/// For who judges the quality: some of those that are whole.
async fn sampled(State(desk): State<Desk>, Query(asked): Query<Asked>) -> Result<Json<Vec<Kept>>, Fault> {
    let (count, seed) = (asked.count.unwrap_or(LIMIT as usize), asked.seed.unwrap_or_default());
    rows(desk.store().sample(asked.search()?, Draw { count: count.min(ROWS_MAX as usize), seed, by: asked.by }).await)
}

fn rows(found: Result<Vec<Kept>, String>) -> Result<Json<Vec<Kept>>, Fault> {
    found.map(|found| Json(found.into_iter().map(Kept::masked).collect())).map_err(unreadable)
}

/// A recording, unless it was removed, and all that was done with it.
#[derive(Serialize)]
struct Story {
    recording: Option<Kept>,
    deeds: Vec<Done>,
}

async fn one(State(desk): State<Desk>, Path(tape): Path<String>) -> Result<Json<Story>, Fault> {
    let (recording, deeds) = desk.store().recording(tape_id(&tape)?).await.map_err(unreadable)?;
    if recording.is_none() && deeds.is_empty() {
        return Err(unknown(&tape));
    }
    Ok(Json(Story { recording: recording.map(Kept::masked), deeds }))
}

/// The WAV or Ogg/Opus file: caller left, agent right. Who listens is written down.
async fn audio(
    State(desk): State<Desk>,
    Path(tape): Path<String>,
    Query(who): Query<Who>,
    peer: Peer,
) -> Result<Response, Fault> {
    let kept = known(&desk, &tape).await?;
    if kept.state != KeptState::Complete {
        let error = "this recording is under way, or could not be written";
        return Err(Fault::new(StatusCode::CONFLICT, error, "`busyhour recordings show` says which"));
    }
    let tape = kept.conversation.tape;
    let file = if kept.local { desk.tapes.file(tape).await } else { fetched(&desk, &kept).await };
    let file = file.map_err(|why| unheard(&why))?;
    desk.tell(What::RecordingHandled(Handled { tape, deed: Deed::Played, by: who.at(peer).into() }));
    let (_, media_type) = Format::of(&file).words();
    Ok(([(header::CONTENT_TYPE, media_type)], file).into_response())
}

/// From storage, when it is what was recorded.
async fn fetched(desk: &Desk, kept: &Kept) -> Result<Vec<u8>, String> {
    let file = desk.uploads.fetch(kept.place.as_deref().unwrap_or_default()).await?;
    let is = digest(&file[..]).map_err(|e| e.to_string())?;
    if is != *kept.sha256 {
        return Err(format!("its SHA-256 in storage is {is}, and was {} when it was recorded", kept.sha256));
    }
    desk.tapes.opened(file).await
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

async fn hold(
    State(desk): State<Desk>,
    Path(tape): Path<String>,
    Query(Reason { reason }): Query<Reason>,
    Query(who): Query<Who>,
    peer: Peer,
) -> Result<Json<Value>, Fault> {
    if reason.is_empty() {
        let help = "say why it is to be kept, like ?reason=case 4711";
        return Err(Fault::new(StatusCode::BAD_REQUEST, "a hold has a reason", help));
    }
    let tape = known(&desk, &tape).await?.conversation.tape;
    told(&desk, tape, Deed::Held(reason.into()), who.at(peer))
}

async fn release(
    State(desk): State<Desk>,
    Path(tape): Path<String>,
    Query(who): Query<Who>,
    peer: Peer,
) -> Result<Json<Value>, Fault> {
    let tape = known(&desk, &tape).await?.conversation.tape;
    told(&desk, tape, Deed::Released, who.at(peer))
}

#[derive(Deserialize)]
struct Retention {
    retention: Name,
}

async fn retain(
    State(desk): State<Desk>,
    Path(tape): Path<String>,
    Query(Retention { retention }): Query<Retention>,
    Query(who): Query<Who>,
    peer: Peer,
) -> Result<Json<Value>, Fault> {
    let tape = known(&desk, &tape).await?.conversation.tape;
    let known_names: Vec<Name> = desk.retentions().into_iter().map(|(name, _)| name).collect();
    if !known_names.contains(&retention) {
        let help = format!("there are {}; see `retentions` of [recording]", known_names.join(", "));
        return Err(Fault::new(StatusCode::BAD_REQUEST, format!("no retention is named `{retention}`"), help));
    }
    told(&desk, tape, Deed::Retained(retention), who.at(peer))
}

async fn remove(
    State(desk): State<Desk>,
    Path(tape): Path<String>,
    Query(who): Query<Who>,
    peer: Peer,
) -> Result<Json<Value>, Fault> {
    let kept = known(&desk, &tape).await?;
    if let Some(reason) = kept.held {
        let error = format!("this recording is held: {reason}");
        return Err(Fault::new(StatusCode::CONFLICT, error, "release it first"));
    }
    if kept.state == KeptState::Rolling {
        return Err(Fault::new(StatusCode::CONFLICT, "this recording is under way", "wait for the end of the call"));
    }
    told(&desk, kept.conversation.tape, Deed::Removed, who.at(peer))
}

async fn roll(
    on: bool,
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Query(who): Query<Who>,
    peer: Peer,
) -> Result<Json<Value>, Fault> {
    done(desk, Request::PauseRecording { call: call_id(&id)?, on, by: who.at(peer).into() }).await
}

fn told(desk: &Desk, tape: TapeId, deed: Deed, by: String) -> Result<Json<Value>, Fault> {
    desk.tell(What::RecordingHandled(Handled { tape, deed, by: by.into() }));
    Ok(Json(json!({ "done": true })))
}

async fn known(desk: &Desk, tape: &str) -> Result<Kept, Fault> {
    let (kept, _) = desk.store().recording(tape_id(tape)?).await.map_err(unreadable)?;
    kept.ok_or_else(|| unknown(tape))
}

fn unknown(tape: &str) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, format!("there is no recording {tape}"), "`busyhour recordings list` shows them")
}

fn unreadable(e: String) -> Fault {
    Fault::new(StatusCode::SERVICE_UNAVAILABLE, e, ELSEWHERE)
}

/// What became of the file, or of its key.
pub(super) fn unheard(why: &str) -> Fault {
    let error = format!("the recording cannot be played: {why}");
    Fault::new(StatusCode::NOT_FOUND, error, "see `key_file` and `upload` of [recording], and the log of the server")
}

fn tape_id(text: &str) -> Result<TapeId, Fault> {
    let help = "a recording is a number; `busyhour recordings list` shows them";
    let wrong = |_| Fault::new(StatusCode::BAD_REQUEST, format!("`{text}` names no recording"), help);
    text.parse().map(TapeId).map_err(wrong)
}
