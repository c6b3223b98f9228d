//! Messages over HTTP: list, listen, mark as heard, delete.

use super::recordings::unheard;
use super::{Fault, ask, done, rows};
use crate::desk::Desk;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use busyhour_media::wav;
use busyhour_model::{Mailbox, Name, TapeId};
use busyhour_switch::{Reply, Request};
use serde::Deserialize;

pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/voicemail", get(list))
        .route("/api/voicemail/{message}", axum::routing::delete(delete))
        .route("/api/voicemail/{message}/audio", get(audio))
        .route("/api/voicemail/{message}/heard", post(heard))
}

/// `?queue=enquiry` or `?agent=1001`; neither: all.
#[derive(Deserialize)]
struct MailboxQuery {
    queue: Option<Name>,
    agent: Option<Name>,
}

async fn list(State(desk): State<Desk>, Query(query): Query<MailboxQuery>) -> Result<Json<Reply>, Fault> {
    let mailbox = match (query.queue, query.agent) {
        (Some(queue), None) => Some(Mailbox::Queue(queue)),
        (None, Some(agent)) => Some(Mailbox::Agent(agent)),
        (None, None) => None,
        (Some(_), Some(_)) => {
            let help = "say ?queue=NAME, ?agent=NUMBER, or neither for all";
            return Err(Fault::new(StatusCode::BAD_REQUEST, "a mailbox is a queue's or an agent's", help));
        }
    };
    rows(desk, Request::Messages { mailbox }).await
}

/// The sound as a WAV file. Whether it was heard is for the listener to say.
async fn audio(State(desk): State<Desk>, Path(tape): Path<String>) -> Result<Response, Fault> {
    let tape = tape_id(&tape)?;
    ask(&desk, Request::Message { tape }).await?;
    let sound = desk.tapes.sound(tape).await.map_err(|why| unheard(&why))?;
    let file = [&wav::header(1, sound.len() as u64)[..], &sound].concat();
    Ok(([(header::CONTENT_TYPE, "audio/wav")], file).into_response())
}

async fn heard(State(desk): State<Desk>, Path(tape): Path<String>) -> Result<Json<serde_json::Value>, Fault> {
    done(desk, Request::MessageHeard { tape: tape_id(&tape)? }).await
}

async fn delete(State(desk): State<Desk>, Path(tape): Path<String>) -> Result<Json<serde_json::Value>, Fault> {
    done(desk, Request::DeleteMessage { tape: tape_id(&tape)? }).await
}

fn tape_id(text: &str) -> Result<TapeId, Fault> {
    let help = "a message is a number; `busyhour voicemail list` shows them";
    let wrong = |_| Fault::new(StatusCode::BAD_REQUEST, format!("`{text}` names no message"), help);
    text.parse().map(TapeId).map_err(wrong)
}
